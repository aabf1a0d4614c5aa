"""What of the day's phases waits for this very person: a wish to skip, a failed step, a step of their own."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, PhaseRun
from app.domain.phases import State
from app.domain.plan import Phase
from app.domain.steps import SETTLED, is_by_traffic, owners
from app.domain.steps import State as StepState
from app.phases.commands_skip import is_asked, may_skip, same_hand
from app.phases.queries import leads
from app.steps.queries import rows_of, step_of
from app.web.access import Scope

What = Literal["asked", "failed", "running", "open", "complete"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """asked: somebody's wish to skip (`title` says whose and why); failed, running, open: a step by its title;
    complete: every step is settled, and the phase waits to be completed. `note` is what the plan says of a failure."""

    what: What
    number: str
    phase: str
    title: str
    url: str
    note: str = ""


async def waiting_for(session: AsyncSession, scope: Scope, deployment: Deployment, now: datetime) -> Waiting | None:
    """The first thing that waits for this person, in the order of the day; None if nothing does. Asks for nothing more
    than one row where no phase runs by hand."""
    mine = PhaseRun.deployment_id == deployment.id
    by_hand = (PhaseRun.kind != "blue_green") & PhaseRun.state.in_((State.RUNNING.value, State.COMPLETED.value))
    rows = await session.scalars(select(PhaseRun).where(mine, or_(by_hand, PhaseRun.skip_asked_at.is_not(None))))
    found = {row.phase: row for row in rows}
    for phase in scope.plan.phases:
        row = found.get(phase.key)
        if row is None:
            continue
        if is_asked(row, now) and may_skip(scope, phase) and not same_hand(row, scope):
            return _waiting(scope, phase, "asked", f"{row.skip_asked_by}: {row.skip_reason}")
        if row.state == State.RUNNING or (phase.kind == "rollback" and row.state == State.COMPLETED):
            step = await _step(session, scope, deployment, phase, is_running=row.state == State.RUNNING)
            if step is not None:
                return step
    return None


async def _step(
    session: AsyncSession, scope: Scope, deployment: Deployment, phase: Phase, *, is_running: bool
) -> Waiting | None:
    rows = await rows_of(session, deployment, phase)
    actions = [action for action in phase.actions if not is_by_traffic(phase, action)]
    states = {action.key: step_of(rows.get(action.key)).state for action in actions}
    is_lead = leads(scope, phase)
    for action in actions:
        if states[action.key] is StepState.FAILED and is_lead:
            return _waiting(scope, phase, "failed", action.title, action.on_failure)
    mine = [action for action in actions if scope.positions.intersection(owners(phase, action))]
    for state, what in ((StepState.RUNNING, "running"), (StepState.OPEN, "open")):
        for action in mine:
            if states[action.key] is state:
                return _waiting(scope, phase, what, action.title)  # type: ignore[arg-type]
    is_done = actions and all(state in SETTLED for state in states.values())
    if is_lead and is_running and is_done and phase.kind != "rollback":
        return _waiting(scope, phase, "complete", phase.title)
    return None


def _waiting(scope: Scope, phase: Phase, what: What, title: str, note: str = "") -> Waiting:
    return Waiting(what, phase.number, phase.title, title, f"/d/{scope.id}/phases/{phase.key}", note)
