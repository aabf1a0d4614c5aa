"""A canary: a share of traffic to GREEN, step by step (manual, "Canary Rollout Details").

One table of states, and one way of counting the dwell time. A share grows only after a gate that passed
(canary_gate.py); UNKNOWN stops the dwell; what the plan names under `rollback_if` takes everything back at once.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain import operations
from app.domain.canary_gate import Judgement, Verdict
from app.domain.errors import Rejected
from app.domain.plan import Phase

DARK_FOR = timedelta(seconds=5)
"""Silence that lasts this long pauses the canary in sight; the dwell does not grow in any silence."""
LONGEST_GAP = timedelta(seconds=5)
"""Real time between two judgements that still counts as dwelling: nobody looked in a longer one."""


class State(StrEnum):
    WAITING = "waiting"
    """A shift was refused before anything was written: somebody must ask again."""
    SHIFTING = "shifting"
    DWELLING = "dwelling"
    INCONCLUSIVE = "inconclusive"
    """Paused: something cannot be told, and UNKNOWN satisfies no gate."""
    GATE = "gate"
    """The dwell time is over; the gate has to pass, and who goes on to go on."""
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    DONE = "done"


class Change(StrEnum):
    """What can happen to a canary. The value is the event's kind."""

    START = "canary.started"
    ARRIVE = "canary.arrived"
    REFUSE = "canary.refused"
    RETRY = "canary.retried"
    PAUSE = "canary.paused"
    GO_ON = "canary.resumed"
    DWELT = "canary.dwelt"
    ADVANCE = "canary.advanced"
    FINISH = "canary.completed"
    ROLL_BACK = "canary.rolled_back"
    """Asked for, by a person, the gate or a shift that did not arrive."""
    BACK = "canary.back"
    """Everything is on BLUE again."""


_OPEN = (State.WAITING, State.SHIFTING, State.DWELLING, State.INCONCLUSIVE, State.GATE)
TRANSITIONS: dict[tuple[State | None, Change], State] = {
    (None, Change.START): State.SHIFTING,
    (State.SHIFTING, Change.ARRIVE): State.DWELLING,
    (State.SHIFTING, Change.REFUSE): State.WAITING,
    (State.WAITING, Change.RETRY): State.SHIFTING,
    (State.DWELLING, Change.PAUSE): State.INCONCLUSIVE,
    (State.GATE, Change.PAUSE): State.INCONCLUSIVE,
    (State.INCONCLUSIVE, Change.GO_ON): State.DWELLING,
    (State.DWELLING, Change.DWELT): State.GATE,
    (State.GATE, Change.ADVANCE): State.SHIFTING,
    (State.GATE, Change.FINISH): State.DONE,
    **{(state, Change.ROLL_BACK): State.ROLLING_BACK for state in (*_OPEN, State.DONE)},
    (State.ROLLING_BACK, Change.BACK): State.ROLLED_BACK,
}
"""A run begins from nothing; one that was rolled back never goes on, the next one begins anew."""

OVER = (State.ROLLED_BACK, State.DONE)
JUDGED = (State.DWELLING, State.INCONCLUSIVE, State.GATE)
"""States in which the gate is asked. What takes a canary back is looked for wherever GREEN may have traffic."""


@dataclass(frozen=True, slots=True)
class Run:
    """How far a canary is. `step` counts from 0; `dwelt_s` is plan time that counted in this step; `counted_at` the
    plan time up to which it was counted."""

    state: State | None = None
    step: int = 0
    dwelt_s: float = 0.0
    counted_at: datetime | None = None
    looked_at: datetime | None = None
    """Real time of that count."""
    dark_since: datetime | None = None
    version: int = 0


def follow(run: Run, change: Change) -> Run:
    """The canary after a change. Raises Rejected, a conflict, where it does not follow."""
    after = TRANSITIONS.get((run.state, change))
    if after is None:
        said = run.state.value.replace("_", " ") if run.state else "not begun"
        raise Rejected(
            f"This does not follow: the canary is {said}. Nothing was done twice.", conflict=True, code="state"
        )
    step = run.step + 1 if change is Change.ADVANCE else run.step
    is_new = change in (Change.START, Change.ADVANCE, Change.ARRIVE)
    return Run(
        state=after,
        step=step,
        dwelt_s=0.0 if is_new else run.dwelt_s,
        counted_at=None if is_new else run.counted_at,
        looked_at=None if is_new else run.looked_at,
        dark_since=None if is_new or change is Change.GO_ON else run.dark_since,
        version=run.version + 1,
    )


