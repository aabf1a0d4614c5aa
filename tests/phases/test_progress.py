"""Running phases and steps on PostgreSQL, shown against the plan and against what they took on other days."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Deployment, PhaseRun, StepRun
from app.deployments.commands import database_now
from app.domain.plan import Plan
from app.domain.plan_clock import PlanClock, jump_to, run_at
from app.domain.steps import Change
from app.phases.commands_clock import jump, set_speed
from app.phases.queries_phase import phase_view
from app.steps.commands import change_step
from app.steps.forms import StepForm
from app.steps.queries_panels import steps_view
from app.web.access import Scope
from app.web.progress import NOBODY_KNOWS, ProgressView
from tests.conftest import Seeder
from tests.phases.ready import run_of, running

ScopeOf = Callable[..., Awaitable[Scope]]
STEP = "confirm_teams"


async def write(database: Database, statement: Any) -> None:
    await database.run(lambda session: session.execute(statement))


async def start_step(database: Database, lead: Scope) -> None:
    await database.run(lambda s: change_step(s, lead, "github", STEP, Change.START, StepForm(version=0)))


async def step_progress(database: Database, lead: Scope, plan: Plan) -> ProgressView:
    view = await database.read(lambda s: steps_view(s, lead, plan.phase("github")))
    found = next(card.progress for card in view.cards if card.key == STEP)
    assert found is not None
    assert view.ticks > 0, "that it is late is the server's to say"
    return found


async def phase_progress(database: Database, lead: Scope, plan: Plan) -> ProgressView:
    view = await database.read(lambda s: phase_view(s, lead, plan.phase("github")))
    assert view.span.progress is not None
    return view.span.progress


@pytest.fixture
async def earlier(database: Database, deployment: Deployment, seed: Seeder) -> Deployment:
    """Another day of the plan, on which the step took 40 s and the phase 50 min."""
    other = await seed(database)

    async def take(session: AsyncSession) -> None:
        now = await database_now(session)
        took = {"started_at": now - timedelta(seconds=60), "finished_at": now - timedelta(seconds=20), "at": now}
        key = {"deployment_id": other.id, "attempt": 1, "phase": "github", "step": STEP}
        session.add(StepRun(**key, **took, state="done", evidence="seen", who="", by_hand=False, tries=1, version=2))
        here = (PhaseRun.deployment_id == other.id) & (PhaseRun.phase == "github")
        day = {
            "state": "completed",
            "started_at": now - timedelta(minutes=60),
            "finished_at": now - timedelta(minutes=10),
        }
        await session.execute(update(PhaseRun).where(here).values(day))

    await database.run(take)
    return other


async def test_without_experience_the_plan_is_the_word_and_silence_is_told(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead = await scope_of(deployment, "devops_lead")
    await running(database, deployment, plan, lead)
    await start_step(database, lead)
    found = await step_progress(database, lead, plan)
    assert (found.words, found.has_bar) == (NOBODY_KNOWS, False)
    assert (await phase_progress(database, lead, plan)).words == "Planned 45\u00a0min"


async def test_what_it_took_on_another_day_is_what_is_usual(
    database: Database, deployment: Deployment, earlier: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead = await scope_of(deployment, "devops_lead")
    await running(database, deployment, plan, lead)
    await start_step(database, lead)
    found = await step_progress(database, lead, plan)
    assert (found.words, found.has_bar, found.late) == ("Usually 40\u00a0s (1 run)", True, "")
    assert (await phase_progress(database, lead, plan)).words == "Usually 50\u00a0min (1 run), planned 45\u00a0min"
    since = (await now_of(database)) - timedelta(seconds=120)
    await write(database, update(StepRun).where(StepRun.deployment_id == deployment.id).values(started_at=since))
    assert (await step_progress(database, lead, plan)).late.endswith("\u00a0s longer than usual")


async def test_rehearsals_say_nothing_about_a_live_day(
    database: Database, deployment: Deployment, earlier: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    await write(database, update(Deployment).where(Deployment.id == earlier.id).values(mode="live"))
    lead = await scope_of(deployment, "devops_lead")
    await running(database, deployment, plan, lead)
    await start_step(database, lead)
    assert (await step_progress(database, lead, plan)).words == NOBODY_KNOWS
    assert (await phase_progress(database, lead, plan)).words == "Planned 45\u00a0min"


async def test_a_phase_in_which_somebody_set_the_clock_ahead_is_no_experience(
    database: Database, deployment: Deployment, earlier: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead = await scope_of(deployment, "devops_lead")
    await running(database, deployment, plan, lead)
    row = await run_of(database, earlier, "github")
    assert row.started_at is not None
    within = row.started_at + timedelta(minutes=20)

    async def turn(session: AsyncSession, clock: PlanClock) -> None:
        (await session.get_one(Deployment, earlier.id)).set_plan_clock(clock)

    faster = run_at(PlanClock(), 60, row.started_at - timedelta(minutes=1))
    await database.run(lambda s: turn(s, faster))
    assert (await phase_progress(database, lead, plan)).words.startswith("Usually 50"), "faster is not skipped"
    ahead = jump_to(PlanClock(), within, row.started_at - timedelta(minutes=1))
    await database.run(lambda s: turn(s, ahead))
    assert (await phase_progress(database, lead, plan)).words == "Planned 45\u00a0min"


async def test_the_bar_of_a_phase_passes_as_fast_as_the_plans_clock(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead = await scope_of(deployment, "devops_lead")
    await running(database, deployment, plan, lead)
    await database.run(lambda s: set_speed(s, lead, 60))
    found = await phase_progress(database, lead, plan)
    assert found.started_at is not None
    assert found.ends_at is not None
    assert timedelta(seconds=44) < found.ends_at - found.started_at < timedelta(seconds=46)
    began = (await run_of(database, deployment, "github")).started_at
    assert began is not None
    await database.run(lambda s: jump(s, lead, began + timedelta(minutes=47)))
    found = await phase_progress(database, lead, plan)
    assert found.late.startswith("2\u00a0min")
    assert found.late.endswith(" longer than planned")
    assert found.ends_at is not None
    assert found.ends_at < await now_of(database)


async def now_of(database: Database) -> datetime:
    return await database.read(database_now)
