"""Reads of readings: the newest with its verdict, the last 15 minutes, and the views made of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import String, case, column, func, select, true, values
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import once
from app.db.tables import Deployment, ProbeSummary, Reading, TargetState
from app.domain.deployments import GONE_BACK, State
from app.domain.metrics import Verdict, health, is_figure, judge, without_false_idle
from app.domain.plan import Plan
from app.domain.sides import Side
from app.eventlog.log import versions_of
from app.metrics.queries_words import headline_words
from app.metrics.views import (
    ChartPoint,
    ChartView,
    HeadlineView,
    MetricRow,
    MetricsPanel,
    Point,
    ReadingNow,
    Readings,
)
from app.web.figures import quantity, within
from app.web.mission import HealthView

SPAN_S = 900
BIN_S = 5
"""15 minutes in 180 points."""

SEEN_LATELY = timedelta(seconds=5)


async def in_service(session: AsyncSession, target: str, now: datetime) -> frozenset[Side]:
    """The sides that have traffic: by their weight as set, or because probes met them within 5 s. While nobody
    knows the weights both are, so that a silent side is UNKNOWN rather than idle."""
    set_blue = select(TargetState.set_blue).where(TargetState.target == target).scalar_subquery()
    seen = select(
        set_blue, func.coalesce(func.sum(ProbeSummary.blue), 0), func.coalesce(func.sum(ProbeSummary.green), 0)
    ).where(ProbeSummary.target == target, ProbeSummary.second >= now - SEEN_LATELY, ProbeSummary.second <= now)
    set_blue, blue, green = (await session.execute(seen)).one()
    found = set()
    if set_blue is None or set_blue > 0 or blue:
        found.add(Side.BLUE)
    if set_blue is None or set_blue < 100 or green:
        found.add(Side.GREEN)
    return frozenset(found)


async def latest(session: AsyncSession, deployment: Deployment, plan: Plan, now: datetime) -> Readings:
    """The newest reading of every metric of the plan on both sides, judged. Never lacks a key."""

    async def query() -> Readings:
        serving = await in_service(session, deployment.target, now)
        return await latest_of(session, deployment.id, plan, now, serving)

    return await once(session, ("readings", deployment.id), query)


async def latest_of(
    session: AsyncSession, deployment_id: int, plan: Plan, now: datetime, serving: frozenset[Side]
) -> Readings:
    """As `latest`, where the sides in service are known."""
    pairs = [(metric.key, side.value) for metric in plan.metrics for side in Side]
    found: dict[tuple[str, str], tuple[float | None, int, datetime]] = {}
    if pairs:
        wanted = values(column("metric", String), column("side", String), name="wanted").data(pairs)
        newest = (
            select(Reading.value, Reading.samples, Reading.at)
            .where(
                Reading.deployment_id == deployment_id,
                Reading.metric == wanted.c.metric,
                Reading.side == wanted.c.side,
            )
            .order_by(Reading.at.desc())
            .limit(1)
            .lateral("newest")
        )
        statement = select(wanted.c.metric, wanted.c.side, newest.c.value, newest.c.samples, newest.c.at)
        for key, name, value, samples, at in await session.execute(statement.join(newest, true())):
            found[key, name] = (value, samples, at)
    return judged(plan, found, now, serving)


def judged(
    plan: Plan,
    found: Mapping[tuple[str, str], tuple[float | None, int, datetime]],
    now: datetime,
    serving: frozenset[Side],
) -> Readings:
    """Verdicts on what was found (value, samples, moment), for every metric of the plan on both sides."""
    readings: dict[tuple[str, Side], ReadingNow] = {}
    for metric in plan.metrics:
        for side in Side:
            value, samples, at = found.get((metric.key, side.value), (None, 0, None))
            verdict = judge(metric, value, samples, at, now, is_in_service=side in serving)
            age_s = (now - at).total_seconds() if at else None
            readings[metric.key, side] = ReadingNow(metric.key, side, value, samples, at, age_s, verdict)
    verdicts = without_false_idle(plan.metrics, {key: reading.verdict for key, reading in readings.items()})
    return {key: replace(reading, verdict=verdicts[key]) for key, reading in readings.items()}


async def health_of(session: AsyncSession, deployment: Deployment, plan: Plan, now: datetime) -> HealthView:
    """The mission bar's word: the worst of all readings of both sides, and how many."""
    readings = await latest(session, deployment, plan, now)
    found = health(reading.verdict for reading in readings.values())
    return HealthView(found.state, found.word)


# ── the last 15 minutes ───────────────────────────────────────────────────────────────────────────────────────────

Series = dict[tuple[str, Side], dict[int, float]]
"""(metric, side) → number of the bin since 1970 → the worst value in it that could be relied on."""


