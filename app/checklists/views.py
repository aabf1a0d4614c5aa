"""What the checklists page shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from app.domain.presence import Presence

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
class FileView:
    """A file of an item's evidence. `kib`: its size; `mark`: the first digits of its SHA-256."""

    url: str
    name: str
    kib: float
    mark: str
    who: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SeatsLine:
    """A position's required seats in words: how many are there, on a page, have arrived; `gaps` are those for which
    nobody is there, and why."""

    key: str
    title: str
    text: str
    gaps: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        return not self.gaps


@dataclass(frozen=True, slots=True)
class ItemView:
    """`state`: open, done, failed (by a person); machine, unmet, unknown (by machine); excused (by machine no, and who
    leads goes on all the same).

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
    files: tuple[FileView, ...] = ()
    seats: tuple[SeatsLine, ...] = ()
    """Of "all are present": position by position."""
    can_excuse: bool = False
    """This person may go on without those who are missing, with a reason."""
    missing: str = ""
    """The keys of their seats, as the form sends them back: nobody is gone on without unseen."""


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

    @property
    def left(self) -> tuple[ItemView, ...]:
        """What persons still have to see to: what failed, then this person's own, then the others'."""
        rows = [item for item in self.items if item.state != "done"]
        return tuple(sorted(rows, key=lambda item: (item.state != "failed", not item.is_yours)))

    @property
    def finished(self) -> tuple[ItemView, ...]:
        return tuple(item for item in self.items if item.state == "done")

    @property
    def unmet(self) -> tuple[ItemView, ...]:
        """What machines could not confirm."""
        return tuple(item for item in self.machine if item.state != "machine")

    @property
    def met(self) -> tuple[ItemView, ...]:
        return tuple(item for item in self.machine if item.state == "machine")


Rows = tuple[tuple[str, int, int], ...]
"""(title, done, total)."""


@dataclass(frozen=True, slots=True)
class ProgressView:
    """How far each position is over the production checklist and over its duties of this time of the day, and each
    person over what they tick for themselves. `late`: repeated duties that are due again, in words."""

    url: str
    title: str
    rows: Rows
    versions: Mapping[str, int]
    duties_title: str = ""
    duties: Rows = ()
    people: Rows = ()
    late: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DutyLine:
    """A duty to tick. `key` is "devops_lead.during-2"; `times`, `at` and `who`: how often it was done, and the last
    time. `every` says in words when a repeated one is due again, empty otherwise."""

    key: str
    text: str
    times: int
    who: str
    at: datetime | None
    every: str
    is_late: bool

    @property
    def is_done(self) -> bool:
        return self.times > 0 and not self.every


@dataclass(frozen=True, slots=True)
class DutyGroup:
    """Duties of one time of the day; `is_now` marks the present one."""

    key: str
    title: str
    lines: tuple[DutyLine, ...]
    is_now: bool

    @property
    def done(self) -> int:
        return sum(line.is_done for line in self.lines)


@dataclass(frozen=True, slots=True)
class PositionDuties:
    key: str
    title: str
    mission: str
    groups: tuple[DutyGroup, ...]


@dataclass(frozen=True, slots=True)
class DutiesView:
    """The duties of this person's positions, to tick, and what holds for everybody."""

    url: str
    action: str
    positions: tuple[PositionDuties, ...]
    rules: tuple[str, ...]
    avoid: tuple[str, ...]
    can_tick: bool
    zone: str
    now: datetime
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PersonalLine:
    """`key` is "readiness.phone"; `state`: open, done, or a machine's machine, unmet, unknown with what it `found`."""

    key: str
    text: str
    state: str
    found: str = ""
    at: datetime | None = None

    @property
    def is_machine(self) -> bool:
        return self.state in ("machine", "unmet", "unknown")


@dataclass(frozen=True, slots=True)
class PersonalList:
    key: str
    title: str
    when: str
    lines: tuple[PersonalLine, ...]

    @property
    def done(self) -> int:
        return sum(line.state in ("done", "machine") for line in self.lines)


@dataclass(frozen=True, slots=True)
class PersonalView:
    """What this person ticks for themselves. `is_open`: it can still be changed."""

    url: str
    action: str
    lists: tuple[PersonalList, ...]
    is_open: bool
    now: datetime
    zone: str
    versions: Mapping[str, int]

    @property
    def first_open(self) -> str:
        """The key of the first list with a line still to tick; empty when all are ticked."""
        return next((each.key for each in self.lists if any(line.state == "open" for line in each.lines)), "")

    @property
    def done(self) -> int:
        return sum(each.done for each in self.lists)

    @property
    def total(self) -> int:
        return sum(len(each.lines) for each in self.lists)


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
    personal: PersonalView | None


@dataclass(frozen=True, slots=True)
class SideFact:
    """The newest health check of a side at its own address. None: there never was one."""

    is_healthy: bool | None
    found: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known to the database at `now`. `dark`: the metrics of a side that have no reading to rely on."""

    blue: SideFact
    green: SideFact
    metrics: int
    dark: tuple[str, ...]
    read_at: datetime | None
    team: Presence
    now: datetime
    found: Mapping[str, Finding] = field(default_factory=dict)
    """Answers to the checks that only some plans ask for, by the check's name."""
