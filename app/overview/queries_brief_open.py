"""What the briefing says of open matters, of what the day has cost so far, and of what follows."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import BreakGlass, Deployment, Operation, Person, RosterSeat
from app.decisions.queries import open_decision
from app.decisions.queries_clock import due_at
from app.domain.deployments import State
from app.domain.operations import Kind
from app.domain.plan import Plan
from app.domain.plan_people import whom_to_call
from app.domain.signoff_words import in_sentence
from app.domain.triggers import Stage
from app.freeze.queries import freeze_line
from app.incidents.queries import open_incidents
from app.overview.mission import newest_operation
from app.overview.views import CustomersPanel
from app.overview.views_brief import BriefLine, BriefMark
from app.phases.views import PhaseLine
from app.timeline.queries_probes import dark_seconds
from app.traffic.queries_break_glass import unacknowledged
from app.triggers.queries import alarms
from app.web.access import Scope
from app.web.figures import SPACE, hm, hms, percent, thousands, took, within

_WORSE: tuple[BriefMark, ...] = ("crit", "warn", "hold", "unknown", "run", "wait", "ok")
_AHEAD = 2
"""So many of the phases that have a time are named."""


def rank(mark: BriefMark) -> int:
    """0 is the worst."""
    return _WORSE.index(mark)


async def matters_of(
    session: AsyncSession, scope: Scope, deployment: Deployment, reports: int, now: datetime
) -> tuple[BriefLine, ...]:
    """Everything that waits for somebody's decision or stands in the way, the worst first."""
    found = [
        *await _of_traffic(session, scope, deployment, now),
        *await _of_people(session, scope, deployment, now),
        *await _of_others(session, scope, deployment, reports, now),
    ]
    return tuple(sorted(found, key=lambda each: rank(each.mark)))


async def _of_traffic(session: AsyncSession, scope: Scope, deployment: Deployment, now: datetime) -> list[BriefLine]:
    """A way back that is not confirmed or was taken without the product, and a limit that may cause one."""
    plan, zone, base = scope.plan, scope.plan.timezone, f"/d/{scope.id}"
    found: list[BriefLine] = []
    operation = await newest_operation(session, deployment)
    if operation is not None and operation.escalated_at is not None:
        note = f"{operation.reason.rstrip('.')}. {whom_to_call(plan)} is called."
        found.append(BriefLine("crit", "The way back is not confirmed", note, f"{base}/switch"))
    for run in await unacknowledged(session, deployment.id):
        text = "The emergency way back was used from a machine"
        found.append(BriefLine("crit", text, f"{run.who}, at {hm(run.started_at, zone)}.", f"{base}/switch"))
    for each in (await alarms(session, deployment, plan, now))[:1]:
        fires, note = each.found.fires_at, "A way back is considered."
        if fires:
            is_held = each.stage is Stage.HELD
            what = "Taking it back by itself is held until" if is_held else "The new version is taken back by itself at"
            note = f"{what} {hms(fires, zone)}."
        found.append(BriefLine("crit", f"A limit is exceeded: {within(each.trigger.title)}", note, f"{base}/triggers"))
    return found


async def _of_people(session: AsyncSession, scope: Scope, deployment: Deployment, now: datetime) -> list[BriefLine]:
    """What the team is asked: incidents and the open decision."""
    plan, zone, base = scope.plan, scope.plan.timezone, f"/d/{scope.id}"
    found: list[BriefLine] = []
    for incident in await open_incidents(session, deployment, plan, now):
        until, row = incident.asked.until, incident.row
        who = f"{incident.who} decides by {hms(until, zone)}" if until else f"Nobody decided: call {whom_to_call(plan)}"
        mark: BriefMark = "crit" if incident.is_critical else "warn"
        note = f"Raised by {row.raised_by} at {hm(row.raised_at, zone)}. {who}."
        found.append(BriefLine(mark, row.title, note, f"{base}/incidents"))
    decision, _ = await open_decision(session, deployment, plan, now)
    if decision is not None:
        by = f" until {hms(decision.until, zone)}" if decision.until else ""
        text = f"The decision after {decision.minute} minutes is open"
        note = f"“{decision.question}” {decision.asked} is asked{by}."
        found.append(BriefLine("warn" if decision.until else "crit", text, note, f"{base}/decisions"))
    return found


