"""Phases on PostgreSQL: who may, what holds them up, who was faster, and that the log gives the row."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import delete, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Deployment, Event, PhaseRun
from app.deployments import commands as deployments
from app.deployments.commands import apply, database_now, lock
from app.domain.deployments import Change as Course
from app.domain.errors import Rejected
from app.domain.phases import Change, Happened, Run, State, evolve
from app.domain.plan import Plan
from app.domain.schedule import planned_times
from app.eventlog.log import SYSTEM
from app.phases.commands import change_phase
from app.phases.commands_rows import rows_of
from app.phases.commands_rows import run_of as run_from
from app.phases.forms import MoveForm, PhaseForm
from app.phases.queries_phase import phase_view
from app.web.access import Forbidden, NotFound, Scope
from tests.phases.ready import checklist_done, log_of, press, run_of, running

ScopeOf = Callable[..., Awaitable[Scope]]


def folded(events: list[Event], phase: str) -> Run:
    """The phase as the log alone tells it: its own events, and those of the deployment's course that moved it."""
    run = Run()
    for event in events:
        planned = event.payload.get("planned", {})
        if phase in planned:
            at = planned[phase]
            run = Run(**{**_fields(run), "planned_at": datetime.fromisoformat(at) if at else None})
        own = [event.payload] if event.kind.startswith("phases.") and "change" in event.payload else []
        for change in own + list(event.payload.get("phases", [])):
            if change["phase"] == phase:
                run = evolve(run, _happened(change))
    return run


def _fields(run: Run) -> dict[str, object]:
    return {name: getattr(run, name) for name in Run.__dataclass_fields__}


def _happened(payload: dict[str, str]) -> Happened:
    moments = {name: datetime.fromisoformat(payload[name]) for name in ("at", "plan_at")}
    planned = payload["planned_at"]
    return Happened(
        Change(payload["change"]),
        **moments,
        by=payload["by"],
        reason=payload["reason"],
        planned_at=datetime.fromisoformat(planned) if planned else None,
    )


async def the_log_tells_the_rows(database: Database, deployment: Deployment, plan: Plan) -> None:
    events = await log_of(database, deployment)
    for phase in plan.phases:
        row = run_from(await run_of(database, deployment, phase.key))
        told = folded(events, phase.key)
        since = told.since or row.since  # a phase that never moved stands since the deployment was made
        assert Run(**{**_fields(told), "since": since}) == row, phase.key


async def test_every_phase_of_the_plan_has_a_row_from_the_start(
    database: Database, deployment: Deployment, plan: Plan
) -> None:
    planned = planned_times(plan, deployment.planned_at)
    for phase in plan.phases:
        row = await run_of(database, deployment, phase.key)
        assert (row.state, row.kind, row.planned_at) == (State.PLANNED, phase.kind, planned[phase.key])
    await the_log_tells_the_rows(database, deployment, plan)


