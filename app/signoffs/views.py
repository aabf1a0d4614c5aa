"""What the board shows. One dataclass a fragment; `versions` are those read in the transaction that made it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo


class Change(NamedTuple):
    """What is no longer as it was when the vote was given; `note` says who changed it and when, where that is known."""

    what: str
    before: str
    after: str
    note: str = ""


class Told(NamedTuple):
    """So many changes that stand at the vote of another question already, and would only be said again."""

    changes: int
    key: str
    position: str
    is_you: bool


@dataclass(frozen=True, slots=True)
class VoteRow:
    """One question. `state` is a lamp: wait go nogo outdated withdrawn expired. `has_ballot`: this person may vote."""

    key: str
    position: str
    question: str
    state: str
    is_you: bool
    has_ballot: bool
    can_withdraw: bool
    comment: str = ""
    by: str = ""
    at: datetime | None = None
    counts_until: datetime | None = None
    """When a GO expires; None for every other state."""
    changes: tuple[Change, ...] = ()
    told: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class VotesView:
    """`shown` is the fingerprint of what the page says the votes are for; it travels with each ballot."""

    url: str
    rows: tuple[VoteRow, ...]
    attempt: int
    is_open: bool
    shown: str
    plan_name: str
    blue: tuple[str, str]
    green: tuple[str, str]
    target: str
    needs_step_up: bool
    zone: str
    now: datetime
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Rights:
    """What this person's seat may do about the deployment's course."""

    proceed: bool
    arm: bool
    hold: bool
    switch: bool


@dataclass(frozen=True, slots=True)
class GateView:
    """`stage` is the deployment's state; `verdict` go, hold, wait; `closed` why Proceed is closed, empty when open."""

    url: str
    stage: str
    verdict: str
    word: str
    pips: tuple[tuple[str, str], ...]
    missing: tuple[tuple[str, str], ...]
    closed: str
    closes_at: datetime | None
    planned_at: datetime
    phase: str
    reason: str
    leaves: str
    """What canaries left on GREEN, and what becomes of it by an abort."""
    held_by: str
    since: datetime
    rights: Rights
    arms: str
    """The titles of those who arm, as in "DevOps lead or DevOps"."""
    leads: str
    """The titles of those who may proceed."""
    holds: str
    needs_step_up: bool
    zone: str
    now: datetime
    versions: Mapping[str, int]

    @property
    def local_start(self) -> str:
        """The planned start as a datetime-local field has it, in the plan's zone."""
        return f"{self.planned_at.astimezone(ZoneInfo(self.zone)):%Y-%m-%dT%H:%M}"


@dataclass(frozen=True, slots=True)
class TeamView:
    """Who is there, and how far the checklist of the phase is: rows of (title, done, total)."""

    url: str
    present: int
    expected: int
    absent: tuple[str, ...]
    checklist: tuple[str, int, int] | None
    positions: tuple[tuple[str, int, int], ...]
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class HeadlineView:
    url: str
    title: str
    text: str
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Board:
    headline: HeadlineView
    votes: VotesView
    gate: GateView
    team: TeamView
