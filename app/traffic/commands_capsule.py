"""Writes of the workers about their capsules: renewed, could not be renewed, gone."""

from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import WorkerCapsule
from app.deployments.commands import database_now
from app.domain.capsule import Order

FORGET_AFTER = timedelta(minutes=1)
"""A worker's name may never come back: what it last reported is of no use then."""


async def report_capsule(
    session: AsyncSession, order: Order, *, worker: str, host: str, written_at: datetime | None, problem: str
) -> None:
    """`written_at` None: it could not be renewed; when it last was stays as it is."""
    now = await database_now(session)
    values = {
        "deployment_id": order.deployment_id,
        "host": host,
        "epoch": order.epoch,
        "reported_at": now,
        "problem": problem[:300],
    }
    if written_at is not None:
        values["written_at"] = written_at
    statement = insert(WorkerCapsule).values(worker=worker, target=order.target, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=["worker", "target"], set_=values))
    await session.execute(delete(WorkerCapsule).where(WorkerCapsule.reported_at < now - FORGET_AFTER))


async def forget_capsules(session: AsyncSession, worker: str, keep: frozenset[str]) -> None:
    """This worker holds no capsule of any other target."""
    await session.execute(
        delete(WorkerCapsule).where(WorkerCapsule.worker == worker, WorkerCapsule.target.not_in(keep))
    )
