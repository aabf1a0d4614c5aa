"""Writes of customers' reports: support takes one in, whoever knows answers it."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import CustomerReport
from app.decisions.queries_snapshot import open_reports
from app.deployments.commands import database_now, lock
from app.domain.errors import Rejected
from app.domain.incidents import MOST_REPORTS, Severity, check_room
from app.eventlog.log import Entry, Topic, append
from app.eventlog.log import Severity as EventSeverity
from app.incidents.forms import ReportForm, SettleForm
from app.web.access import NotFound, Scope

TOPICS: tuple[Topic, ...] = ("reports",)
SETTLED = ("explained", "fixed")
"""What ends a report; acknowledged only says that somebody looks after it."""


async def take_in(session: AsyncSession, scope: Scope, form: ReportForm) -> CustomerReport:
    """What customers told support. The same press sent twice is one report."""
    deployment = await lock(session, scope.id)
    if form.key:
        mine = (CustomerReport.person_id == scope.viewer.person_id) & (CustomerReport.key == form.key)
        known = await session.scalar(select(CustomerReport).where(CustomerReport.deployment_id == scope.id, mine))
        if known is not None:
            return known
    remedy = "Answer those that are known, or add the customers to one of them as a note in the timeline."
    check_room(await open_reports(session, scope.id), MOST_REPORTS, "reports", remedy)
    row = CustomerReport(
        deployment_id=deployment.id,
        text=form.text,
        customers=form.customers,
        link=form.link,
        severity=form.severity,
        taken_by=scope.who,
        person_id=scope.viewer.person_id,
        key=form.key,
        taken_at=await database_now(session),
    )
    session.add(row)
    await session.flush()
    count = f"{form.customers:,} customer{'s' if form.customers != 1 else ''}"
    severity: EventSeverity = "crit" if form.severity == Severity.CRITICAL.value else "warn"
    entry = Entry("reports.taken", f"{count}: {form.text}", TOPICS, "customer report", severity, {"report": row.id})
    await append(session, deployment.id, entry, scope.actor)
    return row


async def settle(session: AsyncSession, scope: Scope, report_id: int, form: SettleForm) -> None:
    """Acknowledge, explain or fix. Raises Rejected where somebody has ended it (naming who), NotFound for none."""
    deployment = await lock(session, scope.id)
    statement = select(CustomerReport).where(CustomerReport.id == report_id, CustomerReport.deployment_id == scope.id)
    statement = statement.with_for_update().execution_options(populate_existing=True)
    row = (await session.execute(statement)).scalar_one_or_none()
    if row is None:
        raise NotFound("There is no such report.")
    is_same = (row.state, row.answer, row.answered_by) == (form.state, form.answer, scope.who)
    if is_same:
        return
    if row.state in SETTLED or (row.state == "acknowledged" == form.state):
        raise Rejected(
            f"{row.answered_by} has answered it: {row.state}. Nothing was recorded twice.",
            remedy="Add what you know as a note in the timeline.",
            conflict=True,
            code="answered",
        )
    if form.state in SETTLED and len(form.answer) < 3:
        raise Rejected(
            "Say in a sentence what support can tell the customers. Nothing was recorded.",
            remedy="Fill in “What support can say”.",
            code="reason",
        )
    row.state, row.answer, row.answered_by = form.state, form.answer, scope.who
    row.answered_at = await database_now(session)
    await session.flush()
    text = f"{scope.who}: “{row.text}” is {form.state}"
    entry = Entry("reports.answered", text, TOPICS, form.answer, payload={"report": row.id, "state": form.state})
    await append(session, deployment.id, entry, scope.actor)
