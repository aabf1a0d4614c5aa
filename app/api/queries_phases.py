"""The day's phases and their steps as machines read them."""

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.api.queries import utc
from app.api.views import ClockOut, PhaseOut, PhasesOut, StepOut
from app.db.tables import Deployment, PhaseRun, PlanVersion, StepRun
from app.domain.plan import Phase
from app.domain.plan_clock import plan_now
from app.domain.steps import is_by_traffic
from app.phases.commands_rows import rows_of as phase_rows
from app.steps.queries import moved_by_traffic, step_of
from app.steps.queries import rows_of as step_rows
from app.web.access import plan_of


async def phases(session: AsyncSession, deployment: Deployment, version: PlanVersion, now: datetime) -> PhasesOut:
    plan = plan_of(version)
    rows = await phase_rows(session, deployment, plan)
    clock = ClockOut(plan_now=utc(plan_now(deployment, now)), speed=deployment.plan_clock.speed)
    items = [await _phase(session, deployment, phase, rows[phase.key]) for phase in plan.phases]
    return PhasesOut(items=items, clock=clock, at=utc(now))


async def _phase(session: AsyncSession, deployment: Deployment, phase: Phase, row: PhaseRun) -> PhaseOut:
    steps = await step_rows(session, deployment, phase)
    values: dict[str, Any] = {
        "key": phase.key,
        "number": phase.number,
        "title": phase.title,
        "kind": phase.kind,
        "state": row.state,
        "state_since": utc(row.state_since),
        "reason": row.reason,
        "changed_by": row.changed_by,
        "lead": list(phase.lead),
        "planned_at": _or_none(row.planned_at),
        "duration_s": phase.duration_s,
        "started_at": _or_none(row.started_at),
        "finished_at": _or_none(row.finished_at),
        "steps": [],
    }
    for action in phase.actions:
        state = None
        if is_by_traffic(phase, action):
            state = (await moved_by_traffic(session, deployment, phase, action)).state.value
        values["steps"].append(_step(action.key, action.title, action.kind, steps.get(action.key), state))
    return PhaseOut(**values)


def _step(key: str, title: str, kind: str, row: StepRun | None, state: str | None) -> StepOut:
    step = step_of(row)
    values: dict[str, Any] = {
        "key": key,
        "title": title,
        "kind": kind,
        "state": state or step.state.value,
        "by_hand": step.by_hand,
        "by": step.by,
        "evidence": step.text,
        "started_at": _or_none(step.started_at),
        "finished_at": _or_none(step.finished_at),
    }
    return StepOut(**values)


def _or_none(moment: datetime | None) -> datetime | None:
    return None if moment is None else utc(moment)
