"""The ways back that end what is asked: rollbacks of the product, and what break-glass did without it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import BreakGlass, BreakGlassLine, Event, Operation
from app.domain.deployments import Change
from app.domain.operations import Kind
from app.eventlog.log import SYSTEM


@dataclass(frozen=True, slots=True)
class WayBack:
    """Traffic went back to BLUE at `at`: who did it, and why."""

    at: datetime
    who: str
    cause: str


async def ways_back(session: AsyncSession, deployment_id: int, since: datetime) -> Sequence[WayBack]:
    """Every way back of a deployment since a moment, the oldest first."""
    rollbacks = select(Operation.accepted_at, Operation.requested_by, Operation.cause).where(
        Operation.deployment_id == deployment_id, Operation.kind == Kind.ROLLBACK.value, Operation.accepted_at >= since
    )
    found = [WayBack(*row) for row in await session.execute(rollbacks)]
    found += await without_the_product(session, deployment_id, since)
    return sorted(found, key=lambda back: back.at)


async def without_the_product(session: AsyncSession, deployment_id: int, since: datetime) -> Sequence[WayBack]:
    """What no operation tells of, the oldest first."""
    found = await _by_break_glass(session, deployment_id, since)
    found += await _by_another_hand(session, deployment_id, since)
    return sorted(found, key=lambda back: back.at)


async def _by_break_glass(session: AsyncSession, deployment_id: int, since: datetime) -> list[WayBack]:
    """What a spool told: a line that the balancer took it, or reads back BLUE (traffic.commands_break_glass).

    Its time is the machine's own. A clock that is ahead is held to when the spool was taken in; one that is behind
    leaves an incident open that could have ended, which asks somebody instead of nobody. An incident raised after
    traffic came back is about BLUE, and stays open."""
    line = BreakGlassLine
    is_back = or_(line.what == "applied", line.detail.contains({"reads_back": True}))
    moved = func.least(func.min(line.at), BreakGlass.taken_in_at)
    statement = (
        select(moved, BreakGlass.who, BreakGlass.host, BreakGlass.reason)
        .join(line, line.run == BreakGlass.run)
        .where(BreakGlass.deployment_id == deployment_id, is_back)
        .group_by(BreakGlass.run)
        .having(moved >= since)
    )
    return [
        WayBack(at, f"{who} (break-glass on {host})", reason)
        for at, who, host, reason in await session.execute(statement)
    ]


async def _by_another_hand(session: AsyncSession, deployment_id: int, since: datetime) -> list[WayBack]:
    """The target was found on BLUE with an epoch that nobody here gave out: a spool may never come."""
    statement = select(Event.at, Event.text).where(
        Event.chain == deployment_id,
        Event.kind == Change.BREAK_GLASS.value,
        Event.actor == SYSTEM.name,
        Event.at >= since,
    )
    return [WayBack(at, "another hand", text) for at, text in await session.execute(statement)]
