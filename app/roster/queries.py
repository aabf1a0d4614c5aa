"""Reads of a roster: the seats as the domain decides on them, and as pages show them."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.queries import rights_in_words
from app.db.tables import Deployment, Person, RosterSeat
from app.deployments.commands import database_now
from app.domain.deployments import State
from app.domain.plan import Plan, Position
from app.domain.presence import HERE, required_seats
from app.domain.roster import Concern, Roster, Sitter, concerns
from app.domain.signoff_words import in_sentence, listed, number_word
from app.eventlog.log import versions_of
from app.roster.views import Option, PositionRow, RosterView, SeatRow
from app.web.access import Scope

Rows = Sequence[tuple[RosterSeat, Person]]
_PAGES = {"board": "Go/no-go", "switch": "Switch", "wall": "Wall", "metrics": "Metrics", "timeline": "Timeline"}
_PAGES |= {
    "checklists": "Checklists",
    "plan": "Plan",
    "range": "Range",
    "home": "Home",
    "roster": "Roster",
    "phases": "Phases",
    "freeze": "Freeze",
    "brief": "Briefing",
    "decisions": "Decisions",
    "incidents": "Incidents",
    "triggers": "Triggers",
}


async def roster_of(session: AsyncSession, deployment_id: int) -> Roster:
    """Everybody on the roster, disabled accounts too: they keep the seat until somebody else is put on it."""
    return tuple(_sitter(seat, person) for seat, person in await _rows(session, deployment_id))


async def _rows(session: AsyncSession, deployment_id: int) -> list[tuple[RosterSeat, Person]]:
    statement = (
        select(RosterSeat, Person)
        .join(Person, Person.id == RosterSeat.person_id)
        .where(RosterSeat.deployment_id == deployment_id)
        .order_by(RosterSeat.is_deputy, RosterSeat.seat, RosterSeat.id)
        .execution_options(populate_existing=True)
    )
    return [(seat, person) for seat, person in await session.execute(statement)]


def _sitter(seat: RosterSeat, person: Person) -> Sitter:
    return Sitter(seat.position, seat.seat, person.id, person.name, seat.is_deputy, person.is_disabled)


# ── rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def seat_rows(session: AsyncSession, scope: Scope, now: datetime) -> tuple[SeatRow, ...]:
    """Every seat that somebody sits on, in the plan's order, deputies after the seats of their position."""
    order = {position.key: number for number, position in enumerate(scope.plan.positions)}
    found = sorted(await _rows(session, scope.id), key=lambda row: order.get(row[0].position, len(order)))
    return tuple(_seat_row(scope, seat, person, now) for seat, person in found)


def _seat_row(scope: Scope, seat: RosterSeat, person: Person, now: datetime) -> SeatRow:
    position = next((p for p in scope.plan.positions if p.key == seat.position), None)
    return SeatRow(
        key=seat_key(seat.position, seat.seat),
        title=seat_title(position, seat.seat) if position else seat.position,
        seat=seat.seat,
        name=person.name,
        login=person.login,
        phone=person.phone,
        person_id=person.id,
        is_you=person.id == scope.viewer.person_id,
        is_deputy=seat.is_deputy,
        is_disabled=person.is_disabled,
        is_here=seat.seen_at is not None and now - seat.seen_at <= HERE,
        seen_at=seat.seen_at,
        page=_PAGES.get(seat.seen_page, ""),
        arrived_at=seat.arrived_at if seat.arrived_attempt == scope.deployment.attempt else None,
    )


def seat_key(position: str, seat: int) -> str:
    """How a seat is named in ids: "devops-2"; "new-0" is the form for one more deputy."""
    return f"{position}-{seat}"


def seat_title(position: Position, seat: int) -> str:
    """ "DevOps 2", and "DevOps lead" where there is one seat, or for a deputy."""
    return f"{position.title} {seat}" if 1 < position.seats >= seat else position.title


async def is_expected(session: AsyncSession, scope: Scope, attempt: int) -> bool:
    """Whether this person is to say "I am here": a seat of somebody who works on the day, and not said yet."""
    if not scope.seats or not (scope.may("note") or scope.may("check")):
        return False
    mine = select(RosterSeat.id).where(
        RosterSeat.deployment_id == scope.id,
        RosterSeat.person_id == scope.viewer.person_id,
        RosterSeat.arrived_attempt.is_distinct_from(attempt),
    )
    return await session.scalar(mine.limit(1)) is not None


