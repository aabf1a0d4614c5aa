"""What time does to phases: wishes to skip lapse, and what stayed behind its course catches up."""

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Deployment, PhaseRun, PlanVersion
from app.deployments.commands import database_now, lock
from app.deployments.tasks import for_each
from app.domain.phases import SKIP_STANDS_FOR
from app.domain.plan import Plan
from app.phases.commands_rows import catch_up, is_behind
from app.phases.commands_skip import lapse


async def keep_phases(database: Database) -> None:
    await for_each(database, await database.read(find_lapsed), lapse)
    await for_each(database, await database.read(find_behind), follow)


async def find_lapsed(session: AsyncSession) -> list[tuple[int, str]]:
    """(deployment, hash of its plan) with a wish that nobody agreed to in time."""
    now = await database_now(session)
    return await _found(session, PhaseRun.skip_asked_at <= now - SKIP_STANDS_FOR)


async def find_behind(session: AsyncSession) -> list[tuple[int, str]]:
    """(deployment, hash of its plan) with a phase that is not where the deployment's course is."""
    return await _found(session, is_behind())


async def _found(session: AsyncSession, condition: ColumnElement[bool]) -> list[tuple[int, str]]:
    statement = (
        select(Deployment.id, PlanVersion.hash)
        .join(PlanVersion, PlanVersion.id == Deployment.plan_version_id)
        .join(PhaseRun, PhaseRun.deployment_id == Deployment.id)
        .where(condition)
        .distinct()
        .order_by(Deployment.id)
    )
    return [(number, digest) for number, digest in await session.execute(statement)]


async def follow(session: AsyncSession, deployment_id: int, _plan: Plan) -> bool:
    deployment = await lock(session, deployment_id)
    return await catch_up(session, deployment, await database_now(session))
