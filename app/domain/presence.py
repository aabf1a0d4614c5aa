"""Who must be there on the day, and who is: the seats that the plan requires, against those who were seen.

A position is complete when as many different people of it are there as it has required seats; a deputy counts, because
a deputy has the same rights. Who only observes is expected by nobody. Manual, "Team Positions" (two people in DevOps,
two in backend) and "Project manager verifies everyone is present".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.plan import Plan, Position
from app.domain.roster import Sitter

HERE = timedelta(seconds=60)
"""Who asked for nothing for longer is on no page now."""
SEEN = timedelta(minutes=10)
"""Who has not asked for any page for this long is not counted as present."""


class Why(StrEnum):
    """Why a required seat counts for nothing."""

    EMPTY = "empty"
    DISABLED = "disabled"
    NEVER = "never"
    """Somebody sits there who was not seen yet."""
    AWAY = "away"
    """Somebody sits there who was not seen lately."""


@dataclass(frozen=True, slots=True)
class Chair(Sitter):
    """Somebody on the roster: when they were last seen by a request, when on a page of this very deployment, and when
    they said "I am here" in this attempt."""

    seen_at: datetime | None = None
    page_at: datetime | None = None
    arrived_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A required seat without anybody there. `key` is "devops-2"; `seat` "DevOps 2"; `name` who sits there, if
    anybody does; `away` how long they were not seen."""

    key: str
    seat: str
    why: Why
    name: str = ""
    away: timedelta | None = None


@dataclass(frozen=True, slots=True)
class PositionNow:
    """A position with its required seats: how many of them somebody sits on, has arrived on, is there for, is on a page
    now. `gaps` are the seats for which nobody is there."""

    key: str
    title: str
    required: int
    seated: int
    arrived: int
    present: int
    on_page: int
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class Presence:
    positions: tuple[PositionNow, ...]

    @property
    def required(self) -> int:
        return sum(row.required for row in self.positions)

    @property
    def present(self) -> int:
        return self.required - len(self.gaps)

    @property
    def arrived(self) -> int:
        return sum(row.arrived for row in self.positions)

    @property
    def on_page(self) -> int:
        return sum(row.on_page for row in self.positions)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        return tuple(gap for row in self.positions for gap in row.gaps)

    @property
    def absent(self) -> tuple[str, ...]:
        """Who is not there, by name; an empty seat by its title."""
        return tuple(gap.name or gap.seat for gap in self.gaps)


def required_seats(position: Position) -> int:
    """How many people of a position must be there: all its seats, and none of a position that only looks on."""
    return position.seats if set(position.capabilities) - {"observe"} else 0


def presence_of(plan: Plan, chairs: Sequence[Chair], now: datetime) -> Presence:
    """Everybody the plan requires, in its order."""
    wanted = [position for position in plan.positions if required_seats(position)]
    return Presence(tuple(_position(position, chairs, now) for position in wanted))


def _position(position: Position, chairs: Sequence[Chair], now: datetime) -> PositionNow:
    required = required_seats(position)
    mine = [chair for chair in chairs if chair.position == position.key]
    able = [chair for chair in mine if not chair.is_disabled]
    there = {chair.person_id for chair in able if _within(chair.seen_at, SEEN, now)}
    open_ = [gap for seat in range(1, required + 1) if (gap := _gap(position, seat, mine, now)) is not None]
    deputies = {chair.person_id for chair in able if chair.is_deputy and chair.person_id in there}
    holders = {chair.person_id for chair in able if not chair.is_deputy}
    covered = len(deputies - holders)
    return PositionNow(
        key=position.key,
        title=position.title,
        required=required,
        seated=min(required, len({chair.person_id for chair in able})),
        arrived=min(required, len({chair.person_id for chair in able if chair.arrived_at is not None})),
        present=min(required, len(there)),
        on_page=min(required, len({chair.person_id for chair in able if _within(chair.page_at, HERE, now)})),
        gaps=tuple(open_[covered:]),
    )


def _gap(position: Position, seat: int, mine: Sequence[Chair], now: datetime) -> Gap | None:
    chair = next((each for each in mine if each.seat == seat and not each.is_deputy), None)
    key, title = f"{position.key}-{seat}", f"{position.title} {seat}" if position.seats > 1 else position.title
    if chair is None:
        return Gap(key, title, Why.EMPTY)
    if chair.is_disabled:
        return Gap(key, title, Why.DISABLED, chair.name)
    if chair.seen_at is None:
        return Gap(key, title, Why.NEVER, chair.name)
    if not _within(chair.seen_at, SEEN, now):
        return Gap(key, title, Why.AWAY, chair.name, now - chair.seen_at)
    return None


def _within(moment: datetime | None, span: timedelta, now: datetime) -> bool:
    return moment is not None and now - moment <= span


def is_excused(gaps: Sequence[Gap], without: Sequence[str]) -> bool:
    """Whether somebody who leads has decided to go on without all of these: `without` are the keys of the seats that
    were missing then. A seat that went missing since was not decided on."""
    return bool(gaps) and {gap.key for gap in gaps} <= set(without)
