"""The hand on the rollback: exactly one person at a time has it, and hands it over to somebody who takes it.

It says who presses first when nobody should have to ask. It gives nobody a right and takes none away: everybody who may
roll back can, whoever has the hand on it.
"""

from dataclasses import dataclass
from datetime import datetime

from app.domain.errors import Rejected
from app.domain.plan import Plan
from app.domain.roster import Roster


@dataclass(frozen=True, slots=True)
class Held:
    """What is recorded. All None: nobody has taken it up yet."""

    person_id: int | None = None
    since: datetime | None = None
    offered_to: int | None = None
    offered_by: int | None = None
    offered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hand:
    """Who has it now. `person_id` None: nobody on the roster may roll back. `since` None: by the plan, without a
    handover. `offered_to` is set only while that person may roll back."""

    person_id: int | None
    name: str
    since: datetime | None
    offered_to: int | None = None
    offered_name: str = ""
    offered_at: datetime | None = None


def able(plan: Plan, roster: Roster) -> dict[int, str]:
    """Who on the roster may roll back, by person, in the order in which the hand falls to them: whoever leads the
    rollback comes first, then the others as the plan has them, deputies after the seats."""
    leads = next((phase.lead for phase in plan.phases if phase.kind == "rollback"), plan.production.lead)
    may = [place.key for place in plan.positions if "rollback" in place.capabilities]
    order = [*(key for key in leads if key in may), *(key for key in may if key not in leads)]
    sitting = sorted(
        (s for s in roster if s.position in may and not s.is_disabled),
        key=lambda s: (order.index(s.position), s.is_deputy, s.seat),
    )
    found: dict[int, str] = {}
    for sitter in sitting:
        found.setdefault(sitter.person_id, sitter.name)
    return found


def hand_of(plan: Plan, roster: Roster, held: Held) -> Hand:
    """Who has the hand: whoever took it, as long as they may roll back; else it falls back by the plan."""
    people = able(plan, roster)
    first = next(iter(people), None)
    is_held = held.person_id is not None and held.person_id in people
    person_id, since = (held.person_id, held.since) if is_held else (first, None)
    # An offer of somebody who lost the hand meanwhile, or to somebody who may no longer roll back, is void.
    is_open = held.offered_to in people and held.offered_by == person_id and held.offered_to != person_id
    name = people.get(person_id, "") if person_id is not None else ""
    if not is_open or held.offered_to is None:
        return Hand(person_id, name, since)
    return Hand(person_id, name, since, held.offered_to, people[held.offered_to], held.offered_at)


def check_offer(plan: Plan, roster: Roster, hand: Hand, by: int, to: int) -> None:
    """Whether `by` may offer the hand to `to`. Raises Rejected."""
    if hand.person_id != by:
        who = f"{hand.name} has" if hand.name else "Nobody has"
        raise Rejected(f"{who} the hand on the rollback. Nothing was offered.", conflict=True, code="custody")
    if to == by:
        raise Rejected("You have it already. Nothing was offered.", code="person")
    if to not in able(plan, roster):
        raise Rejected(
            "This person can't roll back. Nothing was offered.",
            remedy="Choose somebody whose position may roll back.",
            code="person",
        )


def check_answer(hand: Hand, by: int) -> None:
    """Whether `by` may accept or decline: the offer must be to them, and still stand. Raises Rejected."""
    if hand.offered_to != by:
        raise Rejected(
            f"Nothing is offered to you (any more): {hand.name or 'nobody'} has the hand on the rollback.",
            remedy="Ask for another offer.",
            conflict=True,
            code="custody",
        )


def check_withdraw(hand: Hand, by: int) -> None:
    """Whether `by` may take an offer back. Raises Rejected."""
    if hand.person_id != by or hand.offered_to is None:
        raise Rejected("No offer of yours stands. Nothing was changed.", conflict=True, code="custody")
