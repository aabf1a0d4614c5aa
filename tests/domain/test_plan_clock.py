"""The plan clock: real time until a rehearsal sets it, never backwards whatever people press."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import Rejected
from app.domain.plan_clock import FARTHEST, MOST_TURNS, SPEEDS, PlanClock, jump_to, plan_now, run_at

NOW = datetime(2026, 3, 6, 18, 0, tzinfo=UTC)


@dataclass
class Deployment:
    plan_clock: PlanClock


def test_a_clock_nobody_set_shows_the_real_time() -> None:
    assert PlanClock().is_real
    assert plan_now(Deployment(PlanClock()), NOW) == NOW


def test_a_faster_clock_goes_on_from_where_it_stood() -> None:
    fast = run_at(PlanClock(), 60, NOW)
    assert plan_now(Deployment(fast), NOW) == NOW
    assert plan_now(Deployment(fast), NOW + timedelta(seconds=10)) == NOW + timedelta(minutes=10)
    slow = run_at(fast, 1, NOW + timedelta(seconds=10))
    assert slow.at(NOW + timedelta(seconds=11)) == NOW + timedelta(minutes=10, seconds=1)
    assert not slow.is_real


def test_a_countdown_on_the_real_clock_ends_when_the_plan_clock_is_there() -> None:
    clock = run_at(PlanClock(), 10, NOW)
    mark = NOW + timedelta(minutes=5)
    assert clock.real_at(mark, NOW) == NOW + timedelta(seconds=30)
    assert clock.at(clock.real_at(mark, NOW)) == mark
    assert clock.real_at(NOW - timedelta(hours=1), NOW) == NOW


@pytest.mark.parametrize("ahead", [timedelta(), timedelta(seconds=-1), FARTHEST + timedelta(seconds=1)])
def test_jumps_go_ahead_and_no_farther_than_a_year(ahead: timedelta) -> None:
    with pytest.raises(Rejected):
        jump_to(PlanClock(), NOW + ahead, NOW)


@pytest.mark.parametrize("speed", [0, -1, 3601, 10**9])
def test_what_is_no_speed_is_refused(speed: int) -> None:
    with pytest.raises(Rejected, match="does not run"):
        run_at(PlanClock(), speed, NOW)


presses = st.lists(
    st.tuples(
        st.floats(0, 10_000), st.one_of(st.sampled_from(SPEEDS), st.floats(0.001, 86_400).map(lambda s: ("jump", s)))
    ),
    max_size=30,
)


@given(presses)
def test_plan_time_never_goes_back_nor_falls_behind_the_real_one(pressed: list[tuple[float, object]]) -> None:
    clock, now, seen = PlanClock(), NOW, NOW
    shown: list[tuple[datetime, datetime]] = []
    for wait, press in pressed:
        now += timedelta(seconds=wait)
        assert clock.at(now) >= seen
        shown.append((now, clock.at(now)))
        if isinstance(press, tuple):
            clock = jump_to(clock, clock.at(now) + timedelta(seconds=press[1]), now)
        else:
            clock = run_at(clock, press, now)  # type: ignore[arg-type]
        seen = clock.at(now)
        assert seen >= now
    # What it showed at a moment gone by stays so; at the very moment of a turn it shows what it was set to.
    for real, plan in shown:
        if all(turn.real != real for turn in clock.turns):
            assert clock.at(real) == plan
    assert [clock.at(real) for real, _ in shown] == sorted(clock.at(real) for real, _ in shown)


def test_a_clock_is_set_only_so_often() -> None:
    clock = PlanClock()
    for _ in range(MOST_TURNS):
        clock = run_at(clock, 10, NOW)
    with pytest.raises(Rejected, match="200 times"):
        run_at(clock, 1, NOW)


def test_a_jump_between_two_moments_is_told_and_a_faster_clock_is_none() -> None:
    clock = run_at(PlanClock(), 60, NOW)
    hour = NOW + timedelta(hours=1)
    assert not clock.was_set_ahead(NOW - timedelta(hours=1), hour)
    clock = jump_to(clock, NOW + timedelta(minutes=30), NOW + timedelta(seconds=10))
    assert clock.was_set_ahead(NOW, hour)
    assert not clock.was_set_ahead(NOW, NOW + timedelta(minutes=20))
    assert not clock.was_set_ahead(hour, hour + timedelta(hours=1))
