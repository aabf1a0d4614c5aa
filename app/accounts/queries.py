"""Reads of the account pages."""

from collections import defaultdict
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import passwords
from app.accounts.queries_words import people_words, tokens_words
from app.accounts.views import PeopleView, PersonRow, SeatChoice, SeatGroup, TokenRow, TokensView
from app.db.tables import ApiToken, Deployment, Person, PlanVersion, RosterSeat, WebSession
from app.domain.plan import Plan, Position
from app.web.access import Viewer, capabilities_of, plan_of

_GROUPS = ("They sign off", "They work with them", "They look on", "Without a seat", "Runs the installation")
_WORDS = {
    "proceed": "proceeds",
    "arm": "arms",
    "switch": "switches",
    "rollback": "rolls back",
    "decide": "decides",
    "communicate": "informs",
    "check": "ticks checklists",
    "note": "writes notes",
}


async def seat_groups(session: AsyncSession) -> tuple[SeatGroup, ...]:
    """The persons of the newest deployment's roster, one a seat, those without one, and those who administer."""
    groups: dict[str, list[SeatChoice]] = defaultdict(list)
    newest = select(func.max(Deployment.id)).scalar_subquery()
    rows = await session.execute(
        select(RosterSeat, Person, PlanVersion)
        .join(Person, Person.id == RosterSeat.person_id)
        .join(Deployment, Deployment.id == RosterSeat.deployment_id)
        .join(PlanVersion, PlanVersion.id == Deployment.plan_version_id)
        .where(RosterSeat.deployment_id == newest, ~Person.is_disabled)
        .order_by(RosterSeat.is_deputy, RosterSeat.seat)
    )
    seated = rows.all()
    order = {p.key: i for i, p in enumerate(plan_of(seated[0][2]).positions)} if seated else {}
    for seat, person, version in sorted(seated, key=lambda row: order.get(row[0].position, len(order))):
        plan = plan_of(version)
        group, choice = _choice(plan, plan.position(seat.position), seat, person)
        groups[group].append(choice)
    others = await session.scalars(
        select(Person)
        .where(~Person.is_disabled, Person.id.not_in([person.id for _, person, _ in seated]))
        .order_by(Person.id)
    )
    for person in others:
        # Whoever was taken off the roster can still be chosen: one press away is where a rehearsal's people are.
        if person.is_admin:
            groups[_GROUPS[4]].append(SeatChoice(person.id, "Administrator", person.name, "people, tokens, roster"))
        else:
            groups[_GROUPS[3]].append(SeatChoice(person.id, person.name, person.name, "sees nothing until seated"))
    return tuple(SeatGroup(title, tuple(groups[title])) for title in _GROUPS if groups[title])


def rights_in_words(plan: Plan, position: Position, *, most: int = 3) -> str:
    """What a position may do: "signs off, arms, switches", at most so many beside the sign-off."""
    capabilities = capabilities_of(plan, frozenset({position.key}), is_admin=False)
    words = [word for key, word in _WORDS.items() if key in capabilities][:most]
    return ", ".join(["signs off", *words] if "sign_off" in capabilities else words) or "reads everything"


def _choice(plan: Plan, position: Position, seat: RosterSeat, person: Person) -> tuple[str, SeatChoice]:
    capabilities = capabilities_of(plan, frozenset({position.key}), is_admin=False)
    title = f"{position.title} {seat.seat}" if position.seats > 1 else position.title
    if seat.is_deputy:
        title = f"{position.title}, deputy"
    choice = SeatChoice(person.id, title, person.name, rights_in_words(plan, position))
    if "sign_off" in capabilities:
        return _GROUPS[0], choice
    return _GROUPS[1] if capabilities.intersection(_WORDS) else _GROUPS[2], choice


async def people(session: AsyncSession, viewer: Viewer) -> PeopleView:
    """Everybody with an account: active first, by name."""
    seats = select(RosterSeat.person_id, func.count().label("seats")).group_by(RosterSeat.person_id).subquery()
    seen = select(WebSession.person_id, func.max(WebSession.seen_at).label("at")).group_by(WebSession.person_id)
    last = seen.subquery()
    rows = await session.execute(
        select(Person, func.coalesce(seats.c.seats, 0), last.c.at)
        .outerjoin(seats, seats.c.person_id == Person.id)
        .outerjoin(last, last.c.person_id == Person.id)
        .order_by(Person.is_disabled, func.lower(Person.name), Person.id)
    )
    found = tuple(_person_row(person, count, at) for person, count, at in rows.all())
    return PeopleView(*people_words(found), found, viewer.person_id, viewer.now)


def _person_row(person: Person, seats: int, last_seen: datetime | None) -> PersonRow:
    if person.is_disabled:
        state = "disabled"
    elif person.password_hash is None:
        state = "none"
    else:
        state = "once" if passwords.is_for_once(person.password_hash) else "active"
    words = "no seat" if seats == 0 else "1 seat" if seats == 1 else f"{seats} seats"
    return PersonRow(person.id, person.name, person.login, person.is_admin, state, words, last_seen, person.phone)


async def tokens(session: AsyncSession, viewer: Viewer) -> TokensView:
    """All tokens, valid ones first, and the deployments a new one can be bound to."""
    rows = await session.execute(
        select(ApiToken, Deployment.title, Person.name)
        .outerjoin(Deployment, Deployment.id == ApiToken.deployment_id)
        .join(Person, Person.id == ApiToken.created_by)
        .order_by(ApiToken.revoked_at.is_not(None), ApiToken.expires_at.desc(), ApiToken.id)
        .limit(200)
    )
    found = tuple(_token_row(token, title, maker, viewer.now) for token, title, maker in rows)
    deployments = await session.execute(select(Deployment.id, Deployment.title).order_by(Deployment.id.desc()))
    choices = (("0", "All deployments"), *((str(key), f"{title} (number {key})") for key, title in deployments))
    return TokensView(*tokens_words(found, viewer.now), found, choices, viewer.now)


def _token_row(token: ApiToken, title: str | None, maker: str, now: datetime) -> TokenRow:
    state = "revoked" if token.revoked_at is not None else "expired" if token.expires_at <= now else "valid"
    where = "all deployments" if token.deployment_id is None else f"{title} (number {token.deployment_id})"
    return TokenRow(token.id, token.name, tuple(token.scopes), where, state, maker, token.expires_at, token.used_at)
