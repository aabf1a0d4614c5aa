"""The incidents page: what is open with its checks and its clock, what was closed, and the form that raises one."""

from collections.abc import Sequence
from typing import Unpack

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, Incident, IncidentFinding
from app.decisions.queries_words import asked_words, call_words, calls_of, leader_title, then_words
from app.deployments.commands import database_now
from app.domain.decisions import Ladder, Rung
from app.domain.incidents import Outcome, Severity, decider_of
from app.domain.signoff_words import in_sentence, listed
from app.eventlog.log import versions_of
from app.incidents.commands import OUTCOME_WORDS
from app.incidents.queries import Standing, ladder, open_incidents
from app.incidents.views import CheckRow, ClosedRow, IncidentCard, IncidentsView, Mark, RaiseSent, RaiseView
from app.web.access import Scope
from app.web.figures import plain, took

CLOSED = 50


async def incidents_view(session: AsyncSession, scope: Scope) -> IncidentsView:
    versions = await versions_of(session, scope.id)
    now = await database_now(session)
    deployment = await session.get_one(Deployment, scope.id, populate_existing=True)
    found = await open_incidents(session, deployment, scope.plan, now)
    closed = await _closed(session, scope.id)
    findings = await _findings(session, [each.row.id for each in found] + [row.id for row in closed])
    _, steps = await ladder(session, scope.id, scope.plan)
    headline, advice = _headline(scope, found, len(closed))
    return IncidentsView(
        headline=headline,
        advice=advice,
        cards=tuple(_card(scope, each, findings.get(each.row.id, {}), steps) for each in found),
        closed=tuple(_closed_row(row, findings.get(row.id, {})) for row in closed),
        zone=scope.plan.timezone,
        now=now,
        versions=versions,
        url=f"/d/{scope.id}/incidents/_open",
    )


def _headline(scope: Scope, found: Sequence[Standing], closed: int) -> tuple[str, str]:
    if not found:
        past = f"{closed} {'was' if closed == 1 else 'were'} closed so far. " if closed else ""
        return "No incident is open.", f"{past}Whoever sees something go wrong raises one; nobody needs to be sure."
    first = found[0]
    others = f" {len(found) - 1} more below." if len(found) > 1 else ""
    if first.asked.rung is Rung.EVERYBODY:
        return f"{first.row.title}: call {call_words(scope.plan)}", f"Nobody has decided on it yet.{others}"
    is_yours = scope.viewer.person_id in first.people
    who = "You decide" if is_yours else f"{first.who} decides"
    headline = f"{first.row.title}: decide" if is_yours else f"{first.row.title}: {in_sentence(who)}"
    return headline, f"{who} when the checks say what they found, or before. Rollback needs no decision.{others}"


Findings = dict[int, IncidentFinding]


async def _findings(session: AsyncSession, ids: Sequence[int]) -> dict[int, Findings]:
    found: dict[int, Findings] = {}
    if ids:
        for row in await session.scalars(select(IncidentFinding).where(IncidentFinding.incident_id.in_(ids))):
            found.setdefault(row.incident_id, {})[row.number] = row
    return found


async def _closed(session: AsyncSession, deployment_id: int) -> list[Incident]:
    statement = select(Incident).where(Incident.deployment_id == deployment_id, Incident.closed_at.is_not(None))
    return list(await session.scalars(statement.order_by(Incident.id.desc()).limit(CLOSED)))


def _mark(row: Incident) -> Mark:
    return "crit" if row.severity == Severity.CRITICAL.value else "warn"


def _card(scope: Scope, standing: Standing, findings: Findings, steps: Ladder) -> IncidentCard:
    row, plan, asked = standing.row, scope.plan, standing.asked
    base = f"/d/{scope.id}/incidents/{row.id}"
    is_yours = scope.viewer.person_id in standing.people and bool(scope.capabilities & {"decide", "proceed"})
    return IncidentCard(
        id=row.id,
        title=row.title,
        mark=_mark(row),
        raised_by=row.raised_by,
        raised_at=row.raised_at,
        asked=asked_words(plan, decider_of(plan).position, asked.rung),
        then=then_words(plan, decider_of(plan).position, asked.rung, steps),
        until=asked.until,
        escalated_by=row.escalated_by,
        calls=calls_of(plan) if asked.rung is Rung.EVERYBODY else (),
        checks=tuple(_check(scope, base, row, number, findings) for number in range(len(plan.incident_checks))),
        action=f"{base}/decide" if is_yours else "",
    )


def _check(scope: Scope, base: str, row: Incident, number: int, findings: Findings) -> CheckRow:
    check, found = scope.plan.incident_checks[number], findings.get(number)
    is_yours = check.position in scope.positions and found is None and scope.may("note")
    return CheckRow(
        key=f"check-{row.id}-{number}",
        title=scope.plan.position(check.position).title,
        text=check.text,
        found=found.text if found else "",
        who=found.who if found else "",
        at=found.at if found else None,
        action=f"{base}/checks/{number}" if is_yours else "",
    )


def _closed_row(row: Incident, findings: Findings) -> ClosedRow:
    assert row.closed_at is not None
    return ClosedRow(
        id=row.id,
        title=row.title,
        mark=_mark(row),
        raised_by=row.raised_by,
        raised_at=row.raised_at,
        outcome=OUTCOME_WORDS[Outcome(row.outcome)],
        decided_by=row.decided_by,
        closed_at=row.closed_at,
        took=took((row.closed_at - row.raised_at).total_seconds()),
        reason=row.reason,
        findings=tuple(f"{found.who}: {found.text}" for _, found in sorted(findings.items())),
    )


def raise_view(scope: Scope, **sent: Unpack[RaiseSent]) -> RaiseView:
    plan = scope.plan
    decider = decider_of(plan)
    checks = [f"{in_sentence(plan.position(check.position).title)} {check.text}" for check in plan.incident_checks]
    said = f"Then {listed(checks)}. " if checks else ""
    who = in_sentence(plan.position(decider.position).title)
    within_s = plain(plan.incident_decision_s)
    then = f"{said}The {who} decides within {within_s} s; silence asks the {in_sentence(leader_title(plan))}."
    return RaiseView(f"/d/{scope.id}/incidents/raise", then, **sent)
