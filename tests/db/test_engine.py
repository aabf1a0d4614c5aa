"""Transactions are run again as a whole when the connection was lost, and are not when they were wrong."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import WorkerLease


async def test_a_killed_backend_costs_a_retry_and_nothing_else(committed_db: Database) -> None:
    tries: list[int] = []

    async def write(session: AsyncSession) -> int:
        backend = await session.scalar(text("select pg_backend_pid()"))
        tries.append(backend)
        if len(tries) == 1:
            async with committed_db.session() as other:
                await other.execute(text("select pg_terminate_backend(:pid)"), {"pid": backend})
        await session.execute(
            text("insert into worker_lease (duty, owner, until) values ('once', 'me', clock_timestamp())")
        )
        return len(tries)

    assert await committed_db.run(write) == 2
    rows = await committed_db.read(lambda s: s.scalar(text("select count(*) from worker_lease where duty = 'once'")))
    assert rows == 1


async def test_two_that_deadlock_both_finish(committed_db: Database) -> None:
    async def prepare(session: AsyncSession) -> None:
        for duty in ("left", "right"):
            await session.execute(
                text("insert into worker_lease (duty, owner, until) values (:duty, '', clock_timestamp())"),
                {"duty": duty},
            )

    await committed_db.run(prepare)
    both_hold_one = asyncio.Barrier(2)
    attempts = {"left": 0, "right": 0}

    async def cross(first: str, second: str) -> None:
        async def write(session: AsyncSession) -> None:
            attempts[first] += 1
            await _take(session, first)
            if attempts[first] == 1:
                await both_hold_one.wait()
            await _take(session, second)

        await committed_db.run(write)

    await asyncio.gather(cross("left", "right"), cross("right", "left"))
    owned = await committed_db.read(lambda s: s.scalar(text("select string_agg(owner, ',') from worker_lease")))
    assert owned == "xx,xx"
    assert sum(attempts.values()) == 3


async def _take(session: AsyncSession, duty: str) -> None:
    await session.execute(text("update worker_lease set owner = owner || 'x' where duty = :duty"), {"duty": duty})


async def test_a_wrong_statement_is_not_repeated(committed_db: Database) -> None:
    tries = 0

    async def write(session: AsyncSession) -> None:
        nonlocal tries
        tries += 1
        await session.execute(text("select * from no_such_table"))

    with pytest.raises(ProgrammingError):
        await committed_db.run(write)
    assert tries == 1


async def test_a_view_keeps_nothing_of_what_it_changed(committed_db: Database) -> None:
    async def prepare(session: AsyncSession) -> None:
        session.add(WorkerLease(duty="view", owner="me", until=await session.scalar(text("select clock_timestamp()"))))

    async def look(session: AsyncSession) -> str:
        lease = await session.get_one(WorkerLease, "view")
        lease.owner = "somebody"
        return str(await session.scalar(text("select owner from worker_lease where duty = 'view'")))

    await committed_db.run(prepare)
    assert await committed_db.read(look) == "me"
    assert await committed_db.read(look) == "me"


async def test_after_a_restart_of_postgresql_nobody_meets_a_dead_connection(committed_db: Database) -> None:
    """Every connection of the pool is dead, and none is asked before it is used."""

    async def backend(session: AsyncSession) -> int:
        return int(await session.scalar(text("select pg_backend_pid()")) or 0)

    both_open = asyncio.Barrier(2)

    async def hold(session: AsyncSession) -> int:
        await both_open.wait()
        return await backend(session)

    pids = set(await asyncio.gather(committed_db.read(hold), committed_db.run(hold)))
    async with committed_db.session() as other:
        kill = "select pg_terminate_backend(pid) from unnest(cast(:pids as int[])) as pid where pid <> pg_backend_pid()"
        await other.execute(text(kill), {"pids": list(pids)})
        assert await committed_db.read(backend) not in pids
        assert await committed_db.run(backend) not in pids


async def test_what_a_statement_was_given_stands_in_no_error(committed_db: Database) -> None:
    """Errors go to the log: a session's token or a person's words must not."""

    async def write(session: AsyncSession) -> None:
        await session.execute(text("select 1 / 0, cast(:given as text)"), {"given": "a-secret-of-somebody"})

    with pytest.raises(DBAPIError) as wrong:
        await committed_db.run(write)
    assert "division by zero" in str(wrong.value)
    assert "a-secret-of-somebody" not in str(wrong.value)
