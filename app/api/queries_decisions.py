"""Decision points and incidents as machines read them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.queries import utc
from app.api.views import (
    DecisionsOut,
    FindingOut,
    FrozenMetricOut,
    IncidentOut,
    IncidentsOut,
    PointOut,
    SnapshotOut,
)
from app.db.tables import Decision, Deployment, Incident, IncidentFinding, PlanVersion
from app.decisions.queries import Ground, ground_of
from app.decisions.queries_clock import due_at
from app.domain.decisions import Asked, Rung, climb, is_watched
from app.domain.deployments import State
from app.domain.plan import DecisionPoint, Plan
from app.incidents.queries import ladder
from app.web.access import plan_of

_RUNGS = {Rung.POSITION: "position", Rung.DEPUTY: "deputy", Rung.LEADER: "leader", Rung.EVERYBODY: "everybody"}
_OVER = (State.ROLLING_BACK, State.ROLLED_BACK, State.COMPLETED)


def _utc(moment: datetime | None) -> datetime | None:
    return utc(moment) if moment is not None else None


async def decisions(session: AsyncSession, deployment: Deployment, version: PlanVersion, now: datetime) -> DecisionsOut:
    plan = plan_of(version)
    ground = await ground_of(session, deployment, plan, now)
    return DecisionsOut(
        attempt=deployment.attempt,
        is_watched=not ground.is_void and is_watched(ground.opened),
        points=[_point(ground, point) for point in ground.points],
        at=utc(now),
    )


def _point(ground: Ground, point: DecisionPoint) -> PointOut:
    row = ground.now_rows.get(point.minute)
    asked = ground.asked(row) if row is not None and ground.open_row() is row else None
    values: dict[str, Any] = {
        "minute": point.minute,
        "question": point.question,
        "position": point.position,
        "state": _state(ground, row),
        "due_at": _utc(row.opened_at if row else due_at(ground.deployment, point.minute, ground.now)),
        "opened_at": _utc(row.opened_at) if row else None,
        **_clock(asked),
        "answer": (row.answer or None) if row else None,
        "reason": row.reason if row else "",
        "by": row.answered_by if row else "",
        "escalated_by": row.escalated_by if row else "",
        "closed_at": _utc(row.closed_at) if row else None,
        "snapshot": _snapshot_or_none(row.snapshot) if row else None,
    }
    return PointOut(**values)


def _state(ground: Ground, row: Decision | None) -> str:
    if row is None:
        return "void" if State(ground.deployment.state) in _OVER else "to_come"
    if row.closing:
        return row.closing
    return "void" if ground.is_void else "open"


def _clock(asked: Asked | None) -> dict[str, Any]:
    if asked is None:
        return {"asked": None, "next_asked_at": None}
    return {"asked": _RUNGS[asked.rung], "next_asked_at": _utc(asked.until)}


def _snapshot_or_none(document: Mapping[str, Any]) -> SnapshotOut | None:
    """None where it was not taken, or cannot be read: an answer about the day never fails by it."""
    try:
        return _snapshot(document)
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def _snapshot(document: Mapping[str, Any]) -> SnapshotOut:
    return SnapshotOut(
        at=utc(datetime.fromisoformat(document["at"])),
        metrics=[
            FrozenMetricOut.model_validate(
                {
                    "key": each["key"],
                    "unit": each["unit"],
                    "blue": _figure(each["blue"]),
                    "green": _figure(each["green"]),
                }
            )
            for each in document["metrics"]
        ],
        probes_blue=document["probes"]["blue"],
        probes_green=document["probes"]["green"],
        customers_requests=document["customers"]["requests"],
        customers_failed=document["customers"]["failed"],
        triggers=[each["key"] for each in document["triggers"]],
        customer_reports=document["reports"],
        customer_reports_since_switch=(document.get("told") or {}).get("reports"),
        customers_reported_since_switch=(document.get("told") or {}).get("customers"),
        incidents=document["incidents"],
    )


def _figure(found: Mapping[str, Any]) -> dict[str, Any]:
    age_s = found["age_s"]
    return {
        "value": found["value"],
        "verdict": found["verdict"],
        "samples": found["samples"],
        "age_ms": None if age_s is None else round(age_s * 1000),
    }


async def incidents(
    session: AsyncSession,
    deployment: Deployment,
    version: PlanVersion,
    now: datetime,
    *,
    before: int | None,
    limit: int,
) -> IncidentsOut:
    plan = plan_of(version)
    statement = select(Incident).where(Incident.deployment_id == deployment.id)
    if before is not None:
        statement = statement.where(Incident.id < before)
    rows = list(await session.scalars(statement.order_by(Incident.id.desc()).limit(limit + 1)))
    found: dict[tuple[int, int], IncidentFinding] = {}
    wanted = select(IncidentFinding).where(IncidentFinding.incident_id.in_([row.id for row in rows]))
    for each in await session.scalars(wanted):
        found[each.incident_id, each.number] = each
    _, steps = await ladder(session, deployment.id, plan)
    items = []
    for row in rows[:limit]:
        asked = climb(steps, Rung(row.rung), row.rung_since, now) if row.closed_at is None else None
        items.append(_incident(plan, row, asked, found))
    return IncidentsOut(items=items, next_before=items[-1].id if len(rows) > limit else None, at=utc(now))


def _incident(
    plan: Plan, row: Incident, asked: Asked | None, found: Mapping[tuple[int, int], IncidentFinding]
) -> IncidentOut:
    values: dict[str, Any] = {
        "id": row.id,
        "title": row.title,
        "severity": row.severity,
        "raised_by": row.raised_by,
        "raised_at": utc(row.raised_at),
        **_clock(asked),
        "checks": [_check(plan, number, found.get((row.id, number))) for number in range(len(plan.incident_checks))],
        "outcome": row.outcome or None,
        "reason": row.reason,
        "decided_by": row.decided_by,
        "escalated_by": row.escalated_by,
        "closed_at": _utc(row.closed_at),
    }
    return IncidentOut(**values)


def _check(plan: Plan, number: int, finding: IncidentFinding | None) -> FindingOut:
    check = plan.incident_checks[number]
    return FindingOut(
        position=check.position,
        text=check.text,
        found=finding.text if finding else "",
        by=finding.who if finding else "",
        at=_utc(finding.at) if finding else None,
    )
