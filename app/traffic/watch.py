"""The watch of a target: what its balancer says, how its sides are, and what probes see, once a second; and whether the
way back is proven, the balancer's pre-flight included, every ten seconds."""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Awaitable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import structlog
from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import Insert, distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import tables
from app.db.engine import Database
from app.deployments.commands import database_now, note_configuration
from app.domain.observation import Seen, shares
from app.domain.plan import Plan
from app.domain.readiness import Light
from app.domain.sides import Release, Side
from app.eventlog.log import SYSTEM, Entry, append, notify, touch
from app.orchestrator.following import Following
from app.ports.clock import Clock
from app.ports.follower import Follower
from app.ports.traffic import Finding, ProviderError, SideHealth, TargetReading
from app.traffic.commands_break_glass import notice_newer_epoch
from app.traffic.queries_capsule import Armed, order_of
from app.traffic.queries_readiness import light_of
from app.traffic.tasks import Steered, releases_of
from app.traffic.tasks_follow import Desk
from app.web.access import plan_by_hash

log = structlog.get_logger()

PROOF_EVERY_S = 1.0
ASK_WITHIN_S = 3.0
PREFLIGHT_EVERY_S = 10.0
PREFLIGHT_WITHIN_S = 9.0
SETTLES_AFTER = 3
"""So many rounds the light must say the same before the log says that it changed."""
NEWER_EPOCH_AFTER = 5
"""So many rounds the target must carry a newer epoch than ours: a spool on one of our disks gets the first word."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Watched:
    """The deployment that a target's watch reports to."""

    deployment_id: int
    plan: Plan
    target: str
    releases: dict[Side, Release]
    plan_hash: str = ""


async def find_watched(session: AsyncSession) -> list[Watched]:
    """For each target the deployment that holds it, else its newest."""
    deployment, state = tables.Deployment, tables.TargetState
    statement = (
        select(deployment, tables.PlanVersion.hash)
        .join(tables.PlanVersion, tables.PlanVersion.id == deployment.plan_version_id)
        .join(state, state.target == deployment.target)
        .where(or_(state.locked_by.is_(None), state.locked_by == deployment.id))
        .ext(distinct_on(deployment.target))
        .order_by(deployment.target, deployment.id.desc())
    )
    return [
        Watched(row.id, await plan_by_hash(session, digest), row.target, releases_of(row), digest)
        for row, digest in (await session.execute(statement)).all()
    ]


