"""Take in what break-glass did while there was no database: log, epoch, the operation it ended, and the alarm."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import BreakGlass, BreakGlassLine, Deployment, Operation
from app.deployments.commands import apply, course_of, database_now, lock
from app.domain import deployments as course
from app.domain.deployments import AFTER_SWITCH_BEGAN, Change, State
from app.domain.operations import State as Progress
from app.domain.spool import Line
from app.eventlog.log import SYSTEM, Actor, Entry, Severity, append
from app.ports.traffic import TargetReading
from app.traffic.commands import in_flight, lock_target, request_rollback
from app.web.access import Scope

BROKEN_OFF = "broken_off"
UNSEEN = "unseen"
"""Nothing but the target's own epoch told of it."""
_SEVERITY: dict[str, Severity] = {"begin": "crit", "end": "crit", "stale": "warn", "refused": "warn", "unknown": "warn"}


class UnknownDeployment(Exception):
    """The spool tells of a deployment that this database does not have, or not with this target."""


async def take_in(session: AsyncSession, lines: Sequence[Line], *, is_over: bool, worker: str) -> int:
    """The lines of one run, each exactly once; how many were new. Called again and again while the run goes on.

    What it means for the state counts only while no later arming has begun a higher block of epochs. Raises
    UnknownDeployment.
    """
    first = lines[0]
    if first.what != "begin":
        raise UnknownDeployment(f"run {first.run} does not begin with its beginning")
    deployment_id, epoch = int(first.detail["deployment"]), int(first.detail["epoch"])
    known = await session.get(Deployment, deployment_id)
    if known is None or known.target != first.detail["target"]:
        raise UnknownDeployment(f"run {first.run} is about deployment {deployment_id}")
    deployment = await lock(session, deployment_id)
    target = await lock_target(session, deployment.target)
    running = await in_flight(session, deployment.target)
    now = await database_now(session)
    zone = str(first.detail.get("zone") or "UTC")
    run = await _run_of(session, first, deployment, epoch, now)
    fresh = [line for line in lines if await _insert(session, line)]
    actor = Actor(f"{run.who} (break-glass)")
    is_current = target.epoch <= epoch
    if is_current and any(line.what == "intent" for line in fresh):
        target.epoch = epoch
        if running is not None and running.epoch < epoch:
            _supersede(running, f"{actor.name} rolled back on {run.host}", now)
    for line in fresh:
        await append(session, deployment.id, _entry(line, run, worker, zone), actor)
    await session.flush()
    if is_current and any(_is_on_blue(line) for line in fresh):
        await _roll_back(session, deployment, actor, f"{run.who} rolled back on {run.host} with break-glass")
    if is_over and not run.outcome:
        run.outcome = next((str(line.detail.get("ending", "")) for line in lines if line.what == "end"), BROKEN_OFF)
        has_moved = any(_is_on_blue(line) for line in lines)
        if is_current and not has_moved and any(line.what == "intent" for line in lines):
            cause = f"break-glass on {run.host} did not bring it back: {run.outcome}"
            await _finish_for_it(session, deployment, run.run, cause)
    return len(fresh)


async def _run_of(session: AsyncSession, first: Line, deployment: Deployment, epoch: int, now: datetime) -> BreakGlass:
    """The run's row, made at its first line. A row that only guessed the run from the target's epoch makes room."""
    guessed = (BreakGlass.target == deployment.target) & (BreakGlass.epoch == epoch) & (BreakGlass.outcome == UNSEEN)
    await session.execute(delete(BreakGlass).where(guessed))
    statement = insert(BreakGlass).values(
        run=first.run,
        deployment_id=deployment.id,
        target=deployment.target,
        who=str(first.detail.get("who", ""))[:120],
        host=str(first.detail.get("host", ""))[:120],
        reason=str(first.detail.get("reason", "")),
        epoch=epoch,
        started_at=first.at,
        outcome="",
        taken_in_at=now,
        acknowledged_by="",
    )
    await session.execute(statement.on_conflict_do_nothing(index_elements=["run"]))
    return await session.get_one(BreakGlass, first.run, populate_existing=True)


async def _insert(session: AsyncSession, line: Line) -> bool:
    statement = insert(BreakGlassLine).values(
        run=line.run, seq=line.seq, at=line.at, what=line.what, text=line.text, detail=dict(line.detail)
    )
    kept = await session.execute(
        statement.on_conflict_do_nothing(index_elements=["run", "seq"]).returning(BreakGlassLine.seq)
    )
    return kept.scalar_one_or_none() is not None


