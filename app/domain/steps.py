"""The states of a step and the one table of how they follow each other.

A person of the step's position does it, or, for a script, a worker on their behalf; what failed is decided by whoever
leads the phase: try again, go on without it, or put the phase on hold.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from app.domain.errors import Rejected
from app.domain.phases import State as PhaseState
from app.domain.plan import Action, Phase


class State(StrEnum):
    OPEN = "open"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class Change(StrEnum):
    """What can happen to a step. The value is the event's kind."""

    START = "steps.started"
    FINISH = "steps.finished"
    TICK = "steps.ticked"
    """Done at one press: a line of what comes after a phase."""
    FAIL = "steps.failed"
    RETRY = "steps.retried"
    BYPASS = "steps.bypassed"
    """The manual path: it goes on without this step."""
    UNDO = "steps.reopened"


TRANSITIONS: dict[tuple[State, Change], State] = {
    (State.OPEN, Change.START): State.RUNNING,
    (State.OPEN, Change.TICK): State.DONE,
    (State.RUNNING, Change.FINISH): State.DONE,
    (State.RUNNING, Change.FAIL): State.FAILED,
    (State.FAILED, Change.RETRY): State.OPEN,
    (State.FAILED, Change.BYPASS): State.SKIPPED,
    **{(state, Change.UNDO): State.OPEN for state in (State.RUNNING, State.DONE, State.SKIPPED)},
}

BY_LEAD = (Change.RETRY, Change.BYPASS)
"""What only a person who leads the phase decides."""

WHILE_HELD = (Change.FINISH, Change.FAIL)
"""A phase on hold starts nothing more; what runs already comes to its end and is recorded."""

SETTLED = (State.DONE, State.SKIPPED)
TEXT_LIMIT = 2000

WORDS = {
    State.OPEN: "open",
    State.RUNNING: "running",
    State.DONE: "done",
    State.FAILED: "failed",
    State.SKIPPED: "passed over",
}

_WHY_NOT = {
    Change.START: "Only an open step can be started",
    Change.TICK: "Only an open line can be ticked",
    Change.FINISH: "Only a running step can be finished",
    Change.FAIL: "Only a running step can fail",
    Change.RETRY: "Only a failed step is tried again",
    Change.BYPASS: "Only a failed step is passed over",
    Change.UNDO: "There is nothing to take back",
}

_NEEDS = {
    Change.FINISH: ("What shows it is missing.", "Name it: a link, a number, what you saw."),
    Change.FAIL: ("What happened is missing.", "Say in a sentence what went wrong; the phase's lead decides by it."),
    Change.BYPASS: ("A reason is missing.", "Say how it is done without this step, so that everybody reads it."),
}
"""The changes that need words, and how their lack is told."""


@dataclass(frozen=True, slots=True)
class Step:
    """How far a step is. `text` is its evidence, what happened, or why it goes on without; times are real."""

    state: State = State.OPEN
    text: str = ""
    by: str = ""
    by_hand: bool = False
    tries: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class Happened:
    """A change that was accepted: what the log keeps. `by_hand`: a person does what the plan has a machine for."""

    change: Change
    at: datetime
    by: str
    text: str = ""
    by_hand: bool = False


def allowed(state: State, change: Change) -> bool:
    return (state, change) in TRANSITIONS


def decide(step: Step, happened: Happened) -> Happened:
    """The change with its words tidied. Raises Rejected: a conflict naming who was faster, or a rule."""
    if not allowed(step.state, happened.change):
        who = f", by {step.by}" if step.by else ""
        raise Rejected(
            f"{_WHY_NOT[happened.change]}; this one is {WORDS[step.state]}{who}. Nothing was recorded.",
            conflict=True,
            code="state",
        )
    text = happened.text.strip()
    if len(text) > TEXT_LIMIT:
        raise Rejected(f"This has {len(text)} characters; the limit is {TEXT_LIMIT}.", code="text")
    if happened.change in _NEEDS and not text:
        reason, remedy = _NEEDS[happened.change]
        raise Rejected(reason, remedy=remedy, code="text")
    return replace(happened, text=text)


def evolve(step: Step, happened: Happened) -> Step:
    """The step after a change that was accepted. Raises KeyError for one that never could be."""
    after = TRANSITIONS[step.state, happened.change]
    moved = replace(step, state=after, by=happened.by, text=happened.text, version=step.version + 1)
    match happened.change:
        case Change.START:
            tries = step.tries + 1
            return replace(moved, started_at=happened.at, finished_at=None, tries=tries, by_hand=happened.by_hand)
        case Change.TICK:
            return replace(moved, started_at=happened.at, finished_at=happened.at, tries=step.tries + 1)
        case Change.FINISH | Change.FAIL | Change.BYPASS:
            return replace(moved, finished_at=happened.at)
        case _:
            return replace(moved, started_at=None, finished_at=None, by_hand=False)


def may_happen(phase: Phase, phase_state: PhaseState, change: Change, *, is_after: bool) -> bool:
    """Whether steps of the phase may change so now. What comes after a phase is for when it runs or is complete, and
    so is everything of a rollback, which is over in seconds."""
    is_late = is_after or phase.kind == "rollback"
    if phase_state is PhaseState.RUNNING or (phase_state is PhaseState.COMPLETED and is_late):
        return True
    return phase_state is PhaseState.ON_HOLD and change in WHILE_HELD


def as_steps_see(phase: Phase, phase_state: PhaseState, *, is_aborted: bool) -> PhaseState:
    """The phase's state for its steps: where the deployment was aborted, a running phase starts nothing more, like one
    on hold. What a rollback leaves to do is written down all the same."""
    if is_aborted and phase_state is PhaseState.RUNNING and phase.kind != "rollback":
        return PhaseState.ON_HOLD
    return phase_state


def is_by_traffic(phase: Phase, action: Action) -> bool:
    """Whether the step's state is what traffic did: nobody presses it here. A canary without a target of the plan is
    done somewhere else, by hand."""
    return action.kind in ("switch", "rollback") or (action.kind == "canary" and phase.target is not None)


def is_run_by_worker(action: Action | None, step: Step) -> bool:
    """Whether a worker runs the step's script now: then its end is the worker's to record, and nobody's else."""
    return action is not None and action.kind == "script" and step.state is State.RUNNING and not step.by_hand


def owners(phase: Phase, action: Action | None) -> tuple[str, ...]:
    """The positions whose people do a step: its own, or where none is named, those that lead the phase."""
    return (action.position,) if action is not None and action.position else phase.lead


AFTER = "after-"


def after_key(number: int) -> str:
    """The key of the n-th line of `after`, from 1. No action can be called so: keys of a plan have no hyphen."""
    return f"{AFTER}{number}"


def grouped(line: str) -> tuple[str, str]:
    """A line of `after` and its group, which are the words before a colon: "Next 2 hours: phase 4 concludes"."""
    group, colon, rest = line.partition(": ")
    if not colon or len(group) > 30:
        return "", line
    return group, rest[:1].upper() + rest[1:]
