"""Writes of canaries: what people press, what the duty records. Each locks the deployment, the phase, then the run.

A share is ordered through the same operations as a switch (traffic.commands.request_shift): fence, epochs, read-back
and probes are the same. A run orders each of its shifts under a key of its own, so none is ordered twice.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.canary.forms import CanaryForm, StartForm
from app.canary.queries import HEALTH, backend_of, judgement_of, newest_run, run_of
from app.db.tables import CanaryReading, CanaryRun, Deployment, Operation, PhaseRun
from app.deployments.commands import database_now, lock, lock_for
from app.domain import operations
from app.domain.canary import JUDGED, OVER, Change, Run, State, after_shift, demand_passed, follow, may_serve, seen
from app.domain.canary_gate import Judgement
from app.domain.deployments import State as Course
from app.domain.errors import Rejected, Stale
from app.domain.phases import WORDS as PHASE_WORDS
from app.domain.phases import State as PhaseState
from app.domain.plan import Phase, Plan
from app.domain.plan_clock import plan_now
from app.eventlog.log import SYSTEM, Actor, Entry, Severity, append, touch
from app.phases.commands_rows import lock_row
from app.phases.queries import leads, phase_of
from app.traffic.commands import demand_not_production, hold_target, request_shift
from app.web.access import Forbidden, NotFound, Scope

_LOUD = (Change.PAUSE, Change.REFUSE, Change.ROLL_BACK)


def may_lead(scope: Scope, phase: Phase) -> bool:
    return leads(scope, phase) or scope.may("proceed")


def may_speak(scope: Scope, phase: Phase) -> bool:
    return bool(scope.positions & backend_of(phase))


def may_take_back(scope: Scope, phase: Phase) -> bool:
    """The way back is open to everybody who leads, may roll back production, or answers for the application."""
    return may_lead(scope, phase) or scope.may("rollback") or may_speak(scope, phase)


@dataclass(frozen=True, slots=True)
class Desk:
    """What a command works on, all locked."""

    deployment: Deployment
    plan: Plan
    phase: Phase
    run: PhaseRun
    now: datetime

    @property
    def is_running(self) -> bool:
        return self.run.state == PhaseState.RUNNING and self.deployment.state != Course.ABORTED

    @property
    def called_off(self) -> str:
        """What the canary belongs to and will never go on, in a sentence's words; empty while it may."""
        if self.deployment.state == Course.ABORTED:
            return "the deployment was aborted"
        state = PhaseState(self.run.state)
        gone = state in (PhaseState.ABORTED, PhaseState.SKIPPED)
        return f"phase {self.phase.number} was {PHASE_WORDS[state]}" if gone else ""


async def _desk(session: AsyncSession, deployment_id: int, plan: Plan, key: str, by: Scope | None = None) -> Desk:
    """`by`: whose word counts only while they sit on their seats. Raises NotFound, Forbidden."""
    phase = phase_of(plan, key)
    if not phase.canary or phase.target is None:
        raise NotFound("This phase has no canary.")
    deployment = await (lock_for(session, by) if by is not None else lock(session, deployment_id))
    row = await lock_row(session, deployment, plan, key)
    return Desk(deployment, plan, phase, row, await database_now(session))


async def _lock_run(session: AsyncSession, desk: Desk) -> CanaryRun:
    row = await newest_run(session, desk.deployment.id, desk.phase.key)
    if row is None:
        raise Rejected("The canary has not begun.", remedy="Somebody who leads the phase starts it.", code="state")
    statement = select(CanaryRun).where(CanaryRun.id == row.id).with_for_update()
    return (await session.execute(statement.execution_options(populate_existing=True))).scalar_one()


def _demand_running(desk: Desk) -> None:
    if not desk.is_running:
        is_aborted = desk.deployment.state == Course.ABORTED
        raise Rejected(
            "The deployment was aborted: no share grows any more. Nothing was done."
            if is_aborted
            else f"Phase {desk.phase.number} does not run. The share stays as it is.",
            remedy="The way back stays open." if is_aborted else "Start or resume the phase first.",
            conflict=True,
            code="phase",
        )


