"""The decision clock, a duty that one worker carries: once a second it records what is due."""

from sqlalchemy import exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Decision, Deployment, PlanVersion
from app.decisions.commands import follow
from app.deployments.tasks import for_each
from app.domain.deployments import State


async def find_clocks(session: AsyncSession) -> list[tuple[int, str]]:
    """(deployment, hash of its plan) where a point may be due, or is still open."""
    is_open = exists().where(Decision.deployment_id == Deployment.id, Decision.closed_at.is_(None))
    statement = (
        select(Deployment.id, PlanVersion.hash)
        .join(PlanVersion, PlanVersion.id == Deployment.plan_version_id)
        .where(or_(Deployment.state == State.SWITCHED.value, is_open))
        .order_by(Deployment.id)
    )
    return [(number, digest) for number, digest in await session.execute(statement)]


async def keep_clocks(database: Database) -> None:
    """One round over all deployments. Where another worker opened the same point in the same instant, this one's turn
    fails by the uniqueness of points: one opening is what both wanted."""
    await for_each(database, await database.read(find_clocks), follow)
