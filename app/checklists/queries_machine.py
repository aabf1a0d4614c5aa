"""What machines know about checklist items: facts that the workers left in the database, and the answers from them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.checklists.queries_presence import finding_of, presence_now
from app.checklists.views import Facts, Finding, SideFact
from app.db.tables import ChannelCheck, Deployment, Person, RosterSeat, TargetState
from app.domain.metrics import Verdict
from app.domain.plan import Plan
from app.metrics.queries import latest

HEALTH_LIMIT = timedelta(seconds=15)
"""A health check older than this proves nothing (design.md, "Moving traffic")."""

LOOKED_LIMIT = timedelta(minutes=5)
"""What a worker found at a dashboard's address longer ago proves nothing."""

NO_FACT = SideFact(None, "", None)


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
        team=await presence_now(session, deployment, plan, now),
        now=now,
        found=await _asked_for(session, deployment, plan, now),
    )


async def _asked_for(session: AsyncSession, deployment: Deployment, plan: Plan, now: datetime) -> dict[str, Finding]:
    """Answers to the checks that this plan asks for and that need a look of their own."""
    asked = {item.check for checklist in plan.checklists for item in checklist.items}
    found: dict[str, Finding] = {}
    if "escalation_known" in asked:
        found["escalation_known"] = escalation_known(plan)
    if "contacts_known" in asked:
        found["contacts_known"] = contacts_known(await _phones(session, deployment.id))
    if "dashboards_reachable" in asked:
        rows = await session.scalars(select(ChannelCheck).where(ChannelCheck.deployment_id == deployment.id))
        found["dashboards_reachable"] = dashboards_reachable(plan, {row.channel: row for row in rows}, now)
    return found


async def _phones(session: AsyncSession, deployment_id: int) -> dict[str, bool]:
    """Everybody on the roster by name, and whether a telephone number is known."""
    rows = await session.execute(
        select(Person.name, Person.phone)
        .join(RosterSeat, RosterSeat.person_id == Person.id)
        .where(RosterSeat.deployment_id == deployment_id)
        .order_by(RosterSeat.id)
    )
    return {name: bool(phone) for name, phone in rows}


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
            return finding_of(facts.team)
        case _ if check in facts.found:
            return facts.found[check]
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


def escalation_known(plan: Plan) -> Finding:
    """Whether every contact of the plan can be called."""
    if not plan.contacts:
        return Finding("no", "the plan names nobody to escalate to")
    silent = [contact.title for contact in plan.contacts if not contact.phone]
    if silent:
        return Finding("no", f"no number in the plan: {_some(silent)}")
    return Finding("yes", ", ".join(f"{contact.title} {contact.phone}" for contact in plan.contacts))


def contacts_known(phones: Mapping[str, bool]) -> Finding:
    if not phones:
        return Finding("unknown", "nobody is on the roster")
    missing = [name for name, is_known in phones.items() if not is_known]
    known = f"{len(phones) - len(missing)} of {len(phones)} numbers known"
    return Finding("no", f"{known}; missing: {_some(missing)}") if missing else Finding("yes", known)


def dashboards_reachable(plan: Plan, checks: Mapping[str, ChannelCheck], now: datetime) -> Finding:
    """What a worker found at the addresses of the plan's dashboards; without an address there is nothing to look at."""
    dashboards = [channel for channel in plan.channels if channel.kind == "dashboard"]
    linked = [channel for channel in dashboards if channel.address.startswith("https://")]
    if not linked:
        words = f"none of {len(dashboards)} dashboards has an address" if dashboards else "the plan names no dashboard"
        return Finding("no", words)
    found = {channel.key: row for channel in linked if (row := checks.get(channel.key)) is not None}
    if len(found) < len(linked) or any(now - row.at > LOOKED_LIMIT for row in found.values()):
        return Finding("unknown", "not looked at lately", min((row.at for row in found.values()), default=None))
    at = min(row.at for row in found.values())
    silent = [
        f"{channel.title} ({found[channel.key].found})" for channel in linked if found[channel.key].state != "yes"
    ]
    without = len(dashboards) - len(linked)
    also = f"; {without} without an address" if without else ""
    reached = f"{len(linked) - len(silent)} of {len(dashboards)} answer"
    if silent:
        return Finding("no", f"{reached}; silent: {_some(silent)}{also}", at)
    return Finding("no" if without else "yes", reached + also, at)


def _some(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
