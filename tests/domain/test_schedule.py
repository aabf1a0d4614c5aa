"""When phases are planned: ALAWAEL's week, the days on which the clocks change, plans with and without days."""

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.plan import Plan, Schedule
from app.domain.schedule import planned_times

NEW_YORK = ZoneInfo("America/New_York")


def words(plan: Plan, start: datetime) -> dict[str, str]:
    times = planned_times(plan, start.astimezone(UTC))
    return {key: f"{at.astimezone(NEW_YORK):%a %d %b %H:%M}" if at else "" for key, at in times.items()}


def scheduled(plan: Plan, key: str, **schedule: str) -> Plan:
    changed = plan.phase(key).model_copy(update={"schedule": Schedule(**schedule)})
    return plan.model_copy(update={"phases": tuple(changed if p.key == key else p for p in plan.phases)})


def test_alawaels_week_around_its_friday(plan: Plan) -> None:
    assert words(plan, datetime(2026, 3, 6, 14, 0, tzinfo=NEW_YORK)) == {
        "github": "Thu 05 Mar 10:00",
        "staging": "Thu 05 Mar 14:00",
        "production": "Fri 06 Mar 14:00",
        "rollback": "",
        "monitoring": "Fri 06 Mar 14:40",
        "decommission": "Fri 13 Mar 15:40",  # seven days of 24 hours, one of them the day the clocks went ahead
    }


@pytest.mark.parametrize(("day", "hours"), [(9, 14), (2, 15)])
def test_ten_is_ten_on_both_days_on_which_the_clocks_change(plan: Plan, day: int, hours: int) -> None:
    """8 March 2026 has 23 hours, 1 November 25: the phase before keeps its time of day."""
    month = 3 if day == 9 else 11
    found = planned_times(plan, datetime(2026, month, day, 14, 0, tzinfo=NEW_YORK).astimezone(UTC))
    assert found["staging"] == datetime(2026, month, day - 1, 14, 0, tzinfo=NEW_YORK).astimezone(UTC)
    assert found["staging"] == datetime(2026, month, day - 1, 18 if month == 3 else 19, 0, tzinfo=UTC)
    assert found["github"] == datetime(2026, month, day - 1, hours, 0, tzinfo=UTC)


def test_a_time_that_the_clocks_skip_comes_later_and_one_shown_twice_is_the_first(plan: Plan) -> None:
    skipped = scheduled(plan, "github", day="2026-03-08", time="02:30")
    assert planned_times(skipped, datetime(2026, 3, 9, 18, tzinfo=UTC))["github"] == datetime(
        2026, 3, 8, 7, 30, tzinfo=UTC
    )
    twice = scheduled(plan, "github", day="2026-11-01", time="01:30")
    assert planned_times(twice, datetime(2026, 11, 2, 18, tzinfo=UTC))["github"] == datetime(
        2026, 11, 1, 5, 30, tzinfo=UTC
    )


def test_without_a_time_of_day_phases_join_without_a_gap(plan: Plan) -> None:
    start = datetime(2026, 3, 6, 19, 0, tzinfo=UTC)
    found = planned_times(scheduled(plan, "staging", advice="when there is time"), start)
    assert found["staging"] == start - timedelta(seconds=plan.phase("staging").duration_s)
    assert found["monitoring"] == start + timedelta(seconds=plan.production.duration_s)


@given(st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31)))  # noqa: DTZ001
def test_each_phase_has_ended_before_the_next_starts(plan: Plan, start: datetime) -> None:
    found = planned_times(plan, start.replace(tzinfo=UTC))
    order = [phase for phase in plan.phases if phase.kind != "rollback"]
    for earlier, later in itertools.pairwise(order):
        begins, follows = found[earlier.key], found[later.key]
        assert begins is not None
        assert follows is not None
        assert begins + timedelta(seconds=earlier.duration_s) <= follows
