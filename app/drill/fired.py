"""Drills of automatic rollbacks: what is broken on GREEN, and what must have fired. The plan is the rehearsal's own, so
`trigger` takes the plan's real two minutes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Event, Operation, TriggerState
from app.drill.team import Result, as_ms
from app.eventlog.log import SYSTEM

AFTERWARDS_S = 2.0
"""Requests that were on their way to GREEN when traffic came back have ended by then."""


@dataclass(frozen=True, slots=True)
class TriggerFault:
    """What is broken, the trigger that must fire, and within how many seconds of the fault."""

    knobs: Mapping[str, Any]
    text: str
    trigger: str
    within_s: float


TRIGGER_FAULTS: Mapping[str, TriggerFault] = {
    "trigger": TriggerFault({"latency_ms": 1200}, "GREEN is 1,200 ms slower", "response_time", 150),
    "trigger-payment": TriggerFault({"payment_fails": True}, "payment fails on GREEN", "payment", 15),
}


@dataclass(frozen=True, slots=True)
class Fired:
    """What the database says of an automatic rollback."""

    triggers: tuple[str, ...]
    requested_by: str
    cause: str
    rollbacks: int
    fires: int
    complete_at: datetime | None
    accepted_at: datetime
    written_at: datetime | None

    def as_result(self) -> Result:
        return {
            "fired": list(self.triggers),
            "cause": self.cause,
            "complete_to_recorded_ms": self._since_complete(self.accepted_at),
            "complete_to_accepted_ms": self._since_complete(self.written_at),
        }

    def _since_complete(self, at: datetime | None) -> int | None:
        if at is None or self.complete_at is None:
            return None
        return as_ms((at - self.complete_at).total_seconds())

    def shortfalls(self, fault: TriggerFault) -> Iterator[str]:
        if self.requested_by != SYSTEM.name:
            yield f"the rollback was asked for by {self.requested_by}"
        if self.rollbacks != 1:
            yield f"there were {self.rollbacks} rollbacks instead of one"
        if self.triggers != (fault.trigger,) or self.fires != 1:
            names = ", ".join(self.triggers) or "nothing"
            yield f"fired: {names}, told {self.fires} times; expected {fault.trigger}, once"


async def what_fired(session: AsyncSession, rollback: Operation) -> Fired:
    rows = list(await session.scalars(select(TriggerState).where(TriggerState.fired_at.is_not(None))))
    rollbacks = select(func.count()).select_from(Operation).where(Operation.kind == "rollback")
    fires = select(func.count()).select_from(Event).where(Event.kind == "triggers.fired")
    return Fired(
        triggers=tuple(row.trigger for row in rows),
        requested_by=rollback.requested_by,
        cause=rollback.cause,
        rollbacks=await session.scalar(rollbacks) or 0,
        fires=await session.scalar(fires) or 0,
        complete_at=min((row.complete_at for row in rows if row.complete_at), default=None),
        accepted_at=rollback.accepted_at,
        written_at=rollback.written_at,
    )
