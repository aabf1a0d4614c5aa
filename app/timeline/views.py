"""What the timeline shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from urllib.parse import urlencode

Show = Literal["all", "decisions", "traffic", "metrics", "notes", "problems"]


@dataclass(frozen=True, slots=True)
class Choice:
    """What of the timeline is wanted. `seat` is a position's key or empty; `before` a seq: only older lines."""

    show: Show = "all"
    seat: str = ""
    probes: bool = False
    before: int = 0

    @property
    def query(self) -> str:
        """The query string that asks for this choice, with its question mark; empty for the plain timeline."""
        parts = {"show": self.show if self.show != "all" else "", "seat": self.seat}
        parts |= {"probes": "1" if self.probes else "", "before": str(self.before) if self.before else ""}
        text = urlencode({name: value for name, value in parts.items() if value})
        return f"?{text}" if text else ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `state` is crit, warn or empty; `day` is set where a line begins another day than the one above."""

    key: str
    at: datetime
    icon: str
    who: str
    what: str
    cause: str
    offset: str
    state: str = ""
    milli: bool = False
    day: str = ""


@dataclass(frozen=True, slots=True)
class Pill:
    title: str
    icon: str
    url: str
    is_current: bool
    count: int | None = None


@dataclass(frozen=True, slots=True)
class ListView:
    """The filters and the lines. `url` is the fragment's own address; a page of older lines does not refresh."""

    pills: tuple[Pill, ...]
    seats: tuple[Pill, ...]
    seat_title: str
    probes: Pill
    lines: tuple[Line, ...]
    zone: str
    url: str
    earlier_url: str
    newest_url: str
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class FactsView:
    """What the operations measured so far, as rows of (term, value)."""

    rows: tuple[tuple[str, str], ...]
    url: str
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ChainView:
    """The log's own proof. `first_bad` is the line that does not fit, None if all do; both None before it was asked."""

    url: str
    lines: int | None = None
    first_bad: int | None = None
    at: datetime | None = None
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class NoteView:
    """The form of a note; `fresh` changes with each one that was taken, so that the field comes back empty."""

    action: str
    may_write: bool
    fresh: str = ""
    text: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
