"""A worker hears of a job when its transaction commits, and not before."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import select, text

from app.db.engine import Database
from app.jobs.queue import TRAFFIC_QUEUE, JobRequest, defer
from app.jobs.wake import listen_for_jobs

JOB = JobRequest("traffic.drive", TRAFFIC_QUEUE, {"operation_id": 7})
Heard = asyncio.Queue[tuple[str, Mapping[str, Any]]]


async def listening(database_url: str, heard: Heard) -> asyncio.Task[None]:
    return asyncio.create_task(listen_for_jobs(database_url, lambda name, given: heard.put_nowait((name, given))))


async def until_heard(database: Database, heard: Heard) -> None:
    """Commit one job after the other until the listener has come up."""
    while heard.empty():
        await database.run(lambda session: defer(session, JOB))
        await asyncio.sleep(0.02)
    while not heard.empty():
        heard.get_nowait()


async def test_a_committed_job_is_heard_with_its_arguments(committed_db: Database, database_url: str) -> None:
    heard: Heard = asyncio.Queue()
    task = await listening(database_url, heard)
    await until_heard(committed_db, heard)
    await committed_db.run(lambda session: defer(session, JOB))
    assert await asyncio.wait_for(heard.get(), 2) == ("traffic.drive", {"operation_id": 7})
    task.cancel()


async def test_a_job_that_is_taken_back_is_not_heard(committed_db: Database, database_url: str) -> None:
    heard: Heard = asyncio.Queue()
    task = await listening(database_url, heard)
    await until_heard(committed_db, heard)

    async def fail(session: Any) -> None:
        await defer(session, JOB)
        raise LookupError

    with pytest.raises(LookupError):
        await committed_db.run(fail)
    await committed_db.run(lambda session: defer(session, JobRequest("other", TRAFFIC_QUEUE)))
    assert await asyncio.wait_for(heard.get(), 2) == ("other", {})
    task.cancel()


async def test_a_listener_comes_back_after_its_connection_is_ended(committed_db: Database, database_url: str) -> None:
    heard: Heard = asyncio.Queue()
    task = await listening(database_url, heard)
    await until_heard(committed_db, heard)
    ended = (
        select(text("pg_terminate_backend(pid)"))
        .select_from(text("pg_stat_activity"))
        .where(text("query ilike 'listen gonogo_wake%' and pid <> pg_backend_pid()"))
    )
    await committed_db.read(lambda session: session.execute(ended))
    await until_heard(committed_db, heard)
    assert not task.done()
    task.cancel()
