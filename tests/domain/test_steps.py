"""The table of a step: who was faster, what needs words, and that its events are its row."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import Rejected
from app.domain.phases import State as PhaseState
from app.domain.plan import Plan
from app.domain.steps import (
    TEXT_LIMIT,
    TRANSITIONS,
    Change,
    Happened,
    State,
    Step,
    after_key,
    decide,
    evolve,
    grouped,
    is_by_traffic,
    may_happen,
    owners,
)

NOW = datetime(2026, 3, 6, 18, 0, tzinfo=UTC)


def happened(change: Change, at: datetime = NOW, text: str = "seen") -> Happened:
    return Happened(change, at, "DevOps lead", text)


@given(st.lists(st.tuples(st.sampled_from(list(Change)), st.integers(0, 3600)), max_size=60))
def test_folding_what_was_accepted_gives_the_row_whatever_is_pressed(presses: list[tuple[Change, int]]) -> None:
    step, log, now = Step(), list[Happened](), NOW
    for change, wait in presses:
        now += timedelta(seconds=wait)
        try:
            accepted = decide(step, happened(change, now))
        except Rejected:
            assert (step.state, change) not in TRANSITIONS
            continue
        step = evolve(step, accepted)
        log.append(accepted)
    folded = Step()
    for each in log:
        folded = evolve(folded, each)
    assert folded == step
    assert step.version == len(log)
    if step.state is State.SKIPPED:
        assert log[-1].change is Change.BYPASS
    if step.finished_at is not None and step.started_at is not None:
        assert step.finished_at >= step.started_at


@pytest.mark.parametrize(("state", "change"), sorted({(s, c) for s in State for c in Change} - set(TRANSITIONS)))
def test_what_does_not_follow_is_refused_and_names_who_was_faster(state: State, change: Change) -> None:
    with pytest.raises(Rejected) as refused:
        decide(Step(state, by="DevOps 2"), happened(change))
    assert refused.value.conflict
    assert "DevOps 2" in refused.value.reason


@pytest.mark.parametrize(
    ("state", "change"),
    [(State.RUNNING, Change.FINISH), (State.RUNNING, Change.FAIL), (State.FAILED, Change.BYPASS)],
)
@pytest.mark.parametrize("text", ["", " \n ", "x" * (TEXT_LIMIT + 1)])
def test_evidence_and_reasons_are_asked_for_and_have_a_limit(state: State, change: Change, text: str) -> None:
    with pytest.raises(Rejected) as refused:
        decide(Step(state), happened(change, text=text))
    assert refused.value.code == "text"


def test_a_failed_step_is_tried_again_or_passed_over_and_its_time_is_measured() -> None:
    step = evolve(Step(), happened(Change.START))
    failed = evolve(step, happened(Change.FAIL, NOW + timedelta(seconds=40), "HTTP 403"))
    assert failed.started_at is not None
    assert (failed.finished_at or NOW) - failed.started_at == timedelta(seconds=40)
    again = evolve(failed, happened(Change.RETRY, text=""))
    assert (again.state, again.started_at, again.text) == (State.OPEN, None, "")
    assert evolve(again, happened(Change.START)).tries == 2
    assert evolve(failed, happened(Change.BYPASS)).state is State.SKIPPED


def test_steps_move_while_their_phase_runs_and_come_to_an_end_on_hold(plan: Plan) -> None:
    github = plan.phase("github")
    for change in Change:
        assert may_happen(github, PhaseState.RUNNING, change, is_after=False)
        assert not may_happen(github, PhaseState.PLANNED, change, is_after=False)
        assert not may_happen(github, PhaseState.SKIPPED, change, is_after=True)
        ends = change in (Change.FINISH, Change.FAIL)
        assert may_happen(github, PhaseState.ON_HOLD, change, is_after=False) == ends
    assert not may_happen(github, PhaseState.COMPLETED, Change.UNDO, is_after=False)
    assert may_happen(github, PhaseState.COMPLETED, Change.TICK, is_after=True)
    # A rollback is over in seconds; telling people about it is not.
    assert may_happen(plan.phase("rollback"), PhaseState.COMPLETED, Change.START, is_after=False)


def test_whose_a_step_is_and_what_only_traffic_does(plan: Plan) -> None:
    github = {action.key: action for action in plan.phase("github").actions}
    assert owners(plan.phase("github"), github["confirm_secrets"]) == ("operations",)
    assert owners(plan.phase("github"), github["access_status"]) == ("devops_lead",)
    assert owners(plan.phase("staging"), None) == ("devops_lead", "backend_lead")
    assert is_by_traffic(plan.production, plan.production.actions[0])
    canary = plan.phase("staging").actions[-1]
    assert is_by_traffic(plan.phase("staging"), canary)
    assert not is_by_traffic(plan.phase("staging").model_copy(update={"target": None}), canary)


@pytest.mark.parametrize(
    ("line", "group", "text"),
    [
        ("Immediately: save all logs", "Immediately", "Save all logs"),
        ("Next 2 hours: phase 4 concludes", "Next 2 hours", "Phase 4 concludes"),
        ("Thank the night shift", "", "Thank the night shift"),
        ("A line whose first part is much too long for a title: yes", "", None),
        ("At 10:30 somebody calls", "", "At 10:30 somebody calls"),
    ],
)
def test_lines_after_a_phase_are_grouped_by_the_words_before_the_colon(line: str, group: str, text: str | None) -> None:
    assert grouped(line) == (group, line if text is None else text)


def test_no_action_of_a_plan_can_take_the_key_of_a_line_after(plan: Plan) -> None:
    assert after_key(1) == "after-1"
    with pytest.raises(ValueError, match="pattern"):
        type(plan.phases[0].actions[0]).model_validate({"key": after_key(1), "title": "x"})


def test_by_hand_is_told_until_the_step_is_open_again() -> None:
    step = evolve(Step(), replace(happened(Change.START), by_hand=True))
    done = evolve(step, happened(Change.FINISH))
    assert done.by_hand
    assert not evolve(done, happened(Change.UNDO)).by_hand
