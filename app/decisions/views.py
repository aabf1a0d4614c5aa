"""What the decisions page is drawn from. Frozen; no ORM."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.web.decision import SnapshotView

PointState = Literal["wait", "run", "ok", "warn", "crit", "withdrawn"]


@dataclass(frozen=True, slots=True)
class PointRow:
    """A decision point of the plan with what became of it. `due_at` is None before the switch; `until` is set while
    the point is open and somebody else is asked next; `took` is how long an answer took."""

    minute: int
    question: str
    position: str
    state: PointState
    word: str
    due_at: datetime | None = None
    opened_at: datetime | None = None
    until: datetime | None = None
    asked: str = ""
    who: str = ""
    at: datetime | None = None
    took: str = ""
    reason: str = ""
    note: str = ""
    snapshot: SnapshotView | None = None


@dataclass(frozen=True, slots=True)
class PointsView:
    """The page's live part: the sentence and all points of the plan."""

    headline: str
    advice: str
    until: datetime | None
    rows: tuple[PointRow, ...]
    zone: str
    now: datetime
    versions: Mapping[str, int]
    url: str
