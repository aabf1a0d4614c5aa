"""Reads of steps: their rows, what traffic did, and what of a phase is still open."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import CanaryRun, Deployment, Operation, StepRun
from app.domain import canary
from app.domain.operations import ENDED
from app.domain.operations import State as Progress
from app.domain.phases import BY_COURSE
from app.domain.plan import Action, Phase
from app.domain.steps import SETTLED, State, Step, is_by_traffic

Rows = Mapping[str, StepRun]
"""A step's key to its row; one that nobody ever touched has none and is open."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What the newest operation of a kind did: the state of the step that stands for it."""

    state: State
    text: str
    at: datetime | None = None


def attempt_of(deployment: Deployment, phase: Phase) -> int:
    """Steps of a phase that follows the deployment's course begin anew with each attempt; the others never do."""
    return deployment.attempt if phase.kind in BY_COURSE else 1


def step_of(row: StepRun | None) -> Step:
    if row is None:
        return Step()
    return Step(
        State(row.state), row.evidence, row.who, row.by_hand, row.tries, row.started_at, row.finished_at, row.version
    )


async def rows_of(session: AsyncSession, deployment: Deployment, phase: Phase) -> dict[str, StepRun]:
    wanted = select(StepRun).where(
        StepRun.deployment_id == deployment.id,
        StepRun.attempt == attempt_of(deployment, phase),
        StepRun.phase == phase.key,
    )
    return {row.step: row for row in await session.scalars(wanted.execution_options(populate_existing=True))}


async def moved_by_traffic(session: AsyncSession, deployment: Deployment, phase: Phase, action: Action) -> Moved:
    """Where the step stands that traffic does: by the newest operation of its kind in this attempt, or the canary."""
    if action.kind == "canary":
        return await _moved_by_canary(session, deployment, phase)
    statement = (
        select(Operation)
        .where(
            Operation.deployment_id == deployment.id,
            Operation.attempt == deployment.attempt,
            Operation.target == (phase.target or deployment.target),
            Operation.kind == action.kind,
        )
        .order_by(Operation.epoch.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    )
    operation = (await session.execute(statement)).scalar_one_or_none()
    if operation is None:
        return Moved(State.OPEN, "No traffic moved yet")
    progress = Progress(operation.state)
    if progress not in ENDED:
        return Moved(State.RUNNING, f"{operation.requested_by} pressed it", operation.clicked_at)
    if progress is Progress.DONE:
        return Moved(State.DONE, f"{operation.requested_by} did it", operation.finished_at)
    return Moved(State.FAILED, operation.reason or f"It ended {progress.value}", operation.finished_at)


_CANARY = {canary.State.DONE: State.DONE, canary.State.ROLLED_BACK: State.FAILED}


async def _moved_by_canary(session: AsyncSession, deployment: Deployment, phase: Phase) -> Moved:
    """A canary is many shifts and their gates; the step is done when the last gate passed."""
    newest = select(CanaryRun).where(CanaryRun.deployment_id == deployment.id, CanaryRun.phase == phase.key)
    newest = newest.order_by(CanaryRun.id.desc()).limit(1).execution_options(populate_existing=True)
    row = (await session.execute(newest)).scalar_one_or_none()
    if row is None:
        return Moved(State.OPEN, "No traffic moved yet")
    state = _CANARY.get(canary.State(row.state), State.RUNNING)
    percent = phase.canary[row.step].percent
    said = {State.DONE: f"{percent} % on GREEN, the gate passed", State.FAILED: f"Rolled back: {row.reason}"}
    return Moved(state, said.get(state, f"At {percent} %, {row.state.replace('_', ' ')}"), row.state_since)


async def unsettled(session: AsyncSession, deployment: Deployment, phase: Phase) -> tuple[list[str], list[str]]:
    """Titles of the phase's steps that are not done yet, and of those that failed and nobody decided."""
    rows = await rows_of(session, deployment, phase)
    left: list[str] = []
    failed: list[str] = []
    for action in phase.actions:
        if is_by_traffic(phase, action):
            state = (await moved_by_traffic(session, deployment, phase, action)).state
        else:
            state = step_of(rows.get(action.key)).state
        if state is State.FAILED:
            failed.append(action.title)
        elif state not in SETTLED:
            left.append(action.title)
    return left, failed
