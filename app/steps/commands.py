"""Writes of steps: started, finished with evidence, failed, tried again, passed over, taken back."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, StepRun
from app.deployments.commands import database_now, lock
from app.domain.deployments import State as Course
from app.domain.errors import Rejected, Stale
from app.domain.phases import WORDS as PHASE_WORDS
from app.domain.phases import State as PhaseState
from app.domain.plan import Action, Phase, Plan
from app.domain.signoff_words import in_sentence, listed
from app.domain.steps import (
    BY_LEAD,
    Change,
    Happened,
    Step,
    after_key,
    as_steps_see,
    decide,
    evolve,
    grouped,
    is_by_traffic,
    is_run_by_worker,
    may_happen,
    owners,
)
from app.eventlog.log import Actor, Entry, append
from app.phases.commands_rows import lock_row
from app.steps.forms import StepForm
from app.steps.queries import attempt_of, step_of
from app.web.access import Forbidden, NotFound, Scope

_WORDS = {
    Change.START: "started",
    Change.FINISH: "done",
    Change.TICK: "done",
    Change.FAIL: "failed",
    Change.RETRY: "to be tried again",
    Change.BYPASS: "passed over",
    Change.UNDO: "taken back",
}


def find(plan: Plan, phase_key: str, step_key: str) -> tuple[Phase, Action | None, str]:
    """The phase, its action (None for a line of what comes after) and the step's title. Raises NotFound."""
    phase = next((phase for phase in plan.phases if phase.key == phase_key), None)
    if phase is None:
        raise NotFound("This plan has no such phase.")
    action = next((action for action in phase.actions if action.key == step_key), None)
    if action is not None:
        return phase, action, action.title
    for number, line in enumerate(phase.after, start=1):
        if after_key(number) == step_key:
            return phase, None, grouped(line)[1]
    raise NotFound("This phase has no such step.")


def may_do(scope: Scope, phase: Phase, action: Action | None, change: Change) -> bool:
    """Steps are done by their position's people; failures are decided by who leads the phase or the day, who may also
    take a step back."""
    is_lead = scope.may(f"lead:{phase.key}") or scope.may("proceed")
    if change in BY_LEAD:
        return is_lead
    is_own = bool(scope.positions.intersection(owners(phase, action)))
    return is_own or (change is Change.UNDO and is_lead)


async def change_step(
    session: AsyncSession, scope: Scope, phase_key: str, step_key: str, change: Change, form: StepForm
) -> None:
    """One press on a step. Raises NotFound, Forbidden for another position's step, and Rejected: a conflict that names
    who was faster, or a rule with the code `text`."""
    phase, action, title = find(scope.plan, phase_key, step_key)
    if not may_do(scope, phase, action, change):
        who = listed([in_sentence(scope.plan.position(key).title) for key in owners(phase, action)])
        raise Forbidden(f"“{title}” belongs to another position: {who}.")
    if action is not None and is_by_traffic(phase, action):
        raise Rejected(
            f"“{title}” is done where traffic is moved.", remedy="Open the page that moves it.", code="traffic"
        )
    deployment = await lock(session, scope.id)
    run = await lock_row(session, deployment, scope.plan, phase.key)
    is_aborted = deployment.state == Course.ABORTED
    state = as_steps_see(phase, PhaseState(run.state), is_aborted=is_aborted)
    if is_aborted and not may_happen(phase, state, change, is_after=action is None):
        raise Rejected(
            "The deployment was aborted: nothing more is started. Nothing was recorded.",
            remedy="What runs already can be brought to its end.",
            conflict=True,
            code="phase",
        )
    if not may_happen(phase, state, change, is_after=action is None):
        raise Rejected(
            f"Phase {phase.number} is {PHASE_WORDS[PhaseState(run.state)]}. Nothing was recorded.",
            remedy="Steps are worked on while their phase runs.",
            conflict=True,
            code="phase",
        )
    row = await lock_step(session, deployment, phase, step_key)
    if is_run_by_worker(action, step_of(row)):
        raise Rejected(
            f"A worker runs the script of “{title}”. Nothing was recorded.",
            remedy="Abort the script first if it must not go on.",
            conflict=True,
            code="script",
        )
    now = await database_now(session)
    if row.version != form.version:
        ago = round((now - row.at).total_seconds())
        raise Stale(f"{row.who or 'Somebody'} changed this step {ago} s ago. Nothing was recorded.")
    by_hand = action is not None and action.kind != "task"
    happened = Happened(change, now, scope.who, form.text, by_hand)
    await record(session, deployment, phase, row, title, happened, scope.actor)


async def record(
    session: AsyncSession,
    deployment: Deployment,
    phase: Phase,
    row: StepRun,
    title: str,
    happened: Happened,
    actor: Actor,
) -> Step:
    """Let the domain decide, write the row and the event. The deployment and the phase must be locked: this is where a
    worker that runs a script records what it did, as a person does."""
    happened = decide(step_of(row), happened)
    step = evolve(step_of(row), happened)
    _put(row, step, actor, happened.at)
    session.add(row)
    await session.flush()
    hand = ", by hand" if step.by_hand and happened.change in (Change.START, Change.FINISH) else ""
    said = f": {happened.text}" if happened.text else ""
    entry = Entry(
        kind=happened.change.value,
        text=f"Phase {phase.number}, “{title}” {_WORDS[happened.change]}{hand}{said}",
        topics=("phases",),
        severity="warn" if happened.change in (Change.FAIL, Change.BYPASS) else "normal",
        payload={
            "phase": phase.key,
            "step": row.step,
            "attempt": row.attempt,
            "at": happened.at.isoformat(),
            "by": happened.by,
            "text": happened.text,
            "by_hand": happened.by_hand,
            "version": step.version,
        },
    )
    await append(session, deployment.id, entry, actor)
    return step


async def lock_step(
    session: AsyncSession, deployment: Deployment, phase: Phase, step_key: str, *, attempt: int | None = None
) -> StepRun:
    """The step's row, or a new one of version 0 that is not in the session yet. Steps are locked by their phase, whose
    row the caller has locked."""
    key = (deployment.id, attempt or attempt_of(deployment, phase), phase.key, step_key)
    found = await session.get(StepRun, key, populate_existing=True)
    return found or StepRun(
        deployment_id=key[0], attempt=key[1], phase=key[2], step=key[3], state="open", evidence="", who="",
        by_hand=False, tries=0, version=0,
    )  # fmt: skip


def _put(row: StepRun, step: Step, actor: Actor, at: datetime) -> None:
    row.state, row.evidence, row.by_hand = step.state.value, step.text, step.by_hand
    row.tries, row.version = step.tries, step.version
    row.started_at, row.finished_at = step.started_at, step.finished_at
    row.person_id, row.who, row.at = actor.person_id, step.by[:160], at
