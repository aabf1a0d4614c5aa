"""Reads of operations that more than one page needs."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, Operation, OperationCheck
from app.domain.operations import Kind, State
from app.traffic.views import OperationView


async def latest_operation(session: AsyncSession, deployment: Deployment) -> Operation | None:
    """The newest operation of the deployment's present attempt on its own target."""
    statement = (
        select(Operation)
        .where(
            Operation.deployment_id == deployment.id,
            Operation.attempt == deployment.attempt,
            Operation.target == deployment.target,
        )
        .order_by(Operation.epoch.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def operations(session: AsyncSession, deployment: Deployment, *, limit: int = 50) -> Sequence[Operation]:
    """The newest operations of all attempts of a deployment, newest first."""
    statement = (
        select(Operation)
        .where(Operation.deployment_id == deployment.id, Operation.target == deployment.target)
        .order_by(Operation.epoch.desc())
        .limit(limit)
    )
    return (await session.scalars(statement.execution_options(populate_existing=True))).all()


async def last_rollback_s(session: AsyncSession, target: str) -> float | None:
    """How long the newest rollback on a target, of whatever deployment, took from the press to 100 % observed."""
    took = Operation.observed_100_at - Operation.clicked_at
    statement = (
        select(func.extract("epoch", took))
        .where(
            Operation.target == target, Operation.kind == Kind.ROLLBACK.value, Operation.observed_100_at.is_not(None)
        )
        .order_by(Operation.epoch.desc())
        .limit(1)
    )
    found = await session.scalar(statement)
    return float(found) if found is not None else None


async def checks_of(session: AsyncSession, operation_id: int) -> dict[str, OperationCheck]:
    """What was found, by the check's name."""
    statement = select(OperationCheck).where(OperationCheck.operation_id == operation_id)
    rows = await session.scalars(statement.execution_options(populate_existing=True))
    return {row.name: row for row in rows}


def operation_view(row: Operation, deployment: Deployment) -> OperationView:
    """The row as pages show it."""

    def after(moment: datetime | None) -> float | None:
        return None if moment is None else max(0.0, (moment - row.clicked_at).total_seconds())

    is_back = row.want_blue == 100
    counted = row.customers_failed is not None and row.customers_requests is not None
    return OperationView(
        id=row.id,
        kind=Kind(row.kind),
        state=State(row.state),
        epoch=row.epoch,
        attempt=row.attempt,
        side="BLUE" if is_back else "GREEN",
        version=deployment.blue_version if is_back else deployment.green_version,
        who=row.requested_by,
        cause=row.cause,
        reason=row.reason,
        clicked_at=row.clicked_at,
        is_running=row.finished_at is None,
        accepted_s=after(row.written_at),
        observed_95_s=after(row.observed_95_at),
        observed_99_s=after(row.observed_99_at),
        observed_100_s=after(row.observed_100_at),
        verified_s=after(row.verified_at),
        finished_at=row.finished_at,
        escalated_at=row.escalated_at,
        guard_until=row.guard_until,
        probes_agreeing=row.probes_agreeing,
        probes_total=row.probes_total,
        customers=(row.customers_failed or 0, row.customers_requests or 0) if counted else None,
        takeovers=row.takeovers,
    )
