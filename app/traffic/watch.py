"""The watch of a target: what its balancer says, how its sides are, and what probes see, once a second."""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import tables
from app.db.engine import Database
from app.deployments.commands import database_now, note_configuration
from app.domain.observation import Seen, shares
from app.domain.plan import Plan
from app.domain.sides import Release, Side
from app.eventlog.log import notify, touch
from app.orchestrator.following import Following
from app.ports.clock import Clock
from app.ports.follower import Follower
from app.ports.traffic import ProviderError, SideHealth, TargetReading
from app.traffic.tasks import Steered, releases_of
from app.traffic.tasks_follow import Desk
from app.web.access import plan_by_hash

log = structlog.get_logger()

PROOF_EVERY_S = 1.0
ASK_WITHIN_S = 3.0

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Watched:
    """The deployment that a target's watch reports to."""

    deployment_id: int
    plan: Plan
    target: str
    releases: dict[Side, Release]


async def find_watched(session: AsyncSession) -> list[Watched]:
    """For each target the deployment that holds it, else its newest."""
    statement = (
        select(tables.Deployment, tables.PlanVersion.hash, tables.TargetState.locked_by)
        .join(tables.PlanVersion, tables.PlanVersion.id == tables.Deployment.plan_version_id)
        .join(tables.TargetState, tables.TargetState.target == tables.Deployment.target)
        .order_by(tables.Deployment.id)
    )
    found: dict[str, Watched] = {}
    for deployment, digest, locked_by in (await session.execute(statement)).all():
        if locked_by not in (None, deployment.id):
            continue
        plan = await plan_by_hash(session, digest)
        found[deployment.target] = Watched(deployment.id, plan, deployment.target, releases_of(deployment))
    return list(found.values())


