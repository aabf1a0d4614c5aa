"""Incidents with their checks, and customers' reports, each in each of its states."""

from dataclasses import replace
from datetime import timedelta

from app.incidents.views import CheckRow, IncidentCard, ReportRow
from app.overview.gallery.decisions import CALLS
from app.overview.gallery.moment import NOW


def _checks(number: int) -> tuple[CheckRow, ...]:
    """Each incident's own: their keys are ids of the page."""
    return (
        CheckRow(
            f"check-{number}-0", "Backend lead", "checks the logs", "A slow query in the reports", "Backend lead", NOW
        ),
        CheckRow(f"check-{number}-1", "DevOps", "checks the infrastructure", action="#"),
        CheckRow(f"check-{number}-2", "Security officer", "checks for an attack"),
    )


_OPEN = IncidentCard(
    id=1,
    title="Response time spiked to 800 ms",
    mark="crit",
    raised_by="Support",
    raised_at=NOW,
    asked="DevOps lead",
    then="the project manager",
    until=NOW + timedelta(seconds=96),
    escalated_by="",
    calls=(),
    checks=_checks(1),
    action="#",
)
INCIDENTS = (
    _OPEN,
    replace(_OPEN, id=2, mark="warn", title="Logs arrive late", action="", checks=_checks(2)),
    replace(_OPEN, id=3, until=None, escalated_by="DevOps lead", calls=CALLS, checks=_checks(3)),
)

_REPORT = ReportRow(
    id=1,
    text="Payment fails with a card",
    customers=2,
    link="https://desk.example/4711",
    mark="crit",
    taken_by="Support",
    taken_at=NOW,
    state="open",
    answer="",
    answered_by="",
    action="#",
)
REPORTS = (
    _REPORT,
    replace(
        _REPORT,
        id=2,
        state="acknowledged",
        mark="warn",
        customers=1,
        text="Reports are slow",
        link="",
        answered_by="Backend 1",
        action="",
    ),
    replace(
        _REPORT, id=3, state="fixed", answer="The query has its index again", answered_by="Backend lead", action=""
    ),
)
