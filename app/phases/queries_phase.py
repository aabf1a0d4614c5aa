"""The page of one phase: where it stands, what must hold, what this person can do, its marks."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from app.canary.queries_left import before_abort, left_on_green
from app.db.tables import Deployment
from app.deployments.commands import database_now
from app.domain.phases import BY_COURSE, Change, Condition, State, allowed
from app.domain.plan import Phase
from app.domain.signoff_words import listed
from app.eventlog.log import versions_of
from app.phases.commands import may_do
from app.phases.commands_rows import rows_of
from app.phases.commands_skip import may_skip
from app.phases.queries import entry_of, exit_of, resume_of, states_in
from app.phases.queries_day import RUNNING_EVERY_S, asked_of, passes
from app.phases.queries_earlier import earlier_phases
from app.phases.queries_span import marks_of, span_of, times_of
from app.phases.queries_words import lead_of, mark_of, phase_words
from app.phases.views import Control, MarksView, PhasePage, PhaseView
from app.scripts.queries import Bound, ended_with, open_commands, scripts_of
from app.steps.queries import unsettled
from app.steps.queries_panels import after_view, steps_view
from app.steps.views import Trouble as StepTrouble
from app.web.access import Scope

SHORT = 90
"""Characters of a reason that may be said twice, in the list and at the press."""


async def phase_page(
    session: AsyncSession, scope: Scope, phase: Phase, bound: Bound, refused: StepTrouble | None = None
) -> PhasePage:
    """`bound` is what scripts are run with here; `refused` a step's form that is to stand there again with what was
    wrong."""
    return PhasePage(
        phase=await phase_view(session, scope, phase),
        steps=await steps_view(session, scope, phase, refused),
        scripts=await scripts_of(session, scope, phase, bound),
        after=await after_view(session, scope, phase, refused),
        marks=await marks_view(session, scope, phase),
    )


async def phase_view(session: AsyncSession, scope: Scope, phase: Phase) -> PhaseView:
    versions = await versions_of(session, scope.id)
    deployment = await session.get_one(Deployment, scope.id, populate_existing=True)
    times = times_of(deployment, await database_now(session))
    rows = await rows_of(session, deployment, scope.plan)
    row, states = rows[phase.key], states_in(rows)
    state = states[phase.key]
    conditions: tuple[Condition, ...] = ()
    exits: tuple[Condition, ...] = ()
    if state is State.PLANNED and phase.kind != "rollback":
        conditions = await entry_of(session, deployment, scope.plan, phase, states, times.now)
    if state is State.ON_HOLD and phase.kind not in BY_COURSE:
        conditions = await resume_of(session, deployment, scope.plan, phase, states, times.now)
    if state is State.RUNNING and phase.kind not in BY_COURSE:
        exits = await exit_of(session, deployment, phase)
    mark, word = mark_of(phase, state)
    earlier = await earlier_phases(session, deployment, scope.plan) if state is State.RUNNING else {}
    span = span_of(deployment, scope.plan.timezone, phase, row, times, earlier.get(phase.key, ()))
    is_led = state is State.RUNNING and phase.kind not in BY_COURSE
    left = (await unsettled(session, deployment, phase))[0] if is_led else []
    headline, advice = phase_words(scope, deployment, phase, state, span, conditions, exits, left)
    running = await open_commands(session, scope.id, phase)
    leaves = before_abort(scope.plan, await left_on_green(session, scope.id, scope.plan, phase.key))
    is_ended = state in (State.ABORTED, State.SKIPPED)
    ended = await ended_with(session, scope.id, phase, row.state_since) if is_ended else ""
    return PhaseView(
        url=f"/d/{scope.id}/phases/{phase.key}/_phase",
        key=phase.key,
        number=phase.number,
        headline=headline,
        advice=advice,
        mark=mark,
        word=word,
        lead=lead_of(scope.plan, phase),
        span=span,
        version=row.version,
        conditions=conditions,
        exits=exits,
        controls=_controls(scope, phase, state, conditions, exits, running, leaves),
        asked=asked_of(scope, phase, row, times.now),
        reason=row.reason,
        by=row.changed_by,
        held_since=row.state_since if state is State.ON_HOLD else None,
        zone=scope.plan.timezone,
        now=times.now,
        plan_now=times.plan,
        versions=versions,
        checklist=_checklist(scope, phase),
        is_by_course=phase.kind in BY_COURSE,
        links=_links(scope, phase),
        schedule_advice=phase.schedule.advice,
        ended_scripts=ended,
        ticks=RUNNING_EVERY_S if passes(deployment, states) else 0,
    )


_CONTROLS = (
    Control("start", "Start the phase", "", "primary"),
    Control("resume", "Resume the phase", "", "primary"),
    Control("complete", "Complete the phase", "", "primary"),
    Control("hold", "Put it on hold", "", needs_reason=True,
            says="Nothing more is started; what runs ends as it ends."),
    Control("reschedule", "Reschedule", "", needs_reason=True, needs_time=True,
            says="The new start, in the plan's time."),
    Control("skip", "Ask to skip it", "", needs_reason=True,
            says="Somebody of another position must agree within 10 min; else it stays."),
    Control("abort", "Abort the phase", "", "nogo", needs_reason=True,
            says="For good. What comes after it waits until two people agree to go on without it."),
)  # fmt: skip
CHANGES = {
    "start": Change.START,
    "resume": Change.RESUME,
    "complete": Change.COMPLETE,
    "hold": Change.HOLD,
    "reschedule": Change.RESCHEDULE,
    "skip": Change.SKIP,
    "abort": Change.ABORT,
}
"""The last part of a control's address to what it does."""


