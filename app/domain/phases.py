"""The states of a phase and the one table of how they follow each other; what must hold before one starts.

The production phase and the emergency rollback have no life of their own here: they follow the deployment's course
(domain.deployments), which keeps the sign-offs. `mirrored` says how.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.deployments import State as Course
from app.domain.errors import Rejected
from app.domain.plan import Phase, Plan


class State(StrEnum):
    PLANNED = "planned"
    RUNNING = "running"
    ON_HOLD = "on_hold"
    COMPLETED = "completed"
    SKIPPED = "skipped"
    ABORTED = "aborted"


class Change(StrEnum):
    """What can happen to a phase. The value is the event's kind; those after SKIP are never pressed by anybody."""

    START = "phases.started"
    HOLD = "phases.held"
    RESUME = "phases.resumed"
    RESCHEDULE = "phases.rescheduled"
    COMPLETE = "phases.completed"
    ABORT = "phases.aborted"
    SKIP = "phases.skipped"
    WAIT = "phases.gate.held"
    """Its gate was put on hold before it began."""
    RETURN = "phases.returned"
    """A new attempt: it is to come again."""
    REOPEN = "phases.reopened"
    """A rollback after it was complete."""
    UNDO = "phases.undone"
    """Traffic is back on BLUE after it was complete."""
    RECORD = "phases.recorded"
    """It happened without the product (break-glass), and is over when the log hears of it."""


TRANSITIONS: dict[tuple[State, Change], State] = {
    (State.PLANNED, Change.START): State.RUNNING,
    (State.RUNNING, Change.HOLD): State.ON_HOLD,
    (State.ON_HOLD, Change.RESUME): State.RUNNING,
    (State.PLANNED, Change.RESCHEDULE): State.PLANNED,
    (State.ON_HOLD, Change.RESCHEDULE): State.ON_HOLD,
    (State.RUNNING, Change.COMPLETE): State.COMPLETED,
    **{(state, Change.ABORT): State.ABORTED for state in (State.PLANNED, State.RUNNING, State.ON_HOLD)},
    # An aborted phase would shut the rest of the day for good: two people may go on without it.
    **{(state, Change.SKIP): State.SKIPPED for state in (State.PLANNED, State.ON_HOLD, State.ABORTED)},
    (State.PLANNED, Change.WAIT): State.ON_HOLD,
    **{(state, Change.RETURN): State.PLANNED for state in (State.RUNNING, State.ON_HOLD, State.COMPLETED)},
    (State.COMPLETED, Change.REOPEN): State.RUNNING,
    (State.COMPLETED, Change.UNDO): State.ON_HOLD,
    (State.PLANNED, Change.RECORD): State.COMPLETED,
}

WITH_REASON = (Change.HOLD, Change.RESCHEDULE, Change.ABORT, Change.SKIP)
OVER = (State.COMPLETED, State.SKIPPED, State.ABORTED)
PASSED = (State.COMPLETED, State.SKIPPED)
"""States after which the phase after it may start."""

BY_COURSE = ("blue_green", "rollback")
"""Kinds that follow the deployment's course; nobody starts or ends them here."""

SKIP_STANDS_FOR = timedelta(minutes=10)
"""A wish to skip that nobody of another position agrees to lapses after that long: the phase is not skipped."""

REASON_LIMIT = 1000
FARTHEST = timedelta(days=366)
"""Nothing is rescheduled to more than a year ahead: that is a mistake in typing."""

WORDS = {
    State.PLANNED: "planned",
    State.RUNNING: "running",
    State.ON_HOLD: "on hold",
    State.COMPLETED: "complete",
    State.SKIPPED: "skipped",
    State.ABORTED: "aborted",
}

_WHY_NOT = {
    Change.START: "Only a planned phase can be started",
    Change.HOLD: "Only a running phase can be held",
    Change.RESUME: "Only a phase on hold can be resumed",
    Change.RESCHEDULE: "Only a phase that is planned or on hold can be rescheduled",
    Change.COMPLETE: "Only a running phase can be completed",
    Change.ABORT: "A phase that is over cannot be aborted",
    Change.SKIP: "A running phase cannot be skipped, nor one that is over",
}


