"""The snapshot of a decision point: frozen as JSON in the transaction that opens it, and read back into a view."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import is_transient
from app.db.tables import CustomerReport, Deployment, Incident, ProbeSummary, TargetState
from app.domain.metrics import Verdict, is_figure
from app.domain.plan import Plan
from app.domain.sides import Side
from app.metrics.queries import latest
from app.metrics.views import ReadingNow
from app.triggers.queries import alarms
from app.web.decision import SnapshotCell, SnapshotMark, SnapshotView
from app.web.figures import SPACE, age, quantity, thousands

log = structlog.get_logger()

UNREADABLE = "Snapshot unreadable: what was stored when this point opened cannot be read."
NOT_TAKEN = "No snapshot: it could not be taken when this point opened"

_MARKS: Mapping[str, SnapshotMark] = {
    Verdict.WARNING.value: "warn",
    Verdict.CRITICAL.value: "crit",
    Verdict.UNKNOWN.value: "unknown",
}


async def freeze_or_why(session: AsyncSession, deployment: Deployment, plan: Plan, now: datetime) -> dict[str, Any]:
    """The snapshot, or the reason why there is none: a question is asked whatever is wrong with what is known. Only a
    database that is not there is for the clock's next round to meet."""
    try:
        async with session.begin_nested():
            document = await freeze(session, deployment, plan, now)
            json.dumps(document, allow_nan=False)  # what PostgreSQL would refuse is found here, beside its reason
            return document
    except Exception as error:
        if is_transient(error):
            raise
        log.exception("decisions.snapshot.not_taken", deployment=deployment.id)
        return {"at": now.isoformat(), "problem": type(error).__name__}


async def freeze(session: AsyncSession, deployment: Deployment, plan: Plan, now: datetime) -> dict[str, Any]:
    """Everything that somebody decides on, as it is known now. Plain JSON: no figure is null, never zero."""
    readings = await latest(session, deployment, plan, now)
    running = await alarms(session, deployment, plan, now)
    return {
        "at": now.isoformat(),
        "metrics": [
            {
                "key": metric.key,
                "title": metric.title,
                "unit": metric.unit,
                "blue": _reading(readings[metric.key, Side.BLUE]),
                "green": _reading(readings[metric.key, Side.GREEN]),
            }
            for metric in plan.metrics
        ],
        "probes": await _probes(session, deployment, now),
        "customers": await _customers(session, deployment),
        "triggers": [{"key": each.rule.key, "title": each.trigger.title} for each in running],
        "reports": await open_reports(session, deployment.id),
        "told": await _told(session, deployment),
        "incidents": await _open_incidents(session, deployment.id),
    }


def _reading(reading: ReadingNow) -> dict[str, Any]:
    return {
        "value": reading.value if is_figure(reading.value) else None,
        "verdict": reading.verdict.value,
        "samples": reading.samples,
        "age_s": None if reading.age_s is None else round(reading.age_s, 1),
    }


async def _probes(session: AsyncSession, deployment: Deployment, now: datetime) -> dict[str, Any]:
    """Shares in percent as the probes last saw them, and how old that is."""
    target = await session.get(TargetState, deployment.target, populate_existing=True)
    if target is None or target.probed_at is None:
        return {"blue": None, "green": None, "age_s": None}
    age_s = round((now - target.probed_at).total_seconds(), 1)
    return {"blue": target.probed_blue, "green": target.probed_green, "age_s": age_s}


async def _customers(session: AsyncSession, deployment: Deployment) -> dict[str, Any]:
    """Customers' requests since the switch and those that failed; null where nobody counts or it was begun anew."""
    row = ProbeSummary
    counts = select(row.customers_requests, row.customers_failed).where(
        row.target == deployment.target, row.customers_requests.is_not(None)
    )
    counts = counts.order_by(row.second.desc()).limit(1)
    last = (await session.execute(counts)).one_or_none()
    first = (await session.execute(counts.where(row.second <= deployment.switched_at))).one_or_none()
    if last is None or first is None:
        return {"requests": None, "failed": None}
    requests, failed = (last[0] or 0) - (first[0] or 0), (last[1] or 0) - (first[1] or 0)
    if requests < 0 or failed < 0:
        return {"requests": None, "failed": None}
    return {"requests": requests, "failed": failed}


