"""Who carries which duty: leases by the database's clock, so that one worker at a time does what must be done once."""

from collections.abc import Sequence

from sqlalchemy import ARRAY, String, bindparam, exists, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import WorkerLease

LEASE = "2 seconds"


async def hold(session: AsyncSession, duties: Sequence[str], owner: str) -> frozenset[str]:
    """Take or renew each of these duties for `owner`, where nobody else has it; returns those that are now its own.

    One statement for all of them, and what somebody else has is not even locked: two workers do not wait for each
    other twice a second. By itself it is a whole transaction (`Database.run_alone`).
    """
    wanted = select(func.unnest(bindparam("duties", list(duties), ARRAY(String))).label("duty")).subquery("wanted")
    until = func.clock_timestamp() + text(f"interval '{LEASE}'")
    taken = exists().where(
        WorkerLease.duty == wanted.c.duty, WorkerLease.owner != owner, WorkerLease.until >= func.clock_timestamp()
    )
    # In the order of their names, as everybody takes them: who comes at the same time waits and does not deadlock.
    free = select(wanted.c.duty, bindparam("owner", owner, String), until).where(~taken).order_by(wanted.c.duty)
    statement = insert(WorkerLease).from_select(["duty", "owner", "until"], free)
    statement = statement.on_conflict_do_update(
        index_elements=["duty"],
        set_={"owner": statement.excluded.owner, "until": statement.excluded.until},
        where=or_(WorkerLease.owner == owner, WorkerLease.until < func.clock_timestamp()),
    )
    return frozenset(await session.scalars(statement.returning(WorkerLease.duty)))
