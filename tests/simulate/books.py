"""The books of the simulator: the ledger with what the commands add to it (app/traffic/commands.py), decided by the
same domain functions, and the store that may be away."""

import asyncio
import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from app.domain import deployments as course
from app.domain.deployments import Change, Course
from app.domain.errors import Rejected
from app.domain.operations import ENDED, Kind, State
from app.domain.plan import Plan, SignoffGate
from app.domain.sides import Weights
from app.domain.signoffs import Binding, GateVerdict, Verdict, Vote, evaluate
from tests.orchestrator.ledger import Ledger, Row
from tests.orchestrator.virtual_time import START
from tests.orchestrator.world import now
from tests.simulate.life import Tell
from tests.simulate.scenario import Scenario

PATIENCE_S = 8.0
"""How long `Database.run` tries before it gives up."""


class StoreAway(Exception):
    """PostgreSQL did not answer, for longer than the patience or in a way that cannot be tried again."""


@dataclass(frozen=True)
class Accepted:
    """The acceptance of a switch, with what the gate was decided from: invariant I3 looks at it."""

    operation_id: int
    votes: tuple[Vote, ...]
    binding: Binding
    holders: dict[str, frozenset[int]]
    at: datetime


@dataclass(frozen=True)
class Event:
    """A change of state, as the log would have it."""

    at: float
    operation_id: int
    before: str
    after: str


@dataclass
class Books(Ledger):
    """Deployment, sign-offs and keys beside the operations. All its methods are one transaction each."""

    tell: Tell = print
    gate: SignoffGate | None = None
    votes: list[Vote] = field(default_factory=list)
    binding: dict[str, str] = field(default_factory=dict)
    holders: dict[str, frozenset[int]] = field(default_factory=dict)
    course: Course = field(default_factory=lambda: Course(course.State.ARMED, 1, START))
    keys: dict[str, int] = field(default_factory=dict)
    accepted: list[Accepted] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    accepted_rollbacks: list[int] = field(default_factory=list)
    refused_rollbacks: list[tuple[float, str]] = field(default_factory=list)
    fresh: list[int] = field(default_factory=list)
    """Operations whose job nobody has been woken for yet."""
    ended_at: dict[int, float] = field(default_factory=dict)
    escalated_at: dict[int, float] = field(default_factory=dict)
    _known: dict[int, State] = field(default_factory=dict)

    # ── commands ────────────────────────────────────────────────────────────

    def request_switch(self, key: str) -> int:
        """As `commands.request_switch`. Raises Rejected."""
        if key in self.keys:
            return self.keys[key]
        if self.unfinished:
            raise Rejected("Another operation is in flight.", conflict=True, code="in_flight")
        course.follow(self.course, Change.SWITCH)
        assert self.gate is not None
        at = now()
        verdict = evaluate(self.gate, self.votes, self.binding, self.holders, at).verdict
        if verdict is not GateVerdict.PASSED:
            raise Rejected(f"The gate is {verdict}.", code="gate")
        number = self.insert(Kind.SWITCH)
        self.keys[key] = number
        self.course = course.follow(self.course, Change.SWITCH)
        self.accepted.append(Accepted(number, tuple(self.votes), dict(self.binding), dict(self.holders), at))
        return number

    def request_rollback(self, key: str) -> int:
        """As `commands.request_rollback`: merges with one on its way, pre-empts a switch. Raises Rejected."""
        if key in self.keys:
            return self.keys[key]
        for number in self.unfinished:
            if self.rows[number].operation.kind is Kind.ROLLBACK:
                self.keys[key] = number
                return number
        moved = course.follow(self.course, Change.ROLL_BACK)
        if self.course.state is course.State.ROLLED_BACK and self.newest.operation.verified_at is not None:
            raise Rejected("There is nothing to roll back.", conflict=True, code="verified")
        number = super().insert(Kind.ROLLBACK)
        self._take_up(number)
        self.course, self.keys[key] = moved, number
        self.accepted_rollbacks.append(number)
        return number

    def insert(self, kind: Kind, want: Weights | None = None) -> int:
        """A rollback asked for from inside (a restore) is a request like any other."""
        if kind is Kind.ROLLBACK:
            return self.request_rollback(f"restore-{len(self.rows)}")
        number = super().insert(kind, want)
        self._take_up(number)
        return number

    def _take_up(self, number: int) -> None:
        self.fresh.append(number)
        self.tell(f"accepted {self.rows[number].operation.kind} {number}, epoch {self.rows[number].operation.epoch}")
        self.notice()

    def reopen(self, votes: list[Vote]) -> None:
        """A new attempt with new votes, proceeded and armed. Raises Rejected."""
        moved = course.follow(self.course, Change.NEW_ATTEMPT)
        self.votes = votes
        self.course = course.follow(course.follow(moved, Change.PROCEED), Change.ARM)

    # ── what follows from the operations ────────────────────────────────────

    def notice(self) -> None:
        """Write an event for each change of state and move the deployment along, as the store does."""
        for number, row in self.rows.items():
            state, was = row.operation.state, self._known.get(number)
            if was is not state:
                self._known[number] = state
                self.events.append(Event(_elapsed(), number, was or "", state))
                self.tell(f"operation {number} is {state}{f': {row.reason}' if row.reason else ''}")
                if state in ENDED:
                    self.ended_at[number] = _elapsed()
            if row.operation.escalated_at is not None and number not in self.escalated_at:
                self.escalated_at[number] = _elapsed()
                self.tell(f"operation {number} escalates")
        newest = self.rows[max(self.rows)]
        self._follow(newest)

    def _follow(self, row: Row) -> None:
        operation, state = row.operation, self.course.state
        if operation.kind is Kind.SWITCH and state is course.State.SWITCHING:
            if operation.observed_100_at is not None:
                self.course = course.follow(self.course, Change.SWITCH_ARRIVED)
            elif operation.state is State.REFUSED:
                self.course = course.follow(self.course, Change.SWITCH_REFUSED)
        has_ended = operation.verified_at is not None or operation.state in ENDED
        if operation.kind is Kind.ROLLBACK and state is course.State.ROLLING_BACK and has_ended:
            self.course = course.follow(self.course, Change.ROLLBACK_DONE)