# ── the page ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def roster_view(session: AsyncSession, scope: Scope) -> RosterView:
    versions = await versions_of(session, scope.id)
    now = await database_now(session)
    deployment = await session.get_one(Deployment, scope.id, populate_existing=True)
    rows = await _rows(session, scope.id)
    lacking = concerns(scope.plan, [_sitter(seat, person) for seat, person in rows])
    positions = tuple(_position_row(scope, position, rows, lacking, now) for position in scope.plan.positions)
    may_change = bool(scope.capabilities & {"administer", "proceed"})
    here = len({row.person_id for position in positions for row in position.seats if row.is_here})
    locked = _locked(State(deployment.state))
    return RosterView(
        url=f"/d/{scope.id}/roster",
        headline=_headline(positions, lacking),
        lead=_lead(rows, here, lacking),
        positions=positions,
        concerns=(*(f"{lack.text}. {lack.why}" for lack in lacking), *_short_of(scope.plan, positions, lacking)),
        people=await _people(session, scope.plan, rows) if may_change else (),
        may_change=may_change,
        needs_step_up=may_change and not scope.viewer.is_stepped_up,
        is_admin=scope.viewer.is_admin,
        leads=_leads(scope.plan),
        locked=locked,
        is_over=State(deployment.state) is State.ABORTED,
        arrive_url=f"/d/{scope.id}/roster/arrive" if await is_expected(session, scope, deployment.attempt) else "",
        zone=scope.plan.timezone,
        now=now,
        versions=versions,
    )


def _position_row(
    scope: Scope,
    position: Position,
    rows: Rows,
    lacking: Sequence[Concern],
    now: datetime,
) -> PositionRow:
    mine = {seat.seat: _seat_row(scope, seat, person, now) for seat, person in rows if seat.position == position.key}
    own = [mine.get(number) or _empty(position, number) for number in range(1, position.seats + 1)]
    deputies = [mine[number] for number in sorted(mine) if number > position.seats]
    may = rights_in_words(scope.plan, position)
    is_required = required_seats(position) > 0
    concern = is_required or any(lack.position == position.key for lack in lacking)
    return PositionRow(position.key, position.title, may, (*own, *deputies), concern)


def _empty(position: Position, seat: int) -> SeatRow:
    return SeatRow(seat_key(position.key, seat), seat_title(position, seat), seat, name="")


def _short_of(plan: Plan, positions: Iterable[PositionRow], lacking: Sequence[Concern]) -> Iterator[str]:
    """Positions with fewer people than the plan requires, but for those that something worse is said of."""
    said = {lack.position for lack in lacking}
    for row in positions:
        required = required_seats(plan.position(row.key))
        seated = sum(not each.is_empty for each in row.seats)
        if seated < required and row.key not in said:
            yield f"{row.title}: {seated} of {required} seats are taken. The plan requires all to be there on the day."


def _headline(positions: Iterable[PositionRow], lacking: Sequence[Concern]) -> str:
    if lacking:
        return lacking[0].text
    empty = [row.title for position in positions for row in position.seats if row.is_empty]
    if len(empty) == 1:
        return f"One seat is empty: {in_sentence(empty[0])}"
    if empty:
        return f"{number_word(len(empty)).capitalize()} seats are empty, none that a sign-off needs"
    return "Every seat is taken"


def _lead(rows: Rows, here: int, lacking: Sequence[Concern]) -> str:
    people = {person.id for _, person in rows}
    why = f"{lacking[0].why} " if lacking else ""
    return f"{why}{len(people)} {'person' if len(people) == 1 else 'people'} on the roster, {here} of them here now."


def _locked(state: State) -> str:
    match state:
        case State.ABORTED:
            return "This deployment was aborted; its roster stays as it was."
        case State.SWITCHING | State.ROLLING_BACK:
            return "Traffic is moving: nobody loses a seat until it has arrived. Deputies can be added."
        case _:
            return ""


def _leads(plan: Plan) -> str:
    found = [p.title for p in plan.positions if {"proceed", "administer"} & set(p.capabilities)]
    return listed([*(in_sentence(title) for title in found), "an administrator"])


async def _people(session: AsyncSession, plan: Plan, rows: Rows) -> tuple[Option, ...]:
    """Everybody who can be seated, by name."""
    titles = {position.key: position for position in plan.positions}
    where: dict[int, list[str]] = {}
    for seat, person in rows:
        if seat.position in titles:
            word = ", deputy" if seat.is_deputy else ""
            where.setdefault(person.id, []).append(seat_title(titles[seat.position], seat.seat) + word)
    people = await session.scalars(select(Person).where(~Person.is_disabled).order_by(Person.name, Person.id))
    return tuple(Option(p.id, p.name, listed(where.get(p.id, [])) or "no seat") for p in people)