@dataclass(frozen=True, slots=True)
class Run:
    """How far a phase is. `planned_at`, `started_at` and `finished_at` are plan time, `since` is real; `version` counts
    changes, `by` made the last one."""

    state: State = State.PLANNED
    planned_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    reason: str = ""
    by: str = ""
    since: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class Happened:
    """A change that was accepted: what the log keeps. `at` is real, `plan_at` plan time; `planned_at` only where the
    change sets it."""

    change: Change
    at: datetime
    plan_at: datetime
    by: str
    reason: str = ""
    planned_at: datetime | None = None


def allowed(state: State, change: Change) -> bool:
    return (state, change) in TRANSITIONS


def decide(run: Run, happened: Happened) -> Happened:
    """The change with its reason tidied, if it follows from where the phase is.

    Raises Rejected: a conflict that names who was faster where the state does not allow it, a rule where the reason is
    missing or too long or the new time lies in the past.
    """
    if not allowed(run.state, happened.change):
        who = f", by {run.by}" if run.by else ""
        raise Rejected(
            f"{_WHY_NOT.get(happened.change, 'This does not follow')}; it is {WORDS[run.state]}{who}. "
            "Nothing was done twice.",
            conflict=True,
            code="state",
        )
    reason = happened.reason.strip()
    if happened.change in WITH_REASON and not reason:
        raise Rejected(
            "A reason is missing.", remedy="Say in a sentence why, so that everybody reads it.", code="reason"
        )
    if len(reason) > REASON_LIMIT:
        raise Rejected(f"This has {len(reason)} characters; the limit is {REASON_LIMIT}.", code="reason")
    if happened.change is Change.RESCHEDULE:
        _demand_ahead(happened)
    return replace(happened, reason=reason)


def _demand_ahead(happened: Happened) -> None:
    if happened.planned_at is None or happened.planned_at <= happened.plan_at:
        text, remedy = "The new start is in the past.", "Choose a time that is still to come."
        if happened.planned_at is None:
            text = "The new start is missing."
        raise Rejected(text, remedy=remedy, code="planned_at")
    if happened.planned_at - happened.plan_at > FARTHEST:
        raise Rejected("The new start is more than a year away.", remedy="Choose a nearer one.", code="planned_at")


def evolve(run: Run, happened: Happened) -> Run:
    """The phase after a change that was accepted. Raises KeyError for one that never could be."""
    after = TRANSITIONS[run.state, happened.change]
    moved = replace(
        run,
        state=after,
        by=happened.by,
        reason=happened.reason if after in (State.ON_HOLD, State.SKIPPED, State.ABORTED) else "",
        planned_at=happened.planned_at or run.planned_at,
        since=happened.at if after is not run.state else run.since,
        version=run.version + 1,
    )
    match happened.change:
        case Change.START:
            return replace(moved, started_at=happened.plan_at, finished_at=None)
        case Change.COMPLETE | Change.SKIP | Change.ABORT:
            return replace(moved, finished_at=happened.plan_at)
        case Change.RECORD:
            return replace(moved, started_at=happened.plan_at, finished_at=happened.plan_at)
        case Change.RETURN:
            return replace(moved, started_at=None, finished_at=None)
        case Change.REOPEN | Change.UNDO:
            return replace(moved, finished_at=None)
        case Change.RESCHEDULE if after is State.ON_HOLD:
            return replace(moved, reason=run.reason)
        case _:
            return moved


# ── what follows the deployment's course ──────────────────────────────────────────────────────────────────────────

_PRODUCTION = {
    Course.PREPARING: State.PLANNED,
    Course.PROCEEDED: State.RUNNING,
    Course.ARMED: State.RUNNING,
    Course.SWITCHING: State.RUNNING,
    Course.SWITCHED: State.RUNNING,
    Course.ROLLING_BACK: State.RUNNING,
    Course.ROLLED_BACK: State.ON_HOLD,
    Course.ON_HOLD: State.ON_HOLD,
    Course.COMPLETED: State.COMPLETED,
    Course.ABORTED: State.ABORTED,
}

_FOLLOWING = {
    (State.PLANNED, State.RUNNING): Change.START,
    (State.PLANNED, State.ON_HOLD): Change.WAIT,
    (State.PLANNED, State.COMPLETED): Change.RECORD,
    (State.RUNNING, State.ON_HOLD): Change.HOLD,
    (State.ON_HOLD, State.RUNNING): Change.RESUME,
    (State.RUNNING, State.COMPLETED): Change.COMPLETE,
    (State.COMPLETED, State.RUNNING): Change.REOPEN,
    (State.COMPLETED, State.ON_HOLD): Change.UNDO,
    # Two steps, the first of them: only a phase that stayed behind its course is ever so far from it.
    (State.ON_HOLD, State.COMPLETED): Change.RESUME,
    (State.COMPLETED, State.ABORTED): Change.UNDO,
    **{(state, State.PLANNED): Change.RETURN for state in (State.RUNNING, State.ON_HOLD, State.COMPLETED)},
    **{(state, State.ABORTED): Change.ABORT for state in (State.PLANNED, State.RUNNING, State.ON_HOLD)},
}


