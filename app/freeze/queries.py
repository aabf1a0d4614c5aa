"""Reads of the freeze in force and of emergency patches."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import ChangeFreeze, EmergencyPatch
from app.deployments.commands import database_now
from app.eventlog.log import versions_of
from app.freeze.views import FreezeNow, FreezeView, PatchRow
from app.web.access import Scope
from app.web.mission import FreezeLine

MOST = 100
"""Patches on the page: those that wait, then the newest."""


async def standing(session: AsyncSession, deployment_id: int) -> ChangeFreeze | None:
    """The freeze that nobody lifted; it may have run out."""
    statement = select(ChangeFreeze).where(
        ChangeFreeze.deployment_id == deployment_id, ChangeFreeze.lifted_at.is_(None)
    )
    row: ChangeFreeze | None = await session.scalar(statement.execution_options(populate_existing=True))
    return row


async def in_force(session: AsyncSession, deployment_id: int, now: datetime) -> ChangeFreeze | None:
    row = await standing(session, deployment_id)
    return row if row is not None and now < row.until else None


async def freeze_line(session: AsyncSession, deployment_id: int, now: datetime) -> FreezeLine | None:
    """For every page. While nothing is frozen this is one small read."""
    row = await in_force(session, deployment_id, now)
    if row is None:
        return None
    return FreezeLine(row.since, row.until, row.reason, await waiting(session, deployment_id))


async def waiting(session: AsyncSession, deployment_id: int) -> int:
    """How many patches nobody has answered."""
    statement = select(func.count()).select_from(EmergencyPatch)
    statement = statement.where(EmergencyPatch.deployment_id == deployment_id, EmergencyPatch.verdict == "")
    return await session.scalar(statement) or 0


async def waiting_patches(session: AsyncSession, scope: Scope) -> tuple[str, ...]:
    """What waits for this person's answer, the oldest first: who asked, and for what."""
    if not scope.may("approve_patch"):
        return ()
    rows = await session.scalars(
        select(EmergencyPatch)
        .where(
            EmergencyPatch.deployment_id == scope.id,
            EmergencyPatch.verdict == "",
            EmergencyPatch.person_id != scope.viewer.person_id,
        )
        .order_by(EmergencyPatch.id)
    )
    return tuple(f"{row.asked_by}: {row.text}" for row in rows)


async def freeze_view(session: AsyncSession, scope: Scope) -> FreezeView:
    """Versions first: what is rendered is then never older than it says."""
    versions = await versions_of(session, scope.id)
    now = await database_now(session)
    row = await in_force(session, scope.id, now)
    patches = await session.scalars(
        select(EmergencyPatch)
        .where(EmergencyPatch.deployment_id == scope.id)
        .order_by((EmergencyPatch.verdict == "").desc(), EmergencyPatch.id.desc())
        .limit(MOST)
    )
    return FreezeView(
        url=f"/d/{scope.id}/freeze",
        freeze=FreezeNow(row.reason, row.since, row.until, row.set_by) if row else None,
        patches=tuple(_patch(scope, patch) for patch in patches),
        may_change=scope.may("proceed") or scope.may("decide"),
        may_ask=scope.may("ask_patch"),
        zone=scope.plan.timezone,
        now=now,
        versions=versions,
    )


def _patch(scope: Scope, row: EmergencyPatch) -> PatchRow:
    return PatchRow(
        id=row.id,
        text=row.text,
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        verdict=row.verdict,
        comment=row.comment,
        answered_by=row.answered_by,
        answered_at=row.answered_at,
        can_answer=not row.verdict and scope.may("approve_patch") and row.person_id != scope.viewer.person_id,
    )
