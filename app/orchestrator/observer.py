"""Probes at a steady rate while an operation runs, and what they have seen so far."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from app.domain.observation import Arrival, Seen, Shares, arrival, shares
from app.domain.sides import Side
from app.ports.clock import Clock
from app.ports.probe import Prober

KEEP = 20_000
"""Probes remembered: 100 s at 200 a second, far longer than any window asks for."""
LATEST = timedelta(seconds=1)
LONGEST_ANSWER = timedelta(seconds=5)
"""Longer than any probe's own deadline."""
FRESH_EVERY = 4
"""Every fourth probe opens a new connection, as a new customer does; the others use kept ones."""
MOST_AT_ONCE = 24
"""Probes under way; a slow side must not pile up more, and a busy machine falls behind the rate instead."""


class Observer:
    """`start` begins probing at `rate` a second; `slow_down` lowers the rate once traffic has arrived."""

    def __init__(self, prober: Prober, clock: Clock, now: Callable[[], datetime], *, rate: int) -> None:
        self._prober = prober
        self._clock = clock
        self._now = now
        self._rate = rate
        self._seen: deque[Seen] = deque(maxlen=KEEP)
        self._response_ms: deque[tuple[datetime, Side | None, float]] = deque(maxlen=KEEP)
        self._under_way: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self.changed = asyncio.Event()

    def start(self) -> None:
        """Begin probing; does nothing if it has begun."""
        if self._task is not None:
            return
        self._task = asyncio.create_task(self._probe_for_ever(), name="traffic.observer")

    async def stop(self) -> None:
        tasks = [task for task in (self._task, *self._under_way) if task is not None]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def slow_down(self, rate: int) -> None:
        self._rate = rate

    def arrival(self, wanted: Side, *, since: datetime, window: int, span_s: float) -> Arrival:
        return arrival(self.sent_since(since), wanted, since=since, window=window, span_s=span_s)

    def sent_since(self, since: datetime) -> list[Seen]:
        """The probes sent at or after `since`, in order of sending. Answers come in another order, but none later than
        its deadline; so only the newest are looked at, however long the operation takes."""
        found: list[Seen] = []
        for seen in reversed(self._seen):
            if seen.at < since - LONGEST_ANSWER:
                break
            if seen.at >= since:
                found.append(seen)
        return sorted(found, key=lambda seen: seen.at)

    def latest(self) -> Shares:
        """What the probes of the last second saw."""
        return shares(self.sent_since(self._now() - LATEST))

    def response_ms(self, side: Side, *, since: datetime) -> tuple[float, int]:
        """The 95th percentile of the probes' own response times on a side, and how many there were."""
        values = sorted(ms for at, seen, ms in self._response_ms if seen is side and at >= since)
        if not values:
            return 0.0, 0
        return values[min(len(values) - 1, int(len(values) * 0.95))], len(values)

    async def _probe_for_ever(self) -> None:
        sent = 0
        due = self._clock.monotonic()
        while True:
            # A late loop sends what it owes at once, but never a burst of more than a tenth of a second.
            due = max(due + 1 / self._rate, self._clock.monotonic() - 0.1)
            await self._clock.sleep(max(0.0, due - self._clock.monotonic()))
            if len(self._under_way) >= MOST_AT_ONCE:
                continue
            task = asyncio.create_task(self._probe(fresh=sent % FRESH_EVERY == 0))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            sent += 1

    async def _probe(self, *, fresh: bool) -> None:
        at = self._now()
        result = await self._prober.probe(fresh_connection=fresh)
        self._seen.append(Seen(at, result.side, result.ok))
        self._response_ms.append((at, result.side if result.ok else None, result.seconds * 1000))
        self.changed.set()