def _refuse_stale(row: CanaryRun, form: CanaryForm) -> None:
    if row.version != form.version:
        raise Stale(f"{row.changed_by or 'Somebody'} changed the canary since this page was drawn. Nothing was done.")


# ── what people press ─────────────────────────────────────────────────────────────────────────────────────────────


async def start(session: AsyncSession, scope: Scope, key: str, form: StartForm, *, bound: Collection[str]) -> None:
    """Begin with the first share. `bound` are the targets that the site binds.

    Raises Forbidden, and Rejected: the phase does not run, the site does not bind the target, or another run has begun.
    """
    desk = await _desk(session, scope.id, scope.plan, key, scope)
    phase, target = desk.phase, desk.phase.target or ""
    if not may_lead(scope, phase):
        raise Forbidden(f"Phase {phase.number} is led by somebody else.")
    newest = await newest_run(session, scope.id, key)
    if newest is not None and form.key and newest.changed_key == form.key:
        return
    _demand_running(desk)
    if (newest.id if newest else 0) != form.run or (newest is not None and newest.finished_at is None):
        raise Rejected("The canary has begun already. Nothing was done twice.", conflict=True, code="state")
    if newest is not None and newest.state == State.DONE:
        raise Rejected("The canary is complete.", conflict=True, code="state")
    if target not in bound:
        raise Rejected(
            f"This installation binds no target {target!r}: nothing can be shifted.",
            remedy="site.yaml binds targets to balancers: docs/live.md.",
            code="unbound",
        )
    await demand_not_production(session, target)
    await hold_target(session, target)  # of two deployments that start on it at once, the second one is told
    await _nobody_else(session, target)
    row = CanaryRun(
        deployment_id=scope.id,
        phase=key,
        target=target,
        state=State.SHIFTING.value,
        started_by=scope.who[:160],
        started_at=desk.now,
        state_since=desk.now,
        **dict.fromkeys(("approved_by", "approved_text", "reported_by", "reported_text", "reason"), ""),
        changed_by="",
        changed_key=form.key,
        step=0,
        tries=0,
        dwelt_s=0.0,
        probes_green=0,
        probes_total=0,
        version=0,
    )
    session.add(row)
    await session.flush()
    _put(row, follow(Run(), Change.START), scope.who, desk.now)
    await _order(session, desk, row, phase.canary[0].percent, scope.actor)
    await _tell(session, desk, row, Change.START, scope.actor)


async def _nobody_else(session: AsyncSession, target: str) -> None:
    other = select(CanaryRun.deployment_id).where(CanaryRun.target == target, CanaryRun.finished_at.is_(None))
    found = (await session.execute(other.limit(1))).scalar_one_or_none()
    if found is not None:
        raise Rejected(
            f"A canary of deployment {found} has {target}. Nothing was done.",
            remedy="What has its traffic now is taken back on that canary's page.",
            conflict=True,
            code="target_locked",
        )


async def approve(session: AsyncSession, scope: Scope, key: str, form: CanaryForm) -> None:
    """The backend team's word for the present step. It ends with the step."""
    desk, row = await _to_speak(session, scope, key, scope)
    if form.key and row.changed_key == form.key:
        return
    _refuse_stale(row, form)
    if State(row.state) not in JUDGED:
        raise Rejected("There is nothing to approve now: the share is not there.", conflict=True, code="state")
    row.approved_by, row.approved_at, row.approved_text = scope.who[:160], desk.now, form.text.strip()
    row.approved_person = scope.viewer.person_id
    _note_press(row, scope, form)
    percent = desk.phase.canary[row.step].percent
    text = f"{scope.who} approves {percent} %" + (f": {row.approved_text}" if row.approved_text else "")
    payload = {"run": row.id, "step": row.step}
    await append(session, scope.id, Entry("canary.approved", text, ("canary", "phases"), payload=payload), scope.actor)


