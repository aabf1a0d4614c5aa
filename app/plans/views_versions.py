"""What the pages about plan versions are drawn from. Frozen; texts are ready to read."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from app.domain.plan_diff import Change


@dataclass(frozen=True, slots=True)
class UseRow:
    """A deployment of a version that this person may open."""

    title: str
    url: str
    state: str


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version in the list. `uses` are the newest, `more` counts the others that this person may open, `others` those
    that they have no seat in; `before` is the hash of the version of the same plan before it, empty for the first."""

    key: str
    title: str
    hash: str
    taken_up: datetime
    uses: tuple[UseRow, ...]
    more: int
    others: int
    before: str = ""
    is_newest: bool = False

    @property
    def short(self) -> str:
        return self.hash[:12]


@dataclass(frozen=True, slots=True)
class VersionsView:
    rows: tuple[VersionRow, ...]
    more: int
    may_import: bool


@dataclass(frozen=True, slots=True)
class ProblemRow:
    """A problem beside its line: `before` and `after` stand around `mark`, the letter where it is wrong."""

    line: int
    column: int
    path: str
    message: str
    remedy: str
    before: str = ""
    mark: str = ""
    after: str = ""
    is_cut_before: bool = False
    is_cut_after: bool = False


@dataclass(frozen=True, slots=True)
class CheckView:
    """What was found wrong with a text that was sent in. `text` is empty where it is too long to be shown again."""

    name: str
    problems: tuple[ProblemRow, ...]
    text: str


@dataclass(frozen=True, slots=True)
class ChangeGroup:
    section: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class DiffView:
    """`old` and `new` are (title, hash, moment taken up or None for what is only being looked at)."""

    old: "DiffSide"
    new: "DiffSide"
    groups: tuple[ChangeGroup, ...]
    count: int


@dataclass(frozen=True, slots=True)
class DiffSide:
    """`taken_up` is None for a plan that is only being looked at."""

    key: str
    title: str
    hash: str
    taken_up: datetime | None = None

    @property
    def name(self) -> str:
        return f"{self.key}@{self.hash[:12]}"


@dataclass(frozen=True, slots=True)
class PreviewView:
    """A good plan before it is taken up. `known` if this very plan is there already; `diff` to the newest version of
    the same key, None for the first."""

    name: str
    text: str
    hash: str
    facts: tuple[tuple[str, str], ...]
    phases: tuple[tuple[str, str], ...]
    known: bool
    diff: DiffView | None


@dataclass(frozen=True, slots=True)
class RehearseView:
    """Whether another rehearsal can begin from a version: a form to `action`, or why not."""

    state: Literal["offer", "closed", "live", "none"]
    action: str = ""
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class DryRow:
    """A line of the dry run; `wait_s` are plan seconds since the line before."""

    at_s: float
    moment: datetime
    offset: str
    kind: str
    word: str
    text: str
    who: str
    is_new_day: bool


@dataclass(frozen=True, slots=True)
class DryRunView:
    key: str
    hash: str
    title: str
    zone: str
    number: str
    phase: str
    phase_title: str
    start: datetime
    length: str
    rows: tuple[DryRow, ...]
    phases: tuple[tuple[str, str], ...] = field(default=())
    is_cut: bool = False
    has_day: bool = True
