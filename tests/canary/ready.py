"""A deployment whose staging phase runs, and what a canary waits for, brought about in the tables."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.canary.commands import Look, keep, start
from app.canary.forms import CanaryForm, StartForm
from app.canary.queries import newest_run
from app.db.engine import Database
from app.db.tables import CanaryReading, CanaryRun, Deployment, Operation, PhaseRun
from app.deployments.commands import database_now
from app.domain.plan import Plan
from app.web.access import Scope

Press = Callable[[AsyncSession, Scope, str, CanaryForm], Awaitable[None]]
PHASE, TARGET = "staging", "staging"
WELL: Mapping[str, float] = {"response_time": 40, "error_rate": 0, "db_connections": 5, "memory": 40, "cpu": 20}


async def staging_runs(database: Database, deployment: Deployment) -> None:
    async def write(session: AsyncSession) -> None:
        wanted = update(PhaseRun).where(PhaseRun.deployment_id == deployment.id, PhaseRun.phase == PHASE)
        await session.execute(wanted.values(state="running"))

    await database.run(write)


async def begin(database: Database, scope: Scope, key: str = "") -> CanaryRun:
    run = await run_of(database, scope.deployment)
    form = StartForm(run=run.id if run else 0, key=key)
    await database.run(lambda session: start(session, scope, PHASE, form, bound=(TARGET,)))
    return await the_run(database, scope.deployment)


async def run_of(database: Database, deployment: Deployment) -> CanaryRun | None:
    return await database.read(lambda session: newest_run(session, deployment.id, PHASE))


async def the_run(database: Database, deployment: Deployment) -> CanaryRun:
    run = await run_of(database, deployment)
    assert run is not None
    return run


async def form_of(database: Database, deployment: Deployment, text: str = "", key: str = "") -> CanaryForm:
    return CanaryForm(text=text, key=key, version=(await the_run(database, deployment)).version)


async def pressed(
    database: Database, deployment: Deployment, press: Press, by: Scope, text: str = "", key: str = ""
) -> None:
    """On a page that was drawn just now."""
    form = await form_of(database, deployment, text, key)
    await database.run(lambda session: press(session, by, PHASE, form))


async def operation_of(database: Database, deployment: Deployment) -> Operation:
    run = await the_run(database, deployment)

    async def query(session: AsyncSession) -> Operation:
        return await session.get_one(Operation, run.operation_id, populate_existing=True)

    return await database.read(query)


async def ended(database: Database, deployment: Deployment, state: str = "done", reason: str = "") -> None:
    """The canary's operation ends, as a worker would end it, and the duty sees it."""
    operation = await operation_of(database, deployment)

    async def write(session: AsyncSession) -> None:
        now = await database_now(session)
        values = {"state": state, "reason": reason, "finished_at": now, "observed_100_at": now}
        if operation.want_blue == 100 and state == "done":
            values["verified_at"] = now
        await session.execute(update(Operation).where(Operation.id == operation.id).values(**values))

    await database.run(write)


async def looked(
    database: Database,
    deployment: Deployment,
    plan: Plan,
    *,
    read: int | None = 10,
    values: Mapping[str, float | None] | None = None,
    is_well: bool = True,
    samples: int = 50,
) -> CanaryRun:
    """One second of the duty with what it found."""
    run = await the_run(database, deployment)
    found = {**WELL, **(values or {})}
    measured = tuple((metric, value, samples) for metric, value in found.items())
    look = Look(read is not None, read, is_well, measured, 1, 10)
    await database.run(lambda session: keep(session, run.id, plan, look))
    return await the_run(database, deployment)


async def stood(database: Database, deployment: Deployment, plan: Plan, seconds: float, read: int) -> CanaryRun:
    """The share has stood so long, and all was well all the time: readings each 2 s, the dwell counted."""
    run = await the_run(database, deployment)

    async def write(session: AsyncSession) -> None:
        now = await database_now(session)
        since = now - timedelta(seconds=seconds)
        row = await session.get_one(CanaryRun, run.id)
        row.step_since, row.dwelt_s = since, seconds
        row.started_at = min(row.started_at, since)
        row.counted_at = row.looked_at = None
        for back in range(0, int(seconds), 2):
            at = now - timedelta(seconds=back)
            for metric, value in WELL.items():
                session.add(CanaryReading(run_id=run.id, metric=metric, at=at, value=value, samples=50))

    await database.run(write)
    return await looked(database, deployment, plan, read=read)
