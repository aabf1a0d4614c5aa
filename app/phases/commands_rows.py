"""The rows of the phases: made with a deployment or at first need, locked, and kept beside the deployment's course.

Used by the deployment's own commands, so it knows none of them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import is_transient
from app.db.tables import Deployment, PhaseRun
from app.domain.deployments import State as Course
from app.domain.phases import BY_COURSE, Happened, Run, State, by_course, evolve, mirrored
from app.domain.plan import Phase, Plan
from app.domain.plan_clock import plan_now
from app.domain.schedule import planned_times
from app.eventlog.log import SYSTEM, Entry, append

log = structlog.get_logger()


def run_of(row: PhaseRun) -> Run:
    return Run(
        State(row.state),
        row.planned_at,
        row.started_at,
        row.finished_at,
        row.reason,
        row.changed_by,
        row.state_since,
        row.version,
    )


def put(row: PhaseRun, run: Run) -> None:
    """Write what the domain decided into the row; a wish to skip ends with any change of the state."""
    if row.state != run.state.value:
        row.skip_asked_at = None
    row.state, row.planned_at = run.state.value, run.planned_at
    row.started_at, row.finished_at = run.started_at, run.finished_at
    row.reason, row.changed_by, row.version = run.reason, run.by[:160], run.version
    if run.since is not None:
        row.state_since = run.since


def payload_of(phase: str, happened: Happened) -> dict[str, Any]:
    """What the log keeps of a change: enough to fold the row from (tests/phases)."""
    return {
        "phase": phase,
        "change": happened.change.value,
        "at": happened.at.isoformat(),
        "plan_at": happened.plan_at.isoformat(),
        "by": happened.by,
        "reason": happened.reason,
        "planned_at": happened.planned_at.isoformat() if happened.planned_at else None,
    }


# ── made ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def fresh_row(deployment: Deployment, phase: Phase, planned_at: datetime | None) -> PhaseRun:
    """A phase's row as a deployment without one would have it: what follows the course is where the course is."""
    state = State.PLANNED
    if phase.kind in BY_COURSE:
        state = by_course(phase.kind, Course(deployment.state))
    return PhaseRun(
        deployment_id=deployment.id,
        phase=phase.key,
        kind=phase.kind,
        state=state.value,
        planned_at=planned_at,
        is_moved=False,
        reason=deployment.hold_reason if state is State.ON_HOLD else "",
        changed_by="",
        changed_key="",
        state_since=deployment.state_since,
        version=0,
        skip_asked_by="",
        skip_asked_position="",
        skip_reason="",
    )


async def make_rows(session: AsyncSession, deployment: Deployment, plan: Plan) -> Mapping[str, datetime | None]:
    """A row for each phase that has none. The deployment must be locked or new. Returns what is planned when."""
    planned = planned_times(plan, deployment.planned_at)
    columns = [column.key for column in PhaseRun.__table__.columns]
    rows = [fresh_row(deployment, phase, planned[phase.key]) for phase in plan.phases]
    values = [{name: getattr(row, name) for name in columns} for row in rows]
    await session.execute(insert(PhaseRun).values(values).on_conflict_do_nothing())
    return planned


async def rows_of(session: AsyncSession, deployment: Deployment, plan: Plan) -> dict[str, PhaseRun]:
    """Every phase's row by its key, for reading. What has none yet (a deployment older than the table) stands there as
    it would be made."""
    found = {
        row.phase: row
        for row in await session.scalars(
            select(PhaseRun).where(PhaseRun.deployment_id == deployment.id).execution_options(populate_existing=True)
        )
    }
    missing = [phase for phase in plan.phases if phase.key not in found]
    planned = planned_times(plan, deployment.planned_at) if missing else {}
    return found | {phase.key: fresh_row(deployment, phase, planned[phase.key]) for phase in missing}


async def lock_row(session: AsyncSession, deployment: Deployment, plan: Plan, key: str) -> PhaseRun:
    """The phase's row, locked until the transaction ends; made if the deployment is older than the table. Taken after
    the deployment's lock."""
    statement = select(PhaseRun).where(PhaseRun.deployment_id == deployment.id, PhaseRun.phase == key)
    statement = statement.with_for_update().execution_options(populate_existing=True)
    row = (await session.execute(statement)).scalar_one_or_none()
    if row is None:
        await make_rows(session, deployment, plan)
        row = (await session.execute(statement)).scalar_one()
    return row


