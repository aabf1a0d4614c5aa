"""The first sentence of the Switch page: it names the state and the next move of whoever reads it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.deployments import State as Course
from app.domain.operations import Kind, State
from app.traffic.queries_words import Facts, words
from app.traffic.views import OperationView

NOW = datetime(2026, 3, 6, 19, 10, tzinfo=UTC)
DEVOPS = frozenset({"observe", "arm", "switch", "rollback"})
WATCHER = frozenset({"observe"})
SWITCH = OperationView(
    id=17,
    kind=Kind.SWITCH,
    state=State.ACCEPTED,
    epoch=17,
    attempt=1,
    side="GREEN",
    version="1.0.0",
    who="DevOps lead",
    cause="",
    reason="",
    clicked_at=NOW,
    is_running=True,
    accepted_s=None,
    observed_95_s=None,
    observed_99_s=None,
    observed_100_s=None,
    verified_s=None,
    finished_at=None,
    escalated_at=None,
    guard_until=None,
    probes_agreeing=0,
    probes_total=0,
    customers=None,
    takeovers=0,
)
BACK = replace(SWITCH, id=18, kind=Kind.ROLLBACK, side="BLUE", version="0.9.4")


def said(state: Course, **known: Any) -> str:
    facts = Facts(
        state=state,
        operation=None,
        rights=DEVOPS,
        gate_passes=True,
        not_ready=(),
        open_stage="",
        not_yes=(),
        good=0,
        total=7,
        blue="0.9.4",
        green="1.0.0",
        phase="phase 4",
        planned="14:10:00",
        takes="about 0.9 s",
        call="VP Operations",
        hold_reason="",
        can_arm="DevOps lead",
        can_switch="DevOps lead or DevOps 1",
        can_roll_back="DevOps lead",
        can_reopen="Project manager",
    )
    found = words(replace(facts, **known))
    return f"{found.title} | {found.text}".replace("\u00a0", " ")


@pytest.mark.parametrize("state", list(Course))
@pytest.mark.parametrize("rights", [DEVOPS, WATCHER], ids=["devops", "watcher"])
@pytest.mark.parametrize("operation", [None, SWITCH, BACK], ids=["none", "switch", "rollback"])
def test_every_state_has_two_plain_sentences(
    state: Course, rights: frozenset[str], operation: OperationView | None
) -> None:
    for number in State:
        known = None if operation is None else replace(operation, state=number, is_running=False)
        text = said(state, rights=rights, operation=known)
        title, _, rest = text.partition(" | ")
        assert title.endswith(".")
        assert rest.endswith(".")
        assert "!" not in text
        assert ".." not in text
        assert "None" not in text


@pytest.mark.parametrize(
    ("state", "known", "words_of_it"),
    [
        (Course.ARMED, {}, "Armed. You can switch now."),
        (Course.ARMED, {"rights": WATCHER}, "Armed. DevOps lead or DevOps 1 can switch now."),
        (Course.ARMED, {"gate_passes": False}, "Armed, but the gate does not pass any more."),
        (Course.ARMED, {"not_ready": ("GREEN is not healthy",)}, "Armed, but not ready: GREEN is not healthy."),
        (Course.PROCEEDED, {}, "Proceeded. Arm the switch on the board."),
        (Course.PROCEEDED, {"rights": WATCHER}, "Waiting for DevOps lead to arm the switch."),
        (Course.ON_HOLD, {"hold_reason": "A customer called."}, "On hold: A customer called."),
        (Course.ABORTED, {"hold_reason": "New plan"}, "Aborted: New plan."),
        (Course.SWITCHING, {"operation": SWITCH}, "The switch is accepted. Checking T−5."),
        (
            Course.SWITCHING,
            {"operation": replace(SWITCH, state=State.WRITING)},
            "T−5 is YES. Writing the weights: all to GREEN.",
        ),
        (
            Course.SWITCHED,
            {"operation": SWITCH, "open_stage": "smoke test, T+5"},
            "GREEN serves 100 %. Now: smoke test, T+5.",
        ),
        (Course.SWITCHED, {}, "GREEN serves 100 %. Every line of the strip is YES."),
        (
            Course.SWITCHED,
            {"not_yes": ("Smoke tests pass",)},
            "GREEN serves 100 %, but one line is not YES: Smoke tests pass.",
        ),
        (Course.COMPLETED, {}, "Phase 4 is complete. GREEN 1.0.0 is live."),
        (Course.ROLLING_BACK, {"operation": BACK}, "Rolling back. Writing the weights: all to BLUE."),
        (
            Course.ROLLING_BACK,
            {"operation": replace(BACK, accepted_s=0.2)},
            "The balancer is set to BLUE. Following the traffic.",
        ),
        (
            Course.ROLLING_BACK,
            {"operation": replace(BACK, accepted_s=0.2, observed_100_s=0.9)},
            "BLUE serves 100 % again. Checking that it is well.",
        ),
    ],
)
def test_the_sentence(state: Course, known: dict[str, Any], words_of_it: str) -> None:
    assert said(state, **known).startswith(words_of_it)


def test_a_refused_switch_says_that_nothing_moved() -> None:
    refused = replace(SWITCH, state=State.REFUSED, reason="GREEN is not healthy: 0 of 1 targets", is_running=False)
    text = said(Course.ARMED, operation=refused)
    assert text.startswith("The switch was refused: GREEN is not healthy: 0 of 1 targets. No traffic moved.")


def test_who_may_roll_back_reads_how_and_the_others_read_who() -> None:
    assert "roll back: two presses, about 0.9 s." in said(Course.SWITCHED)
    assert "DevOps lead can roll back." in said(Course.SWITCHED, rights=WATCHER)


def test_an_escalation_names_whom_to_call_and_that_it_goes_on() -> None:
    late = replace(BACK, accepted_s=0.2, observed_100_s=0.9, escalated_at=NOW + timedelta(seconds=30))
    text = said(Course.ROLLING_BACK, operation=late, good=5)
    assert text.startswith("Traffic is on BLUE, but BLUE is not well.")
    assert "Call VP Operations. 5 of 7 checks are YES. gonogo goes on trying" in text
    unseen = replace(late, observed_100_s=None)
    assert said(Course.ROLLING_BACK, operation=unseen).startswith("The rollback is not confirmed after 30 s.")
    unset = replace(unseen, accepted_s=None)
    assert said(Course.ROLLING_BACK, operation=unset).startswith("The balancer has not taken the rollback yet.")


def test_a_good_rollback_says_how_long_and_that_all_are_yes() -> None:
    done = replace(BACK, accepted_s=0.2, observed_100_s=0.94, verified_s=21.6, is_running=False, state=State.DONE)
    assert said(Course.ROLLED_BACK, operation=done, good=7).startswith(
        "Rolled back to BLUE in 0.94 s. All seven checks are YES."
    )
    late = replace(done, escalated_at=NOW + timedelta(seconds=30), verified_s=43.0, state=State.ESCALATED)
    assert "Escalated at 30 s; verified after 43.0 s." in said(Course.ROLLED_BACK, operation=late, good=7)


def test_an_unverified_end_is_not_called_good() -> None:
    ended = replace(BACK, state=State.ESCALATED, is_running=False, escalated_at=NOW, observed_100_s=1.0)
    text = said(Course.ROLLED_BACK, operation=ended, good=5)
    assert text.startswith("The rollback ended with 5 of 7 checks YES.")
    assert "Call VP Operations." in text
