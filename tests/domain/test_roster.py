"""Rosters: who may be put where, when nobody may lose a seat, and that the way back never loses its last holder."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app.domain.deployments import State
from app.domain.errors import Rejected
from app.domain.roster import (
    MOST,
    NEW_DEPUTY,
    NOBODY,
    Candidate,
    Changer,
    Seating,
    Sitter,
    Standing,
    concerns,
    free,
    take,
)
from tests.known_plans import ALAWAEL as PLAN

ADMIN = Changer(99, is_admin=True)
MANAGER = Changer(1, is_admin=False)
QUIET = Standing(State.PREPARING, is_armed=False)
ROLLS_BACK = {position.key for position in PLAN.positions if "rollback" in position.capabilities}


def everybody() -> tuple[Sitter, ...]:
    """One person a seat, numbered in the plan's order; person 1 is the project manager."""
    seats = [(position.key, seat) for position in PLAN.positions for seat in range(1, position.seats + 1)]
    return tuple(Sitter(key, seat, number, f"Person {number}") for number, (key, seat) in enumerate(seats, 1))


ALL = everybody()
NEW = Candidate(50, "Newcomer")


def at(position: str, seat: int = 1) -> Sitter:
    return next(s for s in ALL if (s.position, s.seat) == (position, seat))


def put(roster: Any = ALL, standing: Standing = QUIET, changer: Changer = ADMIN, **change: Any) -> Seating | None:
    values: dict[str, Any] = {"position": "operations", "seat": 1, "person": NEW, **change}
    holder = next((s for s in roster if (s.position, s.seat) == (values["position"], values["seat"])), None)
    values.setdefault("shown", holder.person_id if holder else NOBODY)
    return take(PLAN, roster, standing, changer, **values)


def refused(code: str, **change: Any) -> Rejected:
    with pytest.raises(Rejected) as found:
        put(**change)
    assert found.value.code == code
    assert "." in found.value.reason
    return found.value


def test_somebody_new_takes_the_seat_in_place_of_its_holder() -> None:
    seating = put()
    assert seating is not None
    assert seating.sits == Sitter("operations", 1, 50, "Newcomer")
    assert seating.gets_up == (at("operations"),)


def test_a_new_deputy_gets_the_next_number_beyond_the_positions_own_seats() -> None:
    first = put(position="devops", seat=NEW_DEPUTY)
    assert first is not None
    assert first.sits == Sitter("devops", 3, 50, "Newcomer", is_deputy=True)
    assert first.gets_up == ()
    second = put(roster=(*ALL, first.sits), position="devops", seat=NEW_DEPUTY, person=Candidate(51, "Another"))
    assert second is not None
    assert second.sits is not None
    assert second.sits.seat == 4


def test_a_deputy_moves_up_and_leaves_the_deputys_place() -> None:
    deputy = Sitter("operations", 2, 50, "Newcomer", is_deputy=True)
    seating = put(roster=(*ALL, deputy))
    assert seating is not None
    assert seating.gets_up == (at("operations"), deputy)
    assert seating.sits == Sitter("operations", 1, 50, "Newcomer")


def test_the_same_press_twice_is_one() -> None:
    sitting = at("operations")
    assert put(person=Candidate(sitting.person_id, sitting.name), shown=NOBODY) is None
    without = [s for s in ALL if s != sitting]
    assert free(PLAN, without, QUIET, ADMIN, position="operations", seat=1, shown=sitting.person_id) is None


def test_what_the_page_did_not_show_is_not_changed() -> None:
    assert refused("stale", shown=NOBODY).conflict
    with pytest.raises(Rejected) as found:
        free(PLAN, ALL, QUIET, ADMIN, position="operations", seat=1, shown=3)
    assert found.value.code == "stale"


def test_who_cannot_be_seated() -> None:
    refused("disabled", person=Candidate(50, "Newcomer", is_disabled=True))
    refused("position", position="captain")
    refused("seat", position="operations", seat=2)
    other = at("devops", 2)
    refused("already", position="devops", seat=1, person=Candidate(other.person_id, other.name))
    full = tuple(Sitter("operations", n, 100 + n, f"Deputy {n}", is_deputy=True) for n in range(2, MOST + 1))
    refused("full", roster=(*ALL, *full), seat=NEW_DEPUTY)


def test_one_person_may_sit_on_two_positions_and_that_is_named() -> None:
    lead = at("devops_lead")
    seating = put(person=Candidate(lead.person_id, lead.name))
    assert seating is not None
    assert seating.sits is not None
    after = [s for s in ALL if s not in seating.gets_up] + [seating.sits]
    assert [concern.text for concern in concerns(PLAN, after)] == [f"{lead.name} sits on DevOps lead and operations"]


def test_nobody_changes_their_own_seat_but_an_administrator() -> None:
    manager = at("project_manager")
    refused("self", changer=MANAGER, position="project_manager")
    refused("self", changer=MANAGER, person=Candidate(manager.person_id, manager.name))
    with pytest.raises(Rejected):
        free(PLAN, ALL, QUIET, MANAGER, position="project_manager", seat=1, shown=1)
    assert put(changer=MANAGER) is not None
    assert put(changer=Changer(50, is_admin=True)) is not None


@pytest.mark.parametrize("state", [State.SWITCHING, State.ROLLING_BACK])
def test_while_traffic_moves_seats_are_only_added(state: State) -> None:
    moving = Standing(state, is_armed=True, can_roll_back=frozenset({1}))
    assert refused("moving", standing=moving).conflict
    with pytest.raises(Rejected):
        free(PLAN, ALL, moving, ADMIN, position="operations", seat=1, shown=at("operations").person_id)
    assert put(standing=moving, seat=NEW_DEPUTY) is not None
    empty = [s for s in ALL if s.position != "operations"]
    assert put(roster=empty, standing=moving) is not None


