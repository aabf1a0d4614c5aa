"""Workers hear of a job in the moment of its commit. The queue is the memory behind it, and the sweep the net."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
import structlog

from app.jobs.queue import WAKE, conninfo

log = structlog.get_logger()

Call = Callable[[str, Mapping[str, Any]], None]


async def listen_for_jobs(database_url: str, call: Call) -> None:
    """Until cancelled: `call(task, arguments)` for each job that is committed anywhere. It must return at once and
    know what it already does: the queue brings the same job too, and after a lost connection only the queue does."""
    pause = 0.05
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(
                conninfo(database_url), autocommit=True, connect_timeout=3
            ) as connection:
                await connection.execute(f"listen {WAKE}")
                pause = 0.05
                await _pump(connection, call)
        except (psycopg.Error, OSError) as error:
            log.warning("jobs.listener.lost", error=str(error)[:200])
        await asyncio.sleep(pause)
        pause = min(pause * 2, 1.0)


async def _pump(connection: psycopg.AsyncConnection[Any], call: Call) -> None:
    while True:
        async for notification in connection.notifies(timeout=5):
            heard = json.loads(notification.payload)
            call(heard["task"], heard["arguments"])
        await connection.execute("select 1")
