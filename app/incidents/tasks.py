"""The clock of open incidents; the worker that keeps the decision clock keeps this one too."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Deployment, Incident, PlanVersion
from app.deployments.tasks import for_each
from app.incidents.commands import follow


async def find_open(session: AsyncSession) -> list[tuple[int, str]]:
    """(deployment, hash of its plan) with an open incident."""
    statement = (
        select(Deployment.id, PlanVersion.hash)
        .join(PlanVersion, PlanVersion.id == Deployment.plan_version_id)
        .where(Deployment.id.in_(select(Incident.deployment_id).where(Incident.closed_at.is_(None))))
        .order_by(Deployment.id)
    )
    return [(number, digest) for number, digest in await session.execute(statement)]


async def keep_clocks(database: Database) -> None:
    await for_each(database, await database.read(find_open), follow)
