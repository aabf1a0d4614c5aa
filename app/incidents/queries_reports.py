"""Reads of customers' reports: the live list of homes and of the incidents page."""

from typing import Unpack

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import CustomerReport
from app.decisions.queries_snapshot import open_reports
from app.deployments.commands import database_now
from app.domain.incidents import Severity
from app.eventlog.log import versions_of
from app.incidents.views import ReportRow, ReportsPanel, TakeInSent, TakeInView
from app.web.access import Scope

MOST = 50
OPEN = ("open", "acknowledged")


async def reports_panel(session: AsyncSession, scope: Scope) -> ReportsPanel:
    """Open reports first, then the newest."""
    versions = await versions_of(session, scope.id)
    row = CustomerReport
    statement = select(row).where(row.deployment_id == scope.id)
    statement = statement.order_by(row.state.in_(OPEN).desc(), row.id.desc()).limit(MOST)
    rows = [_row(scope, each) for each in await session.scalars(statement)]
    return ReportsPanel(
        url=f"/d/{scope.id}/incidents/_reports",
        page=f"/d/{scope.id}/incidents",
        rows=tuple(rows),
        open=await open_reports(session, scope.id),
        zone=scope.plan.timezone,
        now=await database_now(session),
        versions=versions,
    )


async def reports_now(session: AsyncSession, deployment_id: int) -> tuple[int, int]:
    """Reports that wait for an answer, and all that were taken in."""
    count = select(func.count()).select_from(CustomerReport).where(CustomerReport.deployment_id == deployment_id)
    return await open_reports(session, deployment_id), int(await session.scalar(count) or 0)


def _row(scope: Scope, row: CustomerReport) -> ReportRow:
    may_answer = scope.may("note") and row.state in OPEN
    return ReportRow(
        id=row.id,
        text=row.text,
        customers=row.customers,
        link=row.link,
        mark="crit" if row.severity == Severity.CRITICAL.value else "warn",
        taken_by=row.taken_by,
        taken_at=row.taken_at,
        state=row.state,
        answer=row.answer,
        answered_by=row.answered_by,
        action=f"/d/{scope.id}/incidents/reports/{row.id}/answer" if may_answer else "",
    )


def take_in_view(scope: Scope, **sent: Unpack[TakeInSent]) -> TakeInView | None:
    """The form of who speaks with customers; None for everybody else."""
    if not scope.may("communicate"):
        return None
    return TakeInView(f"/d/{scope.id}/incidents/reports", **sent)
