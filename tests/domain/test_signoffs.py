"""Votes and the gate: single rules by example, the whole by a state machine."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.domain.errors import Rejected
from app.domain.plan import Question, SignoffGate
from app.domain.signoffs import (
    COMMENT_LIMIT,
    SEAT,
    Binding,
    GateVerdict,
    Verdict,
    Vote,
    VoteState,
    cast,
    differences,
    evaluate,
    fingerprint,
    is_repeat,
    judge,
    newly_outdated,
)

NOW = datetime(2026, 3, 6, 18, 0, tzinfo=UTC)
POSITIONS = ("devops_lead", "backend_lead", "security_officer", "operations", "project_manager")
GATE = SignoffGate(
    questions=tuple(Question(key=f"about_{p}", position=p, text="Ready?") for p in POSITIONS), lifetime_s=3600
)
HOLDERS = {position: frozenset({number}) for number, position in enumerate(POSITIONS, 1)}
BINDING = {"plan": "a", "blue": "0.9.4 x", "green": "1.0.0 y", "checklist.backup": "open"}

texts = st.text(max_size=20)
bindings = st.dictionaries(st.sampled_from(("plan", "blue", "green", "target", "checklist.a", "checklist.b")), texts)


def given_go(number: int, binding: Binding = BINDING, now: datetime = NOW, **changed: Any) -> Vote:
    position = POSITIONS[number - 1]
    values: dict[str, Any] = {
        "question": f"about_{position}",
        "holders": HOLDERS,
        "person_id": number,
        "who": f"Person {number}",
        "verdict": Verdict.GO,
        "comment": "",
        "binding": binding,
        "shown": fingerprint(binding),
        "now": now,
        "votes": (),
        **changed,
    }
    votes = values.pop("votes")
    return cast(GATE, votes, **values)


def five(binding: Binding = BINDING) -> list[Vote]:
    return [given_go(number, binding) for number in range(1, 6)]


def test_five_go_by_five_people_pass() -> None:
    gate = evaluate(GATE, five(), BINDING, HOLDERS, NOW)
    assert gate.verdict is GateVerdict.PASSED
    assert gate.missing == ()


def test_no_question_and_no_vote_never_pass() -> None:
    assert evaluate(SignoffGate(questions=()), [], BINDING, HOLDERS, NOW).verdict is GateVerdict.PENDING
    assert evaluate(GATE, five()[:4], BINDING, HOLDERS, NOW).verdict is GateVerdict.PENDING


def test_any_no_go_holds_also_when_what_it_was_about_changed() -> None:
    no_go = given_go(3, verdict=Verdict.NO_GO, comment="Key rotation has no evidence yet")
    votes = [vote for vote in five() if vote.question != no_go.question] + [no_go]
    changed = {**BINDING, "checklist.backup": "done: 1334"}
    assert evaluate(GATE, votes, BINDING, HOLDERS, NOW).verdict is GateVerdict.FAILED
    gate = evaluate(GATE, votes, changed, HOLDERS, NOW)
    assert gate.verdict is GateVerdict.FAILED
    assert [line.differences for line in gate.lines if line.state is VoteState.NO_GO] == [differences(BINDING, changed)]


def test_a_vote_expires_at_the_end_of_its_lifetime_and_not_before() -> None:
    vote = given_go(1)
    question = GATE.questions[0]
    before, at_end = NOW + timedelta(seconds=3599.999), NOW + timedelta(seconds=3600)
    assert judge(vote, question, BINDING, HOLDERS, before).state is VoteState.GO
    assert judge(vote, question, BINDING, HOLDERS, at_end).state is VoteState.EXPIRED


def test_a_vote_of_somebody_who_lost_the_seat_is_outdated() -> None:
    left = {**HOLDERS, "operations": frozenset({77})}
    gate = evaluate(GATE, five(), BINDING, left, NOW)
    assert gate.verdict is GateVerdict.PENDING
    assert [(line.state, line.differences[0].part) for line in gate.missing] == [(VoteState.OUTDATED, SEAT)]


def test_one_person_on_two_seats_does_not_pass() -> None:
    both = {**HOLDERS, "operations": frozenset({1, 4})}
    with pytest.raises(Rejected) as refused:
        given_go(4, person_id=1, holders=both, votes=five()[:3])
    assert refused.value.code == "five_people"
    twice = [*five()[:3], five()[4], given_go(4, person_id=1, holders=both)]
    gate = evaluate(GATE, twice, BINDING, both, NOW)
    assert gate.verdict is GateVerdict.PENDING
    assert gate.same_person


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"question": "about_operations"}, "position"),
        ({"question": "about_nothing"}, "position"),
        ({"person_id": 99}, "position"),
        ({"holders": {}}, "position"),
        ({"verdict": Verdict.NO_GO, "comment": " \n "}, "comment"),
        ({"comment": "x" * (COMMENT_LIMIT + 1)}, "comment"),
        ({"shown": fingerprint({**BINDING, "plan": "b"})}, "stale"),
        ({"shown": ""}, "stale"),
    ],
)
def test_votes_that_are_refused(changed: dict[str, Any], code: str) -> None:
    with pytest.raises(Rejected) as refused:
        given_go(1, **changed)
    assert refused.value.code == code
    assert refused.value.conflict == (code == "stale")


def test_a_no_go_is_taken_from_an_old_page_too() -> None:
    vote = given_go(1, verdict=Verdict.NO_GO, comment="Stop", shown="of long ago")
    assert vote.verdict is Verdict.NO_GO
    assert vote.bound_to == BINDING


def test_a_deputy_cannot_overrule_a_no_go_while_its_voter_sits_there() -> None:
    seats = {**HOLDERS, "security_officer": frozenset({3, 8})}
    standing = [given_go(3, verdict=Verdict.NO_GO, comment="No")]
    with pytest.raises(Rejected) as refused:
        given_go(3, person_id=8, holders=seats, votes=standing)
    assert refused.value.code == "colleague"
    left = {**HOLDERS, "security_officer": frozenset({8})}
    assert given_go(3, person_id=8, holders=left, votes=standing).verdict is Verdict.GO


def test_a_comment_is_trimmed_and_its_limit_is_inclusive() -> None:
    assert given_go(1, comment="  all well \n").comment == "all well"
    assert len(given_go(1, comment="x" * COMMENT_LIMIT).comment) == COMMENT_LIMIT


def test_a_repeat_is_the_same_person_saying_the_same_while_it_counts() -> None:
    first, again = given_go(1), given_go(1, now=NOW + timedelta(seconds=2))
    assert is_repeat(first, again)
    assert not is_repeat(None, again)
    assert not is_repeat(first, given_go(1, comment="more"))
    assert not is_repeat(first, given_go(1, binding={**BINDING, "plan": "b"}))
    assert not is_repeat(first, given_go(1, now=NOW + timedelta(hours=1)))


def test_newly_outdated_names_only_votes_that_the_change_hit() -> None:
    changed, later = {**BINDING, "plan": "b"}, {**BINDING, "plan": "c"}
    old, fresh = given_go(1), given_go(2, changed)
    no_go = given_go(3, changed, verdict=Verdict.NO_GO, comment="No")
    found = newly_outdated([old, fresh, no_go], changed, later)
    assert [vote for vote, _ in found] == [fresh]
    assert [(d.part, d.before, d.after) for d in found[0][1]] == [("plan", "b", "c")]
    assert newly_outdated([old, fresh, no_go], changed, changed) == ()


@given(bindings, bindings)
def test_differences_are_empty_exactly_when_fingerprints_agree(before: Binding, after: Binding) -> None:
    found = differences(before, after)
    assert (found == ()) == (fingerprint(before) == fingerprint(after)) == (dict(before) == dict(after))
    assert len({difference.part for difference in found}) == len(found)


@given(bindings, bindings)
def test_differences_carry_the_newer_binding_over_and_read_both_ways(before: Binding, after: Binding) -> None:
    patched = dict(before)
    for difference in differences(before, after):
        if difference.part in after:
            patched[difference.part] = difference.after
        else:
            del patched[difference.part]
    assert patched == dict(after)
    there = {(d.part, d.before, d.after) for d in differences(before, after)}
    assert there == {(d.part, d.after, d.before) for d in differences(after, before)}


@given(bindings)
def test_the_order_of_parts_does_not_matter(binding: Binding) -> None:
    assert fingerprint(dict(reversed(list(binding.items())))) == fingerprint(binding)


class Board(RuleBasedStateMachine):
    """People who vote, withdraw, leave and come, while what they vote on changes and time passes.

    The invariant is I3 in the words of the manual, counted by hand from what the machine itself did.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.binding: dict[str, str] = dict(BINDING)
        self.holders: dict[str, frozenset[int]] = dict(HOLDERS)
        self.votes: dict[str, Vote] = {}
        self.given: dict[str, tuple[int, Verdict, dict[str, str], datetime]] = {}

    @rule(
        position=st.sampled_from(POSITIONS),
        person=st.integers(1, 7),
        verdict=st.sampled_from(Verdict),
        is_current=st.booleans() | st.just(True),
    )
    def vote(self, position: str, person: int, verdict: Verdict, is_current: bool) -> None:
        question = f"about_{position}"
        try:
            made = cast(
                GATE,
                list(self.votes.values()),
                question=question,
                holders=self.holders,
                person_id=person,
                who=f"Person {person}",
                verdict=verdict,
                comment="because",
                binding=self.binding,
                shown=fingerprint(self.binding) if is_current else "of long ago",
                now=self.now,
            )
        except Rejected:
            return
        assert person in self.holders[position]
        assert is_current or verdict is Verdict.NO_GO
        assert all(vote.person_id != person for key, vote in self.votes.items() if key != question)
        self.votes[question] = made
        self.given[question] = (person, verdict, dict(self.binding), self.now)

    @rule()
    def all_vote_go(self) -> None:
        for position, people in self.holders.items():
            for person in sorted(people)[:1]:
                self.vote(position, person, Verdict.GO, True)

    @precondition(lambda self: self.votes)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        question = data.draw(st.sampled_from(sorted(self.votes)))
        del self.votes[question], self.given[question]

    @rule(part=st.sampled_from(sorted(BINDING)), text=st.sampled_from(("a", "b", "open", "done: 1334")))
    def change(self, part: str, text: str) -> None:
        self.binding[part] = text

    @rule(seconds=st.sampled_from((1, 600, 3599, 3600)))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(position=st.sampled_from(POSITIONS), people=st.frozensets(st.integers(1, 7), max_size=2))
    def reseat(self, position: str, people: frozenset[int]) -> None:
        self.holders[position] = people

    @invariant()
    def passed_means_five_go_by_five_people_on_what_is_there_now(self) -> None:
        gate = evaluate(GATE, list(self.votes.values()), self.binding, self.holders, self.now)
        good = {
            person
            for position in POSITIONS
            if (found := self.given.get(f"about_{position}"))
            for person, verdict, binding, at in (found,)
            if verdict is Verdict.GO
            and binding == self.binding
            and self.now < at + timedelta(seconds=GATE.lifetime_s)
            and person in self.holders[position]
        }
        assert (gate.verdict is GateVerdict.PASSED) == (len(good) == 5)
        has_no_go = any(verdict is Verdict.NO_GO for _, verdict, _, _ in self.given.values())
        assert (gate.verdict is GateVerdict.FAILED) == has_no_go
        assert (gate.verdict is GateVerdict.PASSED) == (not gate.missing and not gate.same_person)


TestBoard = Board.TestCase
TestBoard.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
