"""Writes of script runs: asked for and aborted by people, ended by the worker that has them or by one that finds its
lease run out. Locked in the order of all commands: deployment, phase, then the run."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, PlanVersion, ScriptRun, StepRun
from app.deployments.commands import database_now, lock, lock_for
from app.domain.deployments import State as Course
from app.domain.errors import Rejected, Stale
from app.domain.phases import WORDS as PHASE_WORDS
from app.domain.phases import State as PhaseState
from app.domain.plan import Action, Phase, Plan
from app.domain.scripts import LOST_WORDS, WORDS, State, Verdict, documented
from app.domain.signoff_words import in_sentence, listed
from app.domain.steps import TEXT_LIMIT, Change, Happened, may_happen, owners
from app.domain.steps import State as StepState
from app.eventlog.log import SYSTEM, Entry, append, touch
from app.phases.commands_rows import lock_row
from app.scripts.commands_over import OPEN
from app.scripts.forms import ScriptForm
from app.steps.commands import find, lock_step, may_do, record
from app.web.access import Forbidden, NotFound, Scope, plan_by_hash

LEASE = timedelta(seconds=10)
"""How long after a worker's last sign of life its run counts as lost."""
ABLE_EVERY = timedelta(seconds=2)


def script_of(plan: Plan, phase_key: str, step_key: str) -> tuple[Phase, Action]:
    """Raises NotFound where the plan has no such script."""
    phase, action, _ = find(plan, phase_key, step_key)
    if action is None or action.kind != "script":
        raise NotFound("This step has no script.")
    return phase, action


async def open_run(session: AsyncSession, deployment_id: int, phase: str, step: str) -> ScriptRun | None:
    """The run of a step that is not over, locked."""
    wanted = select(ScriptRun).where(
        ScriptRun.deployment_id == deployment_id,
        ScriptRun.phase == phase,
        ScriptRun.step == step,
        ScriptRun.state.in_(OPEN),
    )
    locked = wanted.with_for_update().execution_options(populate_existing=True)
    return (await session.execute(locked)).scalar_one_or_none()


async def request_run(
    session: AsyncSession, scope: Scope, phase_key: str, step_key: str, form: ScriptForm, why_not: str
) -> int:
    """Start the step and ask the workers to run its script; the run's id. The same press sent twice runs it once.

    `why_not`: why this installation cannot run it. Raises NotFound, Forbidden, Rejected.
    """
    phase, action = script_of(scope.plan, phase_key, step_key)
    if not may_do(scope, phase, action, Change.START):
        who = listed([in_sentence(scope.plan.position(key).title) for key in owners(phase, action)])
        raise Forbidden(f"“{action.title}” belongs to another position: {who}.")
    if why_not:
        raise Rejected(f"This script cannot be run here: {why_not}", remedy="Do the step by hand.", code="script")
    deployment = await lock_for(session, scope)
    phase_row = await lock_row(session, deployment, scope.plan, phase.key)
    running = await open_run(session, scope.id, phase.key, action.key)
    if running is not None and form.key and (running.key, running.person_id) == (form.key, scope.viewer.person_id):
        return running.id
    _demand_running(deployment, phase, PhaseState(phase_row.state))
    row = await lock_step(session, deployment, phase, action.key)
    now = await database_now(session)
    _demand_current(row, form, now)
    await record(session, deployment, phase, row, action.title, Happened(Change.START, now, scope.who), scope.actor)
    if running is not None:  # of the attempt before, whose step was another one
        raise Rejected(
            f"The run that {running.requested_by} asked for is not over. Nothing was run.",
            remedy="Wait for its end, or abort it.",
            conflict=True,
            code="script",
        )
    run = _waiting_run(scope, row, phase, action, form, now)
    session.add(run)
    await session.flush()
    entry = Entry(
        kind="scripts.requested",
        text=f"Phase {phase.number}: {scope.who} runs {' '.join(action.command)}",
        topics=("scripts",),
        payload={"run": run.id, "phase": phase.key, "step": action.key, "command": list(action.command)},
    )
    await append(session, deployment.id, entry, scope.actor)
    return run.id


def _demand_running(deployment: Deployment, phase: Phase, state: PhaseState) -> None:
    """Raises Rejected: a script runs while its phase does."""
    if not may_happen(phase, state, Change.START, is_after=False):
        raise Rejected(
            f"Phase {phase.number} is {PHASE_WORDS[state]}. Nothing was run.",
            remedy="Scripts run while their phase runs.",
            conflict=True,
            code="phase",
        )
    if deployment.state == Course.ABORTED.value:
        raise Rejected("The deployment was aborted. Nothing was run.", conflict=True, code="phase")


def _demand_current(row: StepRun, form: ScriptForm, now: datetime) -> None:
    """Raises Rejected, naming who was faster than this page."""
    if row.version != form.version:
        raise Stale(
            f"{row.who or 'Somebody'} changed this step {round((now - row.at).total_seconds())} s ago. "
            "Nothing was run.",
            remedy="Read it again, then press again if the script is still to be run.",
        )


