"""Questions that may never be answered, such as a look at a file on a share that hangs: asked in a thread of their own,
so that nothing else of the process stands still with them."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

Answer = TypeVar("Answer")


class Apart:
    """At most `most` questions are open; one more is given up at once. Threads of questions that nobody waits for any
    more keep no process from ending."""

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._open = 0

    async def ask(self, question: Callable[[], Answer], *, within: float) -> Answer:
        """Raises what `question` raises, and TimeoutError."""
        if self._open >= self._most:
            raise TimeoutError
        loop = asyncio.get_running_loop()
        told: asyncio.Future[Answer] = loop.create_future()
        self._open += 1

        def take(tell: Callable[[], None]) -> None:
            self._open -= 1
            if not told.done():
                tell()

        def work() -> None:
            try:
                tell = partial(told.set_result, question())
            except Exception as problem:
                tell = partial(told.set_exception, problem)
            with contextlib.suppress(RuntimeError):  # the loop is over: nobody waits
                loop.call_soon_threadsafe(take, tell)

        threading.Thread(target=work, daemon=True, name="apart").start()
        async with asyncio.timeout(within):
            return await told
