"""One worker has a duty at a time; another has it when the lease ran out."""

import asyncio
from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import WorkerLease
from app.jobs.duties import hold

DUTIES = ("canary", "gates", "watch")


async def held(database: Database, owner: str, duties: tuple[str, ...] = DUTIES) -> frozenset[str]:
    return await database.run_alone(lambda session: hold(session, duties, owner))


async def run_out(database: Database, duty: str) -> None:
    past = func.clock_timestamp() - timedelta(seconds=1)
    await database.run(lambda session: session.execute(update(WorkerLease).filter_by(duty=duty).values(until=past)))


async def test_the_first_has_all_and_keeps_what_it_renews(committed_db: Database) -> None:
    assert await held(committed_db, "one") == frozenset(DUTIES)
    assert await held(committed_db, "two") == frozenset()
    before = await committed_db.read(lambda session: session.scalar(select(func.min(WorkerLease.until))))
    assert await held(committed_db, "one") == frozenset(DUTIES)
    after = await committed_db.read(lambda session: session.scalar(select(func.min(WorkerLease.until))))
    assert after > before


async def test_what_ran_out_goes_to_whoever_asks_first_and_the_rest_stays(committed_db: Database) -> None:
    await held(committed_db, "one")
    await run_out(committed_db, "watch")
    assert await held(committed_db, "two") == {"watch"}
    assert await held(committed_db, "one") == {"canary", "gates"}
    assert await held(committed_db, "three", ("canary", "new")) == {"new"}


async def test_of_many_who_ask_at_once_one_has_each(committed_db: Database) -> None:
    found = await asyncio.gather(*(held(committed_db, f"worker-{number}") for number in range(8)))
    assert sorted(duty for one in found for duty in one) == sorted(DUTIES)
    for duty in DUTIES:
        await run_out(committed_db, duty)
    found = await asyncio.gather(*(held(committed_db, f"worker-{number}") for number in range(8)))
    assert sorted(duty for one in found for duty in one) == sorted(DUTIES)


async def test_nobody_waits_for_a_duty_that_somebody_else_has(committed_db: Database) -> None:
    """A worker that stands still in the middle of a transaction may have its rows locked."""
    await held(committed_db, "one", ("watch",))

    async def locked(session: AsyncSession) -> frozenset[str]:
        await session.execute(select(WorkerLease).filter_by(duty="watch").with_for_update())
        async with asyncio.timeout(5):
            return await held(committed_db, "two")

    assert await committed_db.run(locked) == {"canary", "gates"}
