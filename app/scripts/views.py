"""What a script's panel shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.web.progress import NOTHING_EXPECTED, ProgressView

Mark = Literal["wait", "run", "ok", "crit", "withdrawn", "warn"]
SignalKind = Literal["success", "failure"]
SignalMark = Literal["ok", "wait", "crit"]


@dataclass(frozen=True, slots=True)
class SignalLine:
    """A signal of the plan and where the output has it; `at` None: not seen (yet, while the script runs)."""

    kind: SignalKind
    text: str
    mark: SignalMark
    word: str
    at: datetime | None = None
    line: int = 0
    said: str = ""


@dataclass(frozen=True, slots=True)
class ScriptView:
    """A script of a phase: what would run where, what ran last, and what this person can do with it.

    `why_not` says why it cannot be run here at all, `closed` why not now. `run` is the number of the newest run, 0 if
    there was none; `since` is when the running one began.
    """

    key: str
    title: str
    url: str
    command: str
    place: str
    mark: Mark
    word: str
    sentence: str
    run: int
    tries: int
    zone: str
    now: datetime
    versions: Mapping[str, int]
    owner: str
    why_not: str = ""
    closed: str = ""
    run_url: str = ""
    abort_url: str = ""
    step_version: int = 0
    advice: str = ""
    since: datetime | None = None
    asked_at: datetime | None = None
    ended_at: datetime | None = None
    took: str = ""
    progress: ProgressView = NOTHING_EXPECTED
    signals: tuple[SignalLine, ...] = ()
    is_open: bool = False
    topics: str = "scripts phases"

    @property
    def seen(self) -> int:
        return sum(line.kind == "success" and line.at is not None for line in self.signals)

    @property
    def wanted(self) -> int:
        return sum(line.kind == "success" for line in self.signals)


@dataclass(frozen=True, slots=True)
class OutputView:
    """What a script's newest run printed, as the page begins with: its end. `after` is the newest piece in it."""

    key: str
    title: str
    url: str
    run: int
    after: int
    text: str
    pending: str
    size: str
    download_url: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class Script:
    """A script's panel and its output."""

    view: ScriptView
    output: OutputView
