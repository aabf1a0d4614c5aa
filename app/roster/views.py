"""What the roster page shows, and the rows of a team wherever one is shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SeatRow:
    """One seat of the roster with whoever sits there. `is_here`: seen within a minute; `page` is the page last looked
    at, in words. An empty seat has no `name` and the `person_id` 0."""

    key: str
    title: str
    seat: int
    name: str
    login: str = ""
    phone: str = ""
    person_id: int = 0
    is_you: bool = False
    is_deputy: bool = False
    is_disabled: bool = False
    is_here: bool = False
    seen_at: datetime | None = None
    page: str = ""
    arrived_at: datetime | None = None
    """When this person said "I am here", in the present attempt."""

    @property
    def is_empty(self) -> bool:
        return self.person_id == 0


@dataclass(frozen=True, slots=True)
class HandView:
    """The hand on the rollback. `since` None: it falls to `name` by the plan; `others` are those to whom this person
    can offer it, empty for everybody who does not have it."""

    url: str
    name: str
    since: datetime | None
    is_yours: bool
    offered_name: str
    offered_at: datetime | None
    is_offered_to_you: bool
    others: tuple[tuple[str, str], ...]
    now: datetime
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Option:
    """A person in a list to choose from; `where` says on which seats they sit already."""

    person_id: int
    name: str
    where: str


@dataclass(frozen=True, slots=True)
class PositionRow:
    """A position of the plan: what it may do in words, its seats, then its deputies. `concern`: somebody must sit on
    its empty seats."""

    key: str
    title: str
    may: str
    seats: tuple[SeatRow, ...]
    concern: bool = False

    @property
    def empty(self) -> int:
        return sum(row.is_empty for row in self.seats)


@dataclass(frozen=True, slots=True)
class RosterView:
    """`leads` are the titles of those who may change the roster; `locked` says why nothing can be changed now."""

    url: str
    headline: str
    lead: str
    positions: tuple[PositionRow, ...]
    concerns: tuple[str, ...]
    people: tuple[Option, ...]
    may_change: bool
    needs_step_up: bool
    is_admin: bool
    leads: str
    locked: str
    is_over: bool
    arrive_url: str
    """Where this person says "I am here"; empty once it was said, or without a seat."""
    zone: str
    now: datetime
    versions: Mapping[str, int]

    @property
    def taken(self) -> int:
        return sum(not row.is_empty for position in self.positions for row in position.seats)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a change was refused, to stand at the field of the seat it was meant for. `position` and `person` are what
    was chosen."""

    key: str
    text: str
    position: str
    person: int = 0
