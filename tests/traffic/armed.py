"""An armed deployment, and the watch's findings that a press is judged by."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Deployment, Event, Operation, TargetState
from app.deployments import commands
from app.deployments.commands import database_now
from app.domain.signoffs import fingerprint
from app.signoffs.commands import record_signoff
from app.signoffs.forms import VoteForm
from app.signoffs.queries import binding_of
from app.traffic.commands import check_grant, request_rollback, request_switch
from app.web.access import Scope
from tests.conftest import ScopeOf

SIGNERS = ("devops_lead", "backend_lead", "security_officer", "operations", "project_manager")


async def prove(database: Database, **changed: Any) -> None:
    """The target as the watch finds it when all is well; `changed` overrides columns."""

    async def write(session: AsyncSession) -> None:
        now = await database_now(session)
        well: dict[str, Any] = {
            "blue_is_healthy": True,
            "blue_found": "healthy, 1 of 1 targets",
            "blue_at": now,
            "green_is_healthy": True,
            "green_found": "healthy, 1 of 1 targets",
            "green_at": now,
            "set_blue": 100,
            "set_at": now,
            "read_at": now,
            "read_error": "",
            "configuration": "configuration-1",
            "probed_blue": 100,
            "probed_green": 0,
            "probed_at": now,
            "preflight": [{"key": "agent", "title": "The agent answers", "is_ok": True, "found": "1 route"}],
            "preflight_at": now,
        }
        await session.execute(update(TargetState).values({**well, **changed}))

    await database.run(write)


async def arm(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    """Five GO by five people, the project manager proceeds, the DevOps lead arms."""
    for login in SIGNERS:
        await database.run(partial(cast_go, scope=await scope_of(deployment, login)))
    await prove(database)
    leader = await scope_of(deployment, "project_manager")
    await database.run(lambda session: commands.proceed(session, leader))
    devops = await scope_of(deployment, "devops_lead")
    await database.run(lambda session: commands.arm(session, devops))


async def cast_go(session: AsyncSession, scope: Scope) -> None:
    """GO on this person's question, on what the database shows now."""
    question = next(right.partition(":")[2] for right in sorted(scope.capabilities) if right.startswith("sign_off:"))
    shown = fingerprint(await binding_of(session, scope.deployment, scope.plan, scope.plan_hash))
    await record_signoff(session, scope, VoteForm(question=question, vote="go", shown=shown))


async def press_switch(database: Database, scope: Scope, key: str = "", *, confirmed: bool = True) -> Operation:
    return await database.run(lambda session: request_switch(session, scope, key=key, is_confirmed=confirmed))


async def press_rollback(
    database: Database, scope: Scope, key: str = "", *, although: bool = False, grant: bool = True
) -> Operation:
    """As the route does it: the grant is asked for in the same transaction."""

    async def write(session: AsyncSession) -> Operation:
        deployment = await commands.lock(session, scope.id)
        if grant:
            await check_grant(session, deployment, scope.viewer.person_id)
        return await request_rollback(
            session,
            scope.id,
            actor=scope.actor,
            key=key,
            clicked_at=scope.now,
            although_blue_unhealthy=although,
        )

    return await database.run(write)


async def operations_of(database: Database) -> list[Operation]:
    async def query(session: AsyncSession) -> list[Operation]:
        return list(await session.scalars(select(Operation).order_by(Operation.id)))

    return await database.read(query)


async def count_events(database: Database, kind: str) -> int:
    async def query(session: AsyncSession) -> int:
        return int(await session.scalar(select(func.count()).select_from(Event).where(Event.kind == kind)) or 0)

    return await database.read(query)


async def jobs(database: Database) -> list[tuple[str, str, int]]:
    """(queue, task, operation) of every job there is."""

    async def query(session: AsyncSession) -> list[tuple[str, str, int]]:
        rows = await session.execute(text("select queue_name, task_name, args from procrastinate_jobs order by id"))
        return [(queue, task, int(arguments["operation_id"])) for queue, task, arguments in rows]

    return await database.read(query)


async def target_of(database: Database) -> TargetState:
    async def query(session: AsyncSession) -> TargetState:
        return (await session.execute(select(TargetState))).scalar_one()

    return await database.read(query)


async def state_of(database: Database, deployment: Deployment) -> str:
    async def query(session: AsyncSession) -> str:
        return str(await session.scalar(select(Deployment.state).where(Deployment.id == deployment.id)))

    return await database.read(query)


def before(now: datetime, seconds: float) -> datetime:
    return now - timedelta(seconds=seconds)
