"""What the Freeze page shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class FreezeNow:
    reason: str
    since: datetime
    until: datetime
    who: str


@dataclass(frozen=True, slots=True)
class PatchRow:
    """`verdict`: empty, approved or refused. `can_answer`: this person may answer it now."""

    id: int
    text: str
    asked_by: str
    asked_at: datetime
    verdict: str
    comment: str
    answered_by: str
    answered_at: datetime | None
    can_answer: bool


@dataclass(frozen=True, slots=True)
class FreezeView:
    url: str
    freeze: FreezeNow | None
    patches: tuple[PatchRow, ...]
    may_change: bool
    may_ask: bool
    zone: str
    now: datetime
    versions: Mapping[str, int]

    @property
    def waiting(self) -> int:
        return sum(not row.verdict for row in self.patches)


@dataclass(frozen=True, slots=True)
class Typed:
    """What a form was sent with and why it was refused, to stand at its fields again."""

    form: str = ""
    text: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

    def text_of(self, form: str) -> str:
        return self.text if self.form == form else ""

    def error_of(self, form: str) -> str:
        return next(iter(self.errors.values()), "") if self.form == form else ""
