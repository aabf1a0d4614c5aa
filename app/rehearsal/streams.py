"""Long answers of a toy release: a word a second until the customer leaves or the release is drained."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Header = tuple[bytes, bytes]
WORD = b"still here\n"
EVERY = 1.0


class Streams:
    def __init__(self) -> None:
        self.open = 0
        self._draining = asyncio.Event()

    def drain(self) -> int:
        """End every open stream in good order; how many there were. Streams that start later are not meant."""
        self._draining.set()
        self._draining = asyncio.Event()
        return self.open

    async def serve(
        self,
        headers: list[Header],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        leaving = asyncio.create_task(_left(receive))
        drained = asyncio.create_task(self._draining.wait())
        self.open += 1
        try:
            while not (leaving.done() or drained.done()):
                await send({"type": "http.response.body", "body": WORD, "more_body": True})
                await asyncio.wait({leaving, drained}, timeout=EVERY, return_when=asyncio.FIRST_COMPLETED)
            await send({"type": "http.response.body", "body": b""})
        finally:
            self.open -= 1
            leaving.cancel()
            drained.cancel()


async def _left(receive: Callable[[], Awaitable[Message]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
