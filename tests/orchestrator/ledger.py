"""ports.operations.OperationStore in memory: what PostgreSQL keeps, with the same rules for leases and epochs."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from app.domain.operations import ENDED, Kind, Operation, Outcome, State
from app.domain.sides import Side, Weights
from app.ports.operations import Progress, ReadingNow, Superseded, TeamNow
from app.ports.traffic import RouteOutcome
from tests.orchestrator.world import now

LEASE = timedelta(seconds=1.5)
COMMIT_S = 0.002
OPEN = ("", "unknown")
_KEPT = ("written_at", "read_back_at", "observed_100_at", "verified_at")


@dataclass
class Row:
    operation: Operation
    owner: str = ""
    until: datetime | None = None
    reason: str = ""
    takeovers: int = 0
    outcomes: dict[int, str] = field(default_factory=dict)
    observed: dict[str, datetime] = field(default_factory=dict)
    probes: tuple[int, int] = (0, 0)
    """Those that agreed, and all: as last recorded."""
    escalations: int = 0
    states: list[State] = field(default_factory=list)


@dataclass
class Ledger:
    """All operations of one target. `after` rolls what a superseding or restoring rollback is."""

    epoch: int = 0
    rows: dict[int, Row] = field(default_factory=dict)
    readings: dict[Side, dict[str, tuple[float, str]]] = field(
        default_factory=lambda: {
            side: {
                key: (value, "OK")
                for key, value in {
                    "response_time": 130.0,
                    "error_rate": 0.02,
                    "db_connections": 12.0,
                    "memory": 48.0,
                    "cpu": 9.0,
                }.items()
            }
            for side in Side
        }
    )
    team: TeamNow = field(default_factory=lambda: TeamNow(("DevOps lead",), ()))
    customer_reports: tuple[int, int] = (0, 0)

    def insert(self, kind: Kind, want: Weights | None = None) -> int:
        """A new operation with the next epoch; one that takes all to BLUE ends what is in flight, as the commands do.
        `want` is a shift's."""
        want = want or Weights.all_to(Side.BLUE if kind is Kind.ROLLBACK else Side.GREEN)
        in_flight = [row for row in self.rows.values() if row.operation.state not in ENDED]
        assert want.green == 0 or not in_flight, "I5: one operation in flight"
        for row in in_flight:
            row.operation = replace(row.operation, state=State.SUPERSEDED)
        self.epoch += 1
        number = len(self.rows) + 1
        at = now()
        self.rows[number] = Row(Operation(number, kind, self.epoch, want, State.ACCEPTED, at, at))
        return number

    @property
    def newest(self) -> Row:
        return self.rows[max(self.rows)]

    @property
    def unfinished(self) -> list[int]:
        return [number for number, row in self.rows.items() if row.operation.state not in ENDED]


class MemoryStore:
    """One worker's view of the ledger. Each method waits as long as a commit takes."""

    def __init__(self, ledger: Ledger, worker: str) -> None:
        self.ledger, self.worker = ledger, worker

    async def claim(self, operation_id: int) -> datetime | None:
        await asyncio.sleep(COMMIT_S)
        row, at = self.ledger.rows[operation_id], now()
        is_free = row.owner in ("", self.worker) or row.until is None or row.until < at
        if row.operation.state in ENDED or not is_free:
            return None
        if row.owner not in ("", self.worker):
            row.takeovers += 1
        row.owner, row.until = self.worker, at + LEASE
        return at

    async def load(self, operation_id: int) -> Operation:
        await asyncio.sleep(COMMIT_S)
        row = self.ledger.rows[operation_id]
        outcomes = set(row.outcomes.values())
        return replace(
            row.operation,
            open_intent=not outcomes.isdisjoint(OPEN if row.operation.written_at else (*OPEN, "applied")),
            may_have_written=bool(outcomes - {"refused", "stale"}),
        )

    async def newest_epoch(self, operation_id: int) -> int:
        await asyncio.sleep(COMMIT_S)
        self._own(operation_id)
        return self.ledger.epoch

    def _own(self, operation_id: int) -> Row:
        row = self.ledger.rows[operation_id]
        if row.operation.state in ENDED or row.owner != self.worker:
            raise Superseded(f"{row.owner or 'nobody'} drives it, state {row.operation.state}")
        return row

    async def record_intent(
        self, operation_id: int, weights: Weights, checks: Mapping[str, Outcome] | None = None
    ) -> int:
        await asyncio.sleep(COMMIT_S)
        row = self._own(operation_id)
        row.operation = replace(row.operation, checks={**row.operation.checks, **(checks or {})})
        effect = operation_id * 1000 + len(row.outcomes)
        row.outcomes[effect] = ""
        return effect

    async def record_outcome(
        self, effect_id: int, outcome: str, detail: str, routes: tuple[RouteOutcome, ...] = ()
    ) -> None:
        await asyncio.sleep(COMMIT_S)
        outcomes = self.ledger.rows[effect_id // 1000].outcomes
        outcomes[effect_id] = outcomes[effect_id] or outcome

    async def resolve_intents(self, operation_id: int, outcome: str) -> None:
        await asyncio.sleep(COMMIT_S)
        row = self._own(operation_id)
        asked_about = OPEN if outcome == "applied" else (*OPEN, "applied")
        row.outcomes.update({key: outcome for key, was in row.outcomes.items() if was in asked_about})

    async def record(self, operation_id: int, progress: Progress) -> None:
        await asyncio.sleep(COMMIT_S)
        row = self._own(operation_id)
        kept = {
            name: getattr(progress, name)
            for name in _KEPT
            if getattr(progress, name) is not None and getattr(row.operation, name) is None
        }
        for name in ("observed_95_at", "observed_99_at", "observed_100_at"):
            if getattr(progress, name) is not None:
                row.observed.setdefault(name, getattr(progress, name))
        if progress.probes_total is not None:
            row.probes = (progress.probes_agreeing or 0, progress.probes_total)
        if progress.state is not None:
            row.states.append(progress.state)
            kept["state"] = progress.state
        if progress.guard_until is not None:
            kept["guard_until"] = progress.guard_until
        if progress.escalated is not None:
            row.escalations += 1
            row.reason = progress.escalated
            kept["escalated_at"] = now()
        checks: dict[str, Outcome] = {**row.operation.checks, **progress.checks}
        row.operation = replace(row.operation, checks=checks, **kept)

    async def finish(self, operation_id: int, state: State, reason: str, *, restore: bool) -> None:
        await asyncio.sleep(COMMIT_S)
        row = self._own(operation_id)
        row.operation, row.reason = replace(row.operation, state=state), reason or row.reason
        row.owner, row.until = "", None
        if restore:
            self.ledger.insert(Kind.ROLLBACK)

    async def readings(self, operation_id: int) -> tuple[ReadingNow, ...]:
        await asyncio.sleep(COMMIT_S)
        return tuple(
            ReadingNow(key, side, value, 400, 0.5, verdict)
            for side, values in self.ledger.readings.items()
            for key, (value, verdict) in values.items()
        )

    async def team(self, operation_id: int) -> TeamNow:
        await asyncio.sleep(COMMIT_S)
        return self.ledger.team

    async def customer_reports(self, operation_id: int) -> tuple[int, int]:
        await asyncio.sleep(COMMIT_S)
        return self.ledger.customer_reports

    async def publish_shares(self, operation_id: int, blue: int | None, green: int | None, set_blue: int) -> None:
        await asyncio.sleep(COMMIT_S)
