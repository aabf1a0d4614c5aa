"""Who of the seats that the plan requires is there, from what pages and people have left in the database."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.checklists.views import Finding, SeatsLine
from app.db.tables import Deployment, Person, RosterSeat, WebSession
from app.domain.plan import Plan
from app.domain.presence import Chair, Gap, PositionNow, Presence, Why, presence_of
from app.domain.signoff_words import possessive
from app.web.figures import age

NAMED = 4
"""So many of those who are missing are named in the item's line; below it all are."""


async def presence_now(session: AsyncSession, deployment: Deployment, plan: Plan, now: datetime) -> Presence:
    """Seen is whoever's browser asked for anything; on a page, whose seat was marked by one of this deployment."""
    seen = func.greatest(RosterSeat.seen_at, func.max(WebSession.seen_at))
    rows = await session.execute(
        select(RosterSeat, Person, seen)
        .join(Person, Person.id == RosterSeat.person_id)
        .outerjoin(WebSession, (WebSession.person_id == Person.id) & WebSession.ended_at.is_(None))
        .where(RosterSeat.deployment_id == deployment.id)
        .group_by(RosterSeat.id, Person.id)
        .order_by(RosterSeat.is_deputy, RosterSeat.seat, RosterSeat.id)
        .execution_options(populate_existing=True)
    )
    chairs = [_chair(seat, person, seen_at, deployment.attempt) for seat, person, seen_at in rows]
    return presence_of(plan, chairs, now)


def _chair(seat: RosterSeat, person: Person, seen_at: datetime | None, attempt: int) -> Chair:
    return Chair(
        position=seat.position,
        seat=seat.seat,
        person_id=person.id,
        name=person.name,
        is_deputy=seat.is_deputy,
        is_disabled=person.is_disabled,
        seen_at=seen_at,
        page_at=seat.seen_at,
        arrived_at=seat.arrived_at if seat.arrived_attempt == attempt else None,
    )


def finding_of(team: Presence) -> Finding:
    """The machine's answer to "all team members are present"."""
    if not team.required:
        return Finding("unknown", "the plan requires nobody to be there")
    count = f"{team.present} of {team.required} required seats are there; {team.arrived} said “I am here”"
    if not team.gaps:
        return Finding("yes", count)
    more = f" and {len(team.gaps) - NAMED} more" if len(team.gaps) > NAMED else ""
    return Finding("no", f"{count}; missing: {', '.join(team.absent[:NAMED])}{more}")


def gap_words(gap: Gap) -> str:
    """ "Backend 2: nobody sits there", "DevOps 2: Emre Kaya was not seen for 12 min"."""
    who = f"{gap.seat}: {gap.name}" if gap.name != gap.seat else gap.seat
    match gap.why:
        case Why.EMPTY:
            return f"{gap.seat}: nobody sits there"
        case Why.DISABLED:
            return f"{gap.seat}: {possessive(gap.name)} account is disabled"
        case Why.NEVER:
            return f"{who} was not seen yet"
        case Why.AWAY:
            return f"{who} was not seen for {age(gap.away.total_seconds() if gap.away else 0)}"


def seats_lines(team: Presence) -> tuple[SeatsLine, ...]:
    return tuple(_line(row) for row in team.positions)


def _line(row: PositionNow) -> SeatsLine:
    parts = [f"{row.required - len(row.gaps)} of {row.required} there", f"{row.on_page} on a page now"]
    if row.arrived:
        parts.append(f"{row.arrived} said “I am here”")
    return SeatsLine(row.key, row.title, ", ".join(parts), tuple(gap_words(gap) for gap in row.gaps))
