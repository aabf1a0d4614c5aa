"""Job bodies of traffic: drive an operation to its end."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import tables
from app.db.engine import Database
from app.domain.operations import Kind, script_for
from app.domain.plan import Plan
from app.domain.sides import Release, Side
from app.orchestrator.driver import Deps, Job, drive
from app.ports.clock import Clock
from app.ports.customers import Customers
from app.ports.follower import Follower
from app.ports.probe import Prober
from app.ports.traffic import TrafficTarget
from app.traffic.store import PostgresStore
from app.web.access import plan_by_hash

log = structlog.get_logger()


@dataclass(frozen=True)
class Steered:
    """The ports of one bound target (wiring.BoundTarget has this shape)."""

    traffic: TrafficTarget
    prober: Prober
    customers: Customers | None
    follower: Follower | None = None


Bind = Callable[[Plan, str, dict[Side, Release]], Steered]
Strike = Callable[[Job, Deps], tuple[Job, Deps]]
"""What tests put between a drive and its ports (app/rehearsal/fault_point.py)."""


@dataclass(frozen=True)
class Drives:
    """The operations that this worker drives now: an operation is driven once a process, however often it is woken."""

    database: Database
    clock: Clock
    bind: Bind
    worker: str
    running: dict[int, asyncio.Task[bool]] = field(default_factory=dict)
    strike: Strike | None = None

    async def ensure(self, operation_id: int) -> None:
        """Start driving, if this process does not already; returns when driving has ended or was left."""
        await asyncio.shield(self.begin(operation_id))

    def begin(self, operation_id: int) -> asyncio.Task[bool]:
        """Start driving, if this process does not already."""
        return self.running.get(operation_id) or self._start(operation_id)

    async def _drive(self, operation_id: int) -> bool:
        deployment, plan, target, kind = await self.database.read(lambda session: _job_parts(session, operation_id))
        releases = releases_of(deployment)
        bound = self.bind(plan, target, releases)
        job = Job(
            operation_id=operation_id,
            script=script_for(kind, plan.phase(deployment.phase)),
            plan=plan,
            target=plan.target(target),
            releases=releases,
            configuration=deployment.target_configuration,
            traffic=bound.traffic,
            prober=bound.prober,
            customers=bound.customers,
        )
        store = PostgresStore(self.database, plan, self.worker, {operation_id: deployment})
        deps = Deps(store, self.clock, random.Random())  # noqa: S311 - jitter, not a secret
        if self.strike is not None:
            job, deps = self.strike(job, deps)
        return await drive(job, deps)

    async def sweep(self) -> None:
        """Take up every operation whose lease has run out. The queue only wakes; this is the safety net."""
        for operation_id in await self.database.read(_orphans):
            if operation_id not in self.running:
                log.info("operation.swept", operation=operation_id, worker=self.worker)
                self.begin(operation_id)

    def _start(self, operation_id: int) -> asyncio.Task[bool]:
        task = asyncio.create_task(self._drive(operation_id), name=f"operation-{operation_id}")
        self.running[operation_id] = task
        task.add_done_callback(lambda done: self._ended(operation_id, done))
        return task

    def _ended(self, operation_id: int, done: asyncio.Task[bool]) -> None:
        self.running.pop(operation_id, None)
        if not done.cancelled() and done.exception() is not None:
            log.error("operation.drive.failed", operation=operation_id, error=str(done.exception())[:500])


def releases_of(deployment: tables.Deployment) -> dict[Side, Release]:
    return {
        Side.BLUE: Release(deployment.blue_version, deployment.blue_digest),
        Side.GREEN: Release(deployment.green_version, deployment.green_digest),
    }


async def _job_parts(session: AsyncSession, operation_id: int) -> tuple[tables.Deployment, Plan, str, Kind]:
    statement = (
        select(tables.Deployment, tables.PlanVersion.hash, tables.Operation.target, tables.Operation.kind)
        .join(tables.Operation, tables.Operation.deployment_id == tables.Deployment.id)
        .join(tables.PlanVersion, tables.PlanVersion.id == tables.Deployment.plan_version_id)
        .where(tables.Operation.id == operation_id)
    )
    deployment, digest, target, kind = (await session.execute(statement)).one()
    return deployment, await plan_by_hash(session, digest), target, Kind(kind)


async def _orphans(session: AsyncSession) -> list[int]:
    row = tables.Operation
    statement = select(row.id).where(
        row.finished_at.is_(None),
        or_(row.lease_until.is_(None), row.lease_until < func.clock_timestamp()),
        # A fresh operation is the queue's to start; the sweep comes in when it was not.
        row.accepted_at < func.clock_timestamp() - timedelta(seconds=0.5),
    )
    return list((await session.scalars(statement)).all())
