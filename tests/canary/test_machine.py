"""Canaries as a whole: people, the duty and shifts that end, in any order. Hypothesis plays them on PostgreSQL; after
each step the log of events, folded by the domain's own table, says what the rows say, and what was refused changed
nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.canary.commands import Look, approve, go_on, keep, report, start, take_back
from app.canary.forms import CanaryForm, StartForm
from app.canary.queries import judgement_of, newest_run
from app.config import Settings
from app.db.engine import Database, make_engine
from app.db.tables import Alert, CanaryReading, CanaryRun, Deployment, Event, Operation, PhaseRun
from app.deployments.commands import database_now
from app.domain.canary import JUDGED, OVER, Change, Run, State, follow
from app.domain.canary_gate import Verdict
from app.domain.errors import Rejected
from app.domain.plan import Plan
from app.eventlog.log import verify_chain
from app.web.access import Forbidden, Scope
from tests.canary.ready import PHASE, TARGET, WELL, staging_runs
from tests.conftest import Seeder, make_scope_of

WHO = ("devops_lead", "backend_lead", "backend_1", "support")
LEADS = ("devops_lead", "backend_lead")
BACKEND = ("backend_lead", "backend_1")
BACK = (State.ROLLING_BACK, State.ROLLED_BACK)
CHANGES = {change.value: change for change in Change}
ORDERS = ("traffic.shift.requested", "traffic.shift_back.requested")


@dataclass(frozen=True)
class Stage:
    """What is the same in every example: a database with a deployment in it, and who is there."""

    url: str
    deployment: Deployment
    plan: Plan
    scopes: dict[str, Scope]
    runner: asyncio.Runner


@dataclass(frozen=True)
class Folded:
    """A canary as the log of events tells it."""

    run: Run
    approved_step: int | None = None


def folded(events: list[Event]) -> tuple[dict[int, Folded], list[tuple[int, int]]]:
    """Each run, and every order as (operation, percent). Raises Rejected where a change does not follow."""
    runs: dict[int, Folded] = {}
    orders: list[tuple[int, int]] = []
    for event in events:
        if event.kind in CHANGES:
            number, change = event.payload["run"], CHANGES[event.kind]
            before = runs.get(number, Folded(Run()))
            is_new = change in (Change.START, Change.RETRY, Change.ADVANCE)
            runs[number] = Folded(follow(before.run, change), None if is_new else before.approved_step)
            assert (event.payload["state"], event.payload["step"]) == (runs[number].run.state, runs[number].run.step)
        elif event.kind == "canary.approved":
            number = event.payload["run"]
            runs[number] = replace(runs[number], approved_step=event.payload["step"])
        elif event.kind in ORDERS:
            orders.append((event.payload["operation"], event.payload["percent"]))
    return runs, orders


class Canaries(RuleBasedStateMachine):
    stage: Stage

    def __init__(self) -> None:
        super().__init__()
        self.connection: AsyncConnection
        self.database: Database
        self.presses = 0
        self.last: Callable[[], Any] | None = None
        self.phase_runs = True

    def do(self, work: Awaitable[Any]) -> Any:
        async def whole() -> Any:
            return await work

        return self.stage.runner.run(whole())

    @initialize(far=st.integers(0, 9))
    def open(self, far: int) -> None:
        """With a canary that has come so far by itself: most of what can go wrong lies beyond the first share."""

        async def begin() -> None:
            self.engine = make_engine(self.stage.url, pool_size=1)
            self.connection = await self.engine.connect()
            self.outer = await self.connection.begin()
            self.database = Database(self.connection)

        self.do(begin())
        for _ in range(far):
            self.as_it_should()

    def teardown(self) -> None:
        if not hasattr(self, "database"):
            return

        async def end() -> None:
            assert await self.database.read(lambda s: verify_chain(s, self.stage.deployment.id)) is None
            await self.outer.rollback()
            await self.connection.close()
            await self.engine.dispose()

        self.do(end())

    # ── what is there ───────────────────────────────────────────────────────

    def read(self, query: Callable[[AsyncSession], Awaitable[Any]]) -> Any:
        return self.do(self.database.read(query))

    def row(self) -> CanaryRun | None:
        found: CanaryRun | None = self.read(lambda s: newest_run(s, self.stage.deployment.id, PHASE))
        return found

    def state(self) -> State | None:
        row = self.row()
        return State(row.state) if row else None

    def is_moving(self) -> bool:
        return bool(self.read(lambda s: s.scalar(select(func.count()).where(Operation.finished_at.is_(None)))))

    def passes(self) -> bool:
        async def query(session: AsyncSession) -> bool:
            row = await newest_run(session, self.stage.deployment.id, PHASE)
            deployment = await session.get_one(Deployment, self.stage.deployment.id)
            assert row is not None
            now = await database_now(session)
            phase = self.stage.plan.phase(PHASE)
            found = await judgement_of(session, deployment, self.stage.plan, phase, row, now)
            return found.verdict is Verdict.PASSED

        return bool(self.read(query))

    def everything(self) -> list[Any]:
        async def query(session: AsyncSession) -> list[Any]:
            found: list[Any] = []
            for table in (CanaryRun, Operation, Event, CanaryReading):
                columns = table.__table__.columns
                found.append([tuple(row) for row in await session.execute(select(*columns).order_by(columns["id"]))])
            return found

        found: list[Any] = self.read(query)
        return found

    # ── people ──────────────────────────────────────────────────────────────

    def press(
        self, who: str, command: Any, form: CanaryForm, *, is_legal: bool, changes: bool = True, **named: Any
    ) -> None:
        """What is not legal is refused and changes nothing; what is, is told, unless it was done already."""
        scope, before = self.stage.scopes[who], self.everything()

        def send() -> None:
            self.do(self.database.run(lambda session: command(session, scope, PHASE, form, **named)))

        if not is_legal:
            with pytest.raises((Rejected, Forbidden)):
                send()
            assert self.everything() == before
            return
        send()
        assert (self.everything() != before) == changes
        self.last = send

    def form(self, *, is_fresh: bool, text: str = "") -> CanaryForm:
        self.presses += 1
        row = self.row()
        version = row.version if row else 0
        return CanaryForm(text=text, key=f"key-{self.presses}", version=version if is_fresh else version + 1)

    @rule(who=st.sampled_from(WHO), knows=st.booleans())
    def start(self, who: str, knows: bool) -> None:
        row, self.presses = self.row(), self.presses + 1
        newest = row.id if row else 0
        form = StartForm(run=newest if knows else newest + 1, key=f"key-{self.presses}")
        is_legal = (
            who in LEADS
            and knows
            and self.phase_runs
            and self.state() in (None, State.ROLLED_BACK)
            and not self.is_moving()
        )
        self.press(who, start, form, is_legal=is_legal, bound=(TARGET,))

    @rule(who=st.sampled_from(WHO), is_fresh=st.sampled_from([True, True, True, False]))
    def go_on(self, who: str, is_fresh: bool) -> None:
        state = self.state()
        is_ready = state is State.WAITING or (state is State.GATE and not self.is_last() and self.passes())
        is_legal = who in LEADS and is_fresh and self.phase_runs and is_ready and not self.is_moving()
        self.press(who, go_on, self.form(is_fresh=is_fresh), is_legal=is_legal)

    def is_last(self) -> bool:
        row = self.row()
        return row is not None and row.step == len(self.stage.plan.phase(PHASE).canary) - 1

    @rule(who=st.sampled_from(WHO), is_fresh=st.sampled_from([True, True, True, False]))
    def approve(self, who: str, is_fresh: bool) -> None:
        is_legal = who in BACKEND and is_fresh and self.state() in JUDGED
        self.press(who, approve, self.form(is_fresh=is_fresh), is_legal=is_legal)

    @rule(who=st.sampled_from(WHO), text=st.sampled_from(["slow queries", ""]), is_fresh=st.booleans())
    def report(self, who: str, text: str, is_fresh: bool) -> None:
        state = self.state()
        is_legal = who in BACKEND and state is not None and (bool(text) or state in BACK)
        changes = state not in BACK
        self.press(who, report, self.form(is_fresh=is_fresh, text=text), is_legal=is_legal, changes=changes)

    @rule(who=st.sampled_from(WHO), is_fresh=st.booleans())
    def take_back(self, who: str, is_fresh: bool) -> None:
        state = self.state()
        is_legal = who in (*LEADS, *BACKEND) and state is not None
        self.press(who, take_back, self.form(is_fresh=is_fresh), is_legal=is_legal, changes=state not in BACK)

    @precondition(lambda self: self.last is not None)
    @rule()
    def press_twice(self) -> None:
        """The same press sent once more, right after, is the same press."""
        before, last = self.everything(), self.last
        assert last is not None
        last()
        assert self.everything() == before

    def as_it_should(self) -> None:
        """The one press, or the one event, that a good course has next."""
        match self.state():
            case None | State.ROLLED_BACK if self.is_moving():
                self.the_shift_ends("done")
            case None | State.ROLLED_BACK:
                self.start("devops_lead", True)
            case State.SHIFTING | State.ROLLING_BACK if self.is_moving():
                self.the_shift_ends("done")
            case State.SHIFTING | State.ROLLING_BACK:
                self._look(is_well=True, is_read=True, is_dark=False)
            case State.DWELLING | State.INCONCLUSIVE:
                self.it_stands_long_enough()
            case State.GATE:
                row = self.row()
                if row is not None and row.approved_at is None:
                    self.go_on("devops_lead", True)  # without their word: refused
                    self.approve("backend_1", True)
                else:
                    self.go_on("devops_lead", True)
            case State.WAITING:
                self.go_on("devops_lead", True)

    @rule(count=st.integers(1, 4))
    def goes_well(self, count: int) -> None:
        for _ in range(count):
            self.as_it_should()
            self.the_log_says_what_the_rows_say()

    @rule(runs=st.sampled_from([True, True, False]))
    def hold_the_phase(self, runs: bool) -> None:
        self.phase_runs, self.last = runs, None
        wanted = update(PhaseRun).where(PhaseRun.phase == PHASE).values(state="running" if runs else "on_hold")
        self.do(self.database.run(lambda session: session.execute(wanted)))

    # ── machines ────────────────────────────────────────────────────────────

    @precondition(lambda self: self.is_moving())
    @rule(state=st.sampled_from(["done", "done", "done", "refused", "failed"]))
    def the_shift_ends(self, state: str) -> None:
        self.last = None

        async def write(session: AsyncSession) -> None:
            now = await database_now(session)
            wanted = select(Operation).where(Operation.finished_at.is_(None))
            operation = (await session.execute(wanted)).scalar_one()
            is_back = operation.want_blue == 100
            operation.state = "done" if is_back and state == "refused" else state
            operation.finished_at = now
            if operation.state == "done":
                operation.observed_100_at = now
                operation.verified_at = now if is_back else None

        self.do(self.database.run(write))

    @precondition(lambda self: self.state() in JUDGED)
    @rule()
    def it_stands_long_enough(self) -> None:
        """All was well for a minute, and the dwell is over."""
        self.last = None

        async def write(session: AsyncSession) -> None:
            row = await newest_run(session, self.stage.deployment.id, PHASE)
            assert row is not None
            now = await database_now(session)
            row.started_at = row.step_since = now - timedelta(minutes=1)
            row.dwelt_s = 10_000
            values = [
                {"run_id": row.id, "metric": metric, "at": now - timedelta(seconds=back), "value": value, "samples": 50}
                for back in range(0, 60, 2)
                for metric, value in WELL.items()
            ]
            await session.execute(insert(CanaryReading), values)

        self.do(self.database.run(write))
        self._look(is_well=True, is_read=True, is_dark=False)

    @rule(is_well=st.sampled_from([True, True, False]), is_read=st.booleans(), is_dark=st.booleans())
    def the_duty_looks(self, is_well: bool, is_read: bool, is_dark: bool) -> None:
        self._look(is_well=is_well, is_read=is_read, is_dark=is_dark)

    def _look(self, *, is_well: bool, is_read: bool, is_dark: bool) -> None:
        row = self.row()
        if row is None:
            return
        self.last = None
        percent = self.stage.plan.phase(PHASE).canary[row.step].percent
        measured = tuple((metric, None if is_dark else value, 50) for metric, value in WELL.items())
        look = Look(is_read, percent if is_read else None, is_well, measured, 1, 10)
        before = self.everything() if row.finished_at is not None else None
        self.do(self.database.run(lambda session: keep(session, row.id, self.stage.plan, look)))
        assert before is None or self.everything() == before, "a run that is over was kept"

    @rule(is_critical=st.booleans(), about=st.sampled_from([TARGET, "production"]))
    def an_alert_comes(self, is_critical: bool, about: str) -> None:
        self.last = None

        async def write(session: AsyncSession) -> None:
            severity = "critical" if is_critical else "warning"
            values = {"source": "pager", "name": "Port scan", "state": "firing", "severity": severity}
            now = await database_now(session)
            session.add(
                Alert(
                    deployment_id=self.stage.deployment.id,
                    target=about,
                    category="security",
                    received_at=now,
                    **values,
                )
            )

        self.do(self.database.run(write))

    # ── what must hold ──────────────────────────────────────────────────────

    @invariant()
    def the_log_says_what_the_rows_say(self) -> None:
        if not hasattr(self, "database"):
            return

        async def query(session: AsyncSession) -> tuple[list[Event], list[CanaryRun], list[Operation]]:
            events = await session.scalars(
                select(Event).where(Event.chain == self.stage.deployment.id).order_by(Event.id)
            )
            runs = await session.scalars(select(CanaryRun).order_by(CanaryRun.id))
            return list(events), list(runs), list(await session.scalars(select(Operation).order_by(Operation.id)))

        events, rows, operations = self.read(query)
        runs, orders = folded(events)
        assert {row.id: (row.state, row.step, row.approved_at is not None) for row in rows} == {
            number: (one.run.state, one.run.step, one.approved_step == one.run.step) for number, one in runs.items()
        }
        assert [(row.state in OVER) == (row.finished_at is not None) for row in rows].count(False) == 0
        assert orders == [(each.id, 100 - each.want_blue) for each in operations]
        assert sum(each.finished_at is None for each in operations) <= 1
        self._shares_come_one_by_one(rows, operations)

    def _shares_come_one_by_one(self, rows: list[CanaryRun], operations: list[Operation]) -> None:
        shares = [step.percent for step in self.stage.plan.phase(PHASE).canary]
        for row in rows:
            mine = [each for each in operations if each.idempotency_key.startswith(f"canary-{row.id}-")]
            up = [100 - each.want_blue for each in mine if each.want_blue < 100]
            assert list(dict.fromkeys(up)) == shares[: len(set(up))]
            first_back = next((n for n, each in enumerate(mine) if each.want_blue == 100), len(mine))
            assert all(each.want_blue == 100 for each in mine[first_back:]), "a share after the way back"


@pytest.fixture
def stage(database_url: str, seed: Seeder, plan: Plan, settings: Settings) -> Iterator[Stage]:
    with asyncio.Runner() as runner:

        async def prepare() -> Stage:
            engine = make_engine(database_url, pool_size=1)
            database = Database(engine)
            deployment = await seed(database)
            await staging_runs(database, deployment)
            scope_of = make_scope_of(database, settings)
            scopes = {who: await scope_of(deployment, who) for who in WHO}
            await engine.dispose()
            return Stage(database_url, deployment, plan, scopes, runner)

        yield runner.run(prepare())


def test_the_log_and_the_rows_agree_whatever_happens(stage: Stage) -> None:
    class Staged(Canaries):
        pass

    Staged.stage = stage
    run_state_machine_as_test(
        Staged,
        settings=settings(
            max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
