"""ports.follower.FollowerDesk on PostgreSQL: what follows a target's balancer, and how far it is."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import tables
from app.db.engine import Database
from app.deployments.commands import database_now
from app.domain.sides import Weights
from app.eventlog.log import SYSTEM, Entry, Severity, append, touch
from app.ports.follower import FollowerReading, Wanted
from app.ports.traffic import StaleEpoch


class Desk:
    """Of one target, for the deployment whose log tells of it. `name` is the follower's for people ("DNS app.…")."""

    def __init__(self, database: Database, target: str, deployment_id: int, name: str) -> None:
        self._database, self._target, self._deployment_id, self._name = database, target, deployment_id, name

    async def wanted(self) -> Wanted | None:
        return await self._database.read(self._wanted)

    async def _wanted(self, session: AsyncSession) -> Wanted | None:
        row, state = tables.Operation, tables.TargetState
        statement = (
            select(row.want_blue, row.epoch, state.follower_epoch, state.follower_state)
            .join(state, state.target == row.target)
            .where(row.target == self._target, row.written_at.is_not(None))
            .order_by(row.epoch.desc())
            .limit(1)
        )
        found = (await session.execute(statement)).one_or_none()
        if found is None:
            return None
        want_blue, epoch, recorded_epoch, recorded_state = found
        return Wanted(Weights(want_blue, 100 - want_blue), epoch, recorded_epoch, recorded_state)

    async def fence(self, epoch: int) -> None:
        statement = select(tables.TargetState.epoch).where(tables.TargetState.target == self._target)
        newest = await self._database.read(lambda session: session.scalar(statement))
        if newest is None or newest > epoch:
            raise StaleEpoch(epoch, newest or epoch + 1)

    async def record(self, reading: FollowerReading, epoch: int) -> None:
        await self._database.run(lambda session: self._record(session, reading, epoch))

    async def _record(self, session: AsyncSession, reading: FollowerReading, epoch: int) -> None:
        now = await database_now(session)
        state = await session.get_one(tables.TargetState, self._target, with_for_update=True)
        before = (state.follower_state, state.follower_epoch)
        is_new = (reading.state, epoch) != before
        state.follower_state, state.follower_epoch, state.follower_at = reading.state, epoch, now
        state.follower_blue = reading.weights.blue if reading.weights else None
        state.follower_found = reading.found[:300]
        if not is_new:
            return
        state.follower_since = now
        await session.flush()
        if epoch and (entry := self._entry(reading)):
            await append(session, self._deployment_id, entry, SYSTEM)
        else:
            await touch(session, self._deployment_id, ("traffic",))

    def _entry(self, reading: FollowerReading) -> Entry:
        severity: Severity = "warn" if reading.state == "refused" else "normal"
        words = {"pending": "pending", "in_sync": "in sync", "refused": "change refused"}[reading.state]
        text = f"{self._name}: {words}. {reading.found}"
        return Entry(f"traffic.follower.{reading.state}", text[:400], ("traffic",), severity=severity)
