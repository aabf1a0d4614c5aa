"""What every page shows of an open decision point: the dialog for whoever is asked, the clock for all others."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

SnapshotMark = Literal["", "warn", "crit", "unknown"]


@dataclass(frozen=True, slots=True)
class SnapshotCell:
    """One figure of a snapshot. `word` is the verdict where it is none of the calm ones; `note` is small beside it."""

    term: str
    value: str
    mark: SnapshotMark = ""
    word: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class SnapshotView:
    """What was known when a point opened. `running` names triggers that were in breach then. `problem` is a sentence
    where there is none: it could not be taken, or what was stored cannot be read."""

    at: datetime
    cells: tuple[SnapshotCell, ...]
    running: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class AnswerView:
    """One of the four answers. `url` leads to the guard: a rollback is lifted and pressed there; empty, it is a button
    that sends `answer`. `reason` says why it is closed."""

    answer: str
    title: str
    text: str
    url: str = ""
    kind: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CallView:
    """Whom to call. `phone` is empty where the plan has no number."""

    title: str
    phone: str


@dataclass(frozen=True, slots=True)
class DecisionView:
    """An open decision point. `until` is when the next rung is asked, None where everybody sees whom to call;
    `then` names who comes next; `people` are the persons who may answer now."""

    minute: int
    question: str
    asked: str
    then: str
    opened_at: datetime
    until: datetime | None
    people: frozenset[int]
    calls: tuple[CallView, ...]
    escalated_by: str
    snapshot: SnapshotView
    answers: tuple[AnswerView, ...]
    action: str
    zone: str
    now: datetime

    @property
    def is_everybody(self) -> bool:
        return self.until is None
