"""The clock of gates that wait; and how a worker does the same for many deployments."""

from collections.abc import Awaitable, Callable, Sequence

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database, is_transient
from app.db.tables import Deployment, PlanVersion
from app.deployments.commands import GATED, database_now, expire_gate, is_over
from app.domain.plan import Plan
from app.web.access import plan_by_hash

log = structlog.get_logger()

Due = Sequence[tuple[int, str]]
"""(deployment, hash of its plan)."""
Write = Callable[[AsyncSession, int, Plan], Awaitable[object]]


async def for_each(database: Database, due: Due, write: Write) -> None:
    """`write` for each deployment in a transaction of its own: nobody's rollback waits for another deployment's turn,
    and what fails for one is told and tried again in the next round, after the others had theirs.

    Raises what is wrong with the database itself.
    """
    for deployment_id, digest in due:

        async def one(session: AsyncSession, number: int = deployment_id, plan_hash: str = digest) -> None:
            await write(session, number, await plan_by_hash(session, plan_hash))

        try:
            await database.run(one)
        except Exception as error:
            if is_transient(error):
                raise
            work = f"{write.__module__}.{write.__name__}"
            log.warning("worker.turn.failed", work=work, deployment=deployment_id, error=str(error)[:300])


async def keep_gates(database: Database) -> None:
    """Turn gates that waited too long into holds."""
    await for_each(database, await database.read(find_over), expire_gate)


async def find_over(session: AsyncSession) -> list[tuple[int, str]]:
    """(deployment, hash of its plan) whose gate waited too long. Locks nothing."""
    now = await database_now(session)
    statement = (
        select(Deployment, PlanVersion.hash)
        .join(PlanVersion, PlanVersion.id == Deployment.plan_version_id)
        .where(Deployment.state.in_(GATED))
        .order_by(Deployment.id)
    )
    waiting = (await session.execute(statement)).all()
    return [(row.id, digest) for row, digest in waiting if is_over(row, await plan_by_hash(session, digest), now)]
