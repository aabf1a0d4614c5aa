"""How long work may take: the plan's word, experience, and when something is late."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.estimates import COMPARED, Late, Watch, estimate, lateness, planned_for, progress
from app.domain.plan import Action

lengths = st.floats(0.01, 1e6)
seconds = st.floats(0, 1e7)


def test_experience_stands_before_the_plan() -> None:
    found = estimate(1800, [44, 40, 35])
    assert (found.length_s, found.planned_s, found.usual_s, found.longest_s, found.runs) == (40, 1800, 40, 44, 3)
    assert estimate(1800, []).length_s == 1800
    assert estimate(None, []).length_s is None


def test_only_the_newest_runs_are_compared_and_none_that_took_no_time() -> None:
    found = estimate(None, [10.0] * COMPARED + [9000.0] * 50)
    assert (found.usual_s, found.longest_s, found.runs) == (10, 10, COMPARED)
    assert estimate(None, [0, -3]).runs == 0


def test_half_of_all_runs_take_longer_than_usual_and_are_not_late() -> None:
    usual = estimate(None, [30, 40, 50])
    assert lateness(usual, Watch(0), Watch(49)) is None
    assert lateness(usual, Watch(0), Watch(51.9)) is None, "within the grace"
    assert lateness(usual, Watch(0), Watch(60)) == Late(20, "usual")


def test_beyond_the_plan_is_told_first_and_within_it_experience_still_counts() -> None:
    both = estimate(120, [30, 40, 50])
    assert lateness(both, Watch(100), Watch(100)) == Late(60, "usual")
    assert lateness(both, Watch(240), Watch(240)) == Late(120, "planned")
    assert lateness(estimate(120, []), Watch(119), Watch(119)) is None


def test_grace_grows_with_the_length_from_a_second_to_a_minute() -> None:
    for planned, grace in ((5, 1), (600, 30), (604_800, 60)):
        expected = estimate(planned, [])
        assert lateness(expected, Watch(planned + grace - 0.1), Watch(0)) is None
        assert lateness(expected, Watch(planned + grace), Watch(0)) == Late(grace, "planned")


def test_the_plans_seconds_pass_on_its_own_clock() -> None:
    found = progress(estimate(600, []), Watch(300, speed=60), Watch(5))
    assert found is not None
    assert (found.began_s, found.ends_in_s) == (5, 5)
    by_experience = progress(estimate(600, [20]), Watch(300, speed=60), Watch(5))
    assert by_experience is not None
    assert (by_experience.began_s, by_experience.ends_in_s) == (5, 15)


def test_nobody_claims_to_know_what_nobody_knows() -> None:
    assert progress(estimate(None, []), Watch(5), Watch(5)) is None
    assert lateness(estimate(None, []), Watch(1e9), Watch(1e9)) is None


@pytest.mark.parametrize(
    ("fields", "canary", "planned"),
    [
        ({"planned_s": 90}, 0, 90),
        ({}, 1500, None),
        ({"kind": "canary"}, 1500, 1500),
        ({"kind": "canary", "planned_s": 1600}, 1500, 1600),
        ({"kind": "canary"}, 0, None),
    ],
)
def test_a_canary_takes_its_shares_together(fields: dict[str, object], canary: float, planned: float | None) -> None:
    action = Action.model_validate({"key": "step", "title": "Step", **fields})
    assert planned_for(action, canary) == planned


@given(lengths, st.lists(lengths, max_size=30), seconds, seconds)
def test_lateness_never_shrinks_while_time_passes(planned: float, earlier: list[float], at: float, more: float) -> None:
    expected = estimate(planned, earlier)
    before = lateness(expected, Watch(at), Watch(at))
    later = lateness(expected, Watch(at + more), Watch(at + more))
    if before is not None:
        assert later is not None
        if later.than == before.than:
            assert later.seconds >= before.seconds - 1e-6
