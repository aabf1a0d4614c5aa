"""What the Range page shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Tone = Literal["ok", "warn", "crit"]


@dataclass(frozen=True, slots=True)
class NumberKnob:
    """A knob that is a whole number from 0 to `most`. `value` is what stands in the field."""

    name: str
    label: str
    unit: str
    value: str
    most: int
    error: str = ""

    @property
    def bounds(self) -> str:
        return f"0 to {self.most:,}"


@dataclass(frozen=True, slots=True)
class TickKnob:
    name: str
    label: str
    hint: str
    is_on: bool


@dataclass(frozen=True, slots=True)
class Card:
    """The knobs of one part of the range. `side` is BLUE or GREEN for a release; `word` what is wrong on purpose."""

    group: str
    title: str
    side: str
    numbers: tuple[NumberKnob, ...]
    ticks: tuple[TickKnob, ...]
    word: str
    tone: Tone
    button: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class Preset:
    key: str
    title: str
    text: str
    is_on: bool


@dataclass(frozen=True, slots=True)
class KnobsView:
    """All knobs. `trouble` says why the range does not tell them; there are no cards then."""

    url: str
    presets: tuple[Preset, ...]
    cards: tuple[Card, ...]
    may_turn: bool
    versions: Mapping[str, int]
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """A process of the range. `address` may be opened by people of this machine."""

    key: str
    title: str
    side: str
    version: str
    state: Tone
    word: str
    pid: int | None
    restarts: int
    address: str = ""
    may_restart: bool = False


@dataclass(frozen=True, slots=True)
class FailureRow:
    at: datetime
    side: str
    path: str
    what: str


@dataclass(frozen=True, slots=True)
class CustomersCount:
    requests: int
    failed: int
    per_second: float
    blue: int
    green: int
    failures: tuple[FailureRow, ...]


@dataclass(frozen=True, slots=True)
class StatusView:
    """What the range's processes do. `trouble` says why nobody knows."""

    url: str
    public_url: str
    processes: tuple[ProcessRow, ...]
    customers: CustomersCount | None
    zone: str
    versions: Mapping[str, int]
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class RehearsalView:
    """Another rehearsal; `why_not` closes the button."""

    action: str
    may_start: bool
    why_not: str


@dataclass(frozen=True, slots=True)
class HeadlineView:
    url: str
    title: str
    text: str
    public_url: str
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class RangePage:
    headline: HeadlineView
    knobs: KnobsView
    status: StatusView
    rehearsal: RehearsalView
