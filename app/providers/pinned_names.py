"""Names answered from a capsule instead of a name service: an outage often takes that along.

Every client of this process asks `socket.getaddrinfo` in the end (asyncio, httpx, urllib3), so that is where names are
pinned. The name itself stays in use for TLS and in the Host header. Only `gonogo rollback-now` does this.
"""

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def pinned(addresses: Mapping[str, tuple[str, ...]]) -> Iterator[None]:
    """Within it, `addresses` (host → IP addresses) come before any name service; other names are asked as ever."""
    ask: Callable[..., Any] = socket.getaddrinfo

    def answer(host: Any, port: Any, *more: Any, **named: Any) -> list[Any]:
        name = host.decode() if isinstance(host, bytes) else host
        known = addresses.get(name) if isinstance(name, str) else None
        if not known:
            return list(ask(host, port, *more, **named))
        return [found for address in known for found in ask(address, port, *more, **named)]

    socket.getaddrinfo = answer
    try:
        yield
    finally:
        socket.getaddrinfo = ask
