"""What the last line of a drill says of each phase and of the scripts, from what is recorded."""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.checklists.queries import state_key
from app.db.tables import ChecklistState, Decision, Deployment, Operation, PhaseRun, ScriptRun, StepRun
from app.domain.observation import Share
from app.domain.plan import Phase, Plan
from app.domain.scripts import State as ScriptState
from app.domain.steps import SETTLED, State, is_by_traffic
from app.steps.queries import attempt_of


async def phase_told(session: AsyncSession, deployment_id: int, plan: Plan, phase: Phase) -> dict[str, Any]:
    """A phase as the last line has it; durations in seconds of the plan's clock, pairs are [done, of]. `steps` counts
    those that took the manual path too, which `manual_path` names apart; `scripts` are run by workers."""
    deployment = await session.get_one(Deployment, deployment_id)
    row = await session.get_one(PhaseRun, (deployment_id, phase.key))
    took = (row.finished_at - row.started_at).total_seconds() if row.started_at and row.finished_at else None
    steps = select(func.count()).where(
        StepRun.deployment_id == deployment_id,
        StepRun.phase == phase.key,
        StepRun.attempt == attempt_of(deployment, phase),
    )
    settled = steps.where(StepRun.state.in_([state.value for state in SETTLED]))
    by_hand = steps.where(StepRun.state == State.DONE.value, StepRun.by_hand)
    passed_over = steps.where(StepRun.state == State.SKIPPED.value)
    scripts = [action.key for action in phase.actions if action.kind == "script"]
    run = select(func.count(ScriptRun.step.distinct())).where(
        ScriptRun.deployment_id == deployment_id,
        ScriptRun.phase == phase.key,
        ScriptRun.attempt == attempt_of(deployment, phase),
        ScriptRun.state == ScriptState.DONE.value,
    )
    workable = [action for action in phase.actions if not is_by_traffic(phase, action)]
    answered = select(func.count()).where(
        Decision.deployment_id == deployment_id, Decision.attempt == deployment.attempt, Decision.answer != ""
    )
    keys = _items(plan, phase)
    ticked = select(func.count(ChecklistState.item.distinct())).where(
        ChecklistState.deployment_id == deployment_id, ChecklistState.item.in_(keys), ChecklistState.state == "done"
    )
    return {
        "number": phase.number,
        "key": phase.key,
        "state": row.state,
        "planned_s": phase.duration_s,
        "actual_s": None if took is None else round(took, 1),
        "checklist_items": [await session.scalar(ticked) or 0, len(keys)],
        "steps": [await session.scalar(settled) or 0, len(workable) + len(phase.after)],
        "scripts": [await session.scalar(run) or 0, len(scripts)],
        "by_hand": await session.scalar(by_hand) or 0,
        "manual_path": await session.scalar(passed_over) or 0,
        **({"shares": await _shares(session, deployment_id, phase)} if phase.canary else {}),
        "decisions": [await session.scalar(answered) or 0 if phase.decisions else 0, len(phase.decisions)],
    }


def _items(plan: Plan, phase: Phase) -> list[str]:
    """The keys of what people confirm before it; machines look after the others."""
    if not phase.checklist:
        return []
    checklist = plan.checklist(phase.checklist)
    return [state_key(plan, checklist, item) for item in checklist.items if not item.check]


async def _shares(session: AsyncSession, deployment_id: int, phase: Phase) -> list[str]:
    """What probes saw of each share that was wanted."""
    mine = (Operation.deployment_id == deployment_id) & (Operation.target == phase.target)
    wanted = select(Operation).where(mine, Operation.kind == "shift").order_by(Operation.id)
    return [
        f"{100 - each.want_blue} %: {Share(each.probes_agreeing, each.probes_total)}"
        for each in await session.scalars(wanted)
    ]
