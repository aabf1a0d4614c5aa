"""What the briefing shows: the day for those who are told of it, in words without the trade's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Tone = Literal["calm", "warn", "crit"]
BriefMark = Literal["ok", "run", "wait", "warn", "crit", "hold", "unknown"]
"""Shape beside a word; colour only for trouble."""


@dataclass(frozen=True, slots=True)
class BriefLine:
    """A line with its mark: `text` says it, `note` a little more. `url` leads to where it is dealt with."""

    mark: BriefMark
    text: str
    note: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class BriefPhase:
    """A phase of the day. `planned` and `actual` in words of the plan's clock; `off` is what is late or took longer."""

    key: str
    name: str
    mark: BriefMark
    word: str
    planned: str
    actual: str
    off: str


@dataclass(frozen=True, slots=True)
class Serving:
    """Which version customers are on, in percent as measured `age_s` seconds ago; None: not known now."""

    old: int | None
    new: int | None
    age_s: float | None
    sentence: str


@dataclass(frozen=True, slots=True)
class BriefView:
    """`is_page`: it is a page of its own, and its sentence the page's heading. `percent` of the day is over, `done` of
    `total` phases; `votes` is one line a question; `matters` is what is open, empty when nothing is."""

    url: str
    is_page: bool
    tone: Tone
    headline: str
    lead: str
    serving: Serving
    percent: int
    done: int
    total: int
    phases: tuple[BriefPhase, ...]
    verdict: str
    votes: tuple[BriefLine, ...]
    experience: BriefLine
    customers: tuple[tuple[str, str], ...]
    measures: tuple[BriefLine, ...]
    matters: tuple[BriefLine, ...]
    costs: tuple[tuple[str, str], ...]
    follows: tuple[tuple[str, str], ...]
    ask: tuple[tuple[str, str], ...]
    """Whom to ask: (who, telephone or empty)."""
    print_head: str
    zone: str
    now: datetime
    versions: Mapping[str, int]
