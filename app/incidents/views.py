"""What the incidents page and the panel of customers' reports are drawn from. Frozen; no ORM."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypedDict

from app.web.decision import CallView

Mark = Literal["warn", "crit"]


@dataclass(frozen=True, slots=True)
class CheckRow:
    """Who checks what. `action` is set where this person may say what was found; `found` is empty until
    somebody did."""

    key: str
    title: str
    text: str
    found: str = ""
    who: str = ""
    at: datetime | None = None
    action: str = ""


@dataclass(frozen=True, slots=True)
class IncidentCard:
    """An open incident. `action` is set where this person may decide; `until` None: everybody sees whom to call."""

    id: int
    title: str
    mark: Mark
    raised_by: str
    raised_at: datetime
    asked: str
    then: str
    until: datetime | None
    escalated_by: str
    calls: tuple[CallView, ...]
    checks: tuple[CheckRow, ...]
    action: str = ""


@dataclass(frozen=True, slots=True)
class ClosedRow:
    id: int
    title: str
    mark: Mark
    raised_by: str
    raised_at: datetime
    outcome: str
    decided_by: str
    closed_at: datetime
    took: str
    reason: str
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IncidentsView:
    """The page's live part."""

    headline: str
    advice: str
    cards: tuple[IncidentCard, ...]
    closed: tuple[ClosedRow, ...]
    zone: str
    now: datetime
    versions: Mapping[str, int]
    url: str


class RaiseSent(TypedDict, total=False):
    """What was typed into the form that raises an incident and refused, with why."""

    title: str
    severity: str
    errors: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RaiseView:
    """The form that raises an incident. `then` says what follows."""

    action: str
    then: str
    title: str = ""
    severity: str = "critical"
    errors: Mapping[str, str] = field(default_factory=dict)

    def error(self, name: str) -> str:
        return self.errors.get(name, "")


@dataclass(frozen=True, slots=True)
class ReportRow:
    """`action` is set where this person may answer it; `answer` is what support can say."""

    id: int
    text: str
    customers: int
    link: str
    mark: Mark
    taken_by: str
    taken_at: datetime
    state: str
    answer: str
    answered_by: str
    action: str = ""

    @property
    def is_open(self) -> bool:
        return self.state in ("open", "acknowledged")


@dataclass(frozen=True, slots=True)
class ReportsPanel:
    """Customers' reports, open ones first. `page` leads to where they are taken in."""

    url: str
    page: str
    rows: tuple[ReportRow, ...]
    open: int
    zone: str
    now: datetime
    versions: Mapping[str, int]


class TakeInSent(TypedDict, total=False):
    """What was typed into the form that takes a report in and refused, with why."""

    text: str
    customers: str
    link: str
    severity: str
    errors: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TakeInView:
    """The form of who takes reports in."""

    action: str
    text: str = ""
    customers: str = ""
    link: str = ""
    severity: str = "warning"
    errors: Mapping[str, str] = field(default_factory=dict)

    def error(self, name: str) -> str:
        return self.errors.get(name, "")
