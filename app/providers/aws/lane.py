"""Threads for calls that block, so that a hung one never takes the place of another.

A thread a call, all daemons: one whose caller gave up is left behind (it ends when its socket does) and neither holds a
place in the lane nor keeps the process alive. Starting a thread costs less than a tenth of a millisecond.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")

MOST_LEFT_BEHIND = 100
"""Hung threads of one lane; beyond this many something is so wrong that more calls would only add to it."""


class LaneBlocked(Exception):
    """Too many earlier calls hang: this one was not sent."""


class Lane:
    """At most `size` calls at once. `name` names the threads."""

    def __init__(self, name: str, size: int) -> None:
        self._name = name
        self._room = asyncio.Semaphore(size)
        self._alive = 0
        self._count = threading.Lock()

    async def run(self, work: Callable[[], Result], *, within: float) -> Result:
        """Raises TimeoutError after `within` seconds, the wait for a place included; a started call runs on then."""
        async with asyncio.timeout(within), self._room:
            if self._alive >= MOST_LEFT_BEHIND:
                raise LaneBlocked(f"{self._alive} earlier calls hang")
            answer: Future[Result] = Future()
            thread = threading.Thread(target=self._carry, args=(work, answer), name=self._name, daemon=True)
            thread.start()
            return await asyncio.wrap_future(answer)

    def _carry(self, work: Callable[[], Result], answer: Future[Result]) -> None:
        if not answer.set_running_or_notify_cancel():
            return
        with self._count:
            self._alive += 1
        try:
            answer.set_result(work())
        except BaseException as problem:
            answer.set_exception(problem)
        finally:
            with self._count:
                self._alive -= 1
