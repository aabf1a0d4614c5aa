"""The plan clock on PostgreSQL: rehearsals set it, live deployments never; planned and actual go by it."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Deployment
from app.deployments.commands import database_now
from app.domain.errors import Rejected
from app.domain.phases import Change
from app.domain.plan import Plan
from app.domain.plan_clock import PlanClock, plan_now
from app.phases.commands_clock import jump, set_speed
from app.phases.queries_clock import clock_view
from app.phases.queries_day import day_view
from app.phases.queries_phase import marks_view
from app.phases.views import ClockView
from app.web.access import Scope
from tests.phases.ready import log_of, run_of, running

ScopeOf = Callable[..., Awaitable[Scope]]


async def clock(database: Database, scope: Scope) -> ClockView:
    view = await database.read(lambda session: clock_view(session, scope))
    assert view is not None
    return view


async def current(database: Database, deployment: Deployment) -> tuple[Deployment, datetime]:
    async def query(session: AsyncSession) -> tuple[Deployment, datetime]:
        row = await session.get_one(Deployment, deployment.id, populate_existing=True)
        return row, await database_now(session)

    return await database.read(query)


async def test_a_rehearsal_runs_faster_and_a_phase_over_its_time_says_so(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead = await scope_of(deployment, "devops_lead")
    await running(database, deployment, plan, lead)
    began = (await run_of(database, deployment, "github")).started_at
    assert began is not None
    await database.run(lambda s: set_speed(s, lead, 60))
    view = await clock(database, lead)
    assert (view.speed, view.is_real) == (60, False)
    await database.run(lambda s: jump(s, lead, began + timedelta(minutes=57)))
    line = (await database.read(lambda session: day_view(session, lead))).lines[0]
    assert line.span.over.startswith("12")
    assert line.span.progress is not None
    assert line.span.progress.late.startswith("12")
    assert line.span.progress.words == "Planned 45\u00a0min"
    row, now = await current(database, deployment)
    assert plan_now(row, now) >= began + timedelta(minutes=57)
    kinds = [event.kind for event in await log_of(database, deployment)]
    assert kinds.count("phases.clock.set") == 2


async def test_the_next_mark_is_the_nearest_that_the_plan_names(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead = await scope_of(deployment, "devops_lead")
    await running(database, deployment, plan, lead)
    began = (await run_of(database, deployment, "github")).started_at
    assert began is not None
    seen = []
    for _ in range(20):
        mark = (await clock(database, lead)).next
        assert mark is not None
        seen.append(mark.title)
        await database.run(lambda s, at=mark.at: jump(s, lead, at))  # type: ignore[misc]
        if mark.title == "phase 2: Final confirmation":
            break
    assert "phase 2: Verification" in seen
    marks = await database.read(lambda session: marks_view(session, lead, plan.phase("github")))
    assert [line.state for line in marks.lines] == ["past", "past", "past", "past", "now"]
    assert marks.lines[2].due == began + timedelta(minutes=30)


async def test_it_never_goes_back_and_whoever_presses_second_is_told(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    lead = await scope_of(deployment, "devops_lead")
    mark = (await clock(database, lead)).next
    assert mark is not None
    await database.run(lambda s: jump(s, lead, mark.at))
    with pytest.raises(Rejected, match="only goes forward") as refused:
        await database.run(lambda s: jump(s, lead, mark.at))
    assert refused.value.conflict
    for moment in (datetime(2026, 1, 1), datetime.max):  # noqa: DTZ001, DTZ901
        with pytest.raises(Rejected, match="no time zone"):
            await database.run(lambda s, moment=moment: jump(s, lead, moment))  # type: ignore[misc]
    with pytest.raises(Rejected, match="×0"):
        await database.run(lambda s: set_speed(s, lead, 0))


async def test_nobody_sets_the_clock_of_a_live_deployment(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    async def live(session: AsyncSession) -> None:
        (await session.get_one(Deployment, deployment.id)).mode = "live"

    await database.run(live)
    lead = await scope_of(deployment, "devops_lead")
    assert await database.read(lambda session: clock_view(session, lead)) is None
    with pytest.raises(Rejected, match="nobody sets it"):
        await database.run(lambda s: set_speed(s, lead, 10))
    _, now = await current(database, deployment)
    with pytest.raises(Rejected, match="nobody sets it"):
        await database.run(lambda s: jump(s, lead, now + timedelta(hours=1)))
    row, _ = await current(database, deployment)
    assert row.plan_clock == PlanClock()


async def test_a_phase_that_has_not_begun_in_time_says_how_late_it_is(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    """Only what was planned after the deployment was made: a rehearsal's calendar begins with it."""
    lead = await scope_of(deployment, "devops_lead")
    planned = (await run_of(database, deployment, "monitoring")).planned_at
    assert planned is not None
    await database.run(lambda s: jump(s, lead, planned + timedelta(minutes=5)))
    lines = {line.key: line for line in (await database.read(lambda session: day_view(session, lead))).lines}
    assert lines["monitoring"].span.late.startswith("5")
    assert lines["github"].span.late == ""
    assert lines["rollback"].span.planned == ""


def test_the_press_names_are_the_domains() -> None:
    from app.phases.queries_phase import CHANGES

    assert set(CHANGES.values()) == {
        Change.START, Change.RESUME, Change.COMPLETE, Change.HOLD, Change.RESCHEDULE, Change.SKIP, Change.ABORT,
    }  # fmt: skip
