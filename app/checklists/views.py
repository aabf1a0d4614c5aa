"""What the checklists page shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

MachineState = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What the machine found about an item: `found` is a sentence part, `at` the age of the fact behind it."""

    state: MachineState
    found: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of evidence; `url` is set for an http or https address, and nothing else ever becomes a link."""

    text: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class ItemView:
    """`state`: open, done, failed (by a person); machine, unmet, unknown (by machine).

    `can_tick`: this person may change it now. `is_yours`: the seat owns it, rather than leading the day.
    """

    key: str
    text: str
    state: str
    owner: str
    is_yours: bool
    can_tick: bool
    needs_evidence: bool
    proof: tuple[Piece, ...] = ()
    evidence: str = ""
    who: str = ""
    at: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class ChecklistView:
    key: str
    url: str
    title: str
    when: str
    counts_for_gate: bool
    is_open: bool
    items: tuple[ItemView, ...]
    machine: tuple[ItemView, ...]
    hidden: int
    """How many items the filter "mine" leaves out."""
    done: int
    total: int
    only_mine: bool
    zone: str
    now: datetime
    versions: Mapping[str, int]

    @property
    def suffix(self) -> str:
        """The filter, kept in the addresses of forms and refreshes."""
        return "?show=mine" if self.only_mine else ""


@dataclass(frozen=True, slots=True)
class ProgressView:
    """How far each position is: rows of (title, done, total) over the production checklist."""

    url: str
    title: str
    rows: tuple[tuple[str, int, int], ...]
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class DutiesView:
    """The manual's duties of this person's position, and what holds for everybody."""

    title: str
    before: tuple[str, ...]
    during: tuple[str, ...]
    after: tuple[str, ...]
    rules: tuple[str, ...]
    avoid: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChecklistsPage:
    url: str
    eyebrow: str
    headline: str
    text: str
    only_mine: bool
    lists: tuple[ChecklistView, ...]
    progress: ProgressView
    duties: DutiesView | None


@dataclass(frozen=True, slots=True)
class SideFact:
    """The newest health check of a side at its own address. None: there never was one."""

    is_healthy: bool | None
    found: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class TeamFact:
    """Seats that are expected on the day (who only observes is not), and who was not seen lately."""

    expected: int
    absent: tuple[str, ...]

    @property
    def present(self) -> int:
        return self.expected - len(self.absent)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known to the database at `now`. `dark`: the metrics of a side that have no reading to rely on."""

    blue: SideFact
    green: SideFact
    metrics: int
    dark: tuple[str, ...]
    read_at: datetime | None
    team: TeamFact
    now: datetime
