"""One event a change, chained; jobs and NOTIFY exist if and only if the transaction commits."""

import asyncio
import json

import psycopg
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Event
from app.eventlog.log import CHANNEL, INSTALLATION, Actor, Entry, append, append_all, touch, verify_chain, versions_of
from app.jobs.queue import conninfo
from app.rehearsal.postgres import EmbeddedPostgres

WHO = Actor("DevOps lead", 7)
CHAIN = 42


def _entry(number: int) -> Entry:
    return Entry("test.happened", f"number {number}", ("traffic",), payload={"number": number})


async def _write(database: Database, count: int, chain: int = CHAIN) -> None:
    for number in range(count):
        await database.run(lambda session, n=number: append(session, chain, _entry(n), WHO))


async def test_a_chain_verifies_and_counts(database: Database) -> None:
    await _write(database, 3)
    await _write(database, 2, chain=INSTALLATION)
    assert await database.read(lambda s: verify_chain(s, CHAIN)) is None
    assert await database.read(lambda s: verify_chain(s, INSTALLATION)) is None
    seqs = await database.read(lambda s: s.scalars(select(Event.seq).where(Event.chain == CHAIN).order_by(Event.seq)))
    assert list(seqs) == [1, 2, 3]


@pytest.mark.parametrize(
    ("damage", "first_bad"),
    [
        ("update event set text = 'another story' where chain = 42 and seq = 2", 2),
        ("update event set payload = '{\"number\": 99}' where chain = 42 and seq = 1", 1),
        ("update event set actor = 'somebody' where chain = 42 and seq = 3", 3),
        ("delete from event where chain = 42 and seq = 2", 2),
        ("delete from event where chain = 42 and seq = 4", 4),
    ],
)
async def test_damage_is_found_at_its_row(
    committed_db: Database, postgres: EmbeddedPostgres, database_url: str, damage: str, first_bad: int
) -> None:
    await _write(committed_db, 4)
    postgres.execute(damage, database_url.partition("?")[0].rpartition("/")[2])
    assert await committed_db.read(lambda s: verify_chain(s, CHAIN)) == first_bad


async def test_events_that_belong_together_are_links_of_one_chain(database: Database) -> None:
    await _write(database, 1)
    many = [_entry(number) for number in range(100)]
    events = await database.run(lambda s: append_all(s, CHAIN, many, WHO))
    assert [event.payload["number"] for event in events] == list(range(100))
    assert await database.run(lambda s: append_all(s, CHAIN, [], WHO)) == []
    await _write(database, 1)
    assert await database.read(lambda s: verify_chain(s, CHAIN)) is None
    found = await database.read(lambda s: s.scalars(select(Event).where(Event.chain == CHAIN).order_by(Event.seq)))
    assert [event.payload["number"] for event in found] == [0, *range(100), 0]


async def test_appends_that_race_stay_one_chain(committed_db: Database) -> None:
    await asyncio.gather(*(_write(committed_db, 5) for _ in range(5)))
    assert await committed_db.read(lambda s: verify_chain(s, CHAIN)) is None
    count = await committed_db.read(lambda s: s.scalar(select(func.max(Event.seq)).where(Event.chain == CHAIN)))
    assert count == 25


async def test_versions_only_grow(database: Database) -> None:
    await database.run(lambda s: touch(s, CHAIN, ("traffic", "metrics")))
    await _write(database, 2)
    versions = await database.read(lambda s: versions_of(s, CHAIN))
    assert versions == {"traffic": 3, "metrics": 1, "timeline": 2}


async def test_event_job_and_notify_live_and_die_together(committed_db: Database, database_url: str) -> None:
    """A switch's event asks for a job; a transaction that fails leaves none of the three."""
    entry = Entry("traffic.switch.requested", "switch", ("traffic",), payload={"operation": 5})

    async def fails(session: AsyncSession) -> None:
        await append(session, CHAIN, entry, WHO)
        raise RuntimeError("after the append")

    listener = await psycopg.AsyncConnection.connect(conninfo(database_url), autocommit=True)
    async with listener:
        await listener.execute(f"listen {CHANNEL}")
        with pytest.raises(RuntimeError):
            await committed_db.run(fails)
        assert await _counts(committed_db) == (0, 0)
        assert [n async for n in listener.notifies(timeout=0.2)] == []

        await committed_db.run(lambda session: append(session, CHAIN, entry, WHO))
        assert await _counts(committed_db) == (1, 1)
        heard = [json.loads(n.payload) async for n in listener.notifies(timeout=0.5, stop_after=1)]
    assert heard == [{"kind": "changed", "deployment": CHAIN, "versions": {"timeline": 1, "traffic": 1}}]


async def _counts(database: Database) -> tuple[int, int]:
    async def query(session: AsyncSession) -> tuple[int, int]:
        events = await session.scalar(select(func.count()).select_from(Event))
        jobs = await session.scalar(text("select count(*) from procrastinate_jobs where task_name = 'traffic.drive'"))
        return events or 0, jobs or 0

    return await database.read(query)
