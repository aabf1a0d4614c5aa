"""Reads that decide: what must hold before a phase starts and before it ends."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.checklists.queries import is_done, states_of
from app.checklists.queries_machine import facts_of
from app.db.tables import Deployment, Operation, PhaseRun, TargetState
from app.domain.deployments import State as Course
from app.domain.phases import Condition, Progress, State, entry, exit_conditions
from app.domain.plan import Phase, Plan
from app.phases.commands_rows import rows_of
from app.steps.queries import unsettled
from app.web.access import NotFound, Scope


def phase_of(plan: Plan, key: str) -> Phase:
    """Raises NotFound for a phase that the plan does not have."""
    found = next((phase for phase in plan.phases if phase.key == key), None)
    if found is None:
        raise NotFound("This plan has no such phase.")
    return found


def leads(scope: Scope, phase: Phase) -> bool:
    return scope.may(f"lead:{phase.key}")


def states_in(rows: Mapping[str, PhaseRun]) -> dict[str, State]:
    return {key: State(row.state) for key, row in rows.items()}


async def entry_of(
    session: AsyncSession, deployment: Deployment, plan: Plan, phase: Phase, states: Mapping[str, State], now: datetime
) -> tuple[Condition, ...]:
    """What must hold before the phase starts, as it is now."""
    return entry(
        plan,
        phase,
        states,
        checklist=await checklist_progress(session, deployment, plan, phase, now),
        busy=await _busy(session, deployment, phase),
        is_over=deployment.state == Course.ABORTED,
    )


async def resume_of(
    session: AsyncSession, deployment: Deployment, plan: Plan, phase: Phase, states: Mapping[str, State], now: datetime
) -> tuple[Condition, ...]:
    """What must hold before a phase on hold runs again: what came before it came before; its target may be taken."""
    found = await entry_of(session, deployment, plan, phase, states, now)
    return tuple(condition for condition in found if condition.key in ("deployment", "target"))


async def exit_of(session: AsyncSession, deployment: Deployment, phase: Phase) -> tuple[Condition, ...]:
    return exit_conditions(*await unsettled(session, deployment, phase))


async def checklist_progress(
    session: AsyncSession, deployment: Deployment, plan: Plan, phase: Phase, now: datetime
) -> Progress | None:
    if phase.checklist is None:
        return None
    checklist = plan.checklist(phase.checklist)
    states = await states_of(session, deployment)
    facts = await facts_of(session, deployment, plan, now)
    missing = tuple(item.text for item in checklist.items if not is_done(plan, checklist, item, states, facts))
    return Progress(checklist.title, len(checklist.items), missing)


async def _busy(session: AsyncSession, deployment: Deployment, phase: Phase) -> str:
    """Who or what else moves the phase's target now; empty where nothing does."""
    if phase.target is None:
        return ""
    holder = await session.scalar(select(TargetState.locked_by).where(TargetState.target == phase.target))
    if holder is not None and holder != deployment.id:
        return f"deployment {holder}"
    running = await session.scalar(
        select(Operation.kind).where(Operation.target == phase.target, Operation.finished_at.is_(None)).limit(1)
    )
    return f"a {running}" if running else ""


async def states_of_phases(session: AsyncSession, deployment: Deployment, plan: Plan) -> dict[str, State]:
    return states_in(await rows_of(session, deployment, plan))
