"""The collector: a duty one worker carries at a time. Reads both sides every period, stores, judges, tells."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Deployment, Event
from app.domain.metrics import is_figure
from app.domain.plan import Metric, Plan
from app.domain.sides import Side
from app.eventlog.log import SYSTEM, Entry, append, notify, touch
from app.metrics.commands import PostedReading, store, sweep
from app.metrics.queries import in_service, latest_of
from app.metrics.tasks_events import KINDS, Grade, Key, Standing, follow, messages
from app.metrics.views import ReadingNow, Readings
from app.ports.metrics import MetricsSource, Sample
from app.ports.traffic import ProviderError

log = structlog.get_logger()

SOURCE = "collector"
READ_DEADLINE_S = 1.5
REDRAW_EVERY = timedelta(seconds=15)
"""How often panels are drawn anew for their trends, where no verdict changes."""
SWEEP_EVERY = timedelta(minutes=5)

Exercise = Callable[[Side], Awaitable[None]]
"""Sends one request straight to a side's own address."""
EXERCISE_EVERY_S = 0.5
EXERCISE_DEADLINE_S = 5.0
EXERCISE_AT_ONCE = 8


async def collect(
    database: Database,
    source: MetricsSource,
    deployment: Deployment,
    plan: Plan,
    stop: asyncio.Event,
    *,
    exercise: Exercise | None = None,
) -> None:
    """Collect until `stop` is set. What a source does not give is stored as no figure, which is UNKNOWN. While
    PostgreSQL is away readings are dropped, and pages turn UNKNOWN by their age. Idle sides are exercised, if
    `exercise` is given."""
    loop = asyncio.get_running_loop()
    collector = Collector(database, source, deployment.id, deployment.target, plan)
    runner = asyncio.create_task(_exercise(collector, exercise, stop)) if exercise else None
    try:
        due = loop.time()
        while not stop.is_set():
            try:
                await collector.turn(collector.due(loop.time()))
            except DBAPIError as error:
                log.warning("metrics.collect.database", deployment=deployment.id, error=str(error)[:200])
            due = max(due + collector.every_s, loop.time())
            await _wait(stop, due - loop.time())
    finally:
        if runner is not None:
            runner.cancel()
            await asyncio.gather(runner, return_exceptions=True)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), max(seconds, 0.0))
    except TimeoutError:
        return