async def report(session: AsyncSession, scope: Scope, key: str, form: CanaryForm) -> None:
    """The backend team reports an issue: everything goes back at once. A stale page does not hinder it."""
    desk, row = await _to_speak(session, scope, key)
    if row.state in (State.ROLLING_BACK, State.ROLLED_BACK):
        return
    said = form.text.strip()
    if not said:
        raise Rejected("What is wrong is missing.", remedy="Say it in a sentence.", code="text")
    row.reported_by, row.reported_at, row.reported_text = scope.who[:160], desk.now, said
    _note_press(row, scope, form)
    await _take_back(session, desk, row, scope.actor, f"{scope.who} reports an issue: {said}")


async def _to_speak(session: AsyncSession, scope: Scope, key: str, by: Scope | None = None) -> tuple[Desk, CanaryRun]:
    desk = await _desk(session, scope.id, scope.plan, key, by)
    if not may_speak(scope, desk.phase):
        raise Forbidden("The gate asks for the word of another position.")
    return desk, await _lock_run(session, desk)


async def go_on(session: AsyncSession, scope: Scope, key: str, form: CanaryForm) -> None:
    """The next share, or a shift that was refused once more. Raises Rejected where the gate has not passed now."""
    desk = await _desk(session, scope.id, scope.plan, key, scope)
    if not may_lead(scope, desk.phase):
        raise Forbidden(f"Phase {desk.phase.number} is led by somebody else.")
    row = await _lock_run(session, desk)
    if form.key and row.changed_key == form.key:
        return
    _demand_running(desk)
    change = Change.RETRY if row.state == State.WAITING else Change.ADVANCE
    after = follow(run_of(row), change)  # first of all: who was faster is the better answer
    _refuse_stale(row, form)
    if change is Change.ADVANCE:
        demand_passed(await judgement_of(session, desk.deployment, desk.plan, desk.phase, row, desk.now))
        if after.step >= len(desk.phase.canary):
            raise Rejected("This was the last share.", conflict=True, code="state")
    _note_press(row, scope, form)
    await _raise(session, desk, row, change, scope.actor)


async def take_back(session: AsyncSession, scope: Scope, key: str, form: CanaryForm) -> None:
    """All of the canary's traffic to BLUE: no gate, no analysis, from a stale page too. Twice is once."""
    desk = await _desk(session, scope.id, scope.plan, key)
    if not may_take_back(scope, desk.phase):
        raise Forbidden("Who leads the phase, may roll back or answers for the application takes a canary back.")
    row = await _lock_run(session, desk)
    if row.state in (State.ROLLING_BACK, State.ROLLED_BACK):
        return
    _note_press(row, scope, form)
    said = form.text.strip()
    await _take_back(session, desk, row, scope.actor, f"{scope.who} took it back" + (f": {said}" if said else ""))


def _note_press(row: CanaryRun, scope: Scope, form: CanaryForm) -> None:
    row.changed_by, row.changed_key = scope.who[:160], form.key
    row.version += 1


# ── what moves it ─────────────────────────────────────────────────────────────────────────────────────────────────


def _put(row: CanaryRun, run: Run, by: str, now: datetime) -> None:
    if run.state is not None and row.state != run.state.value:
        row.state, row.state_since = run.state.value, now
    row.step, row.dwelt_s, row.version = run.step, run.dwelt_s, run.version
    row.counted_at, row.looked_at, row.dark_since = run.counted_at, run.looked_at, run.dark_since
    row.changed_by = by[:160]
    if run.state in OVER:
        row.finished_at = now


async def _order(
    session: AsyncSession, desk: Desk, row: CanaryRun, percent: int, actor: Actor, cause: str = ""
) -> None:
    row.tries += 1
    key = f"canary-{row.id}-{row.tries}"
    operation = await request_shift(
        session, desk.deployment, row.target, percent, actor=actor, key=key, cause=cause[:500]
    )
    row.operation_id = operation.id


