"""Defer a job in the transaction of the state change that wants it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import procrastinate
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession

ROLLBACK_QUEUE = "rollback"
TRAFFIC_QUEUE = "traffic"
"""A rollback never queues behind another job: its queue has workers of its own."""
SCRIPT_QUEUE = "scripts"

WAKE = "gonogo_wake"
"""The channel on which a commit tells every worker of its jobs at once. Fetching a job from the queue costs five times
as much as the NOTIFY; the job remains for the worker that missed it."""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job to be deferred. `task` is its `feature.verb` name; arguments must be JSON."""

    task: str
    queue: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


def conninfo(url: str) -> str:
    """A libpq connection string from a SQLAlchemy URL."""
    parsed = make_url(url)
    parts = {
        "user": parsed.username,
        "password": parsed.password,
        "host": parsed.host or parsed.query.get("host"),
        "port": parsed.port,
        "dbname": parsed.database,
    }
    return " ".join(f"{key}={_quoted(str(value))}" for key, value in parts.items() if value not in (None, ""))


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def make_app(url: str, *, pool_size: int = 4) -> procrastinate.App:
    """A procrastinate app on the product's database. Tasks are registered on it by the worker's wiring."""
    connector = procrastinate.PsycopgConnector(conninfo=conninfo(url), min_size=1, max_size=pool_size)
    return procrastinate.App(connector=connector)


_deferring = procrastinate.App(connector=procrastinate.PsycopgConnector())
"""Only a namespace for deferring on a session's own connection; it never opens one itself."""


async def defer(session: AsyncSession, job: JobRequest) -> int:
    """Insert the job on the session's own connection, so that it exists if and only if the transaction commits, and
    wake the workers with it."""
    call = json.dumps({"task": job.task, "arguments": dict(job.arguments)}, separators=(",", ":"))
    await session.execute(text("select pg_notify(:channel, :call)"), {"channel": WAKE, "call": call})
    raw = await (await session.connection()).get_raw_connection()
    deferrer = _deferring.configure_task(
        name=job.task, queue=job.queue, connection=raw.driver_connection, allow_unknown=True
    )
    return await deferrer.defer_async(**job.arguments)
