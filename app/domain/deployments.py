"""The states of a deployment's production phase and the one table of how they follow each other."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from app.domain.errors import Rejected


class State(StrEnum):
    PREPARING = "preparing"
    """Checklists and sign-offs are open."""
    PROCEEDED = "proceeded"
    """The project manager proceeded; DevOps must arm."""
    ARMED = "armed"
    """Capsule out, way back proven, grants handed out; only now can DevOps switch."""
    SWITCHING = "switching"
    SWITCHED = "switched"
    """All traffic was observed on GREEN; the team watches. Rollback is one press away."""
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    """On BLUE again; a new attempt needs new sign-offs."""
    ON_HOLD = "on_hold"
    COMPLETED = "completed"
    """The phase is complete, BLUE is still warm: rollback stays possible until phase 6 retires BLUE."""
    ABORTED = "aborted"


class Change(StrEnum):
    """What can happen to a deployment. The value is the event's kind."""

    PROCEED = "deployment.proceeded"
    ARM = "deployment.armed"
    HOLD = "deployment.held"
    RESUME = "deployment.resumed"
    RESCHEDULE = "deployment.rescheduled"
    EXPIRE = "deployment.gate.expired"
    ABORT = "deployment.aborted"
    SWITCH = "traffic.switch.requested"
    SWITCH_REFUSED = "traffic.switch.refused"
    SWITCH_ARRIVED = "traffic.switch.arrived"
    ROLL_BACK = "traffic.rollback.requested"
    ROLLBACK_DONE = "traffic.rollback.finished"
    BREAK_GLASS = "traffic.break_glass.rolled_back"
    """Done on a machine, with a capsule, while there was no database; the log takes it in afterwards."""
    NEW_ATTEMPT = "deployment.attempt.opened"
    COMPLETE = "deployment.completed"


_BEFORE_SWITCH = (State.PREPARING, State.PROCEEDED, State.ARMED)
AFTER_SWITCH_BEGAN = (State.SWITCHING, State.SWITCHED, State.ROLLING_BACK, State.COMPLETED)
GONE_BACK = (State.ROLLING_BACK, State.ROLLED_BACK)
"""Nothing is left to decide about going back."""

TRANSITIONS: dict[tuple[State, Change], State] = {
    (State.PREPARING, Change.PROCEED): State.PROCEEDED,
    (State.PROCEEDED, Change.ARM): State.ARMED,
    **{(state, Change.HOLD): State.ON_HOLD for state in _BEFORE_SWITCH},
    **{(state, Change.EXPIRE): State.ON_HOLD for state in _BEFORE_SWITCH},
    (State.ON_HOLD, Change.RESUME): State.PREPARING,
    **{(state, Change.RESCHEDULE): State.PREPARING for state in (*_BEFORE_SWITCH, State.ON_HOLD, State.ROLLED_BACK)},
    **{(state, Change.ABORT): State.ABORTED for state in (*_BEFORE_SWITCH, State.ON_HOLD, State.ROLLED_BACK)},
    (State.ARMED, Change.SWITCH): State.SWITCHING,
    (State.SWITCHING, Change.SWITCH_REFUSED): State.ARMED,
    (State.SWITCHING, Change.SWITCH_ARRIVED): State.SWITCHED,
    **{(state, Change.ROLL_BACK): State.ROLLING_BACK for state in (*AFTER_SWITCH_BEGAN, State.ROLLED_BACK)},
    (State.ROLLING_BACK, Change.ROLLBACK_DONE): State.ROLLED_BACK,
    **{(state, Change.BREAK_GLASS): State.ROLLED_BACK for state in (State.ARMED, *AFTER_SWITCH_BEGAN)},
    (State.ROLLED_BACK, Change.NEW_ATTEMPT): State.PREPARING,
    (State.SWITCHED, Change.COMPLETE): State.COMPLETED,
}

NEW_ATTEMPT_CHANGES = (Change.RESCHEDULE, Change.NEW_ATTEMPT)
"""These ask for new sign-offs: what was voted for is no longer what will happen."""

_WHY_NOT = {
    Change.PROCEED: "Proceeding starts from an open gate",
    Change.ARM: "Arming comes after proceeding",
    Change.SWITCH: "Only an armed deployment can switch",
    Change.ROLL_BACK: "There is nothing to roll back: no switch of this attempt has begun",
    Change.BREAK_GLASS: "Break-glass moves only what was armed",
    Change.HOLD: "Only a deployment that has not begun to switch can be held",
    Change.RESUME: "Only a deployment on hold can be resumed",
    Change.RESCHEDULE: "A deployment cannot be rescheduled while traffic is on its way or on GREEN",
    Change.NEW_ATTEMPT: "A new attempt opens after a rollback",
    Change.COMPLETE: "Only a switched deployment can be completed",
    Change.ABORT: "A deployment cannot be aborted while traffic is on its way or on GREEN; roll back first",
}

WORDS = {
    State.PREPARING: "sign-offs open",
    State.PROCEEDED: "waiting to be armed",
    State.ARMED: "armed",
    State.SWITCHING: "switching to GREEN",
    State.SWITCHED: "on GREEN",
    State.ROLLING_BACK: "rolling back to BLUE",
    State.ROLLED_BACK: "rolled back",
    State.ON_HOLD: "on hold",
    State.COMPLETED: "complete",
    State.ABORTED: "aborted",
}


@dataclass(frozen=True, slots=True)
class Course:
    """Where a deployment stands. `planned_at` is when the phase is to start; `reason` why it is held."""

    state: State
    attempt: int
    planned_at: datetime
    reason: str = ""


def allowed(state: State, change: Change) -> bool:
    return (state, change) in TRANSITIONS


def follow(course: Course, change: Change, *, reason: str = "", planned_at: datetime | None = None) -> Course:
    """The course after `change`. Raises Rejected, naming the state and what to do."""
    after = TRANSITIONS.get((course.state, change))
    if after is None:
        why = _WHY_NOT.get(change, f"{change.value} does not follow")
        raise Rejected(f"{why}; the deployment is {WORDS[course.state]}.", conflict=True, code="state")
    if change in (Change.HOLD, Change.RESCHEDULE, Change.ABORT) and not reason.strip():
        raise Rejected(
            "A reason is missing.", remedy="Say in a sentence why, so that everybody reads it.", code="reason"
        )
    moved = replace(course, state=after, reason=reason.strip() if after in (State.ON_HOLD, State.ABORTED) else "")
    if change in NEW_ATTEMPT_CHANGES:
        moved = replace(moved, attempt=course.attempt + 1)
    if planned_at is not None:
        moved = replace(moved, planned_at=planned_at)
    return moved