@dataclass(frozen=True, slots=True)
class History:
    """`first` and `last` are the bins between which a value was due; None without any reading in the span."""

    series: Series
    first: int | None
    last: int

    def line(self, metric: str, side: Side) -> list[tuple[int, float | None]]:
        if self.first is None:
            return []
        known = self.series.get((metric, side), {})
        return [(number, known.get(number)) for number in range(self.first, self.last + 1)]


async def history(session: AsyncSession, deployment_id: int, plan: Plan, now: datetime) -> History:
    """Values of the last 15 minutes, the worst of each 5 s: a spike stays visible, and what was read with too few
    samples behind it leaves a gap."""
    enough = {metric.key: metric.minimum_samples for metric in plan.metrics}
    number = func.floor(func.extract("epoch", Reading.at) / BIN_S).label("number")
    usable = Reading.samples >= case(enough, value=Reading.metric, else_=0) if enough else true()
    rows = await session.execute(
        select(Reading.metric, Reading.side, number, func.max(Reading.value).filter(usable))
        .where(
            Reading.deployment_id == deployment_id,
            Reading.metric.in_(list(enough)),
            Reading.side.in_([side.value for side in Side]),
            Reading.at > now - timedelta(seconds=SPAN_S),
            Reading.at <= now,
        )
        .group_by(Reading.metric, Reading.side, number)
    )
    series: Series = {}
    first: int | None = None
    for key, name, found, value in rows:
        slot = int(found)
        first = slot if first is None else min(first, slot)
        if is_figure(value):
            series.setdefault((key, Side(name)), {})[slot] = value
    # The bin that is still filling says nothing yet, unless it is already answered.
    return History(series, first, int(now.timestamp() // BIN_S) - 1)


def trend(past: History, metric: str, side: Side, now: datetime) -> tuple[Point, ...]:
    """Oldest first, at the middle of each bin; empty where no value is known."""
    base = now.timestamp()
    line = [(base - (number + 0.5) * BIN_S, value) for number, value in past.line(metric, side)]
    return tuple(line) if any(value is not None for _, value in line) else ()


def rows_of(plan: Plan, readings: Readings, past: History | None, now: datetime) -> tuple[MetricRow, ...]:
    """One row a metric, in the plan's order."""
    return tuple(
        MetricRow(
            metric,
            readings[metric.key, Side.BLUE],
            readings[metric.key, Side.GREEN],
            trend(past, metric.key, Side.BLUE, now) if past else (),
            trend(past, metric.key, Side.GREEN, now) if past else (),
        )
        for metric in plan.metrics
    )


# ── panel and charts ──────────────────────────────────────────────────────────────────────────────────────────────


async def panel(session: AsyncSession, deployment: Deployment, plan: Plan, now: datetime) -> MetricsPanel:
    """ "GREEN next to BLUE" for position pages and the switch page."""
    versions = await versions_of(session, deployment.id)
    readings = await latest(session, deployment, plan, now)
    moments = [reading.at for reading in readings.values() if reading.at is not None]
    return MetricsPanel(
        rows=rows_of(plan, readings, None, now),
        decisions=() if State(deployment.state) in GONE_BACK else decisions(plan, readings.values()),
        newest_at=max(moments, default=None),
        now=now,
        versions=versions,
        url=f"/d/{deployment.id}/metrics/_panel",
    )


async def headline(session: AsyncSession, deployment: Deployment, plan: Plan, now: datetime) -> HeadlineView:
    """The metrics page's first sentence."""
    versions = await versions_of(session, deployment.id)
    rows = rows_of(plan, await latest(session, deployment, plan, now), None, now)
    words = headline_words(rows, decides=State(deployment.state) not in GONE_BACK)
    return HeadlineView(*words, versions, f"/d/{deployment.id}/metrics/_headline")


def decisions(plan: Plan, readings: Iterable[ReadingNow]) -> tuple[str, ...]:
    """What the plan asks where something is critical: "GREEN error rate 2.6 %: Continue or rollback?"."""
    return tuple(
        f"{reading.side} {within(metric.title)} {quantity(reading.value, metric.unit)}: {metric.decision}"
        for reading in readings
        if reading.verdict is Verdict.CRITICAL
        for metric in (plan.metric(reading.metric),)
    )


async def charts(session: AsyncSession, deployment: Deployment, plan: Plan, now: datetime) -> tuple[ChartView, ...]:
    """The last 15 minutes of each metric for the detail charts."""
    past = await history(session, deployment.id, plan, now)
    readings = await latest(session, deployment, plan, now)
    return tuple(ChartView(row, _chart_points(past, row.metric.key)) for row in rows_of(plan, readings, None, now))


def _chart_points(past: History, metric: str) -> tuple[ChartPoint, ...]:
    blue, green = past.line(metric, Side.BLUE), past.line(metric, Side.GREEN)
    return tuple(((number + 0.5) * BIN_S, left, right) for (number, left), (_, right) in zip(blue, green, strict=True))