async def _of_others(
    session: AsyncSession, scope: Scope, deployment: Deployment, reports: int, now: datetime
) -> list[BriefLine]:
    zone, base = scope.plan.timezone, f"/d/{scope.id}"
    found: list[BriefLine] = []
    if reports:
        what = "report of customers waits" if reports == 1 else "reports of customers wait"
        found.append(BriefLine("warn", f"{reports} {what} for an answer", "", f"{base}/incidents"))
    frozen = await freeze_line(session, deployment.id, now)
    if frozen is not None and frozen.patches:
        what = "change waits" if frozen.patches == 1 else "changes wait"
        note = f"Nothing else is changed until {hm(frozen.until, zone)}."
        found.append(BriefLine("warn", f"{frozen.patches} urgent {what} for a yes", note, f"{base}/freeze"))
    if State(deployment.state) is State.ON_HOLD:
        found.append(BriefLine("hold", "The day is on hold", deployment.hold_reason, f"{base}/board"))
    return found


# ── what it costs, and what follows ───────────────────────────────────────────────────────────────────────────────


async def costs_of(
    session: AsyncSession, deployment: Deployment, panel: CustomersPanel, lines: tuple[PhaseLine, ...]
) -> tuple[tuple[str, str], ...]:
    """What the day has cost so far, as it was measured."""
    rows = [(f"Phase {line.number} took longer", line.span.over) for line in lines if line.span.over]
    if deployment.switched_at is not None:
        dark = await dark_seconds(session, deployment.target, deployment.switched_at)
        rows.append(("Time without any answer since the change", took(dark) if dark else f"0{SPACE}s"))
        if panel.since_requests:
            rows.append(("Failed requests", percent(100 * (panel.since_failed or 0) / panel.since_requests)))
    back = Operation.kind == Kind.ROLLBACK.value
    taken = select(func.count()).select_from(Operation).where(Operation.deployment_id == deployment.id, back)
    glass = select(func.count()).select_from(BreakGlass).where(BreakGlass.deployment_id == deployment.id)
    backs = int(await session.scalar(taken) or 0) + int(await session.scalar(glass) or 0)
    rows.append(("Times the old version was taken back", thousands(backs)))
    if deployment.attempt > 1:
        rows.append(("Attempts", thousands(deployment.attempt)))
    return tuple(rows)


def follows_of(
    deployment: Deployment, plan: Plan, lines: tuple[PhaseLine, ...], now: datetime
) -> tuple[tuple[str, str], ...]:
    """What comes next and when, as it is planned."""
    zone, rows = plan.timezone, []
    state = State(deployment.state)
    if state is State.SWITCHED:
        for point in plan.production.decisions:
            due = due_at(deployment, point.minute, now)
            if due is not None and due > now:
                who = in_sentence(plan.position(point.position).title)
                rows.append((hm(due, zone), f"“{point.question}” The {who} decides."))
                break
    if state is State.ABORTED:
        return ()
    ahead = [line for line in lines if line.mark == "wait" and line.span.planned]
    rows += [(line.span.planned, f"Phase {line.number}: {in_sentence(line.title)}") for line in ahead[:_AHEAD]]
    later = [line for line in lines if line.mark == "wait" and not line.span.planned]
    rows += [
        ("Then", f"Phase {line.number}: {in_sentence(line.title)} ({line.span.planned_for})")
        for line in later
        if plan.phase(line.key).kind != "rollback"
    ]
    return tuple(rows)


async def whom_to_ask(session: AsyncSession, deployment_id: int, plan: Plan) -> tuple[tuple[str, str], ...]:
    """Who answers executives' questions, and whom the team escalates to."""
    speaks = [place for place in plan.positions if "communicate" in place.capabilities]
    rows = await session.execute(
        select(RosterSeat.position, Person.name, Person.phone)
        .join(Person, Person.id == RosterSeat.person_id)
        .where(RosterSeat.deployment_id == deployment_id, RosterSeat.position.in_([place.key for place in speaks]))
        .order_by(RosterSeat.is_deputy, RosterSeat.seat)
    )
    titles = {place.key: place.title for place in speaks}
    found = [
        (titles[key] if name == titles[key] else f"{name}, {in_sentence(titles[key])}", phone)
        for key, name, phone in rows
    ]
    return (*found, *((each.title, each.phone) for each in plan.contacts))
