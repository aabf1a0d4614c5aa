"""What tests with real commits stand on: each finds a database as migrations leave it, and is alone in it."""

from collections.abc import AsyncIterator

import psycopg
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Base
from app.jobs.queue import TRAFFIC_QUEUE, JobRequest, conninfo, defer
from app.rehearsal.postgres import EmbeddedPostgres
from tests.conftest import Seeder
from tests.databases import CleanDatabase


@pytest.fixture
async def databases(postgres: EmbeddedPostgres) -> AsyncIterator[CleanDatabase]:
    found = CleanDatabase(postgres)
    yield found
    await found.aclose()


async def rows(session: AsyncSession) -> int:
    """Of all tables together, the queue's included."""
    counts = [await session.scalar(select(func.count()).select_from(table)) for table in Base.metadata.sorted_tables]
    queued = await session.scalar(text("select count(*) from procrastinate_jobs"))
    return sum(count or 0 for count in counts) + (queued or 0)


async def test_the_next_test_finds_it_as_new_with_the_same_numbers(databases: CleanDatabase, seed: Seeder) -> None:
    first = await databases.next()
    made = []
    for _ in range(2):
        clone = await databases.next()
        assert clone is first
        database = Database(clone.engine)
        assert await database.read(rows) == 0
        made.append((await seed(database)).id)
        await database.run(lambda session: defer(session, JobRequest("traffic.drive", TRAFFIC_QUEUE)))
        assert await database.read(rows) > 20
    assert made == [1, 1]


async def test_who_stays_connected_keeps_the_old_one_for_himself(databases: CleanDatabase) -> None:
    first = await databases.next()
    async with await psycopg.AsyncConnection.connect(conninfo(first.url)):
        second = await databases.next()
    assert second.name != first.name
    assert await Database(second.engine).read(rows) == 0


async def test_a_connection_that_was_ended_is_not_handed_on(databases: CleanDatabase) -> None:
    first = await databases.next()
    database = Database(first.engine)
    await database.read(rows)
    first.superuser.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
    )
    second = await databases.next()
    assert second.name != first.name
    async with Database(second.engine).session() as session:
        assert await rows(session) == 0


async def test_a_right_that_was_taken_away_is_not_missing_in_the_next_test(databases: CleanDatabase) -> None:
    first = await databases.next()
    first.superuser.execute("revoke select on customer_report from app")
    second = await databases.next()
    assert second.name != first.name
    assert await Database(second.engine).read(rows) == 0
