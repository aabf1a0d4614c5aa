"""The plan clock of a rehearsal, as its page shows it: the time, the speed, the next mark."""

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, PhaseRun
from app.deployments.commands import database_now
from app.domain.phases import State
from app.domain.plan import Plan
from app.domain.plan_clock import SPEEDS
from app.eventlog.log import versions_of
from app.phases.commands_rows import rows_of
from app.phases.queries_span import Times, times_of
from app.phases.views import ClockView, Jump
from app.web.access import Scope


async def clock_view(session: AsyncSession, scope: Scope) -> ClockView | None:
    """None in live mode: there the plan's clock is the real one, and nothing sets it."""
    versions = await versions_of(session, scope.id)
    deployment = await session.get_one(Deployment, scope.id, populate_existing=True)
    if deployment.mode != "rehearsal":
        return None
    now = await database_now(session)
    times = times_of(deployment, now)
    rows = await rows_of(session, deployment, scope.plan)
    return ClockView(
        url=f"/d/{scope.id}/phases/_clock",
        deployment_id=scope.id,
        plan_now=times.plan,
        speed=deployment.plan_clock.speed,
        speeds=tuple(sorted({*SPEEDS, deployment.plan_clock.speed})),
        is_real=deployment.plan_clock.is_real,
        can_set=bool(scope.capabilities & {"administer", "lead", "proceed"}),
        next=next_mark(deployment, scope.plan, rows, times),
        zone=scope.plan.timezone,
        versions=versions,
    )


def next_mark(deployment: Deployment, plan: Plan, rows: Mapping[str, PhaseRun], times: Times) -> Jump | None:
    """The nearest moment ahead that the plan names: a mark of a running phase or its planned end, a decision point, or
    the planned start of a phase to come."""
    found: list[Jump] = []
    for phase in plan.phases:
        row = rows[phase.key]
        if row.state == State.PLANNED and row.planned_at is not None:
            found.append(Jump(f"planned start of phase {phase.number}", row.planned_at))
        if row.state == State.RUNNING and row.started_at is not None:
            found += [
                Jump(f"phase {phase.number}: {mark.text}", row.started_at + timedelta(seconds=mark.at_s))
                for mark in phase.timeline
            ]
            end = row.started_at + timedelta(seconds=phase.duration_s)
            found.append(Jump(f"planned end of phase {phase.number}", end))
    if deployment.switched_at is not None:
        zero = deployment.plan_clock.at(deployment.switched_at)
        found += [
            Jump(f"minute {point.minute}: {point.question}", zero + timedelta(minutes=point.minute))
            for point in plan.production.decisions
        ]
    return min((jump for jump in found if jump.at > times.plan), key=lambda jump: jump.at, default=None)
