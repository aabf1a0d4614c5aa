"""Who must be there: every required seat, counted by different people, deputies in place of holders."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.plan import Plan
from app.domain.presence import HERE, SEEN, Chair, Presence, Why, is_excused, presence_of, required_seats

NOW = datetime(2026, 3, 6, 18, 0, tzinfo=UTC)
LONG_AGO = NOW - SEEN - timedelta(seconds=1)


def everybody(plan: Plan, **changed: Any) -> list[Chair]:
    """Somebody on each required seat, on a page now."""
    found: list[Chair] = []
    for position in plan.positions:
        for seat in range(1, required_seats(position) + 1):
            number = len(found) + 1
            values = {"seen_at": NOW, "page_at": NOW, **changed}
            found.append(Chair(position.key, seat, number, f"Person {number}", **values))
    return found


def without(chairs: list[Chair], position: str, seat: int) -> list[Chair]:
    return [chair for chair in chairs if (chair.position, chair.seat) != (position, seat)]


def row_of(presence: Presence, key: str) -> Any:
    return next(row for row in presence.positions if row.key == key)


def test_the_plan_requires_two_in_the_devops_and_two_in_the_backend_team(plan: Plan) -> None:
    wanted = {row.key: row.required for row in presence_of(plan, [], NOW).positions}
    assert wanted == {
        **dict.fromkeys(("project_manager", "devops_lead", "backend_lead", "security_officer"), 1),
        **dict.fromkeys(("operations", "support"), 1),
        **dict.fromkeys(("devops", "backend"), 2),
    }, "executives read along: nobody waits for them"


def test_everybody_is_there(plan: Plan) -> None:
    found = presence_of(plan, everybody(plan, arrived_at=NOW), NOW)
    assert (found.present, found.required, found.arrived, found.on_page, found.gaps) == (10, 10, 10, 10, ())


@pytest.mark.parametrize("position", ["devops", "backend"])
def test_the_second_seat_of_a_team_is_missed_when_it_is_empty(plan: Plan, position: str) -> None:
    found = presence_of(plan, without(everybody(plan), position, 2), NOW)
    (gap,) = found.gaps
    assert (gap.key, gap.why) == (f"{position}-2", Why.EMPTY)
    row = row_of(found, position)
    assert (row.required, row.seated, row.present) == (2, 1, 1)


def test_why_a_seat_counts_for_nothing(plan: Plan) -> None:
    chairs = without(without(everybody(plan), "devops", 1), "devops", 2)
    cases = [
        ({"seen_at": None}, Why.NEVER),
        ({"seen_at": LONG_AGO}, Why.AWAY),
        ({"seen_at": NOW, "is_disabled": True}, Why.DISABLED),
    ]
    for values, why in cases:
        mine = [Chair("devops", 1, 90, "Dana", seen_at=NOW), Chair("devops", 2, 91, "Emre", **values)]
        (gap,) = presence_of(plan, chairs + mine, NOW).gaps
        assert (gap.key, gap.name, gap.why) == ("devops-2", "Emre", why)
        assert gap.away == (NOW - LONG_AGO if why is Why.AWAY else None)


def test_seen_on_another_page_is_there_but_on_no_page_of_this_deployment(plan: Plan) -> None:
    found = presence_of(plan, everybody(plan, page_at=NOW - HERE - timedelta(seconds=1)), NOW)
    assert (found.present, found.on_page) == (10, 0)


def test_a_deputy_who_is_there_counts_for_a_seat(plan: Plan) -> None:
    chairs = without(everybody(plan), "backend", 2)
    deputy = Chair("backend", 3, 90, "Dana", is_deputy=True, seen_at=NOW)
    assert presence_of(plan, [*chairs, deputy], NOW).gaps == ()
    away = Chair("backend", 3, 90, "Dana", is_deputy=True, seen_at=LONG_AGO)
    assert len(presence_of(plan, [*chairs, away], NOW).gaps) == 1
    disabled = Chair("backend", 3, 90, "Dana", is_deputy=True, is_disabled=True, seen_at=NOW)
    assert len(presence_of(plan, [*chairs, disabled], NOW).gaps) == 1


def test_one_person_is_never_counted_twice_for_a_position(plan: Plan) -> None:
    """Somebody who holds seat 1 and deputises for the same position is one person."""
    chairs = without(everybody(plan), "backend", 2)
    holder = next(chair for chair in chairs if (chair.position, chair.seat) == ("backend", 1))
    double = Chair("backend", 3, holder.person_id, holder.name, is_deputy=True, seen_at=NOW)
    assert [gap.key for gap in presence_of(plan, [*chairs, double], NOW).gaps] == ["backend-2"]


def test_going_on_holds_for_those_who_were_missing_and_for_no_other(plan: Plan) -> None:
    chairs = without(everybody(plan), "backend", 2)
    gaps = presence_of(plan, chairs, NOW).gaps
    assert is_excused(gaps, ["backend-2", "devops-1"])
    assert not is_excused(gaps, ["devops-1"])
    assert not is_excused(presence_of(plan, without(chairs, "support", 1), NOW).gaps, ["backend-2"])
    assert not is_excused((), ["backend-2"]), "nothing is missing: nobody has to be gone on without"


MOMENTS = st.none() | st.timedeltas(timedelta(0), timedelta(minutes=30)).map(lambda ago: NOW - ago)
CHAIRS = st.lists(
    st.builds(
        Chair,
        st.sampled_from(["devops", "backend", "support", "executive"]),
        st.integers(1, 4),
        st.integers(1, 6),
        st.just("Dana"),
        st.booleans(),
        st.booleans(),
        MOMENTS,
        MOMENTS,
        MOMENTS,
    ),
    max_size=12,
    unique_by=(lambda chair: (chair.position, chair.seat), lambda chair: (chair.position, chair.person_id)),
)


@given(CHAIRS)
def test_whatever_the_roster_the_counts_agree(plan: Plan, chairs: list[Chair]) -> None:
    found = presence_of(plan, chairs, NOW)
    assert found.required == 10
    for row in found.positions:
        there = {
            chair.person_id
            for chair in chairs
            if chair.position == row.key and not chair.is_disabled and chair.seen_at and NOW - chair.seen_at <= SEEN
        }
        assert len(row.gaps) >= row.required - len(there), "nobody is there twice"
        assert row.present <= row.required
        assert row.seated <= row.required
        assert len({gap.key for gap in row.gaps}) == len(row.gaps)
