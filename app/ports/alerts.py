"""The port through which the signing certificate and the confirmation of an alert topic are fetched."""

from typing import Protocol


class Fetcher(Protocol):
    async def fetch(self, url: str) -> bytes:
        """The body at an https:// address: one attempt, bounded in time and size, no redirects. Raises
        `ProviderError` (ports.traffic)."""
        ...
