"""What the API answers about checklists, readiness, presence and duties."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from app.api.views import Answer


class ItemOut(Answer):
    """An item of a shared checklist. `state` is a person's word; an item with `check` is looked after by machine, and
    its `state` is `done` only where who leads the day goes on although the machine says no."""

    key: str
    text: str
    owner: str = Field(description="Key of the position that ticks it, or answers for the machine")
    state: Literal["open", "done", "failed"]
    is_done: bool = Field(description="Whether it counts as done: by a person, or by the machine")
    check: str | None = Field(description="What the machine looks at; null: a person ticks it")
    machine: Literal["yes", "no", "unknown"] | None
    found: str = Field(description="What the machine found")
    evidence: str
    files: int = Field(description="Files that belong to it")
    by: str
    at: datetime | None


class ChecklistOut(Answer):
    key: str
    title: str
    when: str
    done: int
    total: int
    items: list[ItemOut]


class OwnItemOut(Answer):
    """A line that everybody on the roster ticks for themselves, or a machine answers for all."""

    key: str = Field(description="As in `people.open`: checklist and item")
    text: str
    machine: Literal["yes", "no", "unknown"] | None


class OwnChecklistOut(Answer):
    key: str
    title: str
    when: str
    items: list[OwnItemOut]


class ReadinessOut(Answer):
    """How far one person is with what they tick for themselves."""

    name: str
    done: int
    total: int
    open: list[str] = Field(description="Keys of what they have not ticked")


class MissingOut(Answer):
    seat: str = Field(description="Position and number: devops-2")
    title: str
    name: str = Field(description="Who sits there; empty where nobody does")
    why: Literal["empty", "disabled", "never", "away"]


class PresenceOut(Answer):
    """A position's required seats: how many people sit on them, have said that they arrived, are there, are on a page
    of this deployment now."""

    position: str
    required: int
    seated: int
    arrived: int
    present: int
    on_page: int
    missing: list[MissingOut]


class ChecklistsOut(Answer):
    """The checklists of the present attempt."""

    attempt: int
    shared: list[ChecklistOut]
    personal: list[OwnChecklistOut]
    people: list[ReadinessOut]
    presence: list[PresenceOut]
    at: datetime


class DutyOut(Answer):
    """A duty of a position. A repeated one is late when it was not done for `every_s` while a phase runs."""

    key: str
    text: str
    stage: Literal["before", "during", "after"]
    every_s: float | None
    times: int
    by: str = Field(description="Who did it last")
    at: datetime | None
    is_late: bool


class PositionDutiesOut(Answer):
    position: str
    title: str
    duties: list[DutyOut]


class DutiesOut(Answer):
    """The duties of every position in the present attempt. `stage` is the time of the day; null where none is due."""

    attempt: int
    stage: Literal["before", "during", "after"] | None
    positions: list[PositionDutiesOut]
    at: datetime
