"""The canary's rows in the simulator: what app/canary/commands.py writes in PostgreSQL, decided by the same domain
functions. Each method is one transaction."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from app.canary.commands import Look
from app.canary.queries import HEALTH
from app.domain import canary, canary_gate
from app.domain.canary import JUDGED, OVER, Change, Run, State
from app.domain.canary_evidence import AlertSeen, Evidence, Reading, Word
from app.domain.canary_gate import Judgement
from app.domain.errors import Rejected
from app.domain.metrics import Observation
from app.domain.operations import Kind
from app.domain.plan import Phase, Plan
from app.domain.sides import Weights
from tests.orchestrator.ledger import Ledger
from tests.orchestrator.virtual_time import START
from tests.orchestrator.world import now
from tests.simulate.books import Books

DUTY_LEASE_S = 2.0


@dataclass
class Row:
    """A run of the canary: what db.tables.CanaryRun holds."""

    number: int
    started_at: datetime
    run: Run = field(default_factory=Run)
    step_since: datetime | None = None
    read_green: int | None = None
    read_at: datetime | None = None
    approved: Word | None = None
    reported: Word | None = None
    reason: str = ""
    tries: int = 0
    operation_id: int = 0
    changed_key: str = ""
    finished_at: datetime | None = None
    readings: dict[str, list[Reading]] = field(default_factory=dict)
    health: list[Observation] = field(default_factory=list)


@dataclass(frozen=True)
class Told:
    """A change, as the log has it."""

    at: float
    run: int
    change: Change
    before: str
    after: str
    step: int
    version: int


@dataclass(frozen=True)
class Order:
    at: float
    run: int
    step: int
    percent: int
    operation_id: int


@dataclass(frozen=True)
class Kept:
    """What was recorded of a reading of the balancer: when it was recorded, as of when, and GREEN's share."""

    at: float
    read_at: float
    green: int | None


def since_start(at: datetime) -> float:
    return (at - START).total_seconds()


