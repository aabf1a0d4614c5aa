"""The page of the whole day: every phase, planned against actual, and the next move."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, PhaseRun
from app.deployments.commands import database_now
from app.domain.deployments import WORDS as COURSE_WORDS
from app.domain.deployments import State as Course
from app.domain.phases import SKIP_STANDS_FOR, Condition, State
from app.domain.plan import Phase
from app.eventlog.log import versions_of
from app.phases.commands_rows import rows_of
from app.phases.commands_skip import is_asked, may_skip, same_hand
from app.phases.queries import entry_of, leads, states_in
from app.phases.queries_earlier import earlier_phases
from app.phases.queries_span import Times, span_of, times_of
from app.phases.queries_words import day_words, lead_of, mark_of, next_phase
from app.phases.views import Asked, DayView, PhaseLine, Span
from app.steps.queries import unsettled
from app.web.access import Scope

RUNNING_EVERY_S = 10
"""How often a panel with a running phase draws itself anew: what is late or over is the server's to say."""


async def day_view(session: AsyncSession, scope: Scope) -> DayView:
    versions = await versions_of(session, scope.id)
    deployment = await session.get_one(Deployment, scope.id, populate_existing=True)
    times = times_of(deployment, await database_now(session))
    rows = await rows_of(session, deployment, scope.plan)
    states = states_in(rows)
    runs = State.RUNNING in states.values()
    earlier = await earlier_phases(session, deployment, scope.plan) if runs else {}
    upcoming = next_phase(scope.plan, states)
    lines: list[PhaseLine] = []
    for phase in scope.plan.phases:
        conditions: tuple[Condition, ...] = ()
        if phase is upcoming and states[phase.key] is State.PLANNED:
            conditions = await entry_of(session, deployment, scope.plan, phase, states, times.now)
        steps = None
        if states[phase.key] in (State.RUNNING, State.ON_HOLD, State.COMPLETED) and phase.actions:
            left, failed = await unsettled(session, deployment, phase)
            steps = (len(phase.actions) - len(left) - len(failed), len(phase.actions))
        row = rows[phase.key]
        span = span_of(deployment, scope.plan.timezone, phase, row, times, earlier.get(phase.key, ()))
        lines.append(_line(scope, deployment, phase, row, span, times, conditions, steps, phase is upcoming))
    headline, advice = await day_words(session, deployment, scope.plan, upcoming, rows, lines)
    return DayView(
        url=f"/d/{scope.id}/phases/_day",
        headline=headline,
        advice=advice,
        lines=tuple(lines),
        zone=scope.plan.timezone,
        now=times.now,
        plan_now=times.plan,
        versions=versions,
        ticks=RUNNING_EVERY_S if passes(deployment, states) else 0,
    )


def passes(deployment: Deployment, states: Mapping[str, State]) -> bool:
    return State.RUNNING in states.values() or not deployment.plan_clock.is_real


def _line(
    scope: Scope,
    deployment: Deployment,
    phase: Phase,
    row: PhaseRun,
    span: Span,
    times: Times,
    conditions: tuple[Condition, ...],
    steps: tuple[int, int] | None,
    is_next: bool,
) -> PhaseLine:
    state = State(row.state)
    mark, word = mark_of(phase, state)
    return PhaseLine(
        key=phase.key,
        url=f"/d/{scope.id}/phases/{phase.key}",
        number=phase.number,
        title=phase.title,
        lead=lead_of(scope.plan, phase),
        mark=mark,
        word=word,
        span=span,
        note=_note(deployment, phase, row),
        held_since=row.state_since if state is State.ON_HOLD else None,
        conditions=conditions,
        steps=steps,
        asked=asked_of(scope, phase, row, times.now),
        is_next=is_next,
        is_led_by_you=leads(scope, phase),
    )


def _note(deployment: Deployment, phase: Phase, row: PhaseRun) -> str:
    if row.reason:
        return row.reason
    if phase.kind == "blue_green" and row.state in (State.PLANNED, State.RUNNING):
        words = COURSE_WORDS[Course(deployment.state)]
        return words[:1].upper() + words[1:]
    return phase.schedule.advice if row.state == State.PLANNED else ""


def asked_of(scope: Scope, phase: Phase, row: PhaseRun, now: datetime) -> Asked | None:
    if not is_asked(row, now) or row.skip_asked_at is None:
        return None
    base = f"/d/{scope.id}/phases/{phase.key}/skip"
    may = may_skip(scope, phase)
    why_not = same_hand(row, scope, phase) if may else ""
    return Asked(
        by=row.skip_asked_by,
        reason=row.skip_reason,
        asked_at=row.skip_asked_at,
        ends_at=row.skip_asked_at + SKIP_STANDS_FOR,
        version=row.version,
        agree=f"{base}/agree" if may and not why_not else "",
        withdraw=f"{base}/withdraw" if may else "",
        why_not=why_not,
    )
