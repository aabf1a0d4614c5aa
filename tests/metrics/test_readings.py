"""Posted readings: what is taken, what is refused, and that a refusal stores nothing."""

import math
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from app.db.engine import Database
from app.db.tables import Deployment, Reading
from app.deployments.commands import database_now
from app.domain.errors import Rejected
from app.domain.plan import Plan
from app.domain.sides import Side
from app.metrics.commands import POST_LIMIT, PostedReading, record_readings
from app.metrics.queries import latest


@pytest.fixture
async def now(database: Database) -> datetime:
    return await database.read(database_now)


async def post(database: Database, deployment: Deployment, plan: Plan, now: datetime, *sent: PostedReading) -> int:
    return await database.run(lambda session: record_readings(session, deployment, plan, sent, "prometheus", now))


async def stored(database: Database) -> int:
    return await database.read(lambda session: session.scalar(select(func.count()).select_from(Reading))) or 0


async def test_a_posted_reading_is_the_newest(
    database: Database, deployment: Deployment, plan: Plan, now: datetime
) -> None:
    old = PostedReading("error_rate", "GREEN", 0.1, 900, now - timedelta(seconds=3))
    new = replace(old, value=2.6, at=now - timedelta(seconds=1))
    assert await post(database, deployment, plan, now, new, old) == 2
    readings = await database.read(lambda session: latest(session, deployment, plan, now))
    found = readings["error_rate", Side.GREEN]
    assert (found.value, found.samples, found.verdict) == (2.6, 900, "CRITICAL")


async def test_no_figure_is_stored_as_none_and_is_unknown(
    database: Database, deployment: Deployment, plan: Plan, now: datetime
) -> None:
    await post(database, deployment, plan, now, PostedReading("cpu", "BLUE", None, 0, now))
    readings = await database.read(lambda session: latest(session, deployment, plan, now))
    assert readings["cpu", Side.BLUE].verdict == "UNKNOWN"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"metric": "secrets"}, "the plan has no metric 'secrets'"),
        ({"metric": "x" * 5000}, "the plan has no metric"),
        ({"side": "RED"}, "'RED' is no side"),
        ({"side": "blue"}, "'blue' is no side"),
        ({"value": math.nan}, "not a finite number"),
        ({"value": math.inf}, "not a finite number"),
        ({"value": -1.0}, "negative"),
        ({"value": 1e300}, "beyond all measure"),
        ({"samples": -1}, "number of samples"),
        ({"samples": 2**40}, "number of samples"),
    ],
)
async def test_a_hostile_reading_is_refused_and_nothing_is_stored(
    database: Database, deployment: Deployment, plan: Plan, now: datetime, change: dict[str, Any], says: str
) -> None:
    good = PostedReading("cpu", "GREEN", 44.0, 1, now)
    with pytest.raises(Rejected, match="Reading 2: ") as refused:
        await post(database, deployment, plan, now, good, replace(good, **change))
    assert says in refused.value.reason
    assert len(refused.value.reason) < 400
    assert await stored(database) == 0


@pytest.mark.parametrize(("age_s", "taken"), [(3599, True), (3601, False), (-4.9, True), (-5.1, False)])
async def test_the_time_must_be_within_an_hour_and_not_ahead(
    database: Database, deployment: Deployment, plan: Plan, now: datetime, age_s: float, taken: bool
) -> None:
    reading = PostedReading("cpu", "GREEN", 44.0, 1, now - timedelta(seconds=age_s))
    if taken:
        assert await post(database, deployment, plan, now, reading) == 1
    else:
        with pytest.raises(Rejected, match="time"):
            await post(database, deployment, plan, now, reading)


async def test_a_time_without_a_zone_is_refused(
    database: Database, deployment: Deployment, plan: Plan, now: datetime
) -> None:
    with pytest.raises(Rejected, match="zone"):
        await post(database, deployment, plan, now, PostedReading("cpu", "GREEN", 44.0, 1, now.replace(tzinfo=None)))


async def test_at_most_500_at_once(database: Database, deployment: Deployment, plan: Plan, now: datetime) -> None:
    reading = PostedReading("cpu", "GREEN", 44.0, 1, now)
    assert await post(database, deployment, plan, now, *[reading] * POST_LIMIT) == 500
    with pytest.raises(Rejected, match="501 readings"):
        await post(database, deployment, plan, now, *[reading] * (POST_LIMIT + 1))
    assert await stored(database) == 500


async def test_an_empty_post_is_harmless(database: Database, deployment: Deployment, plan: Plan, now: datetime) -> None:
    assert await post(database, deployment, plan, now) == 0
