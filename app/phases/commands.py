"""Writes of phases: start, hold, resume, reschedule, complete, abort. Each locks the deployment, then the phase.

The production phase and the rollback follow the deployment's own course (commands_rows.follow_course): none of these
commands moves them, so that there is one way past the sign-offs and no second.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, PhaseRun
from app.deployments.commands import database_now, lock
from app.domain.errors import Rejected, Stale
from app.domain.phases import BY_COURSE, Change, Happened, decide, demand, evolve
from app.domain.plan import Phase
from app.domain.plan_clock import plan_now
from app.eventlog.log import Entry, Severity, append
from app.phases.commands_rows import lock_row, payload_of, put, run_of
from app.phases.forms import AgreeForm, MoveForm, PhaseForm
from app.phases.queries import entry_of, exit_of, leads, phase_of, resume_of, states_of_phases
from app.scripts.commands_over import end_with
from app.web.access import Forbidden, Scope
from app.web.figures import day, hm

_SAID = {
    Change.START: "started",
    Change.HOLD: "put on hold",
    Change.RESUME: "resumed",
    Change.RESCHEDULE: "rescheduled",
    Change.COMPLETE: "completed",
    Change.ABORT: "aborted",
}
_WARN = (Change.HOLD, Change.RESCHEDULE, Change.ABORT)
_DAY_LEADS = {
    Change.START: "proceed",
    Change.COMPLETE: "proceed",
    Change.HOLD: "hold",
    Change.RESUME: "hold",
    Change.RESCHEDULE: "hold",
    Change.ABORT: "hold",
}
"""The right by which somebody who does not lead the phase may do it all the same."""


def may_do(scope: Scope, phase: Phase, change: Change) -> bool:
    """A phase is run by who leads it or the day; only who may hold the deployment can abort one."""
    return scope.may(_DAY_LEADS[change]) or (change is not Change.ABORT and leads(scope, phase))


async def change_phase(session: AsyncSession, scope: Scope, key: str, change: Change, form: PhaseForm) -> None:
    """One press on a phase. Sent twice it changes once.

    Raises NotFound, Forbidden for who does not lead it, and Rejected: a conflict that names who was faster or lists
    what is not met, or a rule with the code `reason` or `planned_at`.
    """
    phase = phase_of(scope.plan, key)
    if not may_do(scope, phase, change):
        raise Forbidden(f"Phase {phase.number} is led by somebody else.")
    refuse_by_course(phase)
    deployment = await lock(session, scope.id)
    row = await lock_row(session, deployment, scope.plan, key)
    now = await database_now(session)
    press = f"{change.name}:{scope.viewer.person_id}:{form.key}"[:64] if form.key else ""
    if press and row.changed_key == press:
        return
    happened = decide(
        run_of(row), Happened(change, now, plan_now(deployment, now), scope.who, form.reason, _at(scope, form))
    )
    refuse_stale(row, form)
    await _conditions(session, scope, deployment, phase, change, now)
    put(row, evolve(run_of(row), happened))
    row.changed_key = press
    row.is_moved = row.is_moved or change is Change.RESCHEDULE
    severity: Severity = "warn" if change in _WARN else "normal"
    entry = Entry(
        happened.change.value,
        f"{scope.seat_title} {_sentence(scope, phase, happened)}",
        ("phases",),
        cause=happened.reason,
        severity=severity,
        payload=payload_of(key, happened),
    )
    await append(session, deployment.id, entry, scope.actor)
    if change is Change.ABORT:
        await end_scripts(session, scope, phase, now)


async def end_scripts(session: AsyncSession, scope: Scope, phase: Phase, now: datetime) -> None:
    """A phase that is over for good leaves no script running: all of them are ended, with all they started."""
    what = f"phase {phase.number}"
    await end_with(session, scope.id, phase=phase.key, what=what, who=scope.who, actor=scope.actor, now=now)


def refuse_by_course(phase: Phase) -> None:
    """Raises Rejected for the phases that follow the deployment's own course."""
    if phase.kind == "rollback":
        raise Rejected(
            f"Phase {phase.number} is not pressed here: it follows the rollback.",
            remedy="The rollback cover stands in the bar of every page.",
            code="by_course",
        )
    if phase.kind in BY_COURSE:
        raise Rejected(
            f"Phase {phase.number} follows the deployment: the sign-offs open it, proceeding starts it.",
            remedy="Go to the go/no-go board.",
            code="by_course",
        )


def refuse_stale(row: PhaseRun, form: PhaseForm | AgreeForm) -> None:
    """Raises Rejected, naming who changed the phase since the page was drawn."""
    if row.version == form.version:
        return
    raise Stale(f"{row.changed_by or 'Somebody'} changed this phase since this page was drawn. Nothing was done.")


def _at(scope: Scope, form: PhaseForm) -> datetime | None:
    at = form.planned_at if isinstance(form, MoveForm) else None
    return at.replace(tzinfo=ZoneInfo(scope.plan.timezone)) if at is not None and at.tzinfo is None else at


async def _conditions(
    session: AsyncSession, scope: Scope, deployment: Deployment, phase: Phase, change: Change, now: datetime
) -> None:
    if change in (Change.START, Change.RESUME):
        states = await states_of_phases(session, deployment, scope.plan)
        find = entry_of if change is Change.START else resume_of
        found = await find(session, deployment, scope.plan, phase, states, now)
        demand(found, f"Phase {phase.number} cannot {'start' if change is Change.START else 'go on'} yet.")
    elif change is Change.COMPLETE:
        demand(await exit_of(session, deployment, phase), f"Phase {phase.number} is not complete.")


def _sentence(scope: Scope, phase: Phase, happened: Happened) -> str:
    said = f"{_SAID[happened.change]} phase {phase.number}, {phase.title}"
    if happened.change is Change.HOLD:
        said = f"put phase {phase.number}, {phase.title}, on hold"
    if happened.change is Change.RESCHEDULE and happened.planned_at is not None:
        zone = scope.plan.timezone
        said += f", to {hm(happened.planned_at, zone)} on {day(happened.planned_at, zone)}"
    return f"{said}: {happened.reason}" if happened.reason else said
