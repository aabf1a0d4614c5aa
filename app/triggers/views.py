"""What the triggers page is drawn from. Frozen; no ORM."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypedDict

Mark = Literal["ok", "warn", "crit", "unknown", "wait", "hold", "run"]
AlertMark = Literal["crit", "warn", "wait"]


@dataclass(frozen=True, slots=True)
class HoldView:
    """What this person can do about a running trigger. `action` empty: nothing but read `text`."""

    text: str
    action: str = ""
    button: str = ""
    release: str = ""
    release_button: str = ""


@dataclass(frozen=True, slots=True)
class TriggerCard:
    """One trigger. `word` is its state in a word with `mark`; `share` (0…1) and `progress` are how far a breach has
    come, None without one; `sample_at` is when the newest sample that says something was taken."""

    key: str
    title: str
    limit: str
    mode: str
    mark: Mark
    word: str
    value: str = ""
    share: float | None = None
    progress: str = ""
    sample_at: datetime | None = None
    coverage: str = ""
    why: str = ""
    fires_at: datetime | None = None
    hold: HoldView | None = None


@dataclass(frozen=True, slots=True)
class AlertRow:
    id: int
    at: datetime
    text: str
    who: str
    state: AlertMark
    note: str


@dataclass(frozen=True, slots=True)
class TriggersView:
    """The page's live part: the sentence, one card a trigger, and the newest alerts."""

    headline: str
    advice: str
    cards: tuple[TriggerCard, ...]
    alerts: tuple[AlertRow, ...]
    zone: str
    now: datetime
    is_armed: bool
    versions: Mapping[str, int]
    url: str


class RaiseSent(TypedDict, total=False):
    """What was typed into the form and refused, with why."""

    chosen: str
    reason: str
    errors: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RaiseView:
    """The form for reporting by hand. `options` are (trigger's key, title); empty: this person reports nothing."""

    action: str
    options: tuple[tuple[str, str], ...]
    title: str
    effect: str
    button: str
    chosen: str = ""
    reason: str = ""
    errors: Mapping[str, str] | None = None

    def error(self, name: str) -> str:
        return (self.errors or {}).get(name, "")