def test_an_aborted_deployments_roster_stays() -> None:
    refused("state", standing=Standing(State.ABORTED, is_armed=False))


def armed(*people: int) -> Standing:
    return Standing(State.ARMED, is_armed=True, can_roll_back=frozenset(people))


def test_while_armed_the_rollback_right_goes_with_the_seat() -> None:
    old = at("devops", 1).person_id
    seating = put(standing=armed(1, old), position="devops", seat=1)
    assert seating is not None
    assert (seating.granted, seating.revoked) == (frozenset({50}), frozenset({old}))
    seating = put(standing=armed(1, old), position="operations")
    assert seating is not None
    assert (seating.granted, seating.revoked) == (frozenset(), frozenset()), "operations has no such right"
    seating = put(position="devops", seat=1)
    assert seating is not None
    assert not seating.granted, "grants come with arming"


def test_who_keeps_another_seat_with_the_right_keeps_the_right() -> None:
    both = (*ALL, Sitter("devops_lead", 2, at("devops", 1).person_id, "Person", is_deputy=True))
    old = at("devops", 1).person_id
    seating = free(PLAN, both, armed(1, old), ADMIN, position="devops", seat=1, shown=old)
    assert seating is not None
    assert not seating.revoked


def test_the_last_who_can_roll_back_keeps_the_seat() -> None:
    last = at("devops_lead").person_id
    with pytest.raises(Rejected) as found:
        free(PLAN, ALL, armed(last), ADMIN, position="devops_lead", seat=1, shown=last)
    assert found.value.code == "last_rollback"
    assert put(standing=armed(last), position="devops_lead") is not None, "somebody else takes the right over"


def test_a_full_roster_lacks_nothing_and_an_empty_one_everything() -> None:
    assert concerns(PLAN, ALL) == ()
    texts = [concern.text for concern in concerns(PLAN, ())]
    assert "Nobody sits on security officer, who signs off" in texts
    assert "Nobody sits on a position that rolls back" in texts
    asleep = [Sitter(s.position, s.seat, s.person_id, s.name, is_disabled=s.position == "operations") for s in ALL]
    assert [concern.position for concern in concerns(PLAN, asleep)] == ["operations"], "a disabled account sits nowhere"


class Roster(RuleBasedStateMachine):
    """Any changes in any state: a seat holds one person, a person one seat of a position, and while armed somebody can
    roll back who could when it was armed or sits on a seat with that right."""

    def __init__(self) -> None:
        super().__init__()
        self.seats = list(ALL)
        self.standing = QUIET

    @initialize()
    def arm(self) -> None:
        holders = frozenset(s.person_id for s in self.seats if s.position in ROLLS_BACK)
        self.standing = Standing(State.ARMED, is_armed=True, can_roll_back=holders)

    @rule(state=st.sampled_from([State.ARMED, State.SWITCHING, State.SWITCHED, State.ROLLING_BACK, State.COMPLETED]))
    def move(self, state: State) -> None:
        self.standing = Standing(state, is_armed=True, can_roll_back=self.standing.can_roll_back)

    @rule(place=st.sampled_from(PLAN.positions), seat=st.integers(0, 5), person=st.integers(1, 20))
    def seat_somebody(self, place: Any, seat: int, person: int) -> None:
        self._apply(
            lambda: put(self.seats, self.standing, position=place.key, seat=seat, person=Candidate(person, "P"))
        )

    @rule(place=st.sampled_from(PLAN.positions), seat=st.integers(1, 5))
    def free_one(self, place: Any, seat: int) -> None:
        holder = next((s for s in self.seats if (s.position, s.seat) == (place.key, seat)), None)
        shown = holder.person_id if holder else NOBODY
        self._apply(lambda: free(PLAN, self.seats, self.standing, ADMIN, position=place.key, seat=seat, shown=shown))

    def _apply(self, change: Any) -> None:
        try:
            seating: Seating | None = change()
        except Rejected:
            return
        if seating is None:
            return
        self.seats = [s for s in self.seats if s not in seating.gets_up] + ([seating.sits] if seating.sits else [])
        held = (self.standing.can_roll_back | seating.granted) - seating.revoked
        self.standing = Standing(self.standing.state, is_armed=True, can_roll_back=held)

    @invariant()
    def somebody_can_roll_back(self) -> None:
        if self.standing.is_armed:
            assert self.standing.can_roll_back

    @invariant()
    def who_can_roll_back_sits_on_such_a_seat(self) -> None:
        sitting = {s.person_id for s in self.seats if s.position in ROLLS_BACK}
        assert self.standing.can_roll_back <= sitting

    @invariant()
    def one_person_a_seat_and_one_seat_a_position(self) -> None:
        assert len({(s.position, s.seat) for s in self.seats}) == len(self.seats)
        assert len({(s.position, s.person_id) for s in self.seats}) == len(self.seats)


TestRoster = Roster.TestCase
TestRoster.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


@given(seat=st.integers(-3, 200), shown=st.integers(0, 99))
def test_a_free_never_seats_anybody(seat: int, shown: int) -> None:
    try:
        seating = free(PLAN, ALL, QUIET, ADMIN, position="devops", seat=seat, shown=shown)
    except Rejected:
        return
    assert seating is None or seating.sits is None
