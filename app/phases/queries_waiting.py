"""What of the day's phases waits for this very person: a wish to skip, a failed step, a step of their own."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import CanaryRun, Deployment, PhaseRun
from app.domain import canary
from app.domain.phases import State
from app.domain.plan import Phase
from app.domain.steps import SETTLED, is_by_traffic, owners
from app.domain.steps import State as StepState
from app.phases.commands_skip import is_asked, may_skip, same_hand
from app.phases.queries import leads
from app.steps.queries import rows_of, step_of, unsettled
from app.web.access import Scope

What = Literal["asked", "failed", "running", "open", "complete", "canary", "canary_words"]

_OWN: tuple[tuple[StepState, What], ...] = ((StepState.RUNNING, "running"), (StepState.OPEN, "open"))
"""What waits of one's own steps; what runs comes before what is still to begin."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """asked: somebody's wish to skip (`title` says whose and why); failed, running, open: a step by its title;
    complete: every step is settled, and the phase waits to be completed; canary: it waits for this person to go on or
    begin, canary_words: for the backend team's word. `note` is what the plan says of a failure."""

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
        if is_asked(row, now) and may_skip(scope, phase) and not same_hand(row, scope, phase):
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
    for state, what in _OWN:
        for action in mine:
            if states[action.key] is state:
                return _waiting(scope, phase, what, action.title)
    waits = await _canary(session, scope, deployment, phase) if is_running and phase.canary and phase.target else None
    if waits is not None:
        return waits
    actions_left = (await unsettled(session, deployment, phase))[0] if phase.canary and phase.target else []
    is_done = not actions_left and actions and all(state in SETTLED for state in states.values())
    if is_lead and is_running and is_done and phase.kind != "rollback":
        return _waiting(scope, phase, "complete", phase.title)
    return None


async def _canary(session: AsyncSession, scope: Scope, deployment: Deployment, phase: Phase) -> Waiting | None:
    """A canary waits for whoever leads the phase at its beginning and at a gate, and for the backend team's word."""
    statement = select(CanaryRun).where(CanaryRun.deployment_id == deployment.id, CanaryRun.phase == phase.key)
    row = (await session.scalars(statement.order_by(CanaryRun.id.desc()).limit(1))).one_or_none()
    state = row.state if row is not None else canary.State.ROLLED_BACK
    url = f"/d/{scope.id}/phases/{phase.key}/canary"
    percent = phase.canary[row.step if row is not None else 0].percent
    gate = phase.canary_gate
    asked = {key for line in (gate.proceed_if if gate else ()) for key in line.positions}
    has_word = row is None or row.approved_at is not None
    if state in (canary.State.DWELLING, canary.State.GATE) and not has_word and scope.positions & asked:
        return Waiting("canary_words", phase.number, phase.title, f"{percent} %", url)
    waits = (canary.State.ROLLED_BACK, canary.State.WAITING, canary.State.GATE, canary.State.INCONCLUSIVE)
    if leads(scope, phase) and state in waits:
        note = "It has not begun." if row is None else f"It stands at {percent} %, {row.state.replace('_', ' ')}."
        return Waiting("canary", phase.number, phase.title, f"{percent} %", url, note)
    return None


def _waiting(scope: Scope, phase: Phase, what: What, title: str, note: str = "") -> Waiting:
    return Waiting(what, phase.number, phase.title, title, f"/d/{scope.id}/phases/{phase.key}", note)