def _waiting_run(
    scope: Scope, row: StepRun, phase: Phase, action: Action, form: ScriptForm, now: datetime
) -> ScriptRun:
    return ScriptRun(
        deployment_id=row.deployment_id,
        attempt=row.attempt,
        phase=phase.key,
        step=action.key,
        command=list(action.command),
        within_s=action.timeout_s,
        state=State.WAITING.value,
        requested_by=scope.who[:160],
        person_id=scope.viewer.person_id,
        requested_at=now,
        key=form.key,
        seen={},
    )


async def abort_run(session: AsyncSession, scope: Scope, phase_key: str, step_key: str, form: ScriptForm) -> None:
    """Have the script ended, with everything it started. Raises NotFound, Forbidden, Rejected when none runs."""
    phase, action = script_of(scope.plan, phase_key, step_key)
    is_lead = scope.may(f"lead:{phase.key}") or scope.may("proceed")
    if not is_lead and not scope.positions.intersection(owners(phase, action)):
        raise Forbidden("Scripts are aborted by their step's position and by who leads the phase.")
    deployment = await lock(session, scope.id)
    await lock_row(session, deployment, scope.plan, phase.key)
    run = await open_run(session, scope.id, phase.key, action.key)
    if run is None:
        raise Rejected(f"The script of “{action.title}” does not run.", conflict=True, code="script")
    if run.abort_at is not None:
        return
    row = await lock_step(session, deployment, phase, action.key)
    if row.version != form.version:
        raise Stale(
            "This page shows an earlier run of the script. Nothing was aborted.",
            remedy="Read it again, then press again if the script is still to be aborted.",
        )
    run.abort_at, run.abort_by = await database_now(session), scope.who[:160]
    entry = Entry(
        kind="scripts.abort.asked",
        text=f"Phase {phase.number}: {scope.who} aborts {' '.join(run.command)}",
        topics=("scripts",),
        severity="warn",
        payload={"run": run.id, "phase": phase.key, "step": action.key},
    )
    await append(session, deployment.id, entry, scope.actor)
    if run.state == State.WAITING.value:
        await _end(session, deployment, scope.plan, run, _not_begun(run), code=None, last=())


def _not_begun(run: ScriptRun) -> Verdict:
    return Verdict(State.ABORTED, f"Aborted by {run.abort_by} before it began.")


# ── workers ─────────────────────────────────────────────────────────────────


async def claim(session: AsyncSession, run_id: int, worker: str) -> ScriptRun | None:
    """Take a run that waits. From here on nobody else begins it: whatever happens to this worker, it may have begun.

    The same worker may ask twice: PostgreSQL can go away between the commit and its answer. Nothing was begun then.
    One that is to be aborted is never begun."""
    is_waiting = ScriptRun.state == State.WAITING.value
    is_mine = (ScriptRun.state == State.RUNNING.value) & (ScriptRun.worker == worker)
    statement = (
        update(ScriptRun)
        .where(ScriptRun.id == run_id, or_(is_waiting, is_mine), ScriptRun.abort_at.is_(None))
        .values(
            state=State.RUNNING.value,
            worker=worker,
            lease_until=func.clock_timestamp() + LEASE,
            started_at=func.clock_timestamp(),
            begun=case((is_waiting, ScriptRun.begun + 1), else_=ScriptRun.begun),
        )
        .returning(ScriptRun)
    )
    run = (await session.execute(statement, execution_options={"populate_existing": True})).scalar_one_or_none()
    if run is not None:
        await touch(session, run.deployment_id, ("scripts",))
    return run


async def end_unbegun(session: AsyncSession, run_id: int) -> bool:
    """Record the end of a run that somebody aborted before a worker began it. False where it is none such."""
    found = await _locked(session, run_id)
    if found is None:
        return False
    deployment, plan, run = found
    if run.state != State.WAITING.value or run.abort_at is None:
        return False
    await _end(session, deployment, plan, run, _not_begun(run), code=None, last=())
    return True


async def renew(session: AsyncSession, run_id: int, worker: str) -> tuple[bool, bool]:
    """Hold the lease on: whether this worker still has the run, and whether somebody wants it aborted."""
    statement = (
        update(ScriptRun)
        .where(ScriptRun.id == run_id, ScriptRun.worker == worker, ScriptRun.state == State.RUNNING.value)
        .values(lease_until=func.clock_timestamp() + LEASE)
        .returning(ScriptRun.abort_at)
    )
    found = (await session.execute(statement)).one_or_none()
    return found is not None, found is not None and found.abort_at is not None


async def finish(
    session: AsyncSession, run_id: int, worker: str, verdict: Verdict, code: int | None, last: Sequence[str]
) -> bool:
    """Record how it ended, on the run and on its step. False if this worker no longer has it: then nothing is."""
    found = await _locked(session, run_id)
    if found is None:
        return False
    deployment, plan, run = found
    if run.worker != worker or run.state != State.RUNNING.value:
        return False
    if run.abort_at is not None and verdict.state is State.ABORTED:
        verdict = Verdict(State.ABORTED, f"Aborted by {run.abort_by}; the script and all it started were ended.")
    await _end(session, deployment, plan, run, verdict, code, last)
    return True


