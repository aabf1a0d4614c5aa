"""The store port: where operations are recorded. PostgreSQL in the product, memory in the simulator."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from app.domain.operations import Operation, Outcome, State
from app.domain.sides import Side, Weights
from app.ports.traffic import RouteOutcome


class Superseded(Exception):
    """A newer operation exists, or another worker holds the lease: stop, and issue nothing more."""


@dataclass(frozen=True, slots=True)
class ReadingNow:
    """The newest reading of a metric on a side. `verdict` is a domain.metrics.Verdict's name."""

    metric: str
    side: Side
    value: float | None
    samples: int
    age_s: float
    verdict: str


@dataclass(frozen=True, slots=True)
class TeamNow:
    """Who was on a page lately: the titles of the positions seen, and of those missing."""

    present: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """What is to be recorded of an operation; fields left None stay as they are."""

    state: State | None = None
    written_at: datetime | None = None
    read_back_at: datetime | None = None
    observed_95_at: datetime | None = None
    observed_99_at: datetime | None = None
    observed_100_at: datetime | None = None
    probes_agreeing: int | None = None
    probes_total: int | None = None
    guard_until: datetime | None = None
    verified_at: datetime | None = None
    escalated: str | None = None
    customers: tuple[int, int] | None = None
    """Requests and failed requests of the customers' source, as it counts."""
    checks: Mapping[str, Outcome] = field(default_factory=dict)

    def on(self, operation: Operation) -> Operation:
        """The operation once this is recorded: what came first stays, as in the store."""
        return replace(
            operation,
            state=self.state or operation.state,
            written_at=operation.written_at or self.written_at,
            read_back_at=operation.read_back_at or self.read_back_at,
            observed_100_at=operation.observed_100_at or self.observed_100_at,
            verified_at=operation.verified_at or self.verified_at,
            guard_until=self.guard_until or operation.guard_until,
            checks={**operation.checks, **self.checks},
        )


class OperationStore(Protocol):
    """All times are database time. Every method that writes raises Superseded when this worker may no longer."""

    async def claim(self, operation_id: int) -> datetime | None:
        """Take or renew the lease. Database time, or None if the operation has ended or another worker holds it."""
        ...

    async def load(self, operation_id: int) -> Operation: ...

    async def newest_epoch(self, operation_id: int) -> int:
        """The newest epoch of the operation's target, asked right before an effect (I6). Raises Superseded when the
        operation has ended or another worker holds the lease, which may leave the epoch as it was."""
        ...

    async def record_intent(
        self, operation_id: int, weights: Weights, checks: Mapping[str, Outcome] | None = None
    ) -> int:
        """Announce a write, together with the checks that allow it; returns the effect's id. Committed before the
        write is issued."""
        ...

    async def record_outcome(
        self, effect_id: int, outcome: str, detail: str, routes: tuple[RouteOutcome, ...] = ()
    ) -> None:
        """`outcome`: applied, refused, unknown, stale; `routes` the same for each route of the target. Does nothing to
        an effect that has an outcome: a worker back from a freeze does not overwrite what was read since."""
        ...

    async def resolve_intents(self, operation_id: int, outcome: str) -> None:
        """Answer the open questions of earlier writes with what was read: `applied` or `not applied`. The latter also
        corrects a write that was recorded as applied and then was not there."""
        ...

    async def record(self, operation_id: int, progress: Progress) -> None: ...

    async def finish(self, operation_id: int, state: State, reason: str, *, restore: bool) -> None: ...

    async def readings(self, operation_id: int) -> tuple[ReadingNow, ...]: ...

    async def team(self, operation_id: int) -> TeamNow: ...

    async def customer_reports(self, operation_id: int) -> tuple[int, int]:
        """What customers told support since the press: how many reports, and of how many customers."""
        ...

    async def publish_shares(self, operation_id: int, blue: int | None, green: int | None, set_blue: int) -> None:
        """Let the browsers see where probes see traffic, without an event."""
        ...
