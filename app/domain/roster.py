"""Who sits where: what may be changed on a deployment's roster, and what a change means for the rollback right."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.domain.deployments import State
from app.domain.errors import Rejected, Stale
from app.domain.plan import Plan, Position
from app.domain.signoff_words import in_sentence, listed, possessive

MOST = 20
"""Seats and deputies of one position at most."""
NEW_DEPUTY = 0
"""In place of a seat's number: one more deputy of the position."""
NOBODY = 0
"""In place of a person's id: the page showed the seat as empty."""

_MOVING = (State.SWITCHING, State.ROLLING_BACK)


@dataclass(frozen=True, slots=True)
class Sitter:
    """A person on a seat. Deputies have the numbers beyond the position's own seats, and its rights."""

    position: str
    seat: int
    person_id: int
    name: str
    is_deputy: bool = False
    is_disabled: bool = False


Roster = Sequence[Sitter]


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody with an account, who may be put on a seat."""

    person_id: int
    name: str
    is_disabled: bool = False


@dataclass(frozen=True, slots=True)
class Changer:
    """Who changes the roster: an administrator, or somebody with a seat."""

    person_id: int
    is_admin: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """What of the deployment bears on a change. `can_roll_back` are the people whose rollback grant stands now, without
    disabled accounts."""

    state: State
    is_armed: bool
    can_roll_back: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Seating:
    """A decided change: who sits down, who gets up (also from the deputy's place that a person leaves for the seat),
    who gets a rollback grant at once and whose grant ends."""

    position: Position
    seat: int
    sits: Sitter | None
    gets_up: tuple[Sitter, ...]
    granted: frozenset[int]
    revoked: frozenset[int]


def take(
    plan: Plan,
    roster: Roster,
    standing: Standing,
    changer: Changer,
    *,
    position: str,
    seat: int,
    person: Candidate,
    shown: int,
) -> Seating | None:
    """Put `person` on a seat, in place of whoever sits there. `shown` is the person the changer's page showed on it.

    None if the person sits there already: the same press, sent twice. Raises Rejected for a seat that is not there, a
    page that showed somebody else, a disabled account, a second seat of the position, one's own seat, or where
    somebody would lose a seat while traffic moves.
    """
    _is_open(standing)
    place = _position(plan, position)
    holder = _holder(roster, position, seat)
    if holder is not None and holder.person_id == person.person_id:
        return None
    number = _number(place, roster, seat, holder)
    _is_current(holder, shown, place)
    if person.is_disabled:
        raise Rejected(
            f"{possessive(person.name)} account is disabled. Nobody was seated.",
            remedy="An administrator can enable it on the page People; or choose somebody else.",
            code="disabled",
        )
    other = next((s for s in roster if s.position == position and s.person_id == person.person_id), None)
    moves_up = other is not None and other.is_deputy and number <= place.seats
    if other is not None and not moves_up:
        raise Rejected(
            f"{person.name} sits on {in_sentence(place.title)} already. Nobody was seated.",
            remedy="Free that seat first, or choose somebody else.",
            code="already",
        )
    gets_up = tuple(sitter for sitter in (holder, other) if sitter is not None)
    _not_oneself(changer, {person.person_id, *(sitter.person_id for sitter in gets_up)})
    sits = Sitter(position, number, person.person_id, person.name, is_deputy=number > place.seats)
    return _consequences(plan, roster, standing, Seating(place, number, sits, gets_up, frozenset(), frozenset()))


def free(
    plan: Plan, roster: Roster, standing: Standing, changer: Changer, *, position: str, seat: int, shown: int
) -> Seating | None:
    """Leave a seat empty, or take a deputy off. None if it is empty already and the page showed who left.

    Raises Rejected as `take` does, and for the last person who can roll back.
    """
    _is_open(standing)
    place = _position(plan, position)
    holder = _holder(roster, position, seat)
    if holder is None:
        return None
    _is_current(holder, shown, place)
    _not_oneself(changer, {holder.person_id})
    return _consequences(plan, roster, standing, Seating(place, seat, None, (holder,), frozenset(), frozenset()))


def _consequences(plan: Plan, roster: Roster, standing: Standing, seating: Seating) -> Seating:
    """The change with what it does to rollback grants. Raises Rejected where somebody must not lose the seat now."""
    after = [s for s in roster if s not in seating.gets_up] + ([seating.sits] if seating.sits else [])
    leaving = [s for s in seating.gets_up if seating.sits is None or s.person_id != seating.sits.person_id]
    if leaving and standing.state in _MOVING:
        raise Rejected(
            f"Traffic is moving: until it has arrived, {leaving[0].name} keeps the seat. Nothing was changed.",
            remedy="A deputy can be added at once, and has the same rights.",
            conflict=True,
            code="moving",
        )
    if not standing.is_armed:
        return seating
    rolls_back = {place.key for place in plan.positions if "rollback" in place.capabilities}
    keep = {sitter.person_id for sitter in after if sitter.position in rolls_back}
    revoked = frozenset(
        s.person_id for s in leaving if s.person_id in standing.can_roll_back and s.person_id not in keep
    )
    sits = seating.sits
    granted = frozenset({sits.person_id} if sits and sits.position in rolls_back else ()) - standing.can_roll_back
    if revoked and not (standing.can_roll_back | granted) - revoked:
        raise Rejected(
            f"{leaving[0].name} is the last person who can roll back. Nothing was changed.",
            remedy="Put somebody else on the seat, or add a deputy first: they can roll back at once.",
            code="last_rollback",
        )
    return replace(seating, granted=granted, revoked=revoked)


def _is_open(standing: Standing) -> None:
    if standing.state is State.ABORTED:
        raise Rejected("This deployment was aborted; its roster stays as it was.", conflict=True, code="state")


def _position(plan: Plan, key: str) -> Position:
    found = next((position for position in plan.positions if position.key == key), None)
    if found is None:
        raise Rejected("The plan has no such position. Nobody was seated.", code="position")
    return found


def _holder(roster: Roster, position: str, seat: int) -> Sitter | None:
    return next((s for s in roster if s.position == position and s.seat == seat), None)


def _number(place: Position, roster: Roster, seat: int, holder: Sitter | None) -> int:
    """The seat's number; for a new deputy, the next free one beyond the position's own seats."""
    if seat != NEW_DEPUTY:
        if holder is None and not 1 <= seat <= place.seats:
            raise Rejected(
                f"{place.title} has no seat {seat} any more. Nobody was seated.",
                remedy="Load the page again; it shows the seats there are.",
                conflict=True,
                code="seat",
            )
        return seat
    taken = {s.seat for s in roster if s.position == place.key}
    number = next(n for n in range(place.seats + 1, MOST + 2) if n not in taken)
    if number > MOST:
        raise Rejected(f"{place.title} has {MOST} people already, the most there can be.", code="full")
    return number


def _is_current(holder: Sitter | None, shown: int, place: Position) -> None:
    if shown == (holder.person_id if holder else NOBODY):
        return
    who = f"{holder.name} sits" if holder else "nobody sits"
    raise Stale(
        f"This page showed somebody else: {who} on this seat of {in_sentence(place.title)} now. Nothing was changed.",
        remedy="Look at the seat again, then repeat what you did.",
    )


def _not_oneself(changer: Changer, people: set[int]) -> None:
    """Nobody gives rights to themselves: only who runs the installation may, and the log tells it."""
    if not changer.is_admin and changer.person_id in people:
        raise Rejected(
            "Nobody changes their own seat. Nothing was changed.",
            remedy="Ask an administrator, or a colleague who may change the roster.",
            code="self",
        )


# ── what a roster lacks ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that will hold the day up, in a sentence. `position` is the empty seat's, or empty where it is about
    something else; `why` is one more sentence."""

    text: str
    position: str = ""
    why: str = ""


_NEEDED = (
    ("proceed", "proceeds", "nobody can proceed"),
    ("arm", "arms", "nobody can arm the switch"),
    ("switch", "switches", "nobody can switch"),
    ("rollback", "rolls back", "nobody can roll back"),
)


def concerns(plan: Plan, roster: Roster) -> tuple[Concern, ...]:
    """What keeps this roster from a day without a stop: signing positions without anybody, people who sign off on two,
    rights that nobody holds."""
    able = [sitter for sitter in roster if not sitter.is_disabled]
    seated = {sitter.position for sitter in able}
    gate = plan.production.signoffs
    asked = [question.position for question in gate.questions] if gate else []
    found = [
        Concern(f"Nobody sits on {in_sentence(plan.position(key).title)}, who signs off", key, "The gate cannot pass.")
        for key in asked
        if key not in seated
    ]
    found += [_twice(plan, sitter, able, asked) for sitter in _first_of_many(able, asked)]
    held = {capability for key in seated for capability in plan.position(key).capabilities}
    wanted = {capability for position in plan.positions for capability in position.capabilities}
    found += [
        Concern(f"Nobody sits on a position that {verb}", why=f"{then[:1].upper()}{then[1:]}.")
        for capability, verb, then in _NEEDED
        if capability in wanted and capability not in held
    ]
    return tuple(found)


def _first_of_many(able: Roster, asked: Sequence[str]) -> list[Sitter]:
    """One line for each person with seats on more than one signing position."""
    signing = [sitter for sitter in able if sitter.position in asked]
    first = {sitter.person_id: sitter for sitter in reversed(signing)}
    return [s for key, s in first.items() if len({o.position for o in signing if o.person_id == key}) > 1]


def _twice(plan: Plan, sitter: Sitter, able: Roster, asked: Sequence[str]) -> Concern:
    keys = {other.position for other in able if other.person_id == sitter.person_id}
    titles = [in_sentence(plan.position(key).title) for key in asked if key in keys]
    return Concern(
        f"{sitter.name} sits on {listed(titles)}",
        why=f"The sign-offs come from different people: only one of these can be {possessive(sitter.name)}.",
    )
