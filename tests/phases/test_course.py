"""The course goes first: no phase makes a rollback wait or fail, and what stayed behind catches up."""

import asyncio
from functools import partial
from itertools import product

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.db.engine import Database
from app.db.tables import Deployment, Operation, PhaseRun
from app.deployments import commands
from app.domain.deployments import Change
from app.domain.deployments import State as Course
from app.domain.phases import State
from app.domain.plan import Plan
from app.eventlog.log import SYSTEM
from app.phases.commands_rows import fresh_row
from app.phases.tasks import keep_phases
from tests.conftest import ScopeOf, Seeder, make_scope_of
from tests.phases.ready import log_of, run_of
from tests.phases.test_phases import the_log_tells_the_rows
from tests.traffic.armed import arm, press_rollback, press_switch, state_of


def keys(plan: Plan) -> tuple[str, str]:
    """The production phase, and the rollback."""
    return plan.production.key, next(phase.key for phase in plan.phases if phase.kind == "rollback")


async def test_a_rollback_does_not_wait_for_a_phase_that_somebody_holds(
    committed_db: Database, seed: Seeder, settings: Settings, plan: Plan
) -> None:
    deployment = await seed(committed_db)
    scope_of = make_scope_of(committed_db, settings)
    await arm(committed_db, deployment, scope_of)
    devops = await scope_of(deployment, "devops_lead")
    await press_switch(committed_db, devops)
    _, rollback = keys(plan)
    async with committed_db.session() as somebody:
        held = select(PhaseRun).where(PhaseRun.deployment_id == deployment.id).with_for_update()
        assert (await somebody.scalars(held)).all()
        async with asyncio.timeout(2):
            await press_rollback(committed_db, devops)
        assert await state_of(committed_db, deployment) == Course.ROLLING_BACK
        assert (await run_of(committed_db, deployment, rollback)).state == State.PLANNED
    await keep_phases(committed_db)
    assert (await run_of(committed_db, deployment, rollback)).state == State.RUNNING
    await the_log_tells_the_rows(committed_db, deployment, plan)
    before = len(await log_of(committed_db, deployment))
    await keep_phases(committed_db)
    assert len(await log_of(committed_db, deployment)) == before, "what is where it should be is left alone"


@pytest.mark.parametrize("wrong", ["state = 'nonsense'", "version = 2147483647"])
async def test_a_rollback_does_not_fail_by_a_phase_that_cannot_follow(
    database: Database, deployment: Deployment, scope_of: ScopeOf, plan: Plan, wrong: str
) -> None:
    """One is refused by the domain, the other by PostgreSQL at the write."""
    await arm(database, deployment, scope_of)
    devops = await scope_of(deployment, "devops_lead")
    await press_switch(database, devops)
    await database.run(lambda s: s.execute(text(f"update phase_run set {wrong}")))
    operation = await press_rollback(database, devops)
    assert await state_of(database, deployment) == Course.ROLLING_BACK
    assert [each.kind for each in await log_of(database, deployment)][-1] == "traffic.rollback.requested"
    assert await database.read(lambda s: s.scalar(select(Operation.kind).where(Operation.id == operation.id)))
    await change(database, deployment, Change.ROLLBACK_DONE)
    assert await state_of(database, deployment) == Course.ROLLED_BACK


async def change(database: Database, deployment: Deployment, what: Change) -> None:
    async def write(session: AsyncSession) -> None:
        row = await commands.lock(session, deployment.id)
        await commands.apply(session, row, what, actor=SYSTEM, text=what.value, reason="as it must")

    await database.run(write)


async def without_phases(database: Database, deployment: Deployment) -> None:
    await database.run(
        lambda s: s.execute(text("delete from phase_run where deployment_id = :d"), {"d": deployment.id})
    )


async def test_a_deployment_older_than_its_phases_rolls_back(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await arm(database, deployment, scope_of)
    devops = await scope_of(deployment, "devops_lead")
    await press_switch(database, devops)
    await without_phases(database, deployment)
    await press_rollback(database, devops)
    assert await state_of(database, deployment) == Course.ROLLING_BACK
    await keep_phases(database)


async def test_what_an_older_version_left_behind_catches_up_from_anywhere(
    database: Database, deployment: Deployment, plan: Plan
) -> None:
    """A process of the version before moves the deployment and not its phases."""
    production, _ = keys(plan)
    for course, stands in product(Course, (State.PLANNED, State.RUNNING, State.ON_HOLD, State.COMPLETED)):

        async def behind(session: AsyncSession, at: Course = course, state: State = stands) -> None:
            await session.execute(update(Deployment).where(Deployment.id == deployment.id).values(state=at.value))
            mine = update(PhaseRun).where(PhaseRun.deployment_id == deployment.id)
            await session.execute(mine.where(PhaseRun.phase == production).values(state=state.value))

        await database.run(behind)
        await keep_phases(database)
        run = await run_of(database, deployment, production)
        fresh = await database.run(partial(_as_made, deployment_id=deployment.id, plan=plan))
        assert run.state == fresh[production], (course, stands)


async def _as_made(session: AsyncSession, deployment_id: int, plan: Plan) -> dict[str, str]:
    deployment = await session.get_one(Deployment, deployment_id, populate_existing=True)
    return {phase.key: fresh_row(deployment, phase, None).state for phase in plan.phases}
