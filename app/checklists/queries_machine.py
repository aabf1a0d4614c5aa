"""What machines know about checklist items: facts that the workers left in the database, and the answers from them."""

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.checklists.views import Facts, Finding, SideFact, TeamFact
from app.db.tables import Deployment, Person, RosterSeat, TargetState, WebSession
from app.domain.metrics import Verdict
from app.domain.plan import Plan
from app.metrics.queries import latest

HEALTH_LIMIT = timedelta(seconds=15)
"""A health check older than this proves nothing (design.md, "Moving traffic")."""

SEEN_LIMIT = timedelta(minutes=10)
"""Who has not asked for any page for this long is not counted as present."""

NO_FACT = SideFact(None, "", None)


async def team_of(session: AsyncSession, deployment: Deployment, plan: Plan, now: datetime) -> TeamFact:
    """Who of the expected seats was seen lately: by the seat's own mark, or by a request of the person's browser."""
    expected = {position.key for position in plan.positions if set(position.capabilities) - {"observe"}}
    rows = await session.execute(
        select(RosterSeat.position, Person.name, func.greatest(RosterSeat.seen_at, func.max(WebSession.seen_at)))
        .join(Person, Person.id == RosterSeat.person_id)
        .outerjoin(WebSession, (WebSession.person_id == Person.id) & WebSession.ended_at.is_(None))
        .where(RosterSeat.deployment_id == deployment.id, RosterSeat.is_deputy.is_(False))
        .group_by(RosterSeat.id, Person.id)
        .order_by(RosterSeat.id)
    )
    seats = [(name, seen_at) for position, name, seen_at in rows if position in expected]
    absent = tuple(name for name, seen_at in seats if seen_at is None or now - seen_at > SEEN_LIMIT)
    return TeamFact(len(seats), absent)


async def facts_of(session: AsyncSession, deployment: Deployment, plan: Plan, now: datetime) -> Facts:
    """Everything the machine-checked items are answered from, as the workers last found it."""
    target = await session.get(TargetState, deployment.target)
    readings = await latest(session, deployment, plan, now)
    titles = {metric.key: metric.title for metric in plan.metrics}
    dark = [f"{titles[key]} of {side}" for (key, side), found in readings.items() if found.verdict is Verdict.UNKNOWN]
    moments = [found.at for found in readings.values() if found.at is not None]
    return Facts(
        blue=SideFact(target.blue_is_healthy, target.blue_found, target.blue_at) if target else NO_FACT,
        green=SideFact(target.green_is_healthy, target.green_found, target.green_at) if target else NO_FACT,
        metrics=len(readings),
        dark=tuple(dark),
        read_at=max(moments, default=None),
        team=await team_of(session, deployment, plan, now),
        now=now,
    )


def machine_item(check: str, facts: Facts) -> Finding:
    """The machine's answer to a checklist item (plan.ChecklistItem.check). What is old or missing is unknown."""
    match check:
        case "green_running":
            return _side(facts.green, facts.now)
        case "blue_running":
            return _side(facts.blue, facts.now)
        case "monitoring_live":
            return _monitoring(facts)
        case "team_present":
            return _team(facts.team)
        case _:
            return Finding("unknown", "no machine knows this check")


def _side(fact: SideFact, now: datetime) -> Finding:
    if fact.at is None or fact.is_healthy is None:
        return Finding("unknown", "no health check yet", fact.at)
    if now - fact.at > HEALTH_LIMIT:
        limit = round(HEALTH_LIMIT.total_seconds())
        return Finding("unknown", f"the last health check is older than {limit} s", fact.at)
    return Finding("yes" if fact.is_healthy else "no", fact.found or "health check answered", fact.at)


def _monitoring(facts: Facts) -> Finding:
    if facts.read_at is None:
        return Finding("unknown", "no reading yet")
    if not facts.dark:
        return Finding("yes", f"{facts.metrics} of {facts.metrics} metrics are live", facts.read_at)
    found = f"no fresh reading: {', '.join(facts.dark[:3])}"
    more = f" and {len(facts.dark) - 3} more" if len(facts.dark) > 3 else ""
    return Finding("unknown" if len(facts.dark) == facts.metrics else "no", found + more, facts.read_at)


def _team(team: TeamFact) -> Finding:
    if not team.expected:
        return Finding("unknown", "nobody is on the roster")
    if not team.absent:
        return Finding("yes", f"{team.expected} of {team.expected} present")
    more = f" and {len(team.absent) - 4} more" if len(team.absent) > 4 else ""
    return Finding("no", f"{team.present} of {team.expected} present; not seen: {', '.join(team.absent[:4])}{more}")
