"""The decision clock, a duty that one worker carries: once a second it records what is due."""

import structlog
from sqlalchemy import exists, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Decision, Deployment, PlanVersion
from app.decisions.commands import follow
from app.domain.deployments import State
from app.web.access import plan_by_hash

log = structlog.get_logger()


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
    """One round over all deployments; what fails for one of them is tried again in the next round."""
    for deployment_id, digest in await database.read(find_clocks):

        async def write(session: AsyncSession, number: int = deployment_id, plan_hash: str = digest) -> int:
            return await follow(session, number, await plan_by_hash(session, plan_hash))

        try:
            await database.run(write)
        except IntegrityError:
            # Another worker opened the same point in the same instant: one opening is what both wanted.
            log.info("decisions.opened.elsewhere", deployment=deployment_id)