def _entry(line: Line, run: BreakGlass, worker: str, zone: str) -> Entry:
    """The sentence says when it happened: the log's own time is when it was taken in."""
    return Entry(
        kind=f"traffic.break_glass.{line.what}",
        text=f"{line.text} ({line.at.astimezone(ZoneInfo(zone)):%H:%M:%S} on {run.host})",
        topics=("traffic", "deployment"),
        cause=run.reason,
        severity=_SEVERITY.get(line.what, "normal"),
        payload={
            "run": line.run,
            "line": line.seq,
            "at": line.at.isoformat(),
            "host": run.host,
            "taken_in_by": worker,
            **line.detail,
        },
    )


def _is_on_blue(line: Line) -> bool:
    return line.what == "applied" or line.detail.get("reads_back") is True


def _supersede(operation: Operation, reason: str, now: datetime) -> None:
    operation.state, operation.finished_at, operation.reason = Progress.SUPERSEDED.value, now, reason
    operation.lease_owner, operation.lease_until = "", None


async def _roll_back(session: AsyncSession, deployment: Deployment, actor: Actor, text: str) -> None:
    """Along the transition table, where it has a line for it; elsewhere the events alone tell of it."""
    if course.allowed(course_of(deployment).state, Change.BREAK_GLASS):
        await apply(session, deployment, Change.BREAK_GLASS, actor=actor, text=text, severity="crit")


async def _finish_for_it(session: AsyncSession, deployment: Deployment, run: str, cause: str) -> None:
    """Every intent ends (I9): what break-glass began and did not bring home, the product does with a higher epoch."""
    if State(deployment.state) not in AFTER_SWITCH_BEGAN or await in_flight(session, deployment.target) is not None:
        return
    await request_rollback(
        session,
        deployment.id,
        actor=SYSTEM,
        key=f"after-{run}"[:64],
        clicked_at=await database_now(session),
        although_blue_unhealthy=True,
        cause=cause,
    )


async def notice_newer_epoch(session: AsyncSession, deployment_id: int, reading: TargetReading) -> bool:
    """The target carries an epoch that this database never gave out: break-glass on a machine whose spool is not here
    (yet), or another installation. What is in flight can do nothing any more and ends. True if that was new."""
    deployment = await lock(session, deployment_id)
    target = await lock_target(session, deployment.target)
    if reading.epoch <= target.epoch:
        return False
    running = await in_flight(session, deployment.target)
    now = await database_now(session)
    target.epoch = reading.epoch
    found = f"the target carries epoch {reading.epoch}, which this installation's log does not know"
    if running is not None:
        _supersede(running, found, now)
    session.add(
        BreakGlass(
            run=f"epoch-{deployment.target}-{reading.epoch}"[:64],
            deployment_id=deployment.id,
            target=deployment.target,
            who="somebody",
            host="a machine that has not reported",
            reason=found,
            epoch=reading.epoch,
            started_at=now,
            outcome=UNSEEN,
            taken_in_at=now,
        )
    )
    text = f"Moved from outside: {found}"
    entry = Entry("traffic.break_glass.unseen", text, ("traffic", "deployment"), severity="crit")
    await append(session, deployment.id, entry, SYSTEM)
    if reading.weights is not None and reading.weights.blue == 100:
        await _roll_back(session, deployment, SYSTEM, "The target stands at BLUE 100 by another hand")
    elif running is not None:
        await _finish_for_it(session, deployment, f"epoch-{reading.epoch}", found)
    return True


async def acknowledge(session: AsyncSession, scope: Scope) -> int:
    """Take the alarm off the pages: somebody who leads has seen what was done. How many runs that were."""
    await lock(session, scope.id)
    now = await database_now(session)
    runs = (
        await session.scalars(
            update(BreakGlass)
            .where(BreakGlass.deployment_id == scope.id, BreakGlass.acknowledged_at.is_(None))
            .values(acknowledged_at=now, acknowledged_by=scope.who)
            .returning(BreakGlass.run)
        )
    ).all()
    if runs:
        text = f"{scope.seat_title} acknowledged the use of break-glass"
        entry = Entry("traffic.break_glass.acknowledged", text, ("traffic", "deployment"), payload={"runs": list(runs)})
        await append(session, scope.id, entry, scope.actor)
    return len(runs)
