"""Decision points and the decision clock: who is asked, what silence does, what an answer does.

Manual, "During phase 4: critical decisions"; design.md, "Decision points".

Silence escalates and never advances: it asks the deputy, then whoever leads, then everybody, and the question stays
open until somebody answers it, a later point takes it over, or a rollback makes it void.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from app.domain.errors import Rejected
from app.domain.plan import DecisionPoint, Plan
from app.domain.roster import Roster


class Rung(IntEnum):
    """How far silence has come. Each rung asks its people besides those of the rungs before."""

    POSITION = 0
    DEPUTY = 1
    LEADER = 2
    EVERYBODY = 3
    """Everybody sees whom to call."""


class Answer(StrEnum):
    CONTINUE = "continue"
    WATCH = "watch"
    """Go on, and stand as watched until the next point."""
    ESCALATE = "escalate"
    """Ask everybody at once. It closes nothing: a question that is escalated still wants an answer."""
    ROLLBACK = "rollback"
    """Never given by a form: the guarded rollback itself answers what is open."""


class Closing(StrEnum):
    """How a question stopped being open."""

    ANSWERED = "answered"
    FOLDED = "folded"
    """Not answered: a later point took it over."""
    VOID = "void"
    """A rollback began, or the phase was completed."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """Who is asked on each rung, by their numbers as persons, and for how many seconds before the next one is.

    A rung that nobody sits on takes no time: a question never waits for an empty seat.
    """

    people: tuple[frozenset[int], frozenset[int], frozenset[int]]
    patience_s: tuple[float, float, float]

    def patience(self, rung: Rung) -> float:
        return self.patience_s[rung] if self.people[rung] else 0.0

    def asked(self, rung: Rung) -> frozenset[int]:
        """Everybody who may answer once it stands on this rung."""
        return frozenset().union(*self.people[: rung + 1])


@dataclass(frozen=True, slots=True)
class Asked:
    """Where a question stands. `until` is when the next rung is asked; None where there is no further one."""

    rung: Rung
    since: datetime
    until: datetime | None


def climb(ladder: Ladder, rung: Rung, since: datetime, now: datetime) -> Asked:
    """Where a question stands at `now` that has stood on `rung` since `since`. It never comes down."""
    while rung is not Rung.EVERYBODY:
        until = since + timedelta(seconds=ladder.patience(rung))
        if now < until:
            return Asked(rung, since, until)
        rung, since = Rung(rung + 1), until
    return Asked(rung, since, None)


def ladder_of(plan: Plan, roster: Roster, position: str, patience_s: tuple[float, float, float]) -> Ladder:
    """The people of a question for `position`: its holders, its deputies, then whoever may proceed."""
    able = [sitter for sitter in roster if not sitter.is_disabled]
    leads = {place.key for place in plan.positions if "proceed" in place.capabilities}
    return Ladder(
        people=(
            frozenset(s.person_id for s in able if s.position == position and not s.is_deputy),
            frozenset(s.person_id for s in able if s.position == position and s.is_deputy),
            frozenset(s.person_id for s in able if s.position in leads),
        ),
        patience_s=patience_s,
    )


def patience_of(point: DecisionPoint) -> tuple[float, float, float]:
    return point.deputy_after_s, point.leader_after_s, point.escalate_after_s


# ── the points of a switch ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Opened:
    """A point that was opened in this attempt, as it is recorded. `closing` is None while it is open."""

    minute: int
    rung: Rung
    since: datetime
    closing: Closing | None = None
    answer: Answer | None = None

    @property
    def is_open(self) -> bool:
        return self.closing is None


@dataclass(frozen=True, slots=True)
class Open:
    """Ask this point now, from this rung on."""

    point: DecisionPoint
    floor: Rung


@dataclass(frozen=True, slots=True)
class Fold:
    """Close a point that nobody answered: a later one takes it over."""

    minute: int
    into: int


@dataclass(frozen=True, slots=True)
class Void:
    minute: int


@dataclass(frozen=True, slots=True)
class Climb:
    """Silence lasted: record the rung that is asked now."""

    minute: int
    asked: Asked


Step = Open | Fold | Void | Climb


def next_steps(
    points: Sequence[DecisionPoint],
    opened: Sequence[Opened],
    ladders: Mapping[int, Ladder],
    elapsed_s: float | None,
    now: datetime,
    *,
    is_void: bool,
) -> tuple[Step, ...]:
    """What has to be recorded now, in its order. `elapsed_s` are seconds of the plan's clock since the switch, None
    before it; `is_void`: a rollback began, or the phase is complete. `ladders` are by the point's minute.

    However late somebody looks, each due point is opened once, the later one takes over the earlier, and at most one
    stays open. Nothing here answers anything.
    """
    standing = [each for each in opened if each.is_open]
    if is_void:
        return tuple(Void(each.minute) for each in standing)
    known = {each.minute for each in opened}
    due = [] if elapsed_s is None else [p for p in points if p.minute * 60 <= elapsed_s and p.minute not in known]
    steps: list[Step] = []
    floor, before = Rung.POSITION, None
    for each in standing:
        asked = climb(ladders[each.minute], each.rung, each.since, now)
        floor, before = max(floor, asked.rung), each.minute
        if not due and asked.rung > each.rung:
            steps.append(Climb(each.minute, asked))
    for point in sorted(due, key=lambda each: each.minute):
        if before is not None:
            steps.append(Fold(before, point.minute))
        # Nobody waits for an empty seat, not even at the opening.
        floor = climb(ladders[point.minute], floor, now, now).rung
        steps.append(Open(point, floor))
        before = point.minute
    return tuple(steps)


def is_watched(opened: Sequence[Opened]) -> bool:
    """Whether the newest point was answered "watch closely": it holds until the next one opens."""
    newest = max(opened, key=lambda each: each.minute, default=None)
    return newest is not None and newest.answer is Answer.WATCH


# ── answering ─────────────────────────────────────────────────────────────────────────────────────────────────────


def check_answer(ladder: Ladder, asked: Asked, person_id: int, answer: Answer, titles: tuple[str, str]) -> None:
    """Whether this person may give this answer to an open question. `titles` are how the position that is asked and
    who leads are called. Raises Rejected."""
    if answer is Answer.ROLLBACK:
        raise Rejected(
            "A rollback is not given as an answer. No traffic moved.",
            remedy="Lift the rollback cover in the bar and press: that answers the question too.",
            code="guard",
        )
    if person_id not in ladder.asked(asked.rung):
        position, leader = titles
        waits = asked.rung < Rung.LEADER and person_id in ladder.people[Rung.LEADER]
        why = f"{position} is asked first; {leader} is asked when nobody answers in time"
        raise Rejected(
            f"{why}. Nothing was recorded.",
            remedy="Call them. Whoever may roll back can do so at any moment, without an answer."
            if not waits
            else "Call them, or wait until you are asked. You can roll back at any moment, without an answer.",
            code="not_asked",
        )
    if answer is Answer.ESCALATE and asked.rung is Rung.EVERYBODY:
        raise Rejected(
            "It is escalated already: everybody sees whom to call. Nothing was recorded.",
            remedy="Call, then answer.",
            conflict=True,
            code="escalated",
        )