async def open_reports(session: AsyncSession, deployment_id: int) -> int:
    """Customers' reports that nobody has explained or fixed."""
    count = select(func.count()).select_from(CustomerReport)
    wanted = count.where(
        CustomerReport.deployment_id == deployment_id, CustomerReport.state.in_(("open", "acknowledged"))
    )
    return int(await session.scalar(wanted) or 0)


async def _told(session: AsyncSession, deployment: Deployment) -> dict[str, int]:
    """What support took in since the switch: how many reports, and of how many customers, answered or not."""
    row = CustomerReport
    since = select(func.count(), func.coalesce(func.sum(row.customers), 0)).where(row.deployment_id == deployment.id)
    if deployment.switched_at is not None:
        since = since.where(row.taken_at >= deployment.switched_at)
    reports, customers = (await session.execute(since)).one()
    return {"reports": int(reports), "customers": int(customers)}


async def _open_incidents(session: AsyncSession, deployment_id: int) -> int:
    count = select(func.count()).select_from(Incident)
    wanted = count.where(Incident.deployment_id == deployment_id, Incident.closed_at.is_(None))
    return int(await session.scalar(wanted) or 0)


# ── read back ─────────────────────────────────────────────────────────────────────────────────────────────────────


def snapshot_view(document: Any, opened_at: datetime) -> SnapshotView:
    """What was stored, or a sentence that says why there is nothing to see. Whatever stands in the row, the question
    goes on and so does the page."""
    if not isinstance(document, Mapping):
        return SnapshotView(opened_at, (), problem=UNREADABLE)
    if document.get("problem"):
        return SnapshotView(opened_at, (), problem=f"{NOT_TAKEN} ({str(document['problem'])[:80]}).")
    try:
        return _read(document)
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError):
        return SnapshotView(opened_at, (), problem=UNREADABLE)


def _read(document: Mapping[str, Any]) -> SnapshotView:
    cells = [_metric_cell(each) for each in document["metrics"]]
    probes, customers = document["probes"], document["customers"]
    green = probes["green"]
    note = "" if probes["age_s"] is None else f"{age(probes['age_s'])} old"
    cells.append(
        SnapshotCell("Traffic on GREEN", quantity(green, "%"), "unknown" if green is None else "", _word(green), note)
    )
    requests, failed = customers["requests"], customers["failed"]
    said = "—" if requests is None else f"{thousands(failed)} of {thousands(requests)}"
    cells.append(SnapshotCell("Failed requests", said, "unknown" if requests is None else "", _word(requests)))
    cells.append(_reports_cell(document))
    at = datetime.fromisoformat(document["at"])
    return SnapshotView(at, tuple(cells), tuple(each["title"] for each in document["triggers"]))


def _reports_cell(document: Mapping[str, Any]) -> SnapshotCell:
    """Reports that wait for an answer, and what came in since the switch; snapshots before 0014 did not count that."""
    told, incidents = document.get("told"), document["incidents"]
    said = []
    if told:
        people = f" of {thousands(told['customers'])} customer{'s' if told['customers'] != 1 else ''}"
        said.append(f"{thousands(told['reports'])} taken in since the switch{people if told['reports'] else ''}")
    if incidents:
        said.append(f"{incidents} incident{'s' if incidents > 1 else ''} open")
    reports = int(document["reports"])
    return SnapshotCell("Customer reports", f"{reports} open", "warn" if reports else "", note="; ".join(said))


def _word(value: float | None) -> str:
    return "UNKNOWN" if value is None else ""


def _metric_cell(found: Mapping[str, Any]) -> SnapshotCell:
    """GREEN's figure, with BLUE's beside it: BLUE is what GREEN is compared with."""
    green, blue = found["green"], found["blue"]
    verdict = green["verdict"]
    other = quantity(blue["value"], found["unit"]) if blue["value"] is not None else blue["verdict"]
    count = green["samples"]
    samples = f"{thousands(count)} sample{'s' if count != 1 else ''}"
    aged = f", {age(green['age_s'])} old" if green["age_s"] is not None else ""
    return SnapshotCell(
        term=f"{found['title']}, GREEN",
        value=quantity(green["value"], found["unit"]),
        mark=_MARKS.get(verdict, ""),
        word=verdict if verdict in _MARKS else "",
        note=f"BLUE{SPACE}{other}; {samples}{aged}",
    )
