"""An event loop whose time is a number: a sleep of 30 s takes no time, and the same run gives the same course."""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

Result = TypeVar("Result")

START = datetime(2026, 3, 6, 19, 10, tzinfo=UTC)
LONGEST_S = 1200.0
"""Virtual seconds that a run may take: longer than any deadline of an operation."""


class _Jumping(selectors.DefaultSelector):
    """Instead of waiting, the clock jumps to what is due next."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.longest = LONGEST_S

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise AssertionError(f"at {self.now:.3f} s nothing is left that could wake anybody")
        self.now += max(0.0, timeout)
        if self.now > self.longest:
            raise AssertionError(f"still running after {LONGEST_S:.0f} virtual seconds")
        return []  # No file and no signal can wake a virtual loop: the system is not asked.


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def end(self) -> None:
        """Time may go on without a limit: what is left is cancelled."""
        self._jumping.longest = float("inf")


class VirtualClock:
    """ports.clock.Clock on the virtual loop; `off` is how wrong this machine's wall clock is."""

    def __init__(self, off: timedelta = timedelta(0)) -> None:
        self._off = off

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic()) + self._off

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end in virtual time, then cancel whatever is left."""
    loop = VirtualLoop()
    loop.set_exception_handler(lambda _loop, _context: None)
    try:
        return loop.run_until_complete(main)
    finally:
        loop.end()
        loop.run_until_complete(_cancel_rest())
        loop.close()


async def _cancel_rest() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
