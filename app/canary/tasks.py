"""The keeper of canaries, a duty one worker carries: watches each one's target, measures GREEN and lets follow what
follows, once a second. A worker that dies leaves rows from which the next one goes on."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.canary.commands import Look, keep
from app.db.engine import Database
from app.db.tables import CanaryRun, Deployment, PlanVersion
from app.domain.plan import Plan
from app.domain.sides import Release, Side
from app.ports.clock import Clock
from app.ports.metrics import MetricsSource
from app.ports.probe import Prober
from app.ports.traffic import ProviderError, TrafficTarget
from app.traffic.tasks import releases_of
from app.web.access import plan_by_hash

log = structlog.get_logger()

LOOK_EVERY_S = 1.0
FIND_EVERY_S = 0.5
ASK_WITHIN_S = 3.0


@dataclass(frozen=True)
class Kept:
    """A canary that moves or stands."""

    run_id: int
    plan: Plan
    target: str
    releases: dict[Side, Release]


@dataclass(frozen=True)
class Watched:
    """The ports of its target."""

    traffic: TrafficTarget
    prober: Prober
    metrics: MetricsSource


Bind = Callable[[Kept], Watched]
Record = Callable[[Look], Awaitable[None]]
"""Keeps what a look found and lets follow what follows (commands.keep)."""


async def find_kept(session: AsyncSession) -> list[Kept]:
    statement = (
        select(CanaryRun.id, CanaryRun.target, Deployment, PlanVersion.hash)
        .join(Deployment, Deployment.id == CanaryRun.deployment_id)
        .join(PlanVersion, PlanVersion.id == Deployment.plan_version_id)
        .where(CanaryRun.finished_at.is_(None))
        .order_by(CanaryRun.id)
    )
    rows = (await session.execute(statement)).all()
    return [
        Kept(number, await plan_by_hash(session, digest), target, releases_of(deployment))
        for number, target, deployment, digest in rows
    ]


class Keeper:
    """Watches one canary until it is cancelled."""

    def __init__(self, record: Record, clock: Clock, kept: Kept, bound: Watched) -> None:
        self._record, self._clock, self._kept, self._bound = record, clock, kept, bound
        self._green = self._total = 0
        self._measured_at: float | None = None
        self._every_s = min((metric.every_s for metric in kept.plan.metrics), default=2.0)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._probe_for_ever())
            group.create_task(self._look_for_ever())

    async def _probe_for_ever(self) -> None:
        rate = self._kept.plan.target(self._kept.target).probes.rest_rate
        count = 0
        while True:
            result = await self._bound.prober.probe(fresh_connection=count % 2 == 0)
            if result.ok and result.side is not None:
                self._green += result.side is Side.GREEN
                self._total += 1
            count += 1
            await self._clock.sleep(max(0.0, 1 / rate - result.seconds))

    async def _look_for_ever(self) -> None:
        while True:
            started = self._clock.monotonic()
            try:
                await self._record(await self._look())
            except Exception as error:
                # PostgreSQL away, most likely: what was not recorded does not count, and the dwell stands still.
                log.warning("canary.look.failed", run=self._kept.run_id, error=str(error)[:300])
            await self._clock.sleep(max(0.1, LOOK_EVERY_S - (self._clock.monotonic() - started)))

    async def _look(self) -> Look:
        began = self._clock.monotonic()
        (has_read, read_green), is_well, samples = await asyncio.gather(self._read(), self._health(), self._measure())
        green, total, self._green, self._total = self._green, self._total, 0, 0
        return Look(has_read, read_green, is_well, samples, green, total, began)

    async def _read(self) -> tuple[bool, int | None]:
        try:
            async with asyncio.timeout(ASK_WITHIN_S):
                reading = await self._bound.traffic.read()
        except (ProviderError, TimeoutError):
            return False, None
        return True, reading.weights.green if reading.weights else None

    async def _health(self) -> bool:
        """A side that does not answer, or runs something else, is not healthy."""
        try:
            async with asyncio.timeout(ASK_WITHIN_S):
                found = await self._bound.traffic.health(Side.GREEN)
        except (ProviderError, TimeoutError):
            return False
        return found.is_healthy and found.digest == self._kept.releases[Side.GREEN].digest

    async def _measure(self) -> tuple[tuple[str, float | None, int], ...]:
        """GREEN's metrics, as often as the plan reads them. A silent source gives no figure, which is UNKNOWN."""
        now = self._clock.monotonic()
        if self._measured_at is not None and now - self._measured_at < self._every_s - LOOK_EVERY_S / 2:
            return ()
        self._measured_at = now
        try:
            async with asyncio.timeout(ASK_WITHIN_S):
                found = {sample.metric: sample for sample in await self._bound.metrics.read(Side.GREEN)}
        except (ProviderError, TimeoutError):
            found = {}
        return tuple(
            (metric.key, found[metric.key].value, found[metric.key].samples)
            if metric.key in found
            else (metric.key, None, 0)
            for metric in self._kept.plan.metrics
        )


def recorder(database: Database, clock: Clock, kept: Kept) -> Record:
    async def record(look: Look) -> None:
        await database.run(lambda session: keep(session, kept.run_id, kept.plan, look, monotonic=clock.monotonic))

    return record


Strike = Callable[[int, Record], Record]
"""What tests put between a keeper and its rows (app/rehearsal/fault_point.py)."""


async def keep_all(database: Database, clock: Clock, bind: Bind, *, strike: Strike | None = None) -> None:
    """Keep every canary that is not over, until cancelled."""

    def keeper_of(kept: Kept) -> Keeper:
        record = recorder(database, clock, kept)
        return Keeper(strike(kept.run_id, record) if strike else record, clock, kept, bind(kept))

    await keep_found(lambda: database.read(find_kept), keeper_of, clock)


async def keep_found(
    find: Callable[[], Awaitable[list[Kept]]], keeper_of: Callable[[Kept], Keeper], clock: Clock
) -> None:
    """A keeper for each canary that is found, for as long as it is."""
    running: dict[int, asyncio.Task[None]] = {}
    try:
        while True:
            kept = {each.run_id: each for each in await find()}
            for run_id in [number for number in running if number not in kept]:
                running.pop(run_id).cancel()
            for run_id, each in kept.items():
                if run_id in running and not running[run_id].done():
                    continue
                try:
                    keeper = keeper_of(each)
                except Exception as error:
                    # A target that the site no longer binds: the other canaries are kept all the same.
                    log.warning("canary.unbound", run=run_id, target=each.target, error=str(error)[:300])
                    continue
                running[run_id] = asyncio.create_task(keeper.run(), name=f"canary-{run_id}")
            await clock.sleep(FIND_EVERY_S)
    finally:
        for task in running.values():
            task.cancel()
        await asyncio.gather(*running.values(), return_exceptions=True)
