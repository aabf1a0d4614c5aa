"""The table of a deployment's course: what follows what, and what never does."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.deployments import (
    AFTER_SWITCH_BEGAN,
    NEW_ATTEMPT_CHANGES,
    TRANSITIONS,
    WORDS,
    Change,
    Course,
    State,
    allowed,
    follow,
)
from app.domain.errors import Rejected

NOW = datetime(2026, 3, 6, 18, 0, tzinfo=UTC)
START = Course(State.PREPARING, 1, NOW)
changes = st.sampled_from(list(Change))


def _try(course: Course, change: Change) -> Course:
    try:
        return follow(course, change, reason="because")
    except Rejected:
        return course


@given(st.lists(changes, max_size=60))
def test_no_path_reaches_green_without_proceeding_and_arming(path: list[Change]) -> None:
    course, since_attempt = START, list[Change]()
    for change in path:
        before = course
        course = _try(course, change)
        if course is before:
            continue
        since_attempt = [] if change in (*NEW_ATTEMPT_CHANGES, Change.RESUME) else [*since_attempt, change]
        if course.state is State.SWITCHING:
            assert since_attempt[-1] is Change.SWITCH
            assert Change.PROCEED in since_attempt
            assert Change.ARM in since_attempt


@given(st.lists(changes, max_size=60))
def test_attempts_only_grow_and_a_rollback_is_possible_whenever_green_may_have_traffic(path: list[Change]) -> None:
    course = START
    for change in path:
        after = _try(course, change)
        assert after.attempt >= course.attempt
        course = after
        if course.state in AFTER_SWITCH_BEGAN:
            assert allowed(course.state, Change.ROLL_BACK)
            assert not allowed(course.state, Change.ABORT)
            assert not allowed(course.state, Change.RESCHEDULE)


@given(st.sampled_from(list(State)), changes)
def test_what_the_table_does_not_name_is_refused_in_words(state: State, change: Change) -> None:
    course = Course(state, 1, NOW)
    if (state, change) in TRANSITIONS:
        assert follow(course, change, reason="because").state is TRANSITIONS[state, change]
        return
    with pytest.raises(Rejected) as refusal:
        follow(course, change, reason="because")
    assert WORDS[state] in refusal.value.reason


@pytest.mark.parametrize("change", [Change.HOLD, Change.RESCHEDULE, Change.ABORT])
def test_a_hold_a_reschedule_and_an_abort_need_a_reason(change: Change) -> None:
    with pytest.raises(Rejected, match="reason"):
        follow(START, change, reason="  ")
    assert follow(START, change, reason="the key rotation").attempt >= 1


def test_a_reschedule_is_a_new_attempt_at_a_new_time() -> None:
    moved = follow(START, Change.RESCHEDULE, reason="Friday", planned_at=NOW + timedelta(days=1))
    assert (moved.attempt, moved.planned_at, moved.state) == (2, NOW + timedelta(days=1), State.PREPARING)
