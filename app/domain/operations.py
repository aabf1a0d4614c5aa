"""Operations: what a switch or a rollback does next, decided from what is recorded and nothing else.

`next_step` is total: whatever a dead worker left behind, the next one asks it again and goes on. Rules: design.md,
"Moving traffic"; invariants: reliability.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from app.domain.sides import Side, Weights

if TYPE_CHECKING:
    from app.domain.plan import Phase

HEALTH_LIMIT = timedelta(seconds=15)
"""GREEN may be raised only on a passing health check at most this old (I2)."""
ARRIVE_WITHIN = timedelta(seconds=15)
"""A switch that is not observed complete by then is taken back."""
SHIFT_WITHIN = timedelta(seconds=40)
"""The same of a shift: to tell a share from another one takes many more probes than to tell all from none."""
FENCE_COUNTS_FOR = timedelta(seconds=0.5)
"""A call that raises GREEN leaves at most this long after the store said that nothing newer exists: a worker that was
frozen in between asks again."""
LONGEST_CALL = timedelta(seconds=3)
"""The deadline of a provider's call: as long as this it may be on its way (providers/exchange.WHOLE)."""
LONGEST_LATE = timedelta(seconds=8)
"""How long a balancer may take to apply what it accepted."""
GUARD_FOR = FENCE_COUNTS_FOR + LONGEST_CALL + LONGEST_LATE + timedelta(seconds=0.5)
"""How long a rollback re-asserts BLUE: longer than any call that may still be in flight. It ends with a look that was
taken after that time and found BLUE."""
ASSERT_EVERY = timedelta(seconds=1)
LOOK_COUNTS_FOR = LONGEST_CALL + ASSERT_EVERY
"""A rollback ends on a look that began at most this long ago: a worker that was frozen since looks again."""
VERIFY_EVERY = timedelta(seconds=0.5)
GIVE_UP_AFTER = timedelta(minutes=10)
"""A rollback that could not be verified ends then, escalated all along."""


class Kind(StrEnum):
    SWITCH = "switch"
    ROLLBACK = "rollback"
    SHIFT = "shift"


class State(StrEnum):
    ACCEPTED = "accepted"
    CHECKING = "checking"
    WRITING = "writing"
    OBSERVING = "observing"
    VERIFYING = "verifying"
    DONE = "done"
    REFUSED = "refused"
    """Nothing was written: a check before the write said no."""
    FAILED = "failed"
    SUPERSEDED = "superseded"
    ESCALATED = "escalated"


ENDED = frozenset({State.DONE, State.REFUSED, State.FAILED, State.SUPERSEDED, State.ESCALATED})


