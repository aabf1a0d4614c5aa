"""The guard of a deployment after its switch, a duty one worker carries: repeats smoke tests and judges triggers.

A judgement comes at once when there is new evidence (readings and alerts by NOTIFY, checks as they come), when a
running clock runs out, and else once a second.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg
import structlog
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Deployment, Operation, PlanVersion, TargetState, TriggerCheck
from app.deployments.commands import database_now
from app.domain.errors import Rejected
from app.domain.operations import Kind
from app.domain.plan import Plan, SmokeTest
from app.domain.sides import Side
from app.domain.smoke import wrong_with
from app.eventlog.log import CHANNEL
from app.jobs.queue import conninfo
from app.ports.clock import Clock
from app.ports.probe import Prober
from app.ports.traffic import ProviderError
from app.triggers.commands import follow
from app.triggers.queries import WITH_WAY_BACK
from app.web.access import plan_by_hash

log = structlog.get_logger()

JUDGE_EVERY_S = 1.0
LOOK_EVERY_S = 0.5
"""How soon after its acceptance a switch is under guard."""
SHORTEST_S = 0.005
KEEP = timedelta(hours=24)


@dataclass(frozen=True)
class Guarded:
    """A deployment whose switch was accepted and can be rolled back."""

    deployment_id: int
    plan: Plan
    target: str


async def find_guarded(session: AsyncSession) -> list[Guarded]:
    statement = (
        select(Deployment.id, Deployment.target, PlanVersion.hash)
        .join(PlanVersion, PlanVersion.id == Deployment.plan_version_id)
        .join(TargetState, TargetState.target == Deployment.target)
        .where(Deployment.state.in_([state.value for state in WITH_WAY_BACK]), TargetState.locked_by == Deployment.id)
    )
    rows = await session.execute(statement)
    return [Guarded(number, await plan_by_hash(session, digest), target) for number, target, digest in rows.all()]


@dataclass(frozen=True, slots=True)
class CheckResult:
    test: str
    is_bad: bool | None
    ms: float
    found: str


async def check(prober: Prober, test: SmokeTest, *, is_in_service: bool) -> CheckResult:
    """Ask once through the public address. What BLUE answered, and a failure before anything was written to the
    balancer, says nothing about GREEN."""
    try:
        answer = await prober.fetch(test.method, test.path)
    except ProviderError as error:
        return CheckResult(test.key, True if is_in_service else None, 0.0, f"{test.title}: {error.message}"[:300])
    ms = answer.seconds * 1000
    wrong = wrong_with(test, status=answer.status, body=answer.body, seconds=answer.seconds)
    if answer.side is Side.BLUE or not is_in_service:
        return CheckResult(test.key, None, ms, wrong[:300])
    return CheckResult(test.key, bool(wrong), ms, wrong[:300])


def repeated(plan: Plan, target: str) -> tuple[SmokeTest, ...]:
    """The smoke tests that probe triggers name, each once."""
    named = {key for trigger in plan.triggers if trigger.kind == "probe" for key in trigger.smoke_tests}
    return tuple(test for test in plan.target(target).smoke_tests if test.key in named)


@dataclass
class Guardian:
    """Checks and judges one deployment until it is cancelled."""

    database: Database
    clock: Clock
    guarded: Guarded
    prober: Prober
    evidence: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._judge_for_ever())
            for every_s, tests in self._rounds():
                group.create_task(self._check_for_ever(every_s, tests))

    def _rounds(self) -> list[tuple[float, tuple[SmokeTest, ...]]]:
        """Tests by how often they are repeated; the most frequent wish wins."""
        plan = self.guarded.plan
        every: dict[str, float] = {}
        for trigger in plan.triggers:
            if trigger.kind == "probe":
                for key in trigger.smoke_tests:
                    every[key] = min(every.get(key, trigger.every_s), trigger.every_s)
        tests = repeated(plan, self.guarded.target)
        return [
            (period, tuple(test for test in tests if every[test.key] == period))
            for period in sorted({every[test.key] for test in tests})
        ]

    async def last_look(self) -> None:
        """Once more at the end, so that what was told as running is told as over."""
        await self._judge()

    # ── judging ─────────────────────────────────────────────────────────────

    async def _judge_for_ever(self) -> None:
        while True:
            due = await self._judge()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.evidence.wait(), due)
            self.evidence.clear()

    async def _judge(self) -> float:
        """Judge once; seconds until the next time at the latest."""

        try:
            left_s = await self.database.run(
                lambda session: follow(session, self.guarded.deployment_id, self.guarded.plan)
            )
        except Rejected as refusal:
            # Somebody was faster, or BLUE fell ill in between: the next look sees it.
            log.warning("triggers.fire.refused", deployment=self.guarded.deployment_id, reason=refusal.reason)
            return JUDGE_EVERY_S
        except Exception as error:
            # PostgreSQL away, most likely: a breach is judged from what was stored, so nothing is lost but time.
            log.warning("triggers.judge.failed", deployment=self.guarded.deployment_id, error=str(error)[:300])
            return JUDGE_EVERY_S
        return JUDGE_EVERY_S if left_s is None else min(JUDGE_EVERY_S, max(SHORTEST_S, left_s))

    # ── checking ────────────────────────────────────────────────────────────

    async def _check_for_ever(self, every_s: float, tests: Sequence[SmokeTest]) -> None:
        while True:
            started = self.clock.monotonic()
            try:
                await self._check(tests)
            except Exception as error:
                log.warning("triggers.check.failed", deployment=self.guarded.deployment_id, error=str(error)[:300])
            self.evidence.set()
            await self.clock.sleep(max(0.1, every_s - (self.clock.monotonic() - started)))

    async def _check(self, tests: Sequence[SmokeTest]) -> None:
        is_in_service = await self.database.read(self._green_is_in_service)
        results = await asyncio.gather(*(check(self.prober, test, is_in_service=is_in_service) for test in tests))
        await self.database.run(lambda session: self._record(session, results))

    async def _green_is_in_service(self, session: AsyncSession) -> bool:
        """Whether anything was written to the balancer in this switch."""
        statement = (
            select(Operation.written_at)
            .where(Operation.deployment_id == self.guarded.deployment_id, Operation.kind == Kind.SWITCH.value)
            .order_by(Operation.epoch.desc())
            .limit(1)
        )
        return await session.scalar(statement) is not None

    async def _record(self, session: AsyncSession, results: Sequence[CheckResult]) -> None:
        now = await database_now(session)
        rows = [
            {
                "deployment_id": self.guarded.deployment_id,
                "test": each.test,
                "at": now,
                "is_bad": each.is_bad,
                "ms": each.ms,
                "found": each.found,
            }
            for each in results
        ]
        await session.execute(insert(TriggerCheck), rows)
        old = (TriggerCheck.deployment_id == self.guarded.deployment_id) & (TriggerCheck.at < now - KEEP)
        await session.execute(delete(TriggerCheck).where(old, TriggerCheck.test.in_([each.test for each in results])))


BindProber = Callable[[Guarded], Prober]


async def guard_all(database: Database, database_url: str, clock: Clock, bind: BindProber) -> None:
    """Guard every deployment that has a way back, until cancelled."""
    running: dict[int, tuple[Guardian, asyncio.Task[None]]] = {}
    listening = asyncio.create_task(_listen_for_ever(database_url, running), name="triggers.listen")
    try:
        while True:
            await _look(database, clock, bind, running)
            await clock.sleep(LOOK_EVERY_S)
    finally:
        tasks = [listening, *(task for _, task in running.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _look(
    database: Database, clock: Clock, bind: BindProber, running: dict[int, tuple[Guardian, asyncio.Task[None]]]
) -> None:
    guarded = {each.deployment_id: each for each in await database.read(find_guarded)}
    for deployment_id in [number for number in running if number not in guarded]:
        guardian, task = running.pop(deployment_id)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await guardian.last_look()
    for deployment_id, each in guarded.items():
        if deployment_id in running and not running[deployment_id][1].done():
            continue
        guardian = Guardian(database, clock, each, bind(each))
        running[deployment_id] = (guardian, asyncio.create_task(guardian.run(), name=f"triggers-{deployment_id}"))


async def _listen_for_ever(database_url: str, running: dict[int, tuple[Guardian, asyncio.Task[None]]]) -> None:
    """Wake guardians by NOTIFY. While there is no connection the once-a-second look goes on."""
    while True:
        with contextlib.suppress(psycopg.Error, OSError):
            async with await psycopg.AsyncConnection.connect(
                conninfo(database_url), autocommit=True, connect_timeout=3
            ) as connection:
                await connection.execute(f"listen {CHANNEL}")
                while True:
                    async for notification in connection.notifies(timeout=5):
                        _wake(json.loads(notification.payload), running)
                    await connection.execute("select 1")
        await asyncio.sleep(1.0)


def _wake(message: dict[str, Any], running: dict[int, tuple[Guardian, asyncio.Task[None]]]) -> None:
    if "readings" not in message and "evidence" not in message:
        return
    found = running.get(message.get("deployment", -1))
    if found is not None:
        found[0].evidence.set()
