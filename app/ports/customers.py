"""The customers port: what real customers saw. In the range the simulated customers answer; live, it may be absent."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CustomerCount:
    """Requests sent and failed since the source started, and how many customers are held on each side by a
    cookie or an open stream."""

    requests: int
    failed: int
    per_second: float
    last_failure: str
    held_blue: int = 0
    held_green: int = 0


class Customers(Protocol):
    async def count(self) -> CustomerCount:
        """Raises `ProviderError` when the source does not answer."""
        ...

    async def aclose(self) -> None: ...
