"""The ports through which single https:// addresses are asked: a certificate, a confirmation, a dashboard."""

from typing import Protocol


class Fetcher(Protocol):
    async def fetch(self, url: str) -> bytes:
        """The body at an https:// address: one attempt, bounded in time and size, no redirects. Raises
        `ProviderError` (ports.traffic)."""
        ...


class Reacher(Protocol):
    async def reach(self, url: str) -> int:
        """The HTTP status that an https:// address answers with; nothing is followed, and the body is not read. One
        attempt, bounded in time. Raises `ProviderError` where nothing answers."""
        ...