class Watch:
    """Probes at rest, reads the balancer and asks both sides once a second, and records what it found."""

    def __init__(self, database: Database, clock: Clock, watched: Watched, bound: Steered) -> None:
        self._database, self._clock, self._watched, self._bound = database, clock, watched, bound
        self._rate = watched.plan.target(watched.target).probes.rest_rate
        self._seen: deque[tuple[Seen, float]] = deque(maxlen=1000)
        self._fingerprint: tuple[object, ...] = ()
        self._configuration = ""
        self._preflight: tuple[list[dict[str, Any]], float] | None = None
        self._light = _Steady()
        self._newer_for = 0

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._probe_for_ever())
            group.create_task(self._preflight_for_ever())
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

    async def _preflight_for_ever(self) -> None:
        """Beside the report: a slow cloud must not hold up what is asked once a second."""
        while True:
            started = self._clock.monotonic()
            try:
                async with asyncio.timeout(PREFLIGHT_WITHIN_S):
                    found = await self._bound.traffic.preflight()
            except Exception as error:
                words = (
                    f"no answer within {PREFLIGHT_WITHIN_S:.0f} s" if isinstance(error, TimeoutError) else str(error)
                )
                found = (Finding("preflight", "Pre-flight", None, words[:300], "Check address and credentials."),)
                log.warning("watch.preflight.failed", target=self._watched.target, error=str(error)[:300])
            self._preflight = [asdict(finding) for finding in found], self._clock.monotonic()
            await self._clock.sleep(max(1.0, PREFLIGHT_EVERY_S - (self._clock.monotonic() - started)))

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
        light, is_armed = await self._database.run(
            lambda session: self._record(session, reading, blue, green, customers, seen)
        )
        await self._tell_light(light, is_armed=is_armed)
        if not isinstance(reading, str):
            await self._note(reading.configuration)
            await self._look_at_epoch(reading)

    async def _note(self, configuration: str) -> None:
        """In a transaction of its own: commands lock the deployment before the target, so this must not follow it."""
        if configuration != self._configuration:
            deployment_id = self._watched.deployment_id
            await self._database.run(lambda session: note_configuration(session, deployment_id, configuration))
            self._configuration = configuration

    async def _look_at_epoch(self, reading: TargetReading) -> None:
        """A newer epoch on the target than any we gave out: somebody moved it by another way."""
        deployment_id, target = self._watched.deployment_id, self._watched.target
        known = await self._database.read(lambda s: s.scalar(select(tables.TargetState.epoch).filter_by(target=target)))
        self._newer_for = self._newer_for + 1 if reading.epoch > (known or 0) else 0
        if self._newer_for >= NEWER_EPOCH_AFTER:
            await self._database.run(lambda session: notice_newer_epoch(session, deployment_id, reading))
            self._newer_for = 0

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
    ) -> tuple[Light, bool]:
        """What was found, and the light it gives; whether anything is armed."""
        now = await database_now(session)
        state = await session.get_one(tables.TargetState, self._watched.target)
        self._take_reading(state, reading, now)
        state.blue_is_healthy, state.blue_found = self._judge(Side.BLUE, blue)
        state.green_is_healthy, state.green_found = self._judge(Side.GREEN, green)
        state.blue_at = state.green_at = now
        observed = shares([probe for probe, _ in seen])
        if observed.blue is not None:
            state.probed_blue, state.probed_green, state.probed_at = observed.blue, observed.green, now
        if self._preflight is not None:
            lines, asked_at = self._preflight
            state.preflight = lines
            state.preflight_at = now - timedelta(seconds=self._clock.monotonic() - asked_at)
        deployment = await session.get_one(tables.Deployment, self._watched.deployment_id)
        state.by_hand = self._by_hand(deployment, state, now)
        light = await light_of(session, deployment, state, now)
        await session.flush()
        await session.execute(_summary(self._watched.target, now, seen, customers))
        await self._tell(session, state, observed.blue, observed.green, customers, light)
        return light, deployment.armed_at is not None

    def _by_hand(self, deployment: tables.Deployment, state: tables.TargetState, now: datetime) -> list[Any]:
        """The rollback by hand as the card shows it, with the epoch of the capsules."""
        armed = Armed(deployment, self._watched.plan, self._watched.plan_hash, state)
        order = order_of(armed, now, here=now, binding={}, addresses={}, by_hand=())
        steps = self._bound.traffic.by_hand(order.weights, epoch=order.epoch)
        return [{"text": step.text, "command": step.command} for step in steps]

    async def _tell_light(self, light: Light, *, is_armed: bool) -> None:
        """While something is armed the log says when the way back is lost and found again."""
        changed = self._light.now(light.is_ready) if is_armed else None
        if changed is None:
            return
        entry = Entry("traffic.way_back.proven", "The way back is proven again", ("traffic",))
        if not changed:
            text = f"The way back is not proven: {'; '.join(light.reasons)[:300]}"
            entry = Entry("traffic.way_back.lost", text, ("traffic",), severity="warn")
        deployment_id = self._watched.deployment_id
        await self._database.run(lambda session: append(session, deployment_id, entry, SYSTEM))

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
        light: Light,
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
            "proof": light.proof_age_s,
        }
        if customers is not None:
            message["customers"] = {"requests": customers[0], "failed": customers[1]}
        words = [(line.key, line.is_ok) for line in light.lines]
        fingerprint = (blue, set_blue, state.blue_is_healthy, state.green_is_healthy, bool(state.read_error), words)
        if fingerprint != self._fingerprint:
            self._fingerprint = fingerprint
            await touch(session, self._watched.deployment_id, ("traffic",))
        await notify(session, message)


class _Steady:
    """A yes or no that counts once it was the same for some rounds."""

    def __init__(self) -> None:
        self._counts: bool | None = None
        self._last: bool | None = None
        self._rounds = 0

    def now(self, value: bool) -> bool | None:
        """The new value when it has just begun to count and differs from the one before; a first ready says nothing."""
        self._rounds = self._rounds + 1 if value == self._last else 1
        self._last = value
        if self._rounds < SETTLES_AFTER or value == self._counts:
            return None
        first, self._counts = self._counts is None, value
        return None if first and value else value


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
