"""The collector against a source whose answers the test sets, on a real database."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Deployment, Event, Reading, TargetState
from app.domain.metrics import Verdict
from app.domain.plan import Plan
from app.domain.sides import Side
from app.eventlog.log import CHANNEL, versions_of
from app.jobs.queue import conninfo
from app.metrics.commands import PostedReading, store, sweep
from app.metrics.queries import health_of, latest
from app.metrics.tasks import Collector, collect
from app.metrics.tasks_events import ANNOUNCE_AFTER, RECOVERED_AFTER, messages
from app.metrics.views import ReadingNow, Readings
from app.ports.metrics import Sample
from tests.metrics.scripted_source import ScriptedSource

RED = {"error_rate": 7.9}


@pytest.fixture
def source() -> ScriptedSource:
    return ScriptedSource()


async def set_blue(database: Database, percent: int) -> None:
    async def write(session: AsyncSession) -> None:
        await session.execute(update(TargetState).values(set_blue=percent))

    await database.run(write)


async def newest(database: Database, deployment: Deployment, plan: Plan, later_s: float = 0) -> Readings:
    async def query(session: AsyncSession) -> Readings:
        now = (await session.execute(select(func.clock_timestamp()))).scalar_one()
        return await latest(session, deployment, plan, now + timedelta(seconds=later_s))

    return await database.read(query)


async def events(database: Database, deployment: Deployment) -> list[Event]:
    async def query(session: AsyncSession) -> list[Event]:
        found = await session.scalars(
            select(Event).where(Event.chain == deployment.id, Event.kind.startswith("metrics.")).order_by(Event.seq)
        )
        return list(found)

    return await database.read(query)


async def version(database: Database, deployment: Deployment) -> int:
    return (await database.read(lambda session: versions_of(session, deployment.id))).get("metrics", 0)


Turn = Callable[[int], Awaitable[None]]


@pytest.fixture
async def turn(database: Database, deployment: Deployment, plan: Plan, source: ScriptedSource) -> Turn:
    """`await turn(3)`: three periods of one collector, BLUE with all the traffic."""
    await set_blue(database, 100)
    collector = Collector(database, source, deployment.id, deployment.target, plan)

    async def run(times: int) -> None:
        for _ in range(times):
            await collector.turn(plan.metrics)

    return run


async def test_a_turn_stores_a_reading_of_every_metric_on_both_sides(
    database: Database, deployment: Deployment, plan: Plan, turn: Turn
) -> None:
    await turn(1)
    stored = await database.read(lambda session: session.scalar(select(func.count()).select_from(Reading)))
    assert stored == 2 * len(plan.metrics)
    readings = await newest(database, deployment, plan)
    found = readings["response_time", Side.GREEN]
    assert (found.value, found.samples, found.verdict) == (131.0, 40, "OK")
    assert found.age_s is not None
    assert found.age_s < 5


async def test_a_silent_side_in_service_is_unknown_in_everything(
    database: Database, deployment: Deployment, plan: Plan, turn: Turn, source: ScriptedSource
) -> None:
    source.silent = {Side.BLUE}
    await turn(1)
    readings = await newest(database, deployment, plan)
    assert {readings[metric.key, Side.BLUE].verdict for metric in plan.metrics} == {"UNKNOWN"}
    assert {readings[metric.key, Side.GREEN].verdict for metric in plan.metrics} == {"OK"}
    assert all(readings[metric.key, Side.BLUE].figure is None for metric in plan.metrics)


async def test_a_source_that_hangs_costs_its_deadline_and_not_the_other_side(
    database: Database, deployment: Deployment, plan: Plan, turn: Turn, source: ScriptedSource
) -> None:
    source.hanging = {Side.GREEN}
    started = asyncio.get_running_loop().time()
    await turn(1)
    assert asyncio.get_running_loop().time() - started < 2.5
    readings = await newest(database, deployment, plan)
    assert readings["memory", Side.BLUE].verdict == "OK"
    assert readings["memory", Side.GREEN].verdict == "UNKNOWN"


async def test_nonsense_from_a_source_is_no_figure(
    database: Database, deployment: Deployment, plan: Plan, turn: Turn, source: ScriptedSource
) -> None:
    source.values[Side.BLUE].update({"response_time": math.nan, "memory": math.inf, "cpu": None})
    source.extra = (Sample("no_such_metric", 1.0, 1),)
    await turn(1)
    readings = await newest(database, deployment, plan)
    assert [readings[key, Side.BLUE].verdict for key in ("response_time", "memory", "cpu")] == ["UNKNOWN"] * 3
    assert readings["error_rate", Side.BLUE].verdict == "OK"


async def test_readings_turn_unknown_by_age_when_the_collector_stops(
    database: Database, deployment: Deployment, plan: Plan, turn: Turn
) -> None:
    await turn(1)
    later = await newest(database, deployment, plan, later_s=6)
    assert {reading.verdict for reading in later.values()} == {"UNKNOWN"}
    now = datetime.now(UTC) + timedelta(seconds=6)
    health = await database.read(lambda session: health_of(session, deployment, plan, now))
    assert (health.state, health.word) == ("unknown", "No readings")


async def test_an_idle_side_without_samples_is_idle_and_says_nothing(
    database: Database, deployment: Deployment, plan: Plan, turn: Turn, source: ScriptedSource
) -> None:
    source.samples[Side.GREEN] = 1
    source.values[Side.GREEN].update({"response_time": None, "error_rate": None})
    await turn(ANNOUNCE_AFTER + 1)
    readings = await newest(database, deployment, plan)
    assert readings["response_time", Side.GREEN].verdict == "IDLE"
    assert await events(database, deployment) == []


async def test_an_idle_side_that_does_not_answer_is_unknown_and_not_idle(
    database: Database, deployment: Deployment, plan: Plan, turn: Turn, source: ScriptedSource
) -> None:
    source.silent = {Side.GREEN}
    await turn(1)
    readings = await newest(database, deployment, plan)
    assert {readings[metric.key, Side.GREEN].verdict for metric in plan.metrics} == {"UNKNOWN"}


async def test_critical_becomes_an_event_once_and_its_end_another(
    database: Database, deployment: Deployment, turn: Turn, source: ScriptedSource
) -> None:
    await turn(1)
    source.values[Side.BLUE].update(RED)
    await turn(ANNOUNCE_AFTER - 1)
    assert await events(database, deployment) == []
    await turn(3)
    (critical,) = await events(database, deployment)
    assert (critical.kind, critical.severity) == ("metrics.reading.critical", "crit")
    assert critical.text == "CRITICAL on BLUE: error rate 7.9\u00a0% (above 1\u00a0%)"
    source.values[Side.BLUE]["error_rate"] = 0.02
    await turn(RECOVERED_AFTER - 1)
    assert len(await events(database, deployment)) == 1
    await turn(1)
    assert (await events(database, deployment))[-1].kind == "metrics.reading.recovered"


async def test_a_value_on_the_edge_writes_no_novel(
    database: Database, deployment: Deployment, turn: Turn, source: ScriptedSource
) -> None:
    for number in range(12):
        source.values[Side.BLUE]["error_rate"] = 7.9 if number % 2 else 0.02
        await turn(1)
    assert await events(database, deployment) == []


async def test_a_side_that_goes_dark_is_one_event_and_not_five(
    database: Database, deployment: Deployment, turn: Turn, source: ScriptedSource
) -> None:
    await turn(1)
    source.silent = {Side.BLUE}
    await turn(4)
    (event,) = await events(database, deployment)
    assert event.kind == "metrics.reading.unknown"
    assert len(event.payload["metrics"]) == 5
    assert event.text.startswith("UNKNOWN on BLUE: API response time, error rate,")


async def test_an_idle_side_tells_nothing_until_it_serves(
    database: Database, deployment: Deployment, turn: Turn, source: ScriptedSource
) -> None:
    source.values[Side.GREEN].update(RED)
    await turn(4)
    assert await events(database, deployment) == []
    await set_blue(database, 0)
    await turn(1)
    (event,) = await events(database, deployment)
    assert event.payload["side"] == "GREEN"


async def test_another_collector_does_not_repeat_what_was_said(
    database: Database, deployment: Deployment, plan: Plan, turn: Turn, source: ScriptedSource
) -> None:
    source.values[Side.BLUE].update(RED)
    await turn(3)
    successor = Collector(database, source, deployment.id, deployment.target, plan)
    for _ in range(4):
        await successor.turn(plan.metrics)
    assert len(await events(database, deployment)) == 1


async def test_the_version_rises_with_a_verdict_and_not_with_each_value(
    database: Database, deployment: Deployment, turn: Turn, source: ScriptedSource
) -> None:
    await turn(1)
    first = await version(database, deployment)
    for value in (120.0, 140.0, 133.0):
        source.values[Side.BLUE]["response_time"] = value
        await turn(1)
    assert await version(database, deployment) == first
    source.values[Side.BLUE]["memory"] = 83.0
    await turn(1)
    assert await version(database, deployment) == first + 1


async def test_old_readings_are_swept_and_young_ones_stay(database: Database, deployment: Deployment) -> None:
    now = datetime.now(UTC)
    ages = (timedelta(hours=30), timedelta(hours=25), timedelta(hours=23), timedelta(0))
    made = [PostedReading("cpu", "BLUE", 9.0, 1, now - age) for age in ages]

    async def write(session: AsyncSession) -> int:
        await store(session, deployment.id, made, "test")
        return await sweep(session, now)

    assert await database.run(write) == 2
    left = await database.read(lambda session: session.scalars(select(Reading.at).order_by(Reading.at)))
    assert [now - at for at in left] == [timedelta(hours=23), timedelta(0)]


def test_messages_stay_below_the_limit_of_notify() -> None:
    now = datetime.now(UTC)
    readings = [
        ReadingNow(f"metric_{number:040}", Side.GREEN, 1.0 / 3, 7, now, 0.0, Verdict.OK) for number in range(120)
    ]
    sent = messages(7, readings)
    assert sum(len(message["readings"]) for message in sent) == 120
    assert all(len(json.dumps(message, separators=(",", ":"))) < 8000 for message in sent)


async def test_the_duty_tells_browsers_and_exercises_the_idle_side(
    committed_db: Database, database_url: str, plan: Plan, seed: Callable[[Database], Awaitable[Deployment]]
) -> None:
    deployment = await seed(committed_db)
    await set_blue(committed_db, 100)
    source, stop, sent = ScriptedSource(), asyncio.Event(), list[Side]()

    async def exercise(side: Side) -> None:
        sent.append(side)

    async with await psycopg.AsyncConnection.connect(conninfo(database_url), autocommit=True) as listener:
        await listener.execute(f"listen {CHANNEL}")
        duty = asyncio.create_task(collect(committed_db, source, deployment, plan, stop, exercise=exercise))
        bodies: list[dict[str, object]] = []
        async for notification in listener.notifies(timeout=4, stop_after=4):
            bodies.append(json.loads(notification.payload))
        await asyncio.sleep(1.1)
        stop.set()
        await asyncio.wait_for(duty, 3)
    data = [body for body in bodies if body["kind"] == "data"]
    assert len(data) >= 2  # two periods of 2 s within the 4 s
    readings = data[-1]["readings"]
    assert isinstance(readings, list)
    assert len(readings) == 10
    assert readings[0].keys() == {"metric", "side", "value", "text", "verdict", "at"}
    assert data[-1]["deployment"] == deployment.id
    assert set(sent) == {Side.GREEN}
    assert len(sent) >= 2
