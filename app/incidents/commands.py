"""Writes of incidents: raising, findings, the decision, and what silence does."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, Incident, IncidentFinding
from app.decisions.queries_back import WayBack, ways_back
from app.decisions.queries_words import asked_words, call_words, leader_title
from app.deployments.commands import database_now, lock
from app.domain.decisions import Answer, Rung, check_answer, climb
from app.domain.errors import Rejected
from app.domain.incidents import MOST_OPEN, Outcome, Severity, check_finding, check_room
from app.domain.plan import Plan
from app.domain.signoff_words import in_sentence, listed
from app.eventlog.log import SYSTEM, Entry, Topic, append
from app.eventlog.log import Severity as EventSeverity
from app.incidents.forms import DecideForm, FindingForm, RaiseForm
from app.incidents.queries import ladder, open_rows
from app.web.access import NotFound, Scope
from app.web.figures import age

TOPICS: tuple[Topic, ...] = ("incidents",)
OUTCOME_WORDS = {
    Outcome.NO_ACTION: "no action",
    Outcome.WATCH: "watch",
    Outcome.ESCALATE: "escalate",
    Outcome.ROLLBACK: "roll back",
}
_AS_ANSWER = {
    Outcome.NO_ACTION: Answer.CONTINUE,
    Outcome.WATCH: Answer.WATCH,
    Outcome.ESCALATE: Answer.ESCALATE,
    Outcome.ROLLBACK: Answer.ROLLBACK,
}


async def raise_incident(session: AsyncSession, scope: Scope, form: RaiseForm) -> Incident:
    """Something is wrong: everybody sees it, the plan's positions check, and the decision clock runs. The same press
    sent twice is one incident."""
    deployment = await lock(session, scope.id)
    if form.key:
        mine = (Incident.person_id == scope.viewer.person_id) & (Incident.key == form.key)
        known = await session.scalar(select(Incident).where(Incident.deployment_id == scope.id, mine))
        if known is not None:
            return known
    remedy = "Have those decided that are known; write what you see into the findings or the timeline."
    check_room(len(await open_rows(session, scope.id)), MOST_OPEN, "incidents", remedy)
    now = await database_now(session)
    row = Incident(
        deployment_id=deployment.id,
        attempt=deployment.attempt,
        title=form.title,
        severity=form.severity,
        raised_by=scope.who,
        person_id=scope.viewer.person_id,
        key=form.key,
        raised_at=now,
        rung=Rung.POSITION.value,
        rung_since=now,
    )
    session.add(row)
    await session.flush()
    plan = scope.plan
    checks = listed([f"{plan.position(check.position).title} {check.text}" for check in plan.incident_checks])
    severity: EventSeverity = "crit" if form.severity == Severity.CRITICAL.value else "warn"
    text = f"{scope.who} raised an incident: {form.title}"
    entry = Entry("incidents.raised", text, TOPICS, checks, severity, {"incident": row.id})
    await append(session, deployment.id, entry, scope.actor)
    return row


async def locked(session: AsyncSession, deployment_id: int, incident_id: int) -> Incident:
    """The incident's row, locked; taken after the deployment's. Raises NotFound."""
    statement = select(Incident).where(Incident.id == incident_id, Incident.deployment_id == deployment_id)
    statement = statement.with_for_update().execution_options(populate_existing=True)
    row = (await session.execute(statement)).scalar_one_or_none()
    if row is None:
        raise NotFound("There is no such incident.")
    return row


async def record_finding(session: AsyncSession, scope: Scope, incident_id: int, number: int, form: FindingForm) -> None:
    """What one of the plan's checks found, said by its position. Raises Rejected."""
    deployment = await lock(session, scope.id)
    row = await locked(session, scope.id, incident_id)
    known = None
    if 0 <= number < len(scope.plan.incident_checks):
        known = await session.get(IncidentFinding, (row.id, number))
    if known is not None and known.person_id == scope.viewer.person_id and known.text == form.finding:
        return
    already = f"{known.who} said already what was found" if known else ""
    check_finding(scope.plan, number, scope.positions, is_open=row.closed_at is None, already=already)
    now = await database_now(session)
    finding = IncidentFinding(incident_id=row.id, number=number, text=form.finding, who=scope.who, at=now)
    finding.person_id = scope.viewer.person_id
    session.add(finding)
    await session.flush()
    text = f"{scope.who} found: {form.finding}"
    entry = Entry("incidents.check.answered", text, TOPICS, row.title, payload={"incident": row.id, "check": number})
    await append(session, deployment.id, entry, scope.actor)


