"""Lets what follows the balancer follow it: DNS records, after the switch and never in its way.

Level-triggered: each round compares where the follower is with where the newest written operation wants it, so it makes
no difference who wrote that, which worker died meanwhile, or how often a change was refused: it converges.
"""

import random

import structlog

from app.ports.clock import Clock
from app.ports.follower import Follower, FollowerDesk, FollowerReading, Wanted
from app.ports.traffic import ProviderError, StaleEpoch

log = structlog.get_logger()

LOOK_EVERY_S = 0.5
"""How soon a written operation is noticed."""
READ_PENDING_EVERY_S = 1.0
READ_EVERY_S = 5.0
RETRY_FIRST_S = 1.0
RETRY_MOST_S = 10.0


class Following:
    """One follower of one target, for as long as `run` is not cancelled."""

    def __init__(self, follower: Follower, desk: FollowerDesk, clock: Clock, chance: random.Random) -> None:
        self._follower, self._desk, self._clock, self._chance = follower, desk, clock, chance
        self._asked_for = 0
        """The epoch whose weights this process has asked for."""
        self._state = ""
        self._read_at = float("-inf")
        self._not_before = float("-inf")
        self._failures = 0

    async def run(self) -> None:
        while True:
            try:
                await self.once()
            except Exception as error:
                # PostgreSQL away: the finding ages in sight, and the next round tries again.
                log.warning("follower.round.failed", error=str(error)[:300])
            await self._clock.sleep(LOOK_EVERY_S)

    async def once(self) -> None:
        """One round: at most one change and one reading."""
        wanted = await self._desk.wanted()
        if wanted is not None and self._must_ask(wanted):
            if self._clock.monotonic() >= self._not_before:
                await self._ask(wanted)
        elif self._is_due():
            await self._read(wanted)

    def _must_ask(self, wanted: Wanted) -> bool:
        """A change that an earlier process sent is asked for again unless it was seen in sync: whether it arrived
        could not be followed, and asking for the same is harmless."""
        if self._asked_for == wanted.epoch:
            return self._state == "refused"
        return (wanted.recorded_epoch, wanted.recorded_state) != (wanted.epoch, "in_sync")

    def _is_due(self) -> bool:
        every = READ_PENDING_EVERY_S if self._state == "pending" else READ_EVERY_S
        return self._clock.monotonic() - self._read_at >= every

    async def _ask(self, wanted: Wanted) -> None:
        if wanted.recorded_epoch != wanted.epoch:
            # Named before it is sent: a slow or throttled call must not keep the split from being seen.
            await self._desk.record(FollowerReading("pending", None, "the change is being sent"), wanted.epoch)
        try:
            await self._follower.set(wanted.weights, epoch=wanted.epoch, fence=lambda: self._desk.fence(wanted.epoch))
        except StaleEpoch:
            return  # The newer operation is written in a moment, and its weights are wanted then.
        except ProviderError as problem:
            await self._failed(wanted, problem)
            return
        self._failures = 0
        await self._take(FollowerReading("pending", wanted.weights, f"BLUE {wanted.weights} asked for"), wanted.epoch)

    async def _failed(self, wanted: Wanted, problem: ProviderError) -> None:
        self._failures += 1
        pause = min(RETRY_MOST_S, RETRY_FIRST_S * 2 ** min(self._failures - 1, 6))
        self._not_before = self._clock.monotonic() + pause * self._chance.uniform(0.5, 1.0)
        if problem.permanent:
            await self._take(FollowerReading("refused", None, problem.message), wanted.epoch)
            return
        await self._take(FollowerReading("pending", None, f"not taken yet: {problem.message}"), wanted.epoch)
        self._asked_for = 0  # Asked again, after the pause.

    async def _read(self, wanted: Wanted | None) -> None:
        """Somebody may have moved the records: what is not as wanted is asked for again."""
        self._read_at = self._clock.monotonic()
        try:
            reading = await self._follower.read()
        except ProviderError as problem:
            log.info("follower.read.failed", error=problem.message)
            return
        if wanted is not None and reading.state == "in_sync" and not _is_where(reading, wanted):
            self._asked_for = 0
            await self._desk.record(FollowerReading("pending", reading.weights, reading.found), 0)
            return
        await self._take(reading, wanted.epoch if wanted else 0)

    async def _take(self, reading: FollowerReading, epoch: int) -> None:
        self._asked_for, self._state = epoch, reading.state
        await self._desk.record(reading, epoch)


def _is_where(reading: FollowerReading, wanted: Wanted) -> bool:
    """True if the follower is as wanted, or as near as one that cannot be divided can be."""
    found = reading.weights
    if found == wanted.weights or found is None:
        return found is not None
    is_whole = found.blue in (0, 100)
    return is_whole and wanted.weights.blue not in (0, 100) and (found.green > 50) == (wanted.weights.green > 50)
