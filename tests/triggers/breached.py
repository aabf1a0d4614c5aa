"""A switched deployment, and the evidence that triggers are judged by."""

from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Alert, Deployment, Event, Operation, Reading, TriggerCheck, TriggerState
from app.deployments.commands import database_now
from app.domain.plan import Plan
from app.triggers.commands import follow


async def switched(database: Database, deployment: Deployment, *, ago_s: float = 600) -> datetime:
    """As after a switch that arrived `ago_s` seconds ago and went well; the moment of its acceptance."""

    async def write(session: AsyncSession) -> datetime:
        now = await database_now(session)
        at = now - timedelta(seconds=ago_s)
        await session.execute(
            update(Operation).values(accepted_at=at, clicked_at=at, written_at=at, finished_at=at, state="done")
        )
        await session.execute(
            update(Deployment).where(Deployment.id == deployment.id).values(state="switched", switched_at=at)
        )
        return at

    return await database.run(write)


async def read(
    database: Database,
    deployment: Deployment,
    *values: float | None,
    metric: str = "error_rate",
    side: str = "GREEN",
    every_s: float = 2.0,
    ended_s: float = 0.0,
) -> None:
    """Readings every `every_s` seconds, the last of them `ended_s` seconds ago; None is a reading without a figure."""

    async def write(session: AsyncSession) -> None:
        now = await database_now(session)
        for index, value in enumerate(reversed(values)):
            session.add(
                Reading(
                    deployment_id=deployment.id,
                    metric=metric,
                    side=side,
                    at=now - timedelta(seconds=ended_s + every_s * index),
                    value=value,
                    samples=0 if value is None else 500,
                    source="test",
                )
            )

    await database.run(write)


async def checked(database: Database, deployment: Deployment, test: str, *bad: bool | None) -> None:
    """Checks of a smoke test, one every 2 s, the last one now."""

    async def write(session: AsyncSession) -> None:
        now = await database_now(session)
        for index, is_bad in enumerate(reversed(bad)):
            at = now - timedelta(seconds=2 * index)
            found = "Payment answers: 500 instead of 200" if is_bad else ""
            session.add(
                TriggerCheck(deployment_id=deployment.id, test=test, at=at, is_bad=is_bad, ms=12.0, found=found)
            )

    await database.run(write)


async def judge(database: Database, deployment: Deployment, plan: Plan) -> float | None:
    return await database.run(lambda session: follow(session, deployment.id, plan))


async def stages(database: Database, deployment: Deployment) -> dict[str, str]:
    async def query(session: AsyncSession) -> dict[str, str]:
        rows = await session.execute(select(TriggerState.trigger, TriggerState.stage))
        return dict(rows.all())

    return await database.read(query)


async def row(database: Database, trigger: str) -> TriggerState:
    async def query(session: AsyncSession) -> TriggerState:
        return (await session.execute(select(TriggerState).where(TriggerState.trigger == trigger))).scalar_one()

    return await database.read(query)


async def events(database: Database, family: str = "triggers.") -> list[Event]:
    async def query(session: AsyncSession) -> list[Event]:
        return list(await session.scalars(select(Event).where(Event.kind.startswith(family)).order_by(Event.id)))

    return await database.read(query)


async def kinds(database: Database) -> list[str]:
    return [event.kind for event in await events(database)]


async def alerts(database: Database) -> list[Alert]:
    async def query(session: AsyncSession) -> list[Alert]:
        return list(await session.scalars(select(Alert).order_by(Alert.id)))

    return await database.read(query)


async def age_hold(database: Database, seconds: float) -> None:
    """As if so many seconds had passed since somebody asked for or confirmed a hold."""

    async def write(session: AsyncSession) -> None:
        step = timedelta(seconds=seconds)
        await session.execute(
            update(TriggerState).values(
                held_until=TriggerState.held_until - step, hold_asked_at=TriggerState.hold_asked_at - step
            )
        )

    await database.run(write)