class Collector:
    def __init__(self, database: Database, source: MetricsSource, deployment_id: int, target: str, plan: Plan) -> None:
        self._database = database
        self._source = source
        self._id = deployment_id
        self._target = target
        self._plan = plan
        self._standing: Standing | None = None
        self._due: dict[str, float] = {}
        self.every_s = min((metric.every_s for metric in plan.metrics), default=2.0)
        self.serving: frozenset[Side] = frozenset(Side)

    def due(self, monotonic_s: float) -> tuple[Metric, ...]:
        """The metrics whose period has come round; each is read again a period later."""
        found = tuple(metric for metric in self._plan.metrics if monotonic_s >= self._due.get(metric.key, 0.0))
        for metric in found:
            self._due[metric.key] = monotonic_s + metric.every_s - self.every_s / 2
        return found

    async def turn(self, metrics: Sequence[Metric]) -> None:
        """Read both sides and commit what they gave for these metrics."""
        answers = await asyncio.gather(*(self._read(side) for side in Side))
        found = dict(zip(Side, answers, strict=True))
        self._standing, self.serving = await self._database.run(lambda session: self._record(session, metrics, found))

    async def _read(self, side: Side) -> dict[str, Sample]:
        try:
            samples = await asyncio.wait_for(self._source.read(side), READ_DEADLINE_S)
        except (ProviderError, TimeoutError) as error:
            log.debug("metrics.source.silent", side=side.value, error=str(error)[:200])
            return {}
        return {sample.metric: sample for sample in samples}

    async def _record(
        self, session: AsyncSession, metrics: Sequence[Metric], found: Mapping[Side, Mapping[str, Sample]]
    ) -> tuple[Standing, frozenset[Side]]:
        now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
        serving = await in_service(session, self._target, now)
        standing = self._standing or await self._recall(session, now, serving)
        stored = tuple(_reading(metric, side, found[side], now) for metric in metrics for side in Side)
        await store(session, self._id, stored, SOURCE)
        # Judged from the table, so that browsers are told what a page drawn now would show.
        readings = await latest_of(session, self._id, self._plan, now, serving)
        judged = tuple(readings[metric.key, side] for metric in metrics for side in Side)
        for message in messages(self._id, judged):
            await notify(session, message)
        standing, entries = follow(standing, judged, self._plan, serving)
        if standing.swept_at is None or now - standing.swept_at >= SWEEP_EVERY:
            await sweep(session, now)
            standing = replace(standing, swept_at=now)
        return await self._tell(session, standing, judged, entries, now), serving

    async def _tell(
        self,
        session: AsyncSession,
        standing: Standing,
        judged: Sequence[ReadingNow],
        entries: Sequence[Entry],
        now: datetime,
    ) -> Standing:
        """Raise the topic's version where a verdict changed or trends grew old, and append the events."""
        verdicts = {(each.metric, each.side): each.verdict for each in judged}
        is_changed = any(standing.verdicts.get(key) is not verdict for key, verdict in verdicts.items())
        if is_changed or standing.drawn_at is None or now - standing.drawn_at >= REDRAW_EVERY:
            standing = replace(standing, verdicts={**standing.verdicts, **verdicts}, drawn_at=now)
            if not entries:
                await touch(session, self._id, ("metrics",))
        for entry in entries:
            await append(session, self._id, entry, SYSTEM)
        return standing

    async def _recall(self, session: AsyncSession, now: datetime, serving: frozenset[Side]) -> Standing:
        """Where another worker left off: the verdicts as drawn, and what the log was told."""
        readings: Readings = await latest_of(session, self._id, self._plan, now, serving)
        rows = await session.scalars(
            select(Event.payload)
            .where(Event.chain == self._id, Event.kind.in_(KINDS.values()))
            .order_by(Event.seq.desc())
            .limit(200)
        )
        announced: dict[Key, Grade] = {}
        for payload in reversed(rows.all()):
            for key in payload.get("metrics", ()):
                announced[key, Side(payload["side"])] = payload["grade"]
        return Standing(announced=announced, verdicts={key: reading.verdict for key, reading in readings.items()})


def _reading(metric: Metric, side: Side, found: Mapping[str, Sample], now: datetime) -> PostedReading:
    sample = found.get(metric.key)
    if sample is None:
        return PostedReading(metric.key, side.value, None, 0, now)
    value = sample.value if is_figure(sample.value) else None
    return PostedReading(metric.key, side.value, value, max(sample.samples, 0), now)


# ── idle sides ────────────────────────────────────────────────────────────────────────────────────────────────────


async def _exercise(collector: Collector, send: Exercise, stop: asyncio.Event) -> None:
    """About two requests a second to each side without traffic, so that there is something to measure."""
    loop = asyncio.get_running_loop()
    sent: set[asyncio.Task[None]] = set()
    due = loop.time()
    try:
        while not stop.is_set():
            for side in frozenset(Side) - collector.serving:
                if len(sent) < EXERCISE_AT_ONCE:
                    task = asyncio.create_task(_send(send, side))
                    sent.add(task)
                    task.add_done_callback(sent.discard)
            due = max(due + EXERCISE_EVERY_S, loop.time())
            await _wait(stop, due - loop.time())
    finally:
        for task in tuple(sent):
            task.cancel()
        await asyncio.gather(*sent, return_exceptions=True)


async def _send(send: Exercise, side: Side) -> None:
    """What fails here shows in the side's own readings."""
    try:
        await asyncio.wait_for(send(side), EXERCISE_DEADLINE_S)
    except (ProviderError, TimeoutError, OSError) as error:
        log.debug("metrics.exercise.failed", side=side.value, error=str(error)[:200])
