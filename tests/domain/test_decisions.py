"""The decision clock: silence escalates and never advances, at most one point is open, a rollback makes all void."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.domain.decisions import (
    Answer,
    Asked,
    Climb,
    Closing,
    Fold,
    Ladder,
    Open,
    Opened,
    Rung,
    Void,
    check_answer,
    climb,
    is_watched,
    next_steps,
)
from app.domain.errors import Rejected
from app.domain.plan import DecisionAnswer, DecisionPoint

T0 = datetime(2026, 3, 6, 19, 10, tzinfo=UTC)
LEAD, DEPUTY, MANAGER, STRANGER = 1, 2, 3, 4
TITLES = ("DevOps lead", "Project manager")


def point(minute: int) -> DecisionPoint:
    answers = (DecisionAnswer(answer="continue", when="Well?", text="Go on"),)
    return DecisionPoint(minute=minute, question="Well?", answers=answers, position="lead")


def ladder(*, deputies: bool = True, lead: bool = True, leaders: bool = True) -> Ladder:
    people = (frozenset({LEAD} if lead else ()), frozenset({DEPUTY} if deputies else ()))
    return Ladder((*people, frozenset({MANAGER} if leaders else ())), (60.0, 60.0, 60.0))


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("seconds", "rung", "until"),
    [
        (0, Rung.POSITION, 60),
        (59.9, Rung.POSITION, 60),
        (60, Rung.DEPUTY, 120),
        (120, Rung.LEADER, 180),
        (180, Rung.EVERYBODY, None),
        (9999, Rung.EVERYBODY, None),
    ],
)
def test_silence_asks_the_next_one_after_a_minute(seconds: float, rung: Rung, until: float | None) -> None:
    asked = climb(ladder(), Rung.POSITION, T0, after(seconds))
    assert asked.rung is rung
    assert asked.until == (after(until) if until is not None else None)


def test_an_empty_seat_takes_no_time() -> None:
    assert climb(ladder(deputies=False), Rung.POSITION, T0, after(60)).rung is Rung.LEADER
    assert climb(ladder(deputies=False, lead=False), Rung.POSITION, T0, T0).rung is Rung.LEADER
    assert climb(ladder(deputies=False, lead=False, leaders=False), Rung.POSITION, T0, T0).rung is Rung.EVERYBODY


@given(st.sampled_from(Rung), st.floats(0, 1e6), st.floats(0, 1e6), st.booleans(), st.booleans(), st.booleans())
def test_the_clock_never_comes_down(
    rung: Rung, first: float, more: float, lead: bool, deputies: bool, leaders: bool
) -> None:
    steps = ladder(lead=lead, deputies=deputies, leaders=leaders)
    early = climb(steps, rung, T0, after(first))
    late = climb(steps, early.rung, early.since, after(first + more))
    assert late.rung >= early.rung >= rung
    assert late == climb(steps, rung, T0, after(first + more)), "looking in between changes nothing"
    assert steps.asked(early.rung) <= steps.asked(late.rung), "whoever was asked stays asked"


def test_who_was_asked_before_may_still_answer_and_nobody_else() -> None:
    asked = climb(ladder(), Rung.POSITION, T0, after(130))
    for person in (LEAD, DEPUTY, MANAGER):
        check_answer(ladder(), asked, person, Answer.CONTINUE, TITLES)
    with pytest.raises(Rejected) as refusal:
        check_answer(ladder(), asked, STRANGER, Answer.CONTINUE, TITLES)
    assert refusal.value.code == "not_asked"


def test_the_leader_waits_until_silence_lasts() -> None:
    asked = climb(ladder(), Rung.POSITION, T0, after(30))
    with pytest.raises(Rejected, match="DevOps lead is asked first; Project manager is asked when nobody answers"):
        check_answer(ladder(), asked, MANAGER, Answer.WATCH, TITLES)


def test_a_rollback_is_pressed_in_the_guard_and_an_escalation_comes_once() -> None:
    with pytest.raises(Rejected) as refusal:
        check_answer(ladder(), climb(ladder(), Rung.POSITION, T0, T0), LEAD, Answer.ROLLBACK, TITLES)
    assert refusal.value.code == "guard"
    everybody = Asked(Rung.EVERYBODY, T0, None)
    check_answer(ladder(), everybody, LEAD, Answer.CONTINUE, TITLES)
    with pytest.raises(Rejected, match="escalated already"):
        check_answer(ladder(), everybody, LEAD, Answer.ESCALATE, TITLES)


def test_a_later_point_takes_over_at_the_worst_rung() -> None:
    points = (point(5), point(10))
    opened = (Opened(5, Rung.POSITION, after(300)),)
    ladders = {5: ladder(), 10: ladder()}
    steps = next_steps(points, opened, ladders, 600, after(600), is_void=False)
    assert steps == (Fold(5, 10), Open(point(10), Rung.EVERYBODY))


def test_a_worker_that_comes_late_opens_each_point_once() -> None:
    points = (point(5), point(10), point(15))
    ladders = {each.minute: ladder() for each in points}
    steps = next_steps(points, (), ladders, 16 * 60, after(16 * 60), is_void=False)
    assert steps == (
        Open(point(5), Rung.POSITION),
        Fold(5, 10),
        Open(point(10), Rung.POSITION),
        Fold(10, 15),
        Open(point(15), Rung.POSITION),
    )


def test_nothing_is_asked_before_the_switch_nor_after_a_rollback() -> None:
    points, ladders = (point(5),), {5: ladder()}
    assert next_steps(points, (), ladders, None, after(0), is_void=False) == ()
    assert next_steps(points, (), ladders, 299.9, after(299), is_void=False) == ()
    assert next_steps(points, (), ladders, 9999, after(9999), is_void=True) == ()
    opened = (Opened(5, Rung.DEPUTY, after(360)),)
    assert next_steps(points, opened, ladders, 400, after(400), is_void=True) == (Void(5),)


def test_watched_holds_until_the_next_point_opens() -> None:
    five = Opened(5, Rung.POSITION, T0, Closing.ANSWERED, Answer.WATCH)
    assert is_watched((five,))
    assert not is_watched((five, Opened(10, Rung.POSITION, T0)))
    assert not is_watched(())


class Day(RuleBasedStateMachine):
    """Time passes, people answer or do not, somebody rolls back: what holds whatever happens."""

    @initialize(
        minutes=st.lists(st.integers(0, 40), min_size=1, max_size=5, unique=True),
        lead=st.booleans(),
        deputies=st.booleans(),
        leaders=st.booleans(),
    )
    def begin(self, minutes: list[int], lead: bool, deputies: bool, leaders: bool) -> None:
        self.points = tuple(point(minute) for minute in sorted(minutes))
        self.ladder = ladder(lead=lead, deputies=deputies, leaders=leaders)
        self.now, self.is_void = 0.0, False
        self.rows: dict[int, Opened] = {}
        self.answered: set[int] = set()

    def _ladders(self) -> dict[int, Ladder]:
        return {each.minute: self.ladder for each in self.points}

    @rule(seconds=st.floats(0.1, 900))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        before = dict(self.rows)
        now = after(self.now)
        steps = next_steps(self.points, tuple(self.rows.values()), self._ladders(), self.now, now, is_void=self.is_void)
        for step in steps:
            match step:
                case Open(place, floor):
                    assert place.minute not in self.rows, "opened once"
                    assert place.minute * 60 <= self.now, "never early"
                    assert not self.is_void
                    self.rows[place.minute] = Opened(place.minute, floor, now)
                case Fold(minute):
                    self.rows[minute] = replace(self.rows[minute], closing=Closing.FOLDED)
                case Climb(minute, asked):
                    self.rows[minute] = replace(self.rows[minute], rung=asked.rung, since=asked.since)
                case Void(minute):
                    self.rows[minute] = replace(self.rows[minute], closing=Closing.VOID)
        assert all(self.rows[minute].rung >= row.rung for minute, row in before.items()), "a rung never falls"
        again = next_steps(self.points, tuple(self.rows.values()), self._ladders(), self.now, now, is_void=self.is_void)
        assert again == (), "whoever asks twice finds nothing left to do"

    @rule(person=st.sampled_from([LEAD, DEPUTY, MANAGER, STRANGER]), given_answer=st.sampled_from(Answer))
    def somebody_answers(self, person: int, given_answer: Answer) -> None:
        row = next((each for each in self.rows.values() if each.is_open), None)
        if row is None or self.is_void:
            return
        asked = climb(self.ladder, row.rung, row.since, after(self.now))
        try:
            check_answer(self.ladder, asked, person, given_answer, TITLES)
        except Rejected:
            return
        assert person in self.ladder.asked(asked.rung)
        if given_answer is Answer.ESCALATE:
            self.rows[row.minute] = replace(row, rung=Rung.EVERYBODY, since=after(self.now))
            return
        assert given_answer in (Answer.CONTINUE, Answer.WATCH)
        self.answered.add(row.minute)
        self.rows[row.minute] = replace(row, closing=Closing.ANSWERED, answer=given_answer)

    @precondition(lambda self: not self.is_void)
    @rule()
    def somebody_rolls_back(self) -> None:
        self.is_void = True

    @invariant()
    def at_most_one_is_open(self) -> None:
        assert sum(row.is_open for row in getattr(self, "rows", {}).values()) <= 1

    @invariant()
    def only_people_answer(self) -> None:
        rows = getattr(self, "rows", {})
        closed = {row.minute for row in rows.values() if row.closing is Closing.ANSWERED}
        assert closed == getattr(self, "answered", set())


TestDay = Day.TestCase
