"""One HTTP request with its own deadlines, one attempt, and an exact account of what went wrong.

The deadlines are design.md's: 1 s to connect, 2 s between bytes of the answer, and 3 s for the whole, since a
dripping answer would keep the second one from ever running out.
"""

import asyncio
from collections.abc import Mapping

import httpx

from app.ports.traffic import ProviderError

CONNECT = 1.0
READ = 2.0
WHOLE = 3.0
TIMEOUT = httpx.Timeout(READ, connect=CONNECT, pool=CONNECT)
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
NO_PERMISSION = (401, 403)
SAFE = ("GET", "HEAD")
FAILED_HALF_WAY = (500, 502, 504)


async def exchange(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: object = None,
    whole: float | None = WHOLE,
) -> httpx.Response:
    """Send once. Raises ProviderError when no complete answer came; `unknown_outcome` tells whether it may have been
    received."""
    try:
        async with asyncio.timeout(whole):
            return await client.request(method, url, headers=headers, json=body)
    except NOT_SENT as problem:
        raise ProviderError(f"{url} cannot be reached: {_said(problem)}") from problem
    except (httpx.HTTPError, TimeoutError) as problem:
        raise ProviderError(
            f"{url} did not answer {method} in full: {_said(problem)}", unknown_outcome=method not in SAFE
        ) from problem


def refusal(response: httpx.Response) -> ProviderError:
    """What an answer that is not a success means. A server or a gateway that failed half-way may have done what it was
    asked for; 503 says that it did not begin."""
    wait = response.headers.get("retry-after", "")
    may_be_done = response.request.method not in SAFE and response.status_code in FAILED_HALF_WAY
    return ProviderError(
        f"{response.request.url} answered {response.status_code}: {response.text[:200]}",
        permanent=response.status_code in NO_PERMISSION or 400 <= response.status_code < 409,
        retry_after=float(wait) if wait.isdecimal() else None,
        unknown_outcome=may_be_done,
    )


def _said(problem: Exception) -> str:
    return str(problem) or type(problem).__name__