def _controls(
    scope: Scope,
    phase: Phase,
    state: State,
    conditions: tuple[Condition, ...],
    exits: tuple[Condition, ...],
    running: Sequence[str],
    leaves: str,
) -> tuple[Control, ...]:
    """What this person can do with the phase in this state; what is shut for now says why. `running`: the scripts that
    run now; `leaves`: what becomes of its canary."""
    if phase.kind in BY_COURSE:
        return ()
    lists = (
        ("start", "Before it starts", conditions),
        ("resume", "Before it goes on", conditions),
        ("complete", "Before it is complete", exits),
    )
    closed = {key: _why_closed(title, rows) for key, title, rows in lists}
    found: list[Control] = []
    for control in _CONTROLS:
        change = CHANGES[control.key]
        is_mine = may_skip(scope, phase) if change is Change.SKIP else may_do(scope, phase, change)
        if is_mine and allowed(state, change):
            url = f"/d/{scope.id}/phases/{phase.key}/{control.key}"
            says = control.says
            if running and change in (Change.ABORT, Change.SKIP):
                says = f"Ends its script, with all it started: {listed(running)}. {says}"
            if leaves and change in (Change.ABORT, Change.SKIP):
                says = f"{leaves} {says}"
            found.append(_filled(control, url, closed.get(control.key, ""), says))
    return tuple(found)


def _why_closed(title: str, rows: Sequence[Condition]) -> str:
    """Why a press is shut; "" where it is not. The list stands above it: what is long there is not said again."""
    unmet = "; ".join(condition.text for condition in rows if not condition.is_met)
    return unmet if len(unmet) <= SHORT else f"Opens when all of “{title}” is met."


def _filled(control: Control, url: str, closed: str, says: str) -> Control:
    return Control(
        control.key,
        control.title,
        url,
        "" if closed else control.kind,
        control.needs_reason,
        control.needs_time,
        closed,
        says,
    )


def _checklist(scope: Scope, phase: Phase) -> tuple[str, str] | None:
    if phase.checklist is None:
        return None
    title = scope.plan.checklist(phase.checklist).title
    return title, f"/d/{scope.id}/checklists#checklist-{phase.checklist}"


def _links(scope: Scope, phase: Phase) -> tuple[tuple[str, str], ...]:
    base = f"/d/{scope.id}"
    if phase.kind == "blue_green":
        return ("Go/no-go board", f"{base}/board"), ("Switch page", f"{base}/switch"), ("Wall", f"{base}/wall")
    return (("Switch page", f"{base}/switch"),) if phase.kind == "rollback" else ()


async def marks_view(session: AsyncSession, scope: Scope, phase: Phase) -> MarksView:
    versions = await versions_of(session, scope.id)
    deployment = await session.get_one(Deployment, scope.id, populate_existing=True)
    times = times_of(deployment, await database_now(session))
    row = (await rows_of(session, deployment, scope.plan))[phase.key]
    return MarksView(
        url=f"/d/{scope.id}/phases/{phase.key}/_marks",
        lines=marks_of(phase, row, times),
        has_started=row.started_at is not None,
        zone=scope.plan.timezone,
        versions=versions,
        ticks=RUNNING_EVERY_S if row.state == State.RUNNING else 0,
    )