@dataclass
class CanaryBooks(Books):
    plan: Plan = None  # type: ignore[assignment]
    phase: Phase = None  # type: ignore[assignment]
    runs: list[Row] = field(default_factory=list)
    is_running: bool = True
    """The phase."""
    alerts: list[AlertSeen] = field(default_factory=list)
    duty: tuple[str, datetime] = ("", START)
    told: list[Told] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)
    approvals: list[tuple[float, int, int]] = field(default_factory=list)
    """When, of which run, of which step."""
    asked_back: list[tuple[float, int]] = field(default_factory=list)
    reports: list[tuple[float, int]] = field(default_factory=list)
    held: list[tuple[float, bool]] = field(default_factory=list)
    """When the phase was held or resumed, and whether it runs since."""
    refused_backs: list[tuple[float, str]] = field(default_factory=list)

    @property
    def canary(self) -> Row | None:
        return self.runs[-1] if self.runs else None

    # ── operations ──────────────────────────────────────────────────────────

    def notice(self) -> None:
        if self.rows:
            super().notice()

    def insert(self, kind: Kind, want: Weights | None = None) -> int:
        """What a shift that did not arrive asks for: all of it back."""
        return self.request_shift(0, f"restore-{len(self.rows)}")

    def request_shift(self, percent: int, key: str) -> int:
        """As `traffic.commands.request_shift`."""
        if key in self.keys:
            return self.keys[key]
        for number in self.unfinished:
            if percent > 0:
                raise Rejected("It is moved already.", conflict=True, code="in_flight")
            if self.rows[number].operation.want.blue == 100:
                return number
        number = Ledger.insert(self, Kind.SHIFT, Weights(100 - percent, percent))
        self._take_up(number)
        self.keys[key] = number
        return number

    # ── what people press ───────────────────────────────────────────────────

    def press(self, what: str, key: str, version: int | None) -> None:
        """`version` is the one the page showed; None: the page is as it should be. Raises Rejected."""
        match what:
            case "start":
                self._start(key)
            case "go_on":
                self._go_on(key, version)
            case "approve":
                self._approve(key, version)
            case "report":
                self._report(key)
            case "take_back":
                self._take_it_back(key)
            case "hold" | "resume":
                self.is_running = what == "resume"
                self.held.append((since_start(now()), self.is_running))

    def _start(self, key: str) -> None:
        newest = self.canary
        if newest is not None and newest.changed_key == key:
            return
        self._demand_running()
        if newest is not None and (newest.finished_at is None or newest.run.state is State.DONE):
            raise Rejected("It has begun already.", conflict=True, code="state")
        self._demand_still()
        row = Row(len(self.runs) + 1, now(), changed_key=key)
        self.runs.append(row)
        self._change(row, Change.START)
        self._order(row, self.phase.canary[0].percent)

    def _go_on(self, key: str, version: int | None) -> None:
        row = self._begun()
        if row.changed_key == key:
            return
        self._demand_running()
        change = Change.RETRY if row.run.state is State.WAITING else Change.ADVANCE
        after = canary.follow(row.run, change)
        self._refuse_stale(row, version)
        if change is Change.ADVANCE:
            canary.demand_passed(self.judgement(row))
            if after.step >= len(self.phase.canary):
                raise Rejected("This was the last share.", conflict=True, code="state")
        self._demand_still()
        self._note_press(row, key)
        self._raise(row, change)

    def _approve(self, key: str, version: int | None) -> None:
        row = self._begun()
        if row.changed_key == key:
            return
        self._refuse_stale(row, version)
        if row.run.state not in JUDGED:
            raise Rejected("There is nothing to approve now.", conflict=True, code="state")
        row.approved = Word("Backend lead", now())
        self._note_press(row, key)
        self.approvals.append((since_start(now()), row.number, row.run.step))
        self.tell(f"the backend team approves step {row.run.step}")

    def _report(self, key: str) -> None:
        row = self._begun()
        if row.run.state in (State.ROLLING_BACK, State.ROLLED_BACK):
            return
        row.reported = Word("Backend lead", now(), "slow")
        self._note_press(row, key)
        self.reports.append((since_start(now()), row.number))
        self._take_back(row, "an issue was reported")

    def _take_it_back(self, key: str) -> None:
        row = self._begun()
        if row.run.state in (State.ROLLING_BACK, State.ROLLED_BACK):
            return
        self._note_press(row, key)
        self.asked_back.append((since_start(now()), row.number))
        self._take_back(row, "somebody took it back")

    def _begun(self) -> Row:
        if self.canary is None:
            raise Rejected("The canary has not begun.", code="state")
        return self.canary

    def _demand_running(self) -> None:
        if not self.is_running:
            raise Rejected("The phase does not run.", conflict=True, code="phase")

    def _demand_still(self) -> None:
        """What `request_shift` refuses takes the whole transaction back, so it is asked first here."""
        if self.unfinished:
            raise Rejected("It is moved already.", conflict=True, code="in_flight")

    def _refuse_stale(self, row: Row, version: int | None) -> None:
        if version is not None and row.run.version != version:
            raise Rejected("It changed since this page was drawn.", conflict=True, code="stale")

    def _note_press(self, row: Row, key: str) -> None:
        row.changed_key = key
        row.run = replace(row.run, version=row.run.version + 1)

    # ── what moves it ───────────────────────────────────────────────────────

    def _change(self, row: Row, change: Change) -> None:
        before = row.run.state
        row.run = canary.follow(row.run, change)
        assert row.run.state is not None
        at, number = since_start(now()), row.number
        step = row.run.step
        self.told.append(Told(at, number, change, before or "", row.run.state, step, row.run.version))
        self.tell(f"canary {number} is {row.run.state} at step {step}{f': {row.reason}' if row.reason else ''}")
        row.finished_at = now() if row.run.state in OVER else None

    def _order(self, row: Row, percent: int) -> None:
        row.tries += 1
        row.operation_id = self.request_shift(percent, f"canary-{row.number}-{row.tries}")
        self.orders.append(Order(since_start(now()), row.number, row.run.step, percent, row.operation_id))

    def _raise(self, row: Row, change: Change) -> None:
        row.reason, row.step_since, row.approved = "", None, None
        self._change(row, change)
        self._order(row, self.phase.canary[row.run.step].percent)

    def _take_back(self, row: Row, reason: str) -> None:
        row.reason = reason
        self._change(row, Change.ROLL_BACK)
        self._order(row, 0)

    # ── the duty ────────────────────────────────────────────────────────────

    def judgement(self, row: Row) -> Judgement:
        at = now()
        evidence = Evidence(
            readings=row.readings,
            health=row.health,
            alerts=[alert for alert in self.alerts if alert.at >= row.started_at],
            approved=row.approved,
            reported=row.reported,
            read_green=row.read_green,
            read_at=row.read_at,
        )
        return canary_gate.judge(
            self.plan,
            self.phase,
            self.phase.canary[row.run.step].percent,
            row.step_since or at,
            evidence,
            at,
            has_dwelt=canary.has_dwelt(row.run, self.phase),
            begun=row.started_at,
        )

    def keep(self, number: int, look: Look, monotonic: Callable[[], float]) -> None:
        """As `commands.keep`."""
        row = self.runs[number - 1]
        if row.finished_at is not None:
            return
        age_s = max(0.0, monotonic() - look.began) if look.began is not None else 0.0
        self._record(row, look, now() - timedelta(seconds=age_s))
        if row.run.state is State.ROLLING_BACK:
            self._after_way_back(row)
        elif row.run.state is not State.SHIFTING or not self._after_shift(row):
            self._judge(row)

    def _record(self, row: Row, look: Look, at: datetime) -> None:
        self.looks.append(since_start(now()))
        if look.has_read and (row.read_at is None or row.read_at <= at):
            row.read_green, row.read_at = look.read_green, at
            self.kept.append(Kept(since_start(now()), since_start(at), look.read_green))
        for metric, value, count in look.samples:
            row.readings.setdefault(metric, []).append(Reading(at, value, count))
        if look.is_well is not None:
            row.health.append(Observation(at, 0.0 if look.is_well else 1.0))
        assert HEALTH not in row.readings

    def _after_shift(self, row: Row) -> bool:
        shift = self.rows[row.operation_id]
        change = canary.after_shift(shift.operation.state)
        if change is None:
            return False
        if change is Change.ROLL_BACK:
            self._take_back(row, shift.reason or "The shift did not arrive")
            return True
        row.reason = shift.reason if change is Change.REFUSE else ""
        self._change(row, change)
        row.step_since = now() if change is Change.ARRIVE else None
        return True

    def _after_way_back(self, row: Row) -> None:
        operation = self.rows[row.operation_id].operation
        if operation.verified_at is not None:
            self._change(row, Change.BACK)
        elif row.operation_id not in self.unfinished:
            self._order(row, 0)

    def _judge(self, row: Row) -> None:
        if not canary.may_serve(row.run):
            return
        found = self.judgement(row)
        at = now()
        row.run, change = canary.seen(row.run, self.phase, found, at if self.is_running else None, at)
        match change:
            case None:
                return
            case Change.ROLL_BACK:
                self._take_back(row, found.why)
            case Change.ADVANCE:
                self._raise(row, change)
            case _:
                row.reason = found.why if change is Change.PAUSE else ""
                self._change(row, change)