class Watch:
    """Probes at rest, reads the balancer and asks both sides once a second, and records what it found."""

    def __init__(self, database: Database, clock: Clock, watched: Watched, bound: Steered) -> None:
        self._database, self._clock, self._watched, self._bound = database, clock, watched, bound
        self._rate = watched.plan.target(watched.target).probes.rest_rate
        self._seen: deque[tuple[Seen, float]] = deque(maxlen=1000)
        self._fingerprint: tuple[object, ...] = ()
        self._configuration = ""

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._probe_for_ever())
            group.create_task(self._report_for_ever())
            if self._bound.follower is not None:
                group.create_task(self._following(self._bound.follower).run())

    def _following(self, follower: Follower) -> Following:
        """What follows the balancer is looked after here, and never by who drives an operation."""
        desk = Desk(self._database, self._watched.target, self._watched.deployment_id, "DNS")
        return Following(follower, desk, self._clock, random.Random())  # noqa: S311 - jitter, not a secret

    async def _probe_for_ever(self) -> None:
        count = 0
        while True:
            at = datetime.now(UTC)
            result = await self._bound.prober.probe(fresh_connection=count % 2 == 0)
            self._seen.append((Seen(at, result.side, result.ok), result.seconds * 1000))
            count += 1
            await self._clock.sleep(max(0.0, 1 / self._rate - result.seconds))

    async def _report_for_ever(self) -> None:
        while True:
            started = self._clock.monotonic()
            try:
                await self._report()
            except Exception as error:
                # PostgreSQL away or a provider gone wrong: the findings age in sight, and the next second tries again.
                log.warning("watch.report.failed", target=self._watched.target, error=str(error)[:300])
            await self._clock.sleep(max(0.1, PROOF_EVERY_S - (self._clock.monotonic() - started)))

    async def _report(self) -> None:
        reading, blue, green, customers = await asyncio.gather(
            _settle(self._bound.traffic.read()),
            _settle(self._bound.traffic.health(Side.BLUE)),
            _settle(self._bound.traffic.health(Side.GREEN)),
            self._customers(),
        )
        seen = list(self._seen)
        self._seen.clear()
        await self._database.run(lambda session: self._record(session, reading, blue, green, customers, seen))
        if not isinstance(reading, str):
            await self._note(reading.configuration)

    async def _note(self, configuration: str) -> None:
        """In a transaction of its own: commands lock the deployment before the target, so this must not follow it."""
        if configuration != self._configuration:
            deployment_id = self._watched.deployment_id
            await self._database.run(lambda session: note_configuration(session, deployment_id, configuration))
            self._configuration = configuration

    async def _customers(self) -> tuple[int, int] | None:
        if self._bound.customers is None:
            return None
        with contextlib.suppress(ProviderError):
            count = await self._bound.customers.count()
            return count.requests, count.failed
        return None

    async def _record(
        self,
        session: AsyncSession,
        reading: TargetReading | str,
        blue: SideHealth | str,
        green: SideHealth | str,
        customers: tuple[int, int] | None,
        seen: list[tuple[Seen, float]],
    ) -> None:
        now = await database_now(session)
        state = await session.get_one(tables.TargetState, self._watched.target)
        self._take_reading(state, reading, now)
        state.blue_is_healthy, state.blue_found = self._judge(Side.BLUE, blue)
        state.green_is_healthy, state.green_found = self._judge(Side.GREEN, green)
        state.blue_at = state.green_at = now
        observed = shares([probe for probe, _ in seen])
        if observed.blue is not None:
            state.probed_blue, state.probed_green, state.probed_at = observed.blue, observed.green, now
        await session.flush()
        await session.execute(_summary(self._watched.target, now, seen, customers))
        await self._tell(session, state, observed.blue, observed.green, customers)

    def _take_reading(self, state: tables.TargetState, reading: TargetReading | str, now: datetime) -> None:
        if isinstance(reading, str):
            state.read_error = reading[:300]
            return
        state.read_error, state.read_at = "", now
        state.set_blue = reading.weights.blue if reading.weights else None
        state.set_at, state.configuration = now, reading.configuration

    def _judge(self, side: Side, health: SideHealth | str) -> tuple[bool, str]:
        if isinstance(health, str):
            return False, f"does not answer: {health}"[:300]
        counted = f"{health.healthy} of {health.required} targets"
        expected = self._watched.releases[side]
        if health.is_healthy and health.digest != expected.digest:
            return False, f"runs another artifact than {expected.version}"
        return health.is_healthy, f"healthy, {counted}" if health.is_healthy else f"unhealthy, {counted}"

    async def _tell(
        self,
        session: AsyncSession,
        state: tables.TargetState,
        blue: int | None,
        green: int | None,
        customers: tuple[int, int] | None,
    ) -> None:
        """Numbers travel as data each second; the panels are refreshed when a word changes."""
        set_blue = state.set_blue
        message: dict[str, object] = {"kind": "data", "deployment": self._watched.deployment_id}
        message["traffic"] = {
            "blue": blue,
            "green": green,
            "age": 0,
            "set_blue": set_blue,
            "set_green": None if set_blue is None else 100 - set_blue,
        }
        if customers is not None:
            message["customers"] = {"requests": customers[0], "failed": customers[1]}
        fingerprint = (blue, set_blue, state.blue_is_healthy, state.green_is_healthy, bool(state.read_error))
        if fingerprint != self._fingerprint:
            self._fingerprint = fingerprint
            await touch(session, self._watched.deployment_id, ("traffic",))
        await notify(session, message)


async def _settle(asking: Awaitable[Answer]) -> Answer | str:
    """The answer, or in words why there is none."""
    try:
        async with asyncio.timeout(ASK_WITHIN_S):
            return await asking
    except ProviderError as error:
        return error.message
    except TimeoutError:
        return f"no answer within {ASK_WITHIN_S:.0f} s"


def _summary(target: str, now: datetime, seen: list[tuple[Seen, float]], customers: tuple[int, int] | None) -> Insert:
    """One row a second; two reports in the same second add up."""
    row = tables.ProbeSummary
    counted = {
        "blue": sum(probe.ok and probe.side is Side.BLUE for probe, _ in seen),
        "green": sum(probe.ok and probe.side is Side.GREEN for probe, _ in seen),
        "unknown": sum(probe.ok and probe.side is None for probe, _ in seen),
        "failed": sum(not probe.ok for probe, _ in seen),
    }
    statement = insert(row).values(
        target=target,
        second=now.replace(microsecond=0),
        **counted,
        slowest_ms=max((ms for _, ms in seen), default=0.0),
        customers_requests=customers[0] if customers else None,
        customers_failed=customers[1] if customers else None,
    )
    added = {name: getattr(row, name) + getattr(statement.excluded, name) for name in counted}
    latest = {name: getattr(statement.excluded, name) for name in ("customers_requests", "customers_failed")}
    return statement.on_conflict_do_update(index_elements=["target", "second"], set_={**added, **latest})