# ── what follows from the gate ────────────────────────────────────────────────────────────────────────────────────────


def counted(run: Run, judgement: Judgement, plan_now: datetime, now: datetime) -> Run:
    """The dwell time with the moment since the last look, if it counts: not while something is UNKNOWN, and not where
    nobody looked."""
    grew = 0.0
    is_known = judgement.verdict is not Verdict.INCONCLUSIVE
    if run.counted_at is not None and run.looked_at is not None and is_known and run.state is State.DWELLING:
        was_seen = now - run.looked_at <= LONGEST_GAP
        grew = max(0.0, (plan_now - run.counted_at).total_seconds()) if was_seen else 0.0
    dark_since = None if is_known else run.dark_since or now
    return Run(run.state, run.step, run.dwelt_s + grew, plan_now, now, dark_since, run.version)


def after_shift(shift: operations.State) -> Change | None:
    """What a shift upwards makes of its canary; None while it is on its way. Where anything may have moved and nobody
    can say that it arrived, all of it goes back."""
    match shift:
        case operations.State.DONE:
            return Change.ARRIVE
        case operations.State.REFUSED:
            return Change.REFUSE
    return Change.ROLL_BACK if shift in operations.ENDED else None


def seen(
    run: Run, phase: Phase, judgement: Judgement, plan_now: datetime | None, now: datetime
) -> tuple[Run, Change | None]:
    """The canary after a look at it, and what follows by itself. `plan_now` is None while the phase does not run: then
    the dwell stands still, and only the way back is open."""
    if plan_now is None:
        run = replace(run, counted_at=None, looked_at=None)
    elif run.state in JUDGED:
        run = counted(run, judgement, plan_now, now)
    change = next_change(run, phase, judgement, now)
    return run, (change if plan_now is not None or change is Change.ROLL_BACK else None)


def may_serve(run: Run) -> bool:
    """Whether GREEN may have traffic of this canary: also while a share is on its way, and while one that was refused
    leaves the share before it standing."""
    return run.state in (*JUDGED, State.SHIFTING) or (run.state is State.WAITING and run.step > 0)


def next_change(run: Run, phase: Phase, judgement: Judgement, now: datetime) -> Change | None:
    """What follows by itself from a judgement; None if nothing does. Never a greater share, unless the plan says that
    the product advances, and the gate passed."""
    if may_serve(run) and judgement.verdict is Verdict.FAILED:
        return Change.ROLL_BACK
    if run.state not in JUDGED:
        return None
    if judgement.verdict is Verdict.INCONCLUSIVE:
        is_long = run.dark_since is not None and now - run.dark_since >= DARK_FOR
        return Change.PAUSE if is_long and run.state is not State.INCONCLUSIVE else None
    if run.state is State.INCONCLUSIVE:
        return Change.GO_ON
    if run.state is State.DWELLING:
        return Change.DWELT if has_dwelt(run, phase) else None
    return _from_gate(run, phase, judgement)


def _from_gate(run: Run, phase: Phase, judgement: Judgement) -> Change | None:
    if judgement.verdict is not Verdict.PASSED:
        return None
    if run.step == len(phase.canary) - 1:
        return Change.FINISH
    is_automatic = phase.canary_gate is not None and phase.canary_gate.advance == "automatic"
    return Change.ADVANCE if is_automatic else None


def has_dwelt(run: Run, phase: Phase) -> bool:
    return run.dwelt_s >= phase.canary[run.step].dwell_s


def dwell_left_s(run: Run, phase: Phase) -> float:
    """Plan seconds that the step still has to dwell."""
    return max(0.0, phase.canary[run.step].dwell_s - run.dwelt_s)


def demand_passed(judgement: Judgement) -> None:
    """Raises Rejected with what holds the canary back."""
    if judgement.verdict is Verdict.PASSED:
        return
    raise Rejected(
        f"The gate is {judgement.verdict}. {judgement.why or 'The dwell time is not over'}. The share stays as it is.",
        remedy="The page shows each line; go on when all are met.",
        conflict=True,
        code="gate",
    )
