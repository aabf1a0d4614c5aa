"""The clock port. Wall time for people and leases' display, monotonic time for deadlines."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware UTC wall time."""
        ...

    def monotonic(self) -> float:
        """Seconds, only for differences."""
        ...

    def sleep(self, seconds: float) -> Awaitable[None]: ...