async def _raise(session: AsyncSession, desk: Desk, row: CanaryRun, change: Change, actor: Actor) -> None:
    """START's, RETRY's and ADVANCE's share. What was known and said of the step before ends with it."""
    _put(row, follow(run_of(row), change), actor.name, desk.now)
    row.reason, row.step_since = "", None
    row.approved_by, row.approved_at, row.approved_text, row.approved_person = "", None, "", None
    row.probes_green = row.probes_total = 0
    await _order(session, desk, row, desk.phase.canary[row.step].percent, actor)
    await _tell(session, desk, row, change, actor)


async def _take_back(session: AsyncSession, desk: Desk, row: CanaryRun, actor: Actor, reason: str) -> None:
    after = follow(run_of(row), Change.ROLL_BACK)
    if row.finished_at is not None:
        # It has let go of its target, which may be another's by now.
        await demand_not_production(session, row.target)
        await hold_target(session, row.target)
        await _nobody_else(session, row.target)
    _put(row, after, actor.name, desk.now)
    row.reason, row.finished_at = reason, None
    await _order(session, desk, row, 0, actor, reason)
    await _tell(session, desk, row, Change.ROLL_BACK, actor)


async def _tell(session: AsyncSession, desk: Desk, row: CanaryRun, change: Change, actor: Actor) -> None:
    percent = desk.phase.canary[row.step].percent
    words = {
        Change.START: f"{actor.name} starts the canary of phase {desk.phase.number} with {percent} %",
        Change.ARRIVE: f"The canary stands at {percent} %",
        Change.REFUSE: f"The shift to {percent} % was refused, nothing moved: {row.reason}",
        Change.RETRY: f"{actor.name} asks for {percent} % once more",
        Change.PAUSE: f"The canary is paused at {percent} %, its gate is inconclusive: {row.reason}",
        Change.GO_ON: f"The canary goes on at {percent} %",
        Change.DWELT: f"The canary has stood at {percent} % as long as the plan asks",
        Change.ADVANCE: f"{actor.name} goes on to {percent} %",
        Change.FINISH: f"The canary is complete: {percent} % on GREEN, the gate passed",
        Change.ROLL_BACK: f"The canary goes back from {percent} % to 0: {row.reason}",
        Change.BACK: f"The canary is back: all of {row.target} is on BLUE",
    }
    severity: Severity = "crit" if change is Change.ROLL_BACK else "warn" if change in _LOUD else "normal"
    payload = {"run": row.id, "phase": row.phase, "change": change.value, "step": row.step, "state": row.state}
    entry = Entry(change.value, words[change][:1000], ("canary", "phases"), severity=severity, payload=payload)
    await append(session, desk.deployment.id, entry, actor)


# ── the duty ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Look:
    """What a second of watching the canary's target found. `read_green` None: its routes disagree; `has_read` False: no
    answer. `is_well` None: the health check was not answered at all by the product's own fault. `began` is when it was
    asked, on the worker's monotonic clock in seconds; None: just now."""

    has_read: bool = False
    read_green: int | None = None
    is_well: bool | None = None
    samples: tuple[tuple[str, float | None, int], ...] = ()
    probes_green: int = 0
    probes_total: int = 0
    began: float | None = None


