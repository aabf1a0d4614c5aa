"""The spool port: where break-glass keeps what it does while there is no database."""

from typing import Any, Protocol

from app.domain.spool import What


class Spool(Protocol):
    def write(self, what: What, text: str, **detail: Any) -> bool:
        """Keep a line, surely on disk when it returns. False where it could not be kept: a rollback goes on without."""
        ...

    @property
    def is_kept(self) -> bool:
        """True while every line so far is on disk."""
        ...