async def expire(session: AsyncSession, run_id: int) -> None:
    """A run whose lease has run out: its worker is gone or stands still. What the plan calls idempotent is run again,
    once; of anything else nobody knows whether it came to its end, so a person decides."""
    found = await _locked(session, run_id)
    if found is None:
        return
    deployment, plan, run = found
    now = await database_now(session)
    if run.state != State.RUNNING.value or run.lease_until is None or run.lease_until >= now:
        return
    _, action = script_of(plan, run.phase, run.step)
    if action.idempotent and run.begun == 1 and run.abort_at is None:
        run.state, run.worker, run.lease_until = State.WAITING.value, "", None
        run.able_at = now  # there was a worker that could run it: the next one is waited for as at the beginning
        entry = Entry(
            kind="scripts.requested",
            text=f"The worker that ran {' '.join(run.command)} is gone; the plan lets it be run again",
            topics=("scripts",),
            severity="warn",
            payload={"run": run.id, "phase": run.phase, "step": run.step, "command": list(run.command)},
        )
        await append(session, deployment.id, entry, SYSTEM)
        return
    await _end(session, deployment, plan, run, Verdict(State.LOST, LOST_WORDS), code=None, last=())


async def note_able(session: AsyncSession, run_id: int) -> None:
    """There is a worker that could run it and has no hand free: nobody is to say that there is none."""
    now = func.clock_timestamp()
    statement = update(ScriptRun).where(
        ScriptRun.id == run_id,
        ScriptRun.state == State.WAITING.value,
        or_(ScriptRun.able_at.is_(None), ScriptRun.able_at < now - ABLE_EVERY),
    )
    await session.execute(statement.values(able_at=now))


async def find_waiting(session: AsyncSession) -> list[tuple[int, float]]:
    """Runs that no worker took, with the seconds they wait: the queue only wakes."""
    waited = func.extract("epoch", func.clock_timestamp() - ScriptRun.requested_at)
    rows = await session.execute(select(ScriptRun.id, waited).where(ScriptRun.state == State.WAITING.value))
    return [(number, float(seconds)) for number, seconds in rows.all()]


async def find_expired(session: AsyncSession) -> list[int]:
    wanted = select(ScriptRun.id).where(
        ScriptRun.state == State.RUNNING.value,
        or_(ScriptRun.lease_until.is_(None), ScriptRun.lease_until < func.clock_timestamp()),
    )
    return list(await session.scalars(wanted))


async def plan_of_deployment(session: AsyncSession, deployment: Deployment) -> Plan:
    digest = await session.scalar(select(PlanVersion.hash).where(PlanVersion.id == deployment.plan_version_id))
    return await plan_by_hash(session, str(digest))


async def _locked(session: AsyncSession, run_id: int) -> tuple[Deployment, Plan, ScriptRun] | None:
    """A run with its deployment and plan, locked in the order of all commands; None if there is no such run."""
    found = await session.get(ScriptRun, run_id)
    if found is None:
        return None
    deployment = await lock(session, found.deployment_id)
    plan = await plan_of_deployment(session, deployment)
    await lock_row(session, deployment, plan, found.phase)
    statement = select(ScriptRun).where(ScriptRun.id == run_id).with_for_update()
    run = (await session.execute(statement.execution_options(populate_existing=True))).scalar_one()
    return deployment, plan, run


async def _end(
    session: AsyncSession,
    deployment: Deployment,
    plan: Plan,
    run: ScriptRun,
    verdict: Verdict,
    code: int | None,
    last: Sequence[str],
) -> None:
    now = await database_now(session)
    run.state, run.reason, run.exit_code = verdict.state.value, verdict.reason, code
    run.finished_at, run.lease_until, run.pending = now, None, ""
    phase, action = script_of(plan, run.phase, run.step)
    row = await lock_step(session, deployment, phase, action.key, attempt=run.attempt)
    if row.state == StepState.RUNNING and not row.by_hand:
        is_done = verdict.state is State.DONE
        text = verdict.reason if is_done else documented(verdict.reason, last, TEXT_LIMIT)
        change = Change.FINISH if is_done else Change.FAIL
        happened = Happened(change, now, f"The script, run by {run.requested_by}"[:160], text)
        await record(session, deployment, phase, row, action.title, happened, SYSTEM)
    payload: Mapping[str, Any] = {
        "run": run.id,
        "phase": run.phase,
        "step": run.step,
        "state": verdict.state.value,
        "code": code,
        "bytes": run.total,
        "seen": dict(run.seen),
    }
    entry = Entry(
        kind="scripts.ended",
        text=f"Phase {phase.number}: {' '.join(run.command)} {WORDS[verdict.state]}. {verdict.reason}"[:1000],
        topics=("scripts",),
        severity="normal" if verdict.state is State.DONE else "warn",
        payload=payload,
    )
    await append(session, deployment.id, entry, SYSTEM)


def seen_at(now: datetime, line: int, text: str) -> dict[str, Any]:
    """A signal's first sight, as the row keeps it."""
    return {"line": line, "text": text, "at": now.isoformat()}
