"""The table of a phase: what follows what, what must hold before it starts, and that its events are its row."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.deployments import TRANSITIONS as COURSE_TRANSITIONS
from app.domain.deployments import State as Course
from app.domain.errors import Rejected
from app.domain.phases import (
    FARTHEST,
    OVER,
    PASSED,
    REASON_LIMIT,
    TRANSITIONS,
    WORDS,
    Change,
    Happened,
    Progress,
    Run,
    State,
    before,
    by_course,
    decide,
    demand,
    entry,
    evolve,
    exit_conditions,
    mirrored,
)
from app.domain.plan import Plan

NOW = datetime(2026, 3, 6, 18, 0, tzinfo=UTC)
PRESSED = (Change.START, Change.HOLD, Change.RESUME, Change.RESCHEDULE, Change.COMPLETE, Change.ABORT, Change.SKIP)


def happened(change: Change, at: datetime = NOW, reason: str = "because") -> Happened:
    planned_at = at + timedelta(hours=1) if change is Change.RESCHEDULE else None
    return Happened(change, at, at, "DevOps lead", reason, planned_at)


@given(st.lists(st.tuples(st.sampled_from(PRESSED), st.integers(1, 5000)), max_size=40))
def test_folding_what_was_accepted_gives_the_row_whatever_is_pressed(presses: list[tuple[Change, int]]) -> None:
    run, log, now = Run(planned_at=NOW), list[Happened](), NOW
    for change, wait in presses:
        now += timedelta(seconds=wait)
        try:
            accepted = decide(run, happened(change, now))
        except Rejected:
            assert (run.state, change) not in TRANSITIONS
            continue
        run = evolve(run, accepted)
        log.append(accepted)
    folded = Run(planned_at=NOW)
    for each in log:
        folded = evolve(folded, each)
    assert folded == run
    assert run.version == len(log)
    assert (run.finished_at is not None) == (run.state in OVER)
    if run.state in (State.RUNNING, State.ON_HOLD, State.COMPLETED):
        assert run.started_at is not None


@given(st.lists(st.sampled_from(PRESSED), max_size=40))
def test_a_phase_runs_only_after_a_start_and_never_again_once_it_is_over(presses: list[Change]) -> None:
    run = Run(planned_at=NOW)
    for change in presses:
        try:
            after = evolve(run, decide(run, happened(change)))
        except Rejected:
            continue
        if after.state is State.RUNNING:
            assert change in (Change.START, Change.RESUME)
        if run.state in PASSED:
            raise AssertionError(f"{change} moved a phase that is {run.state}")
        if run.state is State.ABORTED:
            assert after.state is State.SKIPPED
        run = after


@pytest.mark.parametrize(("state", "change"), sorted({(s, c) for s in State for c in PRESSED} - set(TRANSITIONS)))
def test_what_does_not_follow_is_refused_and_names_who_was_faster(state: State, change: Change) -> None:
    run = Run(state, NOW, by="Project manager", version=3)
    with pytest.raises(Rejected) as refused:
        decide(run, happened(change))
    assert refused.value.conflict
    assert "Project manager" in refused.value.reason
    assert WORDS[state] in refused.value.reason


@pytest.mark.parametrize("change", [Change.HOLD, Change.RESCHEDULE, Change.ABORT, Change.SKIP])
@pytest.mark.parametrize("reason", ["", "   ", "x" * (REASON_LIMIT + 1)])
def test_a_reason_is_asked_for_and_has_a_limit(change: Change, reason: str) -> None:
    state = State.RUNNING if change is Change.HOLD else State.ON_HOLD
    with pytest.raises(Rejected) as refused:
        decide(Run(state, NOW), happened(change, reason=reason))
    assert refused.value.code == "reason"
    assert not refused.value.conflict


@pytest.mark.parametrize("ahead", [None, timedelta(), timedelta(days=-1), FARTHEST + timedelta(seconds=1)])
def test_a_new_start_lies_ahead_and_within_a_year(ahead: timedelta | None) -> None:
    wanted = replace(happened(Change.RESCHEDULE), planned_at=None if ahead is None else NOW + ahead)
    with pytest.raises(Rejected) as refused:
        decide(Run(planned_at=NOW), wanted)
    assert refused.value.code == "planned_at"


def test_a_hold_keeps_its_reason_through_a_new_time_and_loses_it_with_the_resume() -> None:
    run = Run(State.RUNNING, NOW, started_at=NOW)
    held = evolve(run, happened(Change.HOLD, reason="the region is down"))
    moved = evolve(held, replace(happened(Change.RESCHEDULE), reason="tomorrow then"))
    assert (moved.state, moved.reason) == (State.ON_HOLD, "the region is down")
    assert evolve(moved, happened(Change.RESUME)).reason == ""


# ── what follows the deployment's course ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["blue_green", "rollback"])
@given(data=st.data())
def test_a_followed_phase_is_where_the_course_is_after_every_change(kind: str, data: st.DataObject) -> None:
    """Any walk through the deployment's own table finds a change of the phase's table for each of its moves."""
    course, run, log = Course.PREPARING, Run(planned_at=NOW), list[Happened]()
    for _ in range(data.draw(st.integers(0, 30))):
        nexts = sorted({after for (state, _), after in COURSE_TRANSITIONS.items() if state is course})
        if not nexts:
            break
        course = data.draw(st.sampled_from(nexts))
        change = mirrored(kind, run, course)
        if change is not None:
            log.append(happened(change))
            run = evolve(run, log[-1])
        assert run.state is by_course(kind, course, run.state)
    folded = Run(planned_at=NOW)
    for each in log:
        folded = evolve(folded, each)
    assert folded == run


def test_a_rollback_that_was_done_stays_done_when_the_deployment_ends() -> None:
    run = evolve(Run(), happened(Change.RECORD))
    assert run.state is State.COMPLETED
    assert mirrored("rollback", run, Course.ABORTED) is None
    assert mirrored("rollback", run, Course.PREPARING) is Change.RETURN


# ── conditions ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_phase_waits_for_those_before_it_and_a_rollback_is_in_nobodys_way(plan: Plan) -> None:
    monitoring = plan.phase("monitoring")
    assert [phase.key for phase in before(plan, monitoring)] == ["github", "staging", "production"]
    states = {phase.key: State.COMPLETED for phase in plan.phases} | {"staging": State.RUNNING}
    found = entry(plan, monitoring, states)
    assert [(c.is_met, c.text) for c in found if not c.is_met] == [
        (False, "Phase 3 is running: complete or skip it first")
    ]
    with pytest.raises(Rejected, match="Phase 3 is running"):
        demand(found, "Phase 5 cannot start yet.")
    demand(entry(plan, monitoring, states | {"staging": State.SKIPPED}), "")


def test_the_checklist_the_target_and_the_deployment_are_conditions_too(plan: Plan) -> None:
    states = {phase.key: State.COMPLETED for phase in plan.phases}
    progress = Progress("Before phase 4", 10, ("Backups", "Caffeine", "Team", "Dashboards"))
    found = entry(plan, plan.production, states, checklist=progress, busy="deployment 7", is_over=True)
    unmet = {condition.key: condition.text for condition in found if not condition.is_met}
    assert unmet == {
        "deployment": "The deployment was aborted",
        "checklist": "Before phase 4: 6 of 10 items done; open: Backups, Caffeine, Team and 1 more",
        "target": "Deployment 7 is using production",
    }
    assert entry(plan, plan.phase("github"), {}, checklist=Progress("Before phase 2", 6))[0].is_met


def test_a_phase_ends_with_every_step_done_and_failures_decided() -> None:
    assert exit_conditions([], [])[0].is_met
    assert exit_conditions(["Set up"], [])[0].text == "Steps still open: Set up"
    assert exit_conditions(["Set up"], ["Verify"])[0].text == "Failed and not decided: Verify"