def by_course(kind: str, course: Course, have: State = State.PLANNED) -> State:
    """The state of a phase of this kind while the deployment is at `course`. `have` is where the phase stands: a
    rollback that was done stays so when its deployment is ended."""
    if kind != "rollback":
        return _PRODUCTION[course]
    match course:
        case Course.ROLLING_BACK:
            return State.RUNNING
        case Course.ROLLED_BACK:
            return State.COMPLETED
        case Course.ABORTED:
            return have
        case _:
            return State.PLANNED


def mirrored(kind: str, run: Run, course: Course) -> Change | None:
    """What happened to a phase because its deployment came to `course`; None if nothing did. To be asked again until
    it says None. Raises KeyError for a phase that was ended by hand, which none that follows the course can be."""
    wanted = by_course(kind, course, run.state)
    return None if wanted is run.state else _FOLLOWING[run.state, wanted]


# ── before it starts, before it ends ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that must hold, with what was found in words. `key`: phase, checklist, target, deployment, steps,
    failed."""

    key: str
    is_met: bool
    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a checklist is: its title, what of it is done, and the texts of what is not."""

    title: str
    total: int
    missing: tuple[str, ...] = ()

    @property
    def done(self) -> int:
        return self.total - len(self.missing)


def before(plan: Plan, phase: Phase) -> tuple[Phase, ...]:
    """The phases that come first. A rollback has no place in the order of the day."""
    number = plan.phases.index(phase)
    return tuple(other for other in plan.phases[:number] if other.kind != "rollback")


def entry(
    plan: Plan,
    phase: Phase,
    states: Mapping[str, State],
    *,
    checklist: Progress | None = None,
    busy: str = "",
    is_over: bool = False,
) -> tuple[Condition, ...]:
    """What must hold before the phase starts, each with what was found. `states` by phase key; `busy` says what else
    moves its target, if anything does; `is_over`: the deployment was aborted."""
    found: list[Condition] = []
    if is_over:
        found.append(Condition("deployment", False, "The deployment was aborted"))
    for other in before(plan, phase):
        state = states.get(other.key, State.PLANNED)
        is_met = state in PASSED
        what = "" if is_met else ": complete or skip it first" if state is not State.ABORTED else ": two must skip it"
        found.append(Condition("phase", is_met, f"Phase {other.number} is {WORDS[state]}{what}"))
    if checklist is not None:
        text = f"{checklist.title}: {checklist.done} of {checklist.total} items done"
        if checklist.missing:
            text += f"; open: {_some(checklist.missing)}"
        found.append(Condition("checklist", not checklist.missing, text))
    if phase.target:
        others = [
            f"phase {other.number}"
            for other in plan.phases
            if other.key != phase.key and other.target == phase.target and states.get(other.key) is State.RUNNING
        ]
        moving = busy or (others[0] if others else "")
        text = (
            f"{moving[:1].upper()}{moving[1:]} is using {phase.target}" if moving else f"Nothing moves {phase.target}"
        )
        found.append(Condition("target", not moving, text))
    return tuple(found)


def exit_conditions(open_steps: Sequence[str], failed_steps: Sequence[str]) -> tuple[Condition, ...]:
    """What must hold before a phase is completed: every step done, or decided to go on without."""
    if failed_steps:
        return (Condition("failed", False, f"Failed and not decided: {_some(failed_steps)}"),)
    if open_steps:
        return (Condition("steps", False, f"Steps still open: {_some(open_steps)}"),)
    return (Condition("steps", True, "Every step is done"),)


def demand(conditions: Sequence[Condition], what: str) -> None:
    """Raises Rejected with everything that is not met."""
    unmet = [condition.text for condition in conditions if not condition.is_met]
    if unmet:
        raise Rejected(
            f"{what} {'; '.join(unmet)}.",
            remedy="The phase's page shows each line. Nothing was changed.",
            conflict=True,
            code="conditions",
        )


def _some(texts: Sequence[str], most: int = 3) -> str:
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more