class Answer(StrEnum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found. `found` is the value in a word, `proof` where it comes from."""

    answer: Answer
    found: str
    proof: str
    at: datetime


GREEN_HEALTHY = "green_healthy"

ADVISORY = frozenset({"team_present"})
"""Checks before the write that warn and do not refuse."""


@dataclass(frozen=True, slots=True)
class Stage:
    at_s: int
    checks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """What the plan asks of the operations of a phase."""

    stages: tuple[Stage, ...]
    criteria: tuple[str, ...]
    within: timedelta

    @property
    def before_write(self) -> tuple[str, ...]:
        """GREEN's health is asked whatever the plan lists (I2)."""
        listed = (name for stage in self.stages if stage.at_s < 0 for name in stage.checks)
        return tuple(dict.fromkeys((*listed, GREEN_HEALTHY)))

    @property
    def after_write(self) -> tuple[Stage, ...]:
        return tuple(stage for stage in self.stages if stage.at_s >= 0)


SHIFT_SCRIPT = Script((), ("balancer_on_blue", "traffic_on_blue"), timedelta(seconds=30))
"""Of every shift: up, GREEN's health is asked before and its share observed after; back, BLUE must have it all. What
the share then does to customers is judged by the canary's gate."""


def script_for(kind: Kind, phase: "Phase") -> Script:
    return SHIFT_SCRIPT if kind is Kind.SHIFT else script_of(phase)


def script_of(phase: "Phase") -> Script:
    stages = tuple(Stage(stage.at_s, tuple(check.check for check in stage.checks)) for stage in phase.strip)
    criteria = tuple(criterion.check for criterion in phase.rollback.criteria) if phase.rollback else ()
    return Script(stages, criteria, timedelta(seconds=phase.rollback.within_s if phase.rollback else 30))


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation as recorded. `open_intent` says that a write was announced and what came of it never recorded;
    `may_have_written` that one was announced which the balancer did not plainly refuse, so that it may still land.
    `asserted_at` and `confirmed_at` are the driving worker's own: when its guard last looked, and when the look began
    that last found the target as wanted."""

    id: int
    kind: Kind
    epoch: int
    want: Weights
    state: State
    clicked_at: datetime
    accepted_at: datetime
    open_intent: bool = False
    may_have_written: bool = False
    written_at: datetime | None = None
    read_back_at: datetime | None = None
    observed_100_at: datetime | None = None
    asserted_at: datetime | None = None
    confirmed_at: datetime | None = None
    verified_at: datetime | None = None
    escalated_at: datetime | None = None
    guard_until: datetime | None = None
    checks: Mapping[str, Outcome] = field(default_factory=dict)

    @property
    def side(self) -> Side:
        """The side that gains. No shift lowers GREEN but all the way."""
        return Side.GREEN if self.want.green > 0 else Side.BLUE

    @property
    def is_way_back(self) -> bool:
        """Whether it takes everything to BLUE: a rollback, or a shift back to nothing."""
        return self.kind is Kind.ROLLBACK or (self.kind is Kind.SHIFT and self.want.green == 0)

    @property
    def is_partial(self) -> bool:
        """Whether both sides are to have traffic."""
        return 0 < self.want.green < 100


@dataclass(frozen=True, slots=True)
class RunChecks:
    """Ask these and record what is found."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Write:
    """Record the intent, check the epoch, write, record the outcome: one external effect."""

    weights: Weights


@dataclass(frozen=True, slots=True)
class ReadBack:
    """Read the target. If it agrees, what was wanted is written, whoever wrote it."""


@dataclass(frozen=True, slots=True)
class Assert:
    """Read the target again and write only if something moved it away."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until`, except to watch the probes."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Escalate:
    """Say in sight of all that the rollback is not verified in time; go on trying."""

    reason: str


@dataclass(frozen=True, slots=True)
class Verified:
    """All criteria are YES; the guard may still run."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The end. `restore` asks for a rollback in the same transaction."""

    state: State
    reason: str = ""
    restore: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do."""


Step = RunChecks | Write | ReadBack | Assert | Wait | Escalate | Verified | Finish | Done


def next_step(operation: Operation, script: Script, now: datetime) -> Step:
    """The one next thing to do. Pure: the same record and time give the same step."""
    if operation.state in ENDED:
        return Done()
    if operation.is_way_back:
        return _rollback_step(operation, script, now)
    return _switch_step(operation, script, now)


def _switch_step(operation: Operation, script: Script, now: datetime) -> Step:
    if operation.written_at is None:
        return _before_write(operation, script, now)
    if operation.read_back_at is None:
        return _late(operation, now) or ReadBack()
    if operation.observed_100_at is None:
        return _late(operation, now) or Wait(now + timedelta(milliseconds=50))
    for stage in script.after_write:
        open_checks = tuple(name for name in stage.checks if name not in operation.checks)
        if not open_checks:
            continue
        due = operation.written_at + timedelta(seconds=stage.at_s)
        return RunChecks(open_checks) if now >= due else Wait(due)
    return Finish(State.DONE, _open_questions(operation, script))


def _before_write(operation: Operation, script: Script, now: datetime) -> Step:
    if operation.open_intent:
        return _late(operation, now) or ReadBack()
    missing = tuple(name for name in script.before_write if name not in operation.checks)
    if missing:
        return RunChecks(missing)
    said_no = [
        name for name in script.before_write if operation.checks[name].answer is not Answer.YES and name not in ADVISORY
    ]
    if said_no:
        reason = "; ".join(_refusal(name, operation.checks[name]) for name in said_no)
        if operation.may_have_written:
            return Finish(State.FAILED, f"{reason}; an earlier write may still land, going back to BLUE", restore=True)
        return Finish(State.REFUSED, reason)
    if now - operation.checks[GREEN_HEALTHY].at > HEALTH_LIMIT:
        return RunChecks((GREEN_HEALTHY,))
    return _late(operation, now) or Write(operation.want)


def _refusal(name: str, outcome: Outcome) -> str:
    """What a check found; one without an answer is named, because "no answer" alone says nothing."""
    return outcome.found if outcome.answer is Answer.NO else f"{name.replace('_', ' ')} is unknown: {outcome.found}"


def _late(operation: Operation, now: datetime) -> Finish | None:
    """The end of a switch that took too long; what may have been written is taken back."""
    within = SHIFT_WITHIN if operation.kind is Kind.SHIFT else ARRIVE_WITHIN
    if now - operation.accepted_at <= within:
        return None
    limit = int(within.total_seconds())
    where = "probes do not all see GREEN"
    if operation.is_partial:
        where = f"probes do not see {operation.want.green} % on GREEN"
    if operation.read_back_at is None:
        where = "the balancer's answer is unknown"
    return Finish(State.FAILED, f"After {limit} s {where}; going back to BLUE.", restore=True)


def _open_questions(operation: Operation, script: Script) -> str:
    """The lines of the strip that did not say YES, for the operation's last sentence."""
    names = [name for stage in script.after_write for name in stage.checks]
    found = [operation.checks[name].found for name in names if operation.checks[name].answer is not Answer.YES]
    return "; ".join(found)


def _rollback_step(operation: Operation, script: Script, now: datetime) -> Step:
    pending = tuple(name for name in script.criteria if not _is_yes(operation, name))
    due = operation.clicked_at + script.within
    if pending and now >= due and operation.escalated_at is None:
        return Escalate(f"{len(pending)} of {len(script.criteria)} checks are not YES after {script.within.seconds} s")
    if operation.written_at is None:
        return ReadBack() if operation.open_intent else Write(operation.want)
    if operation.read_back_at is None:
        return ReadBack()
    if not pending and operation.verified_at is None:
        return Verified()
    is_guarding = not _guard_is_over(operation, now)
    if (is_guarding or pending) and (operation.asserted_at is None or now - operation.asserted_at >= ASSERT_EVERY):
        return Assert()
    fresh = _next_look(operation, pending, now)
    if pending and fresh <= now:
        return RunChecks(pending)
    if not pending and not is_guarding:
        return Finish(State.ESCALATED if operation.escalated_at else State.DONE)
    if now - operation.accepted_at > GIVE_UP_AFTER:
        what = "Not verified" if pending else "The balancer does not confirm BLUE any more"
        return Finish(State.ESCALATED, f"{what}; the team takes over")
    return Wait(min(fresh, now + ASSERT_EVERY))


def _guard_is_over(operation: Operation, now: datetime) -> bool:
    """Its time is over *and* a look taken since, and not long ago, found BLUE: what landed or was moved while nobody
    looked is not left standing."""
    return (
        operation.guard_until is not None
        and operation.confirmed_at is not None
        and operation.confirmed_at >= operation.guard_until
        and now - operation.confirmed_at <= LOOK_COUNTS_FOR
    )


def _is_yes(operation: Operation, name: str) -> bool:
    outcome = operation.checks.get(name)
    return outcome is not None and outcome.answer is Answer.YES


def _next_look(operation: Operation, pending: tuple[str, ...], now: datetime) -> datetime:
    """When the pending criteria are asked again."""
    looks = [operation.checks[name].at for name in pending if name in operation.checks]
    if len(looks) < len(pending):
        return now
    return min(looks, default=now + ASSERT_EVERY - VERIFY_EVERY) + VERIFY_EVERY
