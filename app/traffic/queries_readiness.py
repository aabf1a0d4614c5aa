"""Reads of what the way back is proven by: the readiness light and the capsules behind it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, TargetState, WorkerCapsule
from app.domain.epochs import top_of
from app.domain.readiness import Capsule, Evidence, Finding, Light, judge


async def light_of(session: AsyncSession, deployment: Deployment, target: TargetState, now: datetime) -> Light:
    """The light of a deployment's target now. Capsules count from arming on."""
    is_armed = deployment.armed_at is not None and target.locked_by == deployment.id
    return judge(
        Evidence(
            blue_is_healthy=target.blue_is_healthy,
            blue_found=target.blue_found,
            blue_at=target.blue_at,
            read_error=target.read_error,
            read_at=target.read_at,
            configuration=target.configuration,
            expected_configuration=deployment.target_configuration,
            findings=tuple(_finding(row) for row in target.preflight),
            findings_at=target.preflight_at,
            capsules=await _capsules(session, deployment) if is_armed else (),
            armed_at=deployment.armed_at if is_armed else None,
            epoch=top_of(target.epoch),
        ),
        now,
    )


def _finding(row: Mapping[str, Any]) -> Finding:
    return Finding(
        key=str(row["key"]),
        title=str(row["title"]),
        is_ok=row["is_ok"],
        found=str(row["found"]),
        remedy=str(row.get("remedy", "")),
    )


async def _capsules(session: AsyncSession, deployment: Deployment) -> tuple[Capsule, ...]:
    statement = (
        select(WorkerCapsule)
        .where(WorkerCapsule.target == deployment.target, WorkerCapsule.deployment_id == deployment.id)
        .order_by(WorkerCapsule.worker)
        .execution_options(populate_existing=True)
    )
    return tuple(
        Capsule(row.worker, row.epoch, row.written_at, row.reported_at, row.problem)
        for row in await session.scalars(statement)
    )
