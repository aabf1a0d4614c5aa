"""Planned against actual: what a phase's clock says, and in what words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.db.tables import Deployment, PhaseRun
from app.domain.phases import State
from app.domain.plan import Phase
from app.domain.plan_clock import plan_now
from app.phases.queries_earlier import progress_of
from app.phases.views import MarkLine, MarkState, Span
from app.web.figures import MINUS, SPACE, hm

LATE_AFTER = timedelta(minutes=1)
"""Less than that nobody needs to be told."""


@dataclass(frozen=True, slots=True)
class Times:
    """The real time, and the plan's."""

    now: datetime
    plan: datetime


def times_of(deployment: Deployment, now: datetime) -> Times:
    return Times(now, plan_now(deployment, now))


def length(span: timedelta) -> str:
    """ "45 min", "1 h 30 min", "7 days", "30 s": a planned or measured length in words."""
    seconds = max(0, round(span.total_seconds()))
    if seconds < 60:
        return f"{seconds}{SPACE}s"
    minutes = seconds // 60
    days, rest = divmod(minutes, 24 * 60)
    hours, left = divmod(rest, 60)
    parts = [(days, "day" if days == 1 else "days"), (hours, "h"), (left if not days else 0, "min")]
    return " ".join(f"{amount}{SPACE}{unit}" for amount, unit in parts if amount)


def when(moment: datetime, zone: str) -> str:
    """ "Fri 6 Mar, 14:00" in the plan's zone."""
    at = moment.astimezone(ZoneInfo(zone))
    return f"{at:%a} {at.day} {at:%b}, {at:%H:%M}"


def from_to(start: datetime, end: datetime, zone: str) -> str:
    """ "Fri 6 Mar, 14:00 to 14:40"; the second day is named where it is another."""
    here = ZoneInfo(zone)
    is_same = start.astimezone(here).date() == end.astimezone(here).date()
    return f"{when(start, zone)} to {hm(end, zone) if is_same else when(end, zone)}"


def span_of(
    deployment: Deployment, zone: str, phase: Phase, row: PhaseRun, times: Times, earlier: Sequence[float] = ()
) -> Span:
    """`earlier`: seconds that the phase took on other days (queries_earlier)."""
    planned_for = timedelta(seconds=phase.duration_s)
    state = State(row.state)
    lasted = (row.finished_at or times.plan) - row.started_at if row.started_at else None
    over = lasted - planned_for if lasted is not None else timedelta()
    progress = None
    if state is State.RUNNING and row.started_at is not None:
        progress = progress_of(deployment, phase, row.started_at, times.plan, earlier, times.now)
    return Span(
        planned=from_to(row.planned_at, row.planned_at + planned_for, zone) if row.planned_at else "",
        actual=_actual(row, zone, lasted),
        planned_for=length(planned_for),
        took=length(lasted) if lasted is not None else "",
        late=_late(deployment, row, state, times),
        over=length(over) if over >= LATE_AFTER else "",
        progress=progress,
    )


def _actual(row: PhaseRun, zone: str, lasted: timedelta | None) -> str:
    if row.started_at is None or lasted is None:
        return ""
    if row.finished_at is None:
        return f"since {when(row.started_at, zone)}, {length(lasted)} so far"
    return f"{from_to(row.started_at, row.finished_at, zone)}, {length(lasted)}"


def _late(deployment: Deployment, row: PhaseRun, state: State, times: Times) -> str:
    """How much later than planned it began, or already should have. A time before the deployment was made is in the
    plan's calendar only: a rehearsal of Friday's day may be made on a Sunday."""
    if row.planned_at is None or (row.planned_at < deployment.created_at and not row.is_moved):
        return ""
    began = row.started_at or (times.plan if state is State.PLANNED else None)
    late = began - row.planned_at if began is not None else timedelta()
    return length(late) if late >= LATE_AFTER else ""


def marks_of(phase: Phase, row: PhaseRun, times: Times) -> tuple[MarkLine, ...]:
    """The timeline's marks in their order, with the present moment between what is past and what comes."""
    is_running = row.state == State.RUNNING and row.started_at is not None
    lines: list[MarkLine] = []
    has_now, has_next = False, False
    for mark in phase.timeline:
        ahead = timedelta(seconds=mark.at_s)
        due = row.started_at + ahead if row.started_at else None
        is_past = due is not None and due <= (row.finished_at or times.plan)
        if not is_past and is_running and not has_now:
            lines.append(_now_line(row, times))
            has_now = True
        state: MarkState = "past" if is_past else "next" if is_running and not has_next else "ahead"
        has_next = has_next or state == "next"
        planned = row.planned_at + ahead if row.planned_at else None
        lines.append(MarkLine(state, offset(mark.at_s), mark.text, planned, due))
    if is_running and not has_now:
        lines.append(_now_line(row, times))
    return tuple(lines)


def _now_line(row: PhaseRun, times: Times) -> MarkLine:
    since = (times.plan - row.started_at).total_seconds() if row.started_at else 0
    return MarkLine("now", offset(since), "Now", None, times.plan)


def offset(seconds: float) -> str:
    """ "+30 min", "+1:05 h", "+15 s", "0 min"."""
    sign = "+" if seconds > 0 else MINUS if seconds < 0 else ""
    left = abs(round(seconds))
    if 0 < left < 60:
        return f"{sign}{left}{SPACE}s"
    hours, minutes = divmod(left // 60, 60)
    return f"{sign}{hours}:{minutes:02}{SPACE}h" if hours else f"{sign}{minutes}{SPACE}min"