# ── beside the deployment's course ────────────────────────────────────────────────────────────────────────────────


async def follow_course(
    session: AsyncSession, deployment: Deployment, before: Course, *, by: str, now: datetime
) -> list[dict[str, Any]]:
    """Bring the phases that follow the deployment's course to where it now is. Returns their changes for the payload
    of the deployment's event, which is the event of these too.

    Nothing is asked of the database where the course moves within a phase, as at a switch. A phase without a row is
    made later, from the course. The course never waits for a phase and never fails by one: a row that somebody else
    holds, or anything that goes wrong here, stays behind until `catch_up`.
    """
    after = Course(deployment.state)
    kinds = [kind for kind in BY_COURSE if by_course(kind, before) is not by_course(kind, after)]
    if not kinds:
        return []
    try:
        async with session.begin_nested():
            return await _mirror(session, deployment, kinds, by=by, now=now)
    except Exception as error:
        if is_transient(error):
            raise
        log.exception("phases.course.not_followed", deployment=deployment.id, course=after.value)
        return []


async def _mirror(
    session: AsyncSession, deployment: Deployment, kinds: Sequence[str], *, by: str, now: datetime
) -> list[dict[str, Any]]:
    after = Course(deployment.state)
    wanted = select(PhaseRun).where(PhaseRun.deployment_id == deployment.id, PhaseRun.kind.in_(kinds))
    wanted = wanted.order_by(PhaseRun.phase).with_for_update(skip_locked=True)
    changes: list[dict[str, Any]] = []
    for row in (await session.scalars(wanted.execution_options(populate_existing=True))).all():
        # One change as a rule; a row that stayed behind takes as many as it missed.
        while (change := mirrored(row.kind, run_of(row), after)) is not None:
            reason = "Traffic is back on BLUE" if after is Course.ROLLED_BACK else deployment.hold_reason
            happened = Happened(change, now, plan_now(deployment, now), by, reason)
            put(row, evolve(run_of(row), happened))
            changes.append(payload_of(row.phase, happened))
    return changes


def is_behind() -> ColumnElement[bool]:
    """Of a phase joined with its deployment: it is not where the course is."""
    pairs = [(kind, course) for kind in BY_COURSE for course in Course]
    pairs.remove(("rollback", Course.ABORTED))  # a rollback that was done stays so
    kind_, course_, state_ = PhaseRun.kind, Deployment.state, PhaseRun.state
    return or_(*(and_(kind_ == kind, course_ == at.value, state_ != by_course(kind, at).value) for kind, at in pairs))


async def catch_up(session: AsyncSession, deployment: Deployment, now: datetime) -> bool:
    """Bring the phases of a locked deployment to where its course is, if any stayed behind, and say so."""
    changes = await _mirror(session, deployment, BY_COURSE, by=SYSTEM.name, now=now)
    if changes:
        numbers = ", ".join(dict.fromkeys(change["phase"] for change in changes))
        text = f"Brought up to where the deployment is: {numbers}"
        entry = Entry("phases.caught_up", text, ("phases", "deployment"), severity="warn", payload={"phases": changes})
        await append(session, deployment.id, entry, SYSTEM)
    return bool(changes)


async def replan(
    session: AsyncSession, deployment: Deployment, plan: Plan, production_start: datetime
) -> dict[str, str | None]:
    """Plan the day anew around another start of production: what is still planned and nobody moved follows it.
    Returns the new times for the payload of the event."""
    planned = planned_times(plan, production_start)
    wanted = select(PhaseRun).where(PhaseRun.deployment_id == deployment.id).order_by(PhaseRun.phase).with_for_update()
    moved: dict[str, str | None] = {}
    for row in (await session.scalars(wanted.execution_options(populate_existing=True))).all():
        at = planned.get(row.phase)
        is_free = row.state == State.PLANNED and not row.is_moved
        if row.phase in planned and (is_free or row.kind == "blue_green") and row.planned_at != at:
            row.planned_at = at
            moved[row.phase] = at.isoformat() if at else None
    return moved