async def keep(
    session: AsyncSession, run_id: int, plan: Plan, look: Look, *, monotonic: Callable[[], float] = time.monotonic
) -> None:
    """Record what was found and let follow what follows: one transaction, so that twice is once."""
    found = await session.get_one(CanaryRun, run_id)
    desk = await _desk(session, found.deployment_id, plan, found.phase)
    statement = select(CanaryRun).where(CanaryRun.id == run_id).with_for_update()
    row = (await session.execute(statement.execution_options(populate_existing=True))).scalar_one()
    if row.finished_at is not None:
        return
    # As old as its question, whatever kept its worker: one that stood still must not make an old look fresh.
    age_s = max(0.0, monotonic() - look.began) if look.began is not None else 0.0
    await _record(session, row, look, desk.now - timedelta(seconds=age_s))
    if row.state == State.ROLLING_BACK:
        await _after_way_back(session, desk, row)
    elif desk.called_off:
        # Nobody leads it any more: a share that nobody watches does not stand, and its target is let go of.
        await _take_back(session, desk, row, SYSTEM, desk.called_off)
    elif row.state != State.SHIFTING or not await _after_shift(session, desk, row):
        await _judge(session, desk, row)
    await touch(session, desk.deployment.id, ("canary",))


async def _record(session: AsyncSession, row: CanaryRun, look: Look, at: datetime) -> None:
    if look.has_read and (row.read_at is None or row.read_at <= at):
        row.read_green, row.read_at = look.read_green, at
    if State(row.state) in JUDGED:
        row.probes_green += look.probes_green
        row.probes_total += look.probes_total
    samples = [*look.samples]
    if look.is_well is not None:
        samples.append((HEALTH, 0.0 if look.is_well else 1.0, 1))
    if samples:
        rows = [
            {"run_id": row.id, "metric": metric, "at": at, "value": value, "samples": count}
            for metric, value, count in samples
        ]
        await session.execute(insert(CanaryReading), rows)
    await session.flush()


async def _after_shift(session: AsyncSession, desk: Desk, row: CanaryRun) -> bool:
    """True if the shift has ended, and the canary went on from it."""
    operation = await session.get_one(Operation, row.operation_id, populate_existing=True)
    change = after_shift(operations.State(operation.state))
    if change is None:
        return False
    if change is Change.ROLL_BACK:
        # Whoever drove it has asked for the way back already, where anything may have moved.
        await _take_back(session, desk, row, SYSTEM, operation.reason or "The shift did not arrive")
        return True
    _put(row, follow(run_of(row), change), SYSTEM.name, desk.now)
    row.step_since = desk.now if change is Change.ARRIVE else None
    row.reason = operation.reason if change is Change.REFUSE else ""
    await _tell(session, desk, row, change, SYSTEM)
    return True


async def _after_way_back(session: AsyncSession, desk: Desk, row: CanaryRun) -> None:
    operation = await session.get_one(Operation, row.operation_id, populate_existing=True)
    if operation.verified_at is not None:
        _put(row, follow(run_of(row), Change.BACK), SYSTEM.name, desk.now)
        await _tell(session, desk, row, Change.BACK, SYSTEM)
    elif operation.finished_at is not None:
        # It ended unverified: nobody knows where customers are, so it is asked for again.
        await _order(session, desk, row, 0, SYSTEM, row.reason)


async def _judge(session: AsyncSession, desk: Desk, row: CanaryRun) -> None:
    run = run_of(row)
    if not may_serve(run):
        return
    judgement = await judgement_of(session, desk.deployment, desk.plan, desk.phase, row, desk.now)
    at = plan_now(desk.deployment, desk.now) if desk.is_running else None
    run, change = seen(run, desk.phase, judgement, at, desk.now)
    row.dwelt_s, row.counted_at, row.looked_at, row.dark_since = (
        run.dwelt_s,
        run.counted_at,
        run.looked_at,
        run.dark_since,
    )
    if change is not None:
        await _follow(session, desk, row, change, judgement)


async def _follow(session: AsyncSession, desk: Desk, row: CanaryRun, change: Change, judgement: Judgement) -> None:
    match change:
        case Change.ROLL_BACK:
            await _take_back(session, desk, row, SYSTEM, judgement.why)
        case Change.ADVANCE:
            await _raise(session, desk, row, change, SYSTEM)
        case _:
            _put(row, follow(run_of(row), change), SYSTEM.name, desk.now)
            row.reason = judgement.why if change is Change.PAUSE else ""
            await _tell(session, desk, row, change, SYSTEM)
