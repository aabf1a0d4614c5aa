"""Events, operations and probe summaries, put straight into the database."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from app.db.tables import ProbeSummary
from app.eventlog.log import Actor, Entry, append

Log = Callable[..., Awaitable[None]]


@pytest.fixture
def log(web: Any) -> Log:
    """`await log("traffic.arrived", "All on GREEN", severity="warn", actor=Actor("worker-1"))`"""

    async def put(kind: str, text: str, *, actor: Actor = Actor("gonogo"), **more: Any) -> None:
        entry = Entry(kind, text, **more)
        await web.database.run(lambda session: append(session, web.deployment.id, entry, actor))

    return put


@pytest.fixture
def probes(web: Any) -> Callable[..., Awaitable[None]]:
    """`await probes(start, [(blue, green, unknown, failed), …])`: one second each."""

    async def put(start: datetime, seconds: Sequence[tuple[int, int, int, int]]) -> None:
        async def write(session: Any) -> None:
            for number, (blue, green, unknown, failed) in enumerate(seconds):
                seen = {"blue": blue, "green": green, "unknown": unknown, "failed": failed}
                second = start + timedelta(seconds=number)
                session.add(ProbeSummary(target="production", second=second, slowest_ms=12.4 + number, **seen))

        await web.database.run(write)

    return put


@pytest.fixture
async def now(web: Any) -> datetime:
    async def query(session: Any) -> datetime:
        found: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
        return found

    moment: datetime = await web.database.read(query)
    return moment