async def decide(session: AsyncSession, scope: Scope, incident_id: int, form: DecideForm) -> Incident:
    """The decision, with its reason; escalating leaves the incident open. The same press sent twice is one decision.

    Raises Rejected where somebody else decided before (naming who), or this person is not asked (yet).
    """
    deployment = await lock(session, scope.id)
    row = await locked(session, scope.id, incident_id)
    key = f"{scope.viewer.person_id}:{form.key}"[:64] if form.key else ""
    if key and row.decided_key == key:
        return row
    now = await database_now(session)
    if row.closed_at is not None:
        ago, said = age((now - row.closed_at).total_seconds()), OUTCOME_WORDS[Outcome(row.outcome)]
        raise Rejected(
            f"{row.decided_by} decided {ago} ago: {said}. Nothing was recorded twice.", conflict=True, code="answered"
        )
    outcome, plan = Outcome(form.outcome), scope.plan
    decider, steps = await ladder(session, scope.id, plan)
    asked = climb(steps, Rung(row.rung), row.rung_since, now)
    titles = (plan.position(decider.position).title, leader_title(plan))
    check_answer(steps, asked, scope.viewer.person_id, _AS_ANSWER[outcome], titles)
    row.decided_key = key
    payload = {"incident": row.id, "outcome": outcome.value}
    if outcome is Outcome.ESCALATE:
        row.rung, row.rung_since, row.escalated_by = Rung.EVERYBODY.value, now, scope.who
        text = f"{scope.who} escalated the incident “{row.title}”: call {call_words(plan)}"
        entry = Entry("incidents.escalated", text, TOPICS, form.reason, "crit", payload)
    else:
        row.outcome, row.reason, row.decided_by, row.closed_at = outcome.value, form.reason, scope.who, now
        text = f"{scope.who} closed the incident “{row.title}”: {OUTCOME_WORDS[outcome]}"
        severity: EventSeverity = "warn" if outcome is Outcome.WATCH else "normal"
        entry = Entry("incidents.decided", text, TOPICS, form.reason, severity, payload)
    await session.flush()
    await append(session, deployment.id, entry, scope.actor)
    return row


# ── the clock ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def follow(session: AsyncSession, deployment_id: int, plan: Plan) -> int:
    """Record what time alone has done to the open incidents: silence escalates, a rollback ends them, also one that
    break-glass did. Returns how many changed."""
    if not await _stale(session, deployment_id, plan, await database_now(session)):
        return 0
    deployment = await lock(session, deployment_id)
    now = await database_now(session)
    changed = await _stale(session, deployment_id, plan, now)
    for row, back in changed:
        if back is not None:
            await _end_by_rollback(session, deployment, row, back)
        else:
            await _climb(session, deployment, plan, row, now)
    return len(changed)


async def _stale(
    session: AsyncSession, deployment_id: int, plan: Plan, now: datetime
) -> list[tuple[Incident, WayBack | None]]:
    """Open incidents whose rows say less than is true now, each with the rollback that ends it, if one began."""
    rows = await open_rows(session, deployment_id)
    if not rows:
        return []
    _, steps = await ladder(session, deployment_id, plan)
    known = await ways_back(session, deployment_id, min(row.raised_at for row in rows))
    found = [(row, next((back for back in known if back.at >= row.raised_at), None)) for row in rows]
    return [
        (row, back)
        for row, back in found
        if back is not None or climb(steps, Rung(row.rung), row.rung_since, now).rung > row.rung
    ]


async def _end_by_rollback(session: AsyncSession, deployment: Deployment, row: Incident, back: WayBack) -> None:
    row.outcome, row.decided_by, row.reason = Outcome.ROLLBACK.value, back.who[:160], back.cause
    row.closed_at = back.at
    await session.flush()
    text = f"The incident “{row.title}” ended in a rollback by {back.who}"
    payload = {"incident": row.id, "outcome": Outcome.ROLLBACK.value}
    await append(session, deployment.id, Entry("incidents.decided", text, TOPICS, back.cause, "warn", payload), SYSTEM)


async def _climb(session: AsyncSession, deployment: Deployment, plan: Plan, row: Incident, now: datetime) -> None:
    decider, steps = await ladder(session, deployment.id, plan)
    asked = climb(steps, Rung(row.rung), row.rung_since, now)
    row.rung, row.rung_since = asked.rung.value, asked.since
    await session.flush()
    text = f"Nobody has decided on “{row.title}” after {age((now - row.raised_at).total_seconds())}: "
    severity: EventSeverity = "warn"
    if asked.rung is Rung.EVERYBODY:
        text, severity = f"{text}call {call_words(plan)}", "crit"
    else:
        text += f"{in_sentence(asked_words(plan, decider.position, asked.rung))} is asked"
    payload = {"incident": row.id, "rung": asked.rung.value}
    await append(
        session, deployment.id, Entry("incidents.escalated", text, TOPICS, "silence", severity, payload), SYSTEM
    )
