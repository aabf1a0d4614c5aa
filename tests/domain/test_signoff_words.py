"""The board's sentences, with ALAWAEL's positions."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.deployments import State
from app.domain.plan import Plan
from app.domain.signoff_words import advice, board_headline, change_words, in_sentence, listed, missing_words, tally
from app.domain.signoffs import Difference, Gate, Verdict, Vote, evaluate
from tests.known_plans import ALAWAEL

NOW = datetime(2026, 3, 6, 18, 0, tzinfo=UTC)
BINDING = {"plan": "a", "checklist.database_backups": "done: 1100"}
NOBODY: frozenset[str] = frozenset()


@pytest.fixture(scope="module")
def plan() -> Plan:
    return ALAWAEL


def gate_with(plan: Plan, **states: str) -> Gate:
    """A gate in which each question is "go", "nogo", "outdated", "expired" or, by default, still waiting."""
    spec = plan.production.signoffs
    assert spec is not None
    votes, holders = [], {}
    for number, question in enumerate(spec.questions):
        holders[question.position] = frozenset({number})
        state = states.get(question.key)
        if state is None:
            continue
        votes.append(
            Vote(
                question.key,
                question.position,
                number,
                plan.position(question.position).title,
                Verdict.NO_GO if state == "nogo" else Verdict.GO,
                "because",
                {**BINDING, "plan": "old"} if state == "outdated" else BINDING,
                NOW - timedelta(hours=1),
                NOW if state == "expired" else NOW + timedelta(seconds=1),
            )
        )
    return evaluate(spec, votes, BINDING, holders, NOW)


ALL_GO = dict.fromkeys(("infrastructure", "application", "security", "monitoring", "requirements"), "go")


def test_the_headline_counts_what_is_missing(plan: Plan) -> None:
    gate = gate_with(plan, infrastructure="go", application="outdated", security="nogo")
    assert tally(gate) == "one NO-GO, one outdated vote, two still to come"
    assert board_headline(plan, State.PREPARING, gate, NOBODY).startswith("Hold: one NO-GO, one outdated vote")
    nothing_yet = gate_with(plan)
    assert board_headline(plan, State.PREPARING, nothing_yet, NOBODY) == "Five still to come"


def test_the_headline_speaks_to_the_person_who_can_do_it(plan: Plan) -> None:
    gate = gate_with(plan, **ALL_GO)
    assert board_headline(plan, State.PREPARING, gate, frozenset({"proceed"})) == "All five are GO. You can proceed."
    words = board_headline(plan, State.PREPARING, gate, NOBODY)
    assert words == "All five are GO. The project manager can proceed."
    assert "The DevOps lead or DevOps can arm" in board_headline(plan, State.PROCEEDED, gate, NOBODY)


def test_a_gate_that_fails_after_it_was_used_says_so(plan: Plan) -> None:
    gate = gate_with(plan, **{**ALL_GO, "monitoring": "expired"})
    assert (
        board_headline(plan, State.ARMED, gate, frozenset({"switch"})) == "The gate is closed again: one expired vote"
    )


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_headline(plan: Plan, state: State) -> None:
    assert board_headline(plan, state, gate_with(plan), NOBODY, "a reason")


def test_the_advice_names_who_to_speak_with(plan: Plan) -> None:
    gate = gate_with(plan, infrastructure="go", application="outdated", security="nogo")
    assert advice(plan, State.PREPARING, gate, frozenset({"requirements"})) == (
        "Speak with the security officer, then ask the backend lead to vote again. Your own vote is open below."
    )


def test_missing_lines(plan: Plan) -> None:
    gate = gate_with(plan, infrastructure="expired", application="outdated", security="nogo")
    said = [missing_words(plan, line, is_yours=line.question.key == "requirements") for line in gate.missing]
    assert said == [
        "DevOps lead’s GO has expired.",
        "Backend lead must vote again: the plan changed.",
        "Security officer said NO-GO.",
        "Operations has not voted.",
        "Your own vote.",
    ]


def test_changes_in_words(plan: Plan) -> None:
    evidence = Difference("checklist.database_backups", "done: 1100", "done: 1334")
    assert change_words(plan, evidence) == ("Checklist, “Database backups completed”, evidence", "1100", "1334")
    reopened = Difference("checklist.database_backups", "done: 1100", "open")
    assert change_words(plan, reopened) == ("Checklist, “Database backups completed”", "done: 1100", "open")
    binding = {"kind": "live", "public_url": "https://a.example"}
    moved = Difference("binding", json.dumps(binding), json.dumps({**binding, "public_url": "https://b.example"}))
    assert change_words(plan, moved)[1:] == ("public_url https://a.example", "public_url https://b.example")
    assert change_words(plan, Difference("binding", "not json", "[1]"))[1:] == ("not json", "[1]")


@pytest.mark.parametrize(
    ("title", "inside"),
    [
        ("Security officer", "security officer"),
        ("DevOps lead", "DevOps lead"),
        ("QA", "QA"),
        ("Operations", "operations"),
        ("X", "X"),
    ],
)
def test_titles_inside_a_sentence(title: str, inside: str) -> None:
    assert in_sentence(title) == inside


def test_lists_read_as_sentences() -> None:
    assert [listed(["a", "b", "c"][:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
