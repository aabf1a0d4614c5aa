"""ports.alerts.Fetcher and Reacher over httpx: https only, no redirects, 5 s and 64 KiB at most."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import urlsplit

import httpx

from app.ports.traffic import ProviderError

Answer = TypeVar("Answer")
WITHIN_S = 5.0
LARGEST = 64 * 1024


async def _bounded(url: str, ask: Callable[[str], Awaitable[Answer]]) -> Answer:
    if urlsplit(url).scheme != "https":
        raise ProviderError(f"{url[:120]} is not an https:// address", permanent=True)
    try:
        async with asyncio.timeout(WITHIN_S):
            return await ask(url)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as problem:
        raise ProviderError(f"{url[:120]} did not answer: {str(problem) or type(problem).__name__}") from problem


class BoundedFetcher:
    async def fetch(self, url: str) -> bytes:
        return await _bounded(url, self._read)

    async def reach(self, url: str) -> int:
        return await _bounded(url, self._status)

    async def _status(self, url: str) -> int:
        async with (
            httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=WITHIN_S) as client,
            client.stream("GET", url) as response,
        ):
            return response.status_code

    async def _read(self, url: str) -> bytes:
        parts: list[bytes] = []
        size = 0
        async with (
            httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=WITHIN_S) as client,
            client.stream("GET", url) as response,
        ):
            if response.status_code != 200:
                raise ProviderError(f"{url[:120]} answered {response.status_code}")
            async for part in response.aiter_bytes():
                size += len(part)
                if size > LARGEST:
                    raise ProviderError(f"{url[:120]} is larger than {LARGEST // 1024} KiB", permanent=True)
                parts.append(part)
        return b"".join(parts)
