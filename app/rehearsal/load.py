"""Real load inside a toy release: memory that is touched, CPU that is burnt, database connections that are taken."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator

import psutil

MIB = 1024 * 1024
MEMORY_LIMIT = 192 * MIB
CPU_LIMIT = 0.5
"""Cores."""
POOL_SIZE = 120
PEAK_SECONDS = 5
BURN_REST = 0.01
"""Seconds between two slices of burning."""
LARGEST_SLICE = 0.1


class ToyDatabase:
    """A bounded pool of connections to a database that a toy does not have: holding one takes real time."""

    def __init__(self, size: int = POOL_SIZE) -> None:
        self._free = asyncio.Semaphore(size)
        self._active = 0
        self._peaks: deque[tuple[int, int]] = deque(maxlen=PEAK_SECONDS)
        self._held: list[asyncio.Task[None]] = []

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[None]:
        """Wait for a free connection and hold it."""
        async with self._free:
            self._active += 1
            self._note_peak()
            try:
                yield
            finally:
                self._active -= 1

    def peak(self) -> int:
        """The most connections that were active at once in the last 5 s."""
        oldest = int(time.monotonic()) - PEAK_SECONDS
        return max([self._active, *(peak for second, peak in self._peaks if second > oldest)])

    async def hold(self, count: int) -> None:
        """Keep `count` connections busy from now on."""
        while len(self._held) > count:
            self._held.pop().cancel()
        while len(self._held) < count:
            self._held.append(asyncio.create_task(self._hold_one()))
        await asyncio.sleep(0)
        if count == 0:
            self._peaks.clear()

    async def _hold_one(self) -> None:
        async with self.connection():
            await asyncio.Event().wait()

    def _note_peak(self) -> None:
        second = int(time.monotonic())
        if self._peaks and self._peaks[-1][0] == second:
            self._peaks[-1] = (second, max(self._peaks[-1][1], self._active))
        else:
            self._peaks.append((second, self._active))


class Ballast:
    """Memory taken so that the whole process stands at a share of its limit."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._taken = bytearray()

    def resident(self) -> int:
        """Bytes."""
        return int(self._process.memory_info().rss)

    def stand_at(self, percent: int) -> None:
        self._taken = bytearray()
        wanted = MEMORY_LIMIT * percent // 100 - self.resident()
        if wanted > 0:
            self._taken = bytearray(b"\x5a") * wanted


class Burner:
    """CPU burnt in short slices, so that the process uses a share of its limit on top of its own work."""

    def __init__(self) -> None:
        self._percent = 0
        self._task: asyncio.Task[None] | None = None

    def burn(self, percent: int) -> None:
        self._percent = percent
        if percent and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        """Each slice burns what the time since the one before asks for, so that a busy machine does not make the
        share much smaller."""
        last = time.monotonic()
        while self._percent:
            await asyncio.sleep(BURN_REST)
            now = time.monotonic()
            due = min((now - last) * CPU_LIMIT * self._percent / 100, LARGEST_SLICE)
            last, end = now, time.thread_time() + due
            while time.thread_time() < end:
                pass
