"""Break-glass: bring a target back to BLUE with a capsule and nothing else: no database, no web process, no queue.

The same rules as for every move of traffic (design.md): announce, write, read back, probe; own deadlines; after an
unknown outcome read first. The fence is the target itself: it carries the newest epoch that ever wrote to it.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import TypeVar

from app.domain.capsule import Order
from app.domain.operations import ASSERT_EVERY, GUARD_FOR
from app.domain.sides import Side
from app.domain.spool import What
from app.orchestrator.observer import Observer
from app.ports.clock import Clock
from app.ports.probe import Prober
from app.ports.spool import Spool
from app.ports.traffic import ProviderError, SideHealth, StaleEpoch, TargetReading, TrafficTarget

LOOK_FOR_S = 3.0
"""For the first look at the target and at BLUE; a look without an answer does not hold the rollback up."""
WRITE_FOR = timedelta(minutes=2)
"""How long the write is tried; a person can stop it earlier."""
OBSERVE_FOR = timedelta(seconds=60)
RETRY_FIRST_S = 0.05
RETRY_MOST_S = 1.0
SETTLED_RATE = 20
"""Probes a second once traffic has arrived."""

Answer = TypeVar("Answer")


class Ending(IntEnum):
    """How it ended; the values are the exit codes of `gonogo rollback-now` (docs/break-glass.md)."""

    ON_BLUE = 0
    NO_CAPSULE = 3
    CAPSULE_REFUSED = 4
    NEWER_EPOCH = 5
    BLUE_UNHEALTHY = 6
    NOT_WRITTEN = 7
    NOT_OBSERVED = 8
    NOT_CONFIRMED = 9
    NOT_RECORDED = 10
    """On BLUE, but the spool does not hold all of it."""


@dataclass(frozen=True)
class Tools:
    """`say` prints a line for the person at the terminal."""

    traffic: TrafficTarget
    prober: Prober
    clock: Clock
    spool: Spool
    say: Callable[[str], None]
    chance: random.Random


class BreakGlass:
    """One use of a capsule. `run` returns when traffic is seen on BLUE, or when that is not to be; `guard` follows."""

    def __init__(self, order: Order, tools: Tools, *, although_unhealthy: bool) -> None:
        self._order, self._tools, self._although_unhealthy = order, tools, although_unhealthy
        self._origin, self._began = tools.clock.now(), tools.clock.monotonic()
        self._observer = Observer(tools.prober, tools.clock, self.now, rate=order.probes.operation_rate)
        self._accepted_at: datetime | None = None

    def now(self) -> datetime:
        return self._origin + timedelta(seconds=self.elapsed_s)

    @property
    def elapsed_s(self) -> float:
        return self._tools.clock.monotonic() - self._began

    async def run(self, *, who: str, host: str, reason: str) -> Ending:
        order = self._order
        self._tell(
            "begin",
            f"{who} on {host} rolls {order.target_title} back to BLUE {order.blue.version}",
            who=who,
            host=host,
            reason=reason,
            deployment=order.deployment_id,
            target=order.target,
            zone=order.zone,
            epoch=order.epoch,
            issued_at=order.issued_at.isoformat(),
        )
        try:
            refusal = await self._look()
            if refusal is not None:
                return refusal
            if not await self._write_and_read_back():
                return self._end(Ending.NOT_WRITTEN, "The balancer did not take it. Use the card: by hand")
            return await self._observe()
        except StaleEpoch as stale:
            self._tell("stale", f"The target refuses: it carries epoch {stale.newest}, newer than {order.epoch}")
            return self._end(Ending.NEWER_EPOCH, "A later arming took over this target; nothing was moved")

    async def guard(self) -> None:
        """Keep BLUE until the longest call that may still be in flight has passed."""
        if self._accepted_at is None:
            return
        until = self._accepted_at + GUARD_FOR
        left = max(0.0, (until - self.now()).total_seconds())
        self._tools.say(
            f"Guarding BLUE for {left:.0f} s more, against calls that may still be in flight. Ctrl-C ends it"
        )
        try:
            while self.now() < until:
                await self._tools.clock.sleep(ASSERT_EVERY.total_seconds())
                with contextlib.suppress(ProviderError):
                    reading = await self._tools.traffic.read()
                    if not reading.agrees(self._order.weights):
                        self._tell(
                            "guard", f"The target was moved again ({reading.weights}); writing BLUE 100 once more"
                        )
                        await self._write_once()
        except StaleEpoch as stale:
            self._tell("stale", f"The target carries epoch {stale.newest}: somebody newer steers it; the guard ends")

    def stopped(self) -> Ending:
        """A person stopped it: what that means for the target depends on whether the balancer had accepted."""
        if self._accepted_at is None:
            return self._end(Ending.NOT_WRITTEN, "Stopped by hand before the balancer accepted")
        return self._end(Ending.NOT_OBSERVED, "Stopped by hand; the balancer is set to BLUE")

    async def close(self) -> None:
        await self._observer.stop()

    # ── looking ─────────────────────────────────────────────────────────────

    async def _look(self) -> Ending | None:
        """Read the target and ask BLUE, side by side; an ending where this must not go on."""
        reading, blue = await asyncio.gather(
            self._settle(self._tools.traffic.read()), self._settle(self._tools.traffic.health(Side.BLUE))
        )
        if isinstance(reading, str):
            self._tell("read", f"The target cannot be read ({reading}); writing all the same, it has the last word")
        else:
            self._tell("read", f"The target stands at BLUE / GREEN {_shown(reading)}, epoch {reading.epoch}")
            if reading.epoch > self._order.epoch:
                raise StaleEpoch(self._order.epoch, reading.epoch)
            if self._order.configuration and reading.configuration != self._order.configuration:
                self._tell("read", "Its set-up is not the one that the team voted on; going on")
        return self._judge(blue)

    def _judge(self, blue: SideHealth | str) -> Ending | None:
        if isinstance(blue, str):
            self._tell("check", f"BLUE's health cannot be told ({blue}); going on", check="health_passing", yes=None)
            return None
        found = self._why_unhealthy(blue)
        if not found:
            counted = f"{blue.healthy} of {blue.required} targets, the right digest"
            self._tell("check", f"BLUE is healthy: {counted}", check="health_passing", yes=True)
            return None
        if self._although_unhealthy:
            self._tell("check", f"BLUE is unhealthy: {found}; going on as told", check="health_passing", yes=False)
            return None
        self._tell("check", f"BLUE is unhealthy: {found}", check="health_passing", yes=False)
        return self._end(
            Ending.BLUE_UNHEALTHY, "Nothing was moved. If BLUE is still the better side: --although-blue-is-unhealthy"
        )

    def _why_unhealthy(self, blue: SideHealth) -> str:
        if not blue.is_healthy:
            return f"{blue.healthy} of {blue.required} targets, {blue.detail}"
        if blue.digest != self._order.blue.digest:
            return f"it runs {blue.digest[:14] or 'no digest'}, not {self._order.releases[Side.BLUE].short_digest}"
        return ""

    async def _settle(self, asking: Awaitable[Answer]) -> Answer | str:
        """The answer, or in words why there is none."""
        try:
            async with asyncio.timeout(LOOK_FOR_S):
                return await asking
        except ProviderError as problem:
            return problem.message
        except TimeoutError:
            return f"no answer within {LOOK_FOR_S:.0f} s"

    # ── moving ──────────────────────────────────────────────────────────────

    async def _write_and_read_back(self) -> bool:
        """True once the target itself says BLUE 100; tried again until it does or `WRITE_FOR` has passed."""
        give_up = self.now() + WRITE_FOR
        failures = 0
        while self.now() < give_up:
            accepted = await self._write_once()
            reading = await self._settle(self._tools.traffic.read())
            if not isinstance(reading, str) and reading.agrees(self._order.weights):
                self._accepted_at = self._accepted_at or self.now()
                self._tell("read", f"The target reads back BLUE / GREEN {_shown(reading)}", reads_back=True)
                return True
            found = reading if isinstance(reading, str) else f"it stands at {_shown(reading)}"
            self._tell("read", f"Not read back: {found}")
            failures += 1
            pause = min(RETRY_MOST_S, RETRY_FIRST_S * 2 ** min(failures, 6))
            await self._tools.clock.sleep(pause * self._tools.chance.uniform(0.5, 1.0))
            if accepted and isinstance(reading, str) and failures >= 3:
                # It said yes and cannot be read: the probes tell where traffic is.
                return True
        return False

    async def _write_once(self) -> bool:
        """Announce, write, say what came of it. Raises StaleEpoch when the target carries a newer epoch."""
        order = self._order
        self._tell("intent", f"Writing BLUE 100, GREEN 0 with epoch {order.epoch}", epoch=order.epoch)
        self._observer.start()
        try:
            await self._tools.traffic.write(order.weights, epoch=order.epoch, fence=_the_target_is_the_fence)
        except ProviderError as problem:
            what: What = "unknown" if problem.unknown_outcome else "refused"
            self._tell(what, f"The balancer did not take it ({what}): {problem.message}")
            return False
        self._accepted_at = self.now()
        self._tell("applied", "The balancer accepted BLUE 100, GREEN 0")
        return True

    async def _observe(self) -> Ending:
        """Follow the traffic until windows of probes agree, then ask the rollback's criteria that can be asked here."""
        order, began = self._order, self._origin
        give_up = self.now() + OBSERVE_FOR
        while self.now() < give_up:
            seen = self._observer.arrival(
                Side.BLUE, since=began, window=order.probes.window, span_s=order.probes.span_s
            )
            if seen.at_100 is not None:
                took = (seen.at_100 - began).total_seconds()
                text = f"100 % of traffic observed on BLUE, {took:.2f} s after the start"
                self._tell("probes", text, took_s=round(took, 3), agreeing=seen.agreeing, total=seen.total)
                self._observer.slow_down(SETTLED_RATE)
                await self._ask_criteria()
                return self._end(Ending.ON_BLUE, f"On BLUE {order.blue.version}")
            self._observer.changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._observer.changed.wait(), 0.5)
            await self._tools.clock.sleep(0.02)
        latest = self._observer.latest()
        blue = "no probe was answered" if latest.blue is None else f"{latest.blue} % on BLUE"
        self._tell("probes", f"After {OBSERVE_FOR.seconds} s not all traffic is seen on BLUE: {blue}")
        return self._end(
            Ending.NOT_OBSERVED, "The balancer is set to BLUE, and customers are not all there: look at it"
        )

    async def _ask_criteria(self) -> None:
        """Once: what needs the database's readings is said to be open."""
        for criterion in self._order.criteria:
            yes, found = await self._ask(criterion.check, criterion.below)
            word = {True: "YES", False: "NO", None: "not asked here"}[yes]
            self._tell("check", f"{criterion.title} {word}: {found}", check=criterion.check, yes=yes)

    async def _ask(self, check: str, below: float | None) -> tuple[bool | None, str]:
        since = self._accepted_at or self._origin
        match check:
            case "balancer_on_blue":
                reading = await self._settle(self._tools.traffic.read())
                if isinstance(reading, str):
                    return None, reading
                return reading.agrees(self._order.weights), f"BLUE / GREEN {_shown(reading)}"
            case "traffic_on_blue":
                return True, "seen by the probes"
            case "health_passing":
                blue = await self._settle(self._tools.traffic.health(Side.BLUE))
                if isinstance(blue, str):
                    return None, blue
                why = self._why_unhealthy(blue)
                return not why, why or f"{blue.healthy} of {blue.required} targets"
            case "response_time":
                ms, count = self._observer.response_ms(Side.BLUE, since=since)
                return (None if not count or below is None else ms < below), f"{ms:.0f} ms, p95 of {count} probes"
            case "error_rate" | "no_critical_errors":
                probes = [seen for seen in self._observer.sent_since(since) if seen.side is Side.BLUE or not seen.ok]
                failed = sum(not seen.ok for seen in probes)
                return (failed == 0 if probes else None), f"{failed} of {len(probes)} probes failed"
            case "customers_served":
                try:
                    answer = await self._tools.prober.fetch("GET", "/")
                except ProviderError as problem:
                    return False, problem.message
                return answer.status < 400, f"{answer.status} in {answer.seconds * 1000:.0f} ms"
        return None, "needs the database"

    # ── telling ─────────────────────────────────────────────────────────────

    def _tell(self, what: What, text: str, **detail: object) -> None:
        """To disk first, then to the person."""
        is_kept = self._tools.spool.write(what, text, **detail)
        self._tools.say(text if is_kept else f"{text}  [NOT RECORDED: keep this text]")

    def _end(self, ending: Ending, text: str) -> Ending:
        self._tell("end", f"{text}.", code=int(ending), ending=ending.name.lower())
        return ending if ending is not Ending.ON_BLUE or self._tools.spool.is_kept else Ending.NOT_RECORDED


def _shown(reading: TargetReading) -> str:
    return str(reading.weights) if reading.weights else "different on its routes"


async def _the_target_is_the_fence() -> None:
    """Nobody knows the newest epoch but the target; it is compared there, in the write itself."""