def _elapsed() -> float:
    return asyncio.get_running_loop().time()


def cast_votes(
    plan: Plan, at: datetime, flaw: str = ""
) -> tuple[list[Vote], dict[str, str], dict[str, frozenset[int]]]:
    """Five GO by five people on one binding; `flaw` says what is wrong with one of them."""
    gate = plan.production.signoffs
    assert gate is not None
    binding = {"plan": "p", "blue": "b", "green": "g", "target": "t"}
    holders = {question.position: frozenset({number}) for number, question in enumerate(gate.questions, 1)}
    votes = [
        Vote(
            question.key,
            question.position,
            number,
            f"Person {number}",
            Verdict.GO,
            "",
            dict(binding),
            at,
            at + timedelta(seconds=gate.lifetime_s),
        )
        for number, question in enumerate(gate.questions, 1)
    ]
    last = votes[-1]
    match flaw:
        case "four":
            votes.pop()
        case "expired":
            votes[-1] = replace(last, cast_at=at - timedelta(hours=2), expires_at=at - timedelta(seconds=1))
        case "no_go":
            votes[-1] = replace(last, verdict=Verdict.NO_GO, comment="no")
        case "outdated":
            votes[-1] = replace(last, bound_to={**binding, "green": "another"})
        case "same_person":
            votes[-1] = replace(last, person_id=1, who="Person 1")
            holders[last.position] = frozenset({1, last.person_id})
        case "left_seat":
            holders[last.position] = frozenset({77})
    return votes, binding, holders


class AwayStore:
    """The memory store behind a PostgreSQL that fails, hangs or loses the answer to a COMMIT as the scenario says."""

    def __init__(self, inner: Any, books: Books, weather: "Weather") -> None:
        self._inner, self._books, self._weather = inner, books, weather

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not asyncio.iscoroutinefunction(found):
            return found

        async def call(*args: Any, **named: Any) -> Any:
            await self._weather.pass_through(name)
            result = await found(*args, **named)
            self._books.notice()
            if self._weather.loses_commit(name):
                # `Database.run` does the whole transaction again.
                await self._weather.pass_through(name)
                result = await found(*args, **named)
                self._books.notice()
            if self._weather.extra_s:
                await asyncio.sleep(self._weather.extra_s)
            return result

        self.__dict__[name] = call
        return call


READS = frozenset({"load", "newest_epoch", "readings", "team", "customer_reports", "find"})


@dataclass
class Weather:
    """Whether PostgreSQL answers now."""

    scenario: Scenario
    note: Any
    dice: random.Random
    extra_s: float = 0.0
    commits: int = 0

    async def pass_through(self, name: str) -> None:
        """Wait or raise StoreAway while it is away."""
        gave_up = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            at = asyncio.get_running_loop().time()
            window = next((w for w in self.scenario.store if w.begins <= at < w.ends), None)
            if window is None:
                return
            self.note(f"store.{window.what}", name)
            if window.what == "hangs":
                await asyncio.sleep(min(window.ends, gave_up) - at)
            elif window.ends <= gave_up and self.dice.random() < 0.5:
                await asyncio.sleep(window.ends - at)  # tried again until it is back
            else:
                await asyncio.sleep(0.05)
                raise StoreAway(name)
            if asyncio.get_running_loop().time() >= gave_up:
                raise StoreAway(name)

    def loses_commit(self, name: str) -> bool:
        if name in READS:
            return False
        self.commits += 1
        if self.commits not in self.scenario.lost_commits:
            return False
        self.note("store.lost_commit", name)
        if self.dice.random() < 0.5:
            raise StoreAway(f"{name}: committed, but not answered")
        return True
