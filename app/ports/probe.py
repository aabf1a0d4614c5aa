"""The probe port: a real request through the target's public address that tells which release answered."""

from dataclasses import dataclass
from typing import Protocol

from app.domain.sides import Side


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """`side` is None when the answer carried neither release's digest, or when there was no answer (`ok` False).

    `started` is monotonic seconds; `seconds` is how long the answer took.
    """

    started: float
    seconds: float
    ok: bool
    side: Side | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """The answer to one request through the public address; `body` holds at most its first 64 KiB. `side` is who
    answered, None where the answer does not say."""

    status: int
    body: str
    seconds: float
    side: Side | None = None


class Prober(Protocol):
    async def probe(self, *, fresh_connection: bool) -> ProbeResult:
        """One request. `fresh_connection` opens a new connection as a new customer would; else a kept one is used.
        Never raises: a failed request is a result."""
        ...

    async def fetch(self, method: str, path: str) -> HttpAnswer:
        """A smoke test's request through the public address. Raises `ProviderError` when there is no answer."""
        ...

    async def aclose(self) -> None: ...
