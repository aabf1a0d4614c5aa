"""One exchange with HAProxy's runtime API: a line of commands in, text out, and the connection closes.

Errors come back as text only, in the place where an answer would be; whoever asks judges it. The deadlines are those of
app/providers/exchange.py. A new connection for each exchange costs 0.1 ms on a Unix socket and needs no state.
"""

import asyncio

from app.ports.traffic import ProviderError
from app.providers.exchange import CONNECT, READ

ANSWER_LIMIT = 4 * 1024 * 1024
"""Bytes. A thousand servers are about 150 kB."""
CHUNK = 64 * 1024


async def ask(address: str, commands: str, *, changes: bool = False) -> str:
    """Send one line (commands parted by `;`) to `unix:/path` or `host:port`, and give its whole answer.

    Raises ProviderError. When nobody listened, nothing was sent; later, `changes` makes the outcome unknown.
    """
    try:
        async with asyncio.timeout(CONNECT):
            reader, writer = await _connect(address)
    except (OSError, TimeoutError) as problem:
        raise ProviderError(f"HAProxy at {address} cannot be reached: {_said(problem)}") from problem
    try:
        async with asyncio.timeout(READ):
            writer.write(commands.encode("ascii") + b"\n")
            return await _whole(reader)
    except (OSError, TimeoutError, ValueError) as problem:
        raise ProviderError(
            f"HAProxy at {address} did not answer in full: {_said(problem)}", unknown_outcome=changes
        ) from problem
    finally:
        writer.close()


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if address.startswith("unix:"):
        return await asyncio.open_unix_connection(address.removeprefix("unix:"))
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host.strip("[]"), int(port))


async def _whole(reader: asyncio.StreamReader) -> str:
    """Until the end. An answer ends with an end of line; one that does not was cut off."""
    answer = bytearray()
    while chunk := await reader.read(CHUNK):
        answer += chunk
        if len(answer) > ANSWER_LIMIT:
            raise ValueError(f"more than {ANSWER_LIMIT // 1024 // 1024} MiB")
    if not answer.endswith(b"\n"):
        raise ValueError("the connection ended before the answer did")
    return answer.decode("utf-8", "replace")


def _said(problem: Exception) -> str:
    return str(problem) or "too slow"
