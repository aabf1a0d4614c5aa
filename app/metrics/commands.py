"""Writes of readings: from the collector, and from machines that post them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import CanaryReading, Deployment, Reading
from app.domain.errors import Rejected
from app.domain.metrics import AHEAD_LIMIT_S, is_figure
from app.domain.plan import Plan
from app.domain.sides import Side
from app.eventlog.log import notify

POST_LIMIT = 500
OLDEST = timedelta(hours=1)
AHEAD = timedelta(seconds=AHEAD_LIMIT_S)
LARGEST = 1e15
KEEP = timedelta(hours=24)
SWEEP_LIMIT = 5000


@dataclass(frozen=True, slots=True)
class PostedReading:
    """A reading as a machine sent it, unchecked. `value` None says that the source had no figure."""

    metric: str
    side: str
    value: float | None
    samples: int
    at: datetime


async def record_readings(
    session: AsyncSession,
    deployment: Deployment,
    plan: Plan,
    readings: Sequence[PostedReading],
    source: str,
    now: datetime,
) -> int:
    """Store readings of a plan's metrics, all of them or none; returns how many. `source` names who sent them.

    Raises Rejected, naming the first reading that cannot be taken (counted from 1) and why.
    """
    if len(readings) > POST_LIMIT:
        raise Rejected(
            f"{len(readings)} readings in one request; the limit is {POST_LIMIT}. None was stored.",
            remedy="Send them in several requests.",
            code="too_many_readings",
        )
    metrics = {metric.key for metric in plan.metrics}
    for number, reading in enumerate(readings, start=1):
        problem = _problem(reading, metrics, now)
        if problem:
            raise Rejected(f"Reading {number}: {problem} None was stored.", code="reading")
    await store(session, deployment.id, readings, source)
    # Triggers are judged as soon as there is something new to judge.
    await notify(session, {"kind": "data", "deployment": deployment.id, "evidence": True})
    return len(readings)


async def store(session: AsyncSession, deployment_id: int, readings: Sequence[PostedReading], source: str) -> None:
    """One insert for all, unchecked."""
    if not readings:
        return
    rows = [
        {
            "deployment_id": deployment_id,
            "metric": reading.metric,
            "side": reading.side,
            "at": reading.at,
            "value": reading.value,
            "samples": reading.samples,
            "source": source[:64],
        }
        for reading in readings
    ]
    await session.execute(insert(Reading), rows)


def _problem(reading: PostedReading, metrics: set[str], now: datetime) -> str:
    if reading.metric not in metrics:
        return f"the plan has no metric {reading.metric[:48]!r}; it has {', '.join(sorted(metrics)) or 'none'}."
    if reading.side not in {side.value for side in Side}:
        return f"{reading.side[:12]!r} is no side; send BLUE or GREEN."
    if reading.value is not None and not is_figure(reading.value):
        return "the value is not a finite number; send null where there is no figure."
    if reading.value is not None and not 0 <= reading.value <= LARGEST:
        return f"the value {reading.value:g} is negative or beyond all measure."
    if not 0 <= reading.samples <= 2**31 - 1:
        return "the number of samples is negative or beyond all measure."
    if reading.at.tzinfo is None:
        return "its time has no zone; send it with an offset."
    if reading.at > now + AHEAD:
        return f"its time is {(reading.at - now).total_seconds():.0f} s ahead of the server's; set the sender's clock."
    if reading.at < now - OLDEST:
        return "its time is more than an hour ago."
    return ""


async def sweep(session: AsyncSession, now: datetime) -> int:
    """Delete readings older than a day, a canary's too, at most 5,000 of each at a time, oldest first; returns how many
    went."""
    return await _sweep(session, Reading, now) + await _sweep(session, CanaryReading, now)


async def _sweep(session: AsyncSession, table: type[Reading | CanaryReading], now: datetime) -> int:
    oldest = select(table.id, table.at).order_by(table.id).limit(SWEEP_LIMIT).subquery("oldest")
    gone = delete(table).where(table.id.in_(select(oldest.c.id).where(oldest.c.at < now - KEEP)))
    result = await session.execute(gone.returning(table.id))
    return len(result.all())
