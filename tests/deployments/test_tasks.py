"""A worker's turn for each deployment: none waits for another's, and what fails for one is not the others' loss."""

import asyncio

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Deployment, PhaseRun, TargetState
from app.deployments import commands
from app.deployments.tasks import for_each, keep_gates
from app.domain.deployments import State
from app.domain.plan import Plan
from app.phases.tasks import keep_phases
from tests.conftest import ScopeOf, Seeder
from tests.traffic.armed import state_of

Due = list[tuple[int, str]]


async def hash_of(database: Database, deployment: Deployment, scope_of: ScopeOf) -> str:
    return (await scope_of(deployment, "devops_lead")).plan_hash


async def test_what_fails_for_one_deployment_is_not_the_others_loss(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    digest = await hash_of(database, deployment, scope_of)
    served: list[int] = []

    async def write(session: AsyncSession, deployment_id: int, plan: Plan) -> None:
        if deployment_id == 0:
            raise KeyError("a minute that the plan does not have")
        served.append(deployment_id)

    await for_each(database, [(0, digest), (deployment.id, digest)], write)
    assert served == [deployment.id]


async def test_no_deployment_waits_for_the_turn_of_another(committed_db: Database, seed: Seeder) -> None:
    """One's gate is over, and to close it takes the target that both share; another's phase is held by somebody. What
    was done for the first must not be kept locked meanwhile: the second one's rollback takes deployment, then target.
    """
    first, second = await seed(committed_db), await seed(committed_db)

    async def age(session: AsyncSession) -> None:
        old = func.clock_timestamp() - func.make_interval(0, 0, 0, 1)
        mine = update(Deployment).where(Deployment.id == first.id)
        await session.execute(mine.values(planned_at=old, gate_opened_at=old))
        theirs = update(PhaseRun).where(PhaseRun.deployment_id == second.id, PhaseRun.phase == "github")
        await session.execute(theirs.values(skip_asked_at=old, skip_asked_by="DevOps lead", skip_reason="done"))

    await committed_db.run(age)

    async def round_() -> None:
        await keep_gates(committed_db)
        await keep_phases(committed_db)

    async with committed_db.session() as rollback:
        await commands.lock(rollback, second.id)
        turn = asyncio.create_task(round_())
        async with asyncio.timeout(5):
            while await state_of(committed_db, first) != State.ON_HOLD:
                await asyncio.sleep(0.05)
            target = select(TargetState).where(TargetState.target == second.target).with_for_update(nowait=True)
            assert (await rollback.scalars(target)).one()
        await rollback.rollback()
        async with asyncio.timeout(5):
            await turn
    asked = select(PhaseRun.skip_asked_at).where(PhaseRun.deployment_id == second.id, PhaseRun.phase == "github")
    assert await committed_db.read(lambda session: session.scalar(asked)) is None
