"""Customers who are held: each keeps one long answer open. A change of weights does not move them; a drain does."""

import asyncio

from app.http1 import Origin
from app.rehearsal.ledger import Failure, Ledger
from app.rehearsal.toys import SIDE_OF_DIGEST

PATH = "/stream"
LAST_CHUNK = b"0\r\n\r\n"
AGAIN_AFTER = 0.5
"""Seconds before a customer whose stream broke comes back."""
SILENCE = 5.0
"""Seconds without a word after which a stream counts as broken; a release says something each second."""


class StreamBroken(Exception):
    """A stream ended otherwise than the release meant it to."""

    def __init__(self, side: str, why: str) -> None:
        super().__init__(why)
        self.side = side


class HeldCustomers:
    def __init__(self, origin: Origin, ledger: Ledger) -> None:
        self._origin = origin
        self._ledger = ledger
        self._tasks: list[asyncio.Task[None]] = []

    def keep(self, count: int) -> None:
        """From now on, so many customers hold a stream."""
        while len(self._tasks) > count:
            self._tasks.pop().cancel()
        while len(self._tasks) < count:
            self._tasks.append(asyncio.create_task(self._live()))

    async def _live(self) -> None:
        while True:
            self._ledger.sent()
            try:
                await self._hold_one()
            except StreamBroken as broken:
                self._ledger.fail(Failure.now(broken.side, PATH, None, f"stream broken: {broken}"[:200], "stream"))
                await asyncio.sleep(AGAIN_AFTER)

    async def _hold_one(self) -> None:
        """Open a stream and stay until the release ends it as it should. Raises StreamBroken if it does not."""
        side = ""
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(SILENCE):
                reader, writer = await asyncio.open_connection(self._origin.host, self._origin.port)
                side = await self._ask(reader, writer)
            await self._stay(reader, side)
        except (OSError, EOFError, ValueError) as problem:
            raise StreamBroken(side, str(problem) or type(problem).__name__) from problem
        finally:
            if writer is not None:
                writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        """The side that answers. Raises OSError, EOFError or ValueError."""
        writer.write(f"GET {PATH} HTTP/1.1\r\nHost: {self._origin.authority}\r\n\r\n".encode("ascii"))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status = head.split(" ")[1]
        if status != "200":
            raise ValueError(f"status {status}")
        return _side(head)

    async def _stay(self, reader: asyncio.StreamReader, side: str) -> None:
        self._ledger.answered(side)
        self._ledger.hold(side, 1)
        try:
            heard = b""
            while not heard.endswith(LAST_CHUNK):
                async with asyncio.timeout(SILENCE):
                    word = await reader.read(1024)
                if not word:
                    raise EOFError("the connection ended in the middle")
                heard = (heard + word)[-len(LAST_CHUNK) :]
        finally:
            self._ledger.hold(side, -1)


def _side(head: str) -> str:
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "x-release-digest" and (side := SIDE_OF_DIGEST.get(value.strip())):
            return side.value
    return ""
