"""Reads of the API: rows into answers."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.views import (
    DeploymentOut,
    DeploymentsOut,
    EventOut,
    HoldOut,
    OperationOut,
    PlanOut,
    ReleaseOut,
    SharesOut,
    SideHealthOut,
    TimelineOut,
    TrafficOut,
)
from app.db.tables import Deployment, Event, Operation, PlanVersion, TargetState
from app.web.access import NotFound, plan_of
from app.web.bearer import Machine


async def found(session: AsyncSession, deployment_id: int) -> tuple[Deployment, PlanVersion]:
    """A deployment and its plan's version. Raises NotFound."""
    statement = (
        select(Deployment, PlanVersion)
        .join(PlanVersion, PlanVersion.id == Deployment.plan_version_id)
        .where(Deployment.id == deployment_id)
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("There is no such deployment.")
    deployment, version = row
    return deployment, version


async def deployments(session: AsyncSession, machine: Machine, *, before: int | None, limit: int) -> DeploymentsOut:
    statement = select(Deployment, PlanVersion).join(PlanVersion, PlanVersion.id == Deployment.plan_version_id)
    if machine.deployment_id is not None:
        statement = statement.where(Deployment.id == machine.deployment_id)
    if before is not None:
        statement = statement.where(Deployment.id < before)
    rows = (await session.execute(statement.order_by(Deployment.id.desc()).limit(limit + 1))).all()
    items = [deployment_out(row, version) for row, version in rows[:limit]]
    return DeploymentsOut(items=items, next_before=items[-1].id if len(rows) > limit else None)


def utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _utc_or_none(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)


def deployment_out(row: Deployment, version: PlanVersion) -> DeploymentOut:
    is_held = bool(row.hold_reason or row.held_by)
    values: dict[str, Any] = {
        "id": row.id,
        "title": row.title,
        "mode": row.mode,
        "phase": row.phase,
        "state": row.state,
        "state_since": utc(row.state_since),
        "attempt": row.attempt,
        "plan": PlanOut(key=version.key, hash=version.hash, timezone=plan_of(version).timezone),
        "target": row.target,
        "blue": ReleaseOut(version=row.blue_version, digest=row.blue_digest),
        "green": ReleaseOut(version=row.green_version, digest=row.green_digest),
        "hold": HoldOut(reason=row.hold_reason, by=row.held_by) if is_held else None,
        "planned_at": utc(row.planned_at),
        "armed_at": _utc_or_none(row.armed_at),
        "switched_at": _utc_or_none(row.switched_at),
        "finished_at": _utc_or_none(row.finished_at),
        "created_at": utc(row.created_at),
    }
    return DeploymentOut(**values)


async def traffic(session: AsyncSession, deployment: Deployment, _version: PlanVersion, now: datetime) -> TrafficOut:
    state = await session.get(TargetState, deployment.target)
    own = (Operation.deployment_id == deployment.id) & (Operation.target == deployment.target)
    newest = select(Operation).where(own).order_by(Operation.id.desc()).limit(1)
    operation = (await session.execute(newest)).scalar_one_or_none()
    return TrafficOut(
        target=deployment.target,
        epoch=state.epoch if state else 0,
        set=_set(state),
        observed=_observed(state),
        blue=_health(state.blue_is_healthy, state.blue_found, state.blue_at) if state else _health(None, "", None),
        green=_health(state.green_is_healthy, state.green_found, state.green_at) if state else _health(None, "", None),
        operation=operation_out(operation) if operation else None,
        at=utc(now),
    )


def _set(state: TargetState | None) -> SharesOut:
    if state is None or state.set_blue is None:
        return SharesOut(blue=None, green=None, at=None)
    return SharesOut(blue=state.set_blue, green=100 - state.set_blue, at=_utc_or_none(state.set_at))


def _observed(state: TargetState | None) -> SharesOut:
    if state is None:
        return SharesOut(blue=None, green=None, at=None)
    return SharesOut(blue=state.probed_blue, green=state.probed_green, at=_utc_or_none(state.probed_at))


def _health(is_healthy: bool | None, found_there: str, at: datetime | None) -> SideHealthOut:
    return SideHealthOut(is_healthy=is_healthy, found=found_there, at=_utc_or_none(at))


def operation_out(row: Operation) -> OperationOut:
    def after(moment: datetime | None) -> int | None:
        return None if moment is None else round((moment - row.clicked_at).total_seconds() * 1000)

    values: dict[str, Any] = {
        "id": row.id,
        "kind": row.kind,
        "state": row.state,
        "reason": row.reason,
        "epoch": row.epoch,
        "want_blue": row.want_blue,
        "want_green": 100 - row.want_blue,
        "requested_by": row.requested_by,
        "cause": row.cause,
        "clicked_at": utc(row.clicked_at),
        "accepted_ms": after(row.written_at),
        "observed_95_ms": after(row.observed_95_at),
        "observed_99_ms": after(row.observed_99_at),
        "observed_100_ms": after(row.observed_100_at),
        "verified_ms": after(row.verified_at),
        "finished_at": _utc_or_none(row.finished_at),
        "customers_requests": row.customers_requests,
        "customers_failed": row.customers_failed,
    }
    return OperationOut(**values)


async def timeline(session: AsyncSession, deployment_id: int, *, after_seq: int, limit: int) -> TimelineOut:
    statement = select(Event).where(Event.chain == deployment_id, Event.seq > after_seq).order_by(Event.seq)
    rows = list(await session.scalars(statement.limit(limit + 1)))
    items = [_event(row) for row in rows[:limit]]
    return TimelineOut(items=items, next_after_seq=items[-1].seq if items else after_seq, has_more=len(rows) > limit)


def _event(row: Event) -> EventOut:
    values: dict[str, Any] = {
        "seq": row.seq,
        "at": utc(row.at),
        "kind": row.kind,
        "actor": row.actor,
        "cause": row.cause,
        "text": row.text,
        "severity": row.severity,
        "hash": row.hash.hex(),
    }
    return EventOut(**values)
