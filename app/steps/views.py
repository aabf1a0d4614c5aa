"""What the panels of a phase's steps show."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.checklists.views import Piece
from app.web.progress import ProgressView

RUNNING_EVERY_S = 10

Mark = Literal["wait", "run", "ok", "crit", "withdrawn"]


@dataclass(frozen=True, slots=True)
class StepMove:
    """Something this person can do with a step: a form with one button. `label` names its text field, empty where it
    has none; `field` is that field's name. `typed` and `error` bring back what was refused. `is_first` stands open."""

    key: str
    button: str
    url: str
    version: int
    label: str = ""
    field: str = "text"
    hint: str = ""
    required: bool = False
    kind: str = ""
    size: str = ""
    fold: str = ""
    """The line that unfolds it; the button's words with an ellipsis where it is empty."""
    is_first: bool = False
    typed: str = ""
    error: str = ""
    target: str = ""
    """Selector of the panel that the answer replaces; empty where the stream brings the change."""


@dataclass(frozen=True, slots=True)
class StepCard:
    """A step as it stands. `note` says how it is done ("by hand, in place of the script"), `advice` what the plan says
    to do when it failed, `link` where it is done (title, url)."""

    key: str
    title: str
    mark: Mark
    word: str
    owner: str
    is_yours: bool
    note: str = ""
    command: str = ""
    signals: tuple[str, ...] = ()
    """What its output holds when all is well."""
    trouble_signals: tuple[str, ...] = ()
    proof: tuple[Piece, ...] = ()
    who: str = ""
    since: datetime | None = None
    """When a running step was started; it ages in sight."""
    progress: ProgressView | None = None
    """How far it is against what is expected, while it runs."""
    at: datetime | None = None
    took: str = ""
    tries: int = 0
    advice: str = ""
    link: tuple[str, str] | None = None
    moves: tuple[StepMove, ...] = ()


@dataclass(frozen=True, slots=True)
class StepsView:
    """The steps of a phase in the plan's order. `closed` says why nobody can work on them now, empty if they can."""

    url: str
    cards: tuple[StepCard, ...]
    done: int
    closed: str
    zone: str
    now: datetime
    versions: Mapping[str, int]
    topics: str = "phases"

    @property
    def ticks(self) -> int:
        """How often the panel draws itself anew, in seconds: that a step is late is the server's to say."""
        return RUNNING_EVERY_S if any(card.progress for card in self.cards) else 0


@dataclass(frozen=True, slots=True)
class AfterGroup:
    title: str
    cards: tuple[StepCard, ...]


@dataclass(frozen=True, slots=True)
class AfterView:
    """What comes after a phase, in the groups that the plan's own words give."""

    url: str
    groups: tuple[AfterGroup, ...]
    done: int
    total: int
    closed: str
    zone: str
    now: datetime
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a step's form was refused, and what had been typed, to stand at the field again."""

    step: str
    move: str
    typed: str
    text: str