async def test_a_phase_starts_when_its_conditions_hold_and_not_before(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead = await scope_of(deployment, "devops_lead")
    with pytest.raises(Rejected, match=r"Before phase 2: \d of 6 items done") as refused:
        await press(database, lead, "github", Change.START)
    assert refused.value.code == "conditions"
    await checklist_done(database, deployment, plan, "github")
    await press(database, lead, "github", Change.START)
    row = await run_of(database, deployment, "github")
    assert (row.state, row.changed_by) == (State.RUNNING, "DevOps lead")
    assert row.started_at is not None
    with pytest.raises(Rejected, match="Phase 2 is running: complete or skip it first"):
        await press(database, lead, "staging", Change.START)
    with pytest.raises(Rejected, match="Steps still open"):
        await press(database, lead, "github", Change.COMPLETE)
    await the_log_tells_the_rows(database, deployment, plan)


async def test_hold_resume_reschedule_and_abort_with_their_reasons(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead, manager = await scope_of(deployment, "devops_lead"), await scope_of(deployment, "project_manager")
    await running(database, deployment, plan, lead)
    with pytest.raises(Rejected, match="reason is missing"):
        await press(database, lead, "github", Change.HOLD)
    await press(database, lead, "github", Change.HOLD, reason="<script>alert(1)</script> GitHub is down")
    later = await database.read(database_now) + timedelta(hours=2)
    version = (await run_of(database, deployment, "github")).version
    form = MoveForm(reason="GitHub is back at noon", planned_at=later, version=version)
    await database.run(lambda s: change_phase(s, lead, "github", Change.RESCHEDULE, form))
    row = await run_of(database, deployment, "github")
    assert (row.state, row.planned_at, row.is_moved) == (State.ON_HOLD, later, True)
    await press(database, manager, "github", Change.RESUME)
    await press(database, manager, "github", Change.ABORT, reason="Not today")
    row = await run_of(database, deployment, "github")
    assert (row.state, row.reason) == (State.ABORTED, "Not today")
    await the_log_tells_the_rows(database, deployment, plan)


async def test_a_phase_on_hold_goes_on_only_while_its_deployment_and_its_target_let_it(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead, manager = await scope_of(deployment, "devops_lead"), await scope_of(deployment, "project_manager")
    await running(database, deployment, plan, lead)
    await press(database, lead, "github", Change.HOLD, reason="GitHub is down")
    await database.run(lambda s: deployments.abort(s, manager, "not this week"))
    view = await database.read(lambda s: phase_view(s, lead, plan.phase("github")))
    closed = {control.key: control.closed for control in view.controls}
    assert closed["resume"] == "The deployment was aborted"
    with pytest.raises(Rejected, match=r"Phase 2 cannot go on yet\. The deployment was aborted"):
        await press(database, lead, "github", Change.RESUME)
    await press(database, manager, "github", Change.ABORT, reason="The deployment was aborted")


async def test_only_who_leads_it_or_the_day_moves_a_phase(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    await checklist_done(database, deployment, plan, "github")
    for login in ("backend_lead", "security_officer", "operations"):
        with pytest.raises(Forbidden, match="led by somebody else"):
            await press(database, await scope_of(deployment, login), "github", Change.START)
    with pytest.raises(Forbidden):
        await press(database, await scope_of(deployment, "devops_lead"), "github", Change.ABORT, reason="no")
    await press(database, await scope_of(deployment, "project_manager"), "github", Change.START)
    manager = await scope_of(deployment, "project_manager")
    with pytest.raises(NotFound):
        await database.run(lambda s: change_phase(s, manager, "nothing", Change.START, PhaseForm()))


async def test_a_stale_page_and_the_same_press_twice(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead = await scope_of(deployment, "devops_lead")
    await running(database, deployment, plan, lead)
    with pytest.raises(Rejected, match="DevOps lead changed this phase since this page was drawn"):
        await press(database, lead, "github", Change.HOLD, reason="x", version=0)
    await press(database, lead, "github", Change.HOLD, reason="x", key="k1")
    await press(database, lead, "github", Change.HOLD, reason="x", key="k1")
    assert (await run_of(database, deployment, "github")).version == 2
    await press(database, lead, "github", Change.RESUME, key="k1")
    assert (await run_of(database, deployment, "github")).state == State.RUNNING, "a key is one press of one button"


async def test_two_people_press_start_at_once_and_one_wins(
    committed_db: Database, seed: Callable[[Database], Awaitable[Deployment]], plan: Plan, settings: object
) -> None:
    from tests.conftest import make_scope_of

    deployment = await seed(committed_db)
    await checklist_done(committed_db, deployment, plan, "github")
    scope_of = make_scope_of(committed_db, settings)  # type: ignore[arg-type]
    scopes = [await scope_of(deployment, login) for login in ("devops_lead", "project_manager")]
    presses = [press(committed_db, scope, "github", Change.START, version=0) for scope in scopes]
    refused = [each for each in await asyncio.gather(*presses, return_exceptions=True) if each is not None]
    assert len(refused) == 1
    assert isinstance(refused[0], Rejected)
    assert refused[0].conflict
    winner = (await run_of(committed_db, deployment, "github")).changed_by
    assert winner in refused[0].reason
    starts = [event for event in await log_of(committed_db, deployment) if event.kind == Change.START]
    assert [event.actor for event in starts] == [winner]


# ── beside the deployment's course ────────────────────────────────────────────────────────────────────────────────

_DAY = [
    (Course.PROCEED, "running", "planned"),
    (Course.ARM, "running", "planned"),
    (Course.SWITCH, "running", "planned"),
    (Course.SWITCH_ARRIVED, "running", "planned"),
    (Course.ROLL_BACK, "running", "running"),
    (Course.ROLLBACK_DONE, "on_hold", "completed"),
    (Course.NEW_ATTEMPT, "planned", "planned"),
    (Course.HOLD, "on_hold", "planned"),
    (Course.RESUME, "planned", "planned"),
    (Course.PROCEED, "running", "planned"),
    (Course.HOLD, "on_hold", "planned"),
    (Course.RESUME, "planned", "planned"),
    (Course.PROCEED, "running", "planned"),
    (Course.ARM, "running", "planned"),
    (Course.SWITCH, "running", "planned"),
    (Course.SWITCH_ARRIVED, "running", "planned"),
    (Course.COMPLETE, "completed", "planned"),
    (Course.BREAK_GLASS, "on_hold", "completed"),
    (Course.ABORT, "aborted", "completed"),
]


async def test_production_and_rollback_follow_the_deployments_course(
    database: Database, deployment: Deployment, plan: Plan
) -> None:
    for change, production, rollback in _DAY:

        async def write(session: AsyncSession, change: Course = change) -> None:
            row = await lock(session, deployment.id)
            await apply(session, row, change, actor=SYSTEM, text="x", reason="because", payload={"operation": 1})

        await database.run(write)
        assert (await run_of(database, deployment, "production")).state == production, change
        assert (await run_of(database, deployment, "rollback")).state == rollback, change
        await the_log_tells_the_rows(database, deployment, plan)


@pytest.mark.parametrize("phase", ["production", "rollback"])
@pytest.mark.parametrize("change", [Change.START, Change.COMPLETE, Change.HOLD, Change.ABORT, Change.RESCHEDULE])
async def test_there_is_no_second_way_past_the_sign_offs(
    database: Database, deployment: Deployment, scope_of: ScopeOf, phase: str, change: Change
) -> None:
    manager = await scope_of(deployment, "project_manager")
    with pytest.raises(Rejected) as refused:
        await press(database, manager, phase, change, reason="now")
    assert refused.value.code == "by_course"
    assert (await run_of(database, deployment, phase)).version == 0


async def test_a_new_start_of_production_moves_what_nobody_moved(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    manager = await scope_of(deployment, "project_manager")
    noon = await database.read(database_now) + timedelta(hours=9)
    form = MoveForm(reason="earlier", planned_at=noon, version=0)
    await database.run(lambda s: change_phase(s, manager, "staging", Change.RESCHEDULE, form))
    start = await database.read(database_now) + timedelta(days=3)
    await database.run(lambda s: deployments.reschedule(s, manager, start, "the team is ill"))
    planned = planned_times(plan, start)
    assert (await run_of(database, deployment, "production")).planned_at == start
    assert (await run_of(database, deployment, "monitoring")).planned_at == planned["monitoring"]
    assert (await run_of(database, deployment, "staging")).planned_at == noon
    await the_log_tells_the_rows(database, deployment, plan)


async def test_a_deployment_older_than_the_table_gets_its_rows_when_they_are_needed(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    async def as_before(session: AsyncSession) -> None:
        row = await lock(session, deployment.id)
        await apply(session, row, Course.PROCEED, actor=SYSTEM, text="proceeded")
        await session.execute(delete(PhaseRun).where(PhaseRun.deployment_id == deployment.id))

    await database.run(as_before)

    async def shown(session: AsyncSession) -> dict[str, str]:
        found = await rows_of(session, await session.get_one(Deployment, deployment.id), plan)
        assert (await session.scalars(select(PhaseRun))).all() == []
        return {key: row.state for key, row in found.items()}

    assert (await database.read(shown))["production"] == State.RUNNING
    await checklist_done(database, deployment, plan, "github")
    await press(database, await scope_of(deployment, "devops_lead"), "github", Change.START, version=0)
    assert (await run_of(database, deployment, "github")).state == State.RUNNING
    assert (await run_of(database, deployment, "production")).state == State.RUNNING


async def test_the_database_refuses_a_live_deployment_a_clock_of_its_own(
    database: Database, deployment: Deployment
) -> None:
    async def write(session: AsyncSession) -> None:
        statement = "update deployment set mode = 'live', clock = '[[\"2026-01-01\", \"2026-01-01\", 60]]'"
        await session.execute(text(statement))

    with pytest.raises(IntegrityError, match="ck_deployment_live_clock"):
        await database.run(write)
