"""Writes on a deployment: each locks its row, asks the domain, writes state and event in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import (
    CanaryRun,
    Deployment,
    Operation,
    Person,
    PlanVersion,
    RollbackGrant,
    RosterSeat,
    TargetState,
)
from app.domain import deployments as course
from app.domain.deployments import Change, Course, State
from app.domain.epochs import block_after
from app.domain.errors import Rejected
from app.domain.phases import FARTHEST
from app.domain.plan import Plan, plan_hash
from app.domain.plan_people import votes_wanted
from app.domain.signoffs import Binding, GateVerdict
from app.eventlog.log import SYSTEM, Actor, Entry, append, touch
from app.phases.commands_rows import follow_course, make_rows, replan
from app.scripts.commands_over import end_with
from app.signoffs.queries import gate_of
from app.traffic.queries_readiness import light_of
from app.web.access import WHO_LIMIT, Forbidden, Scope, capabilities_of


@dataclass(frozen=True, slots=True)
class SeatHolder:
    position: str
    seat: int
    person_id: int
    is_deputy: bool = False


async def lock(session: AsyncSession, deployment_id: int) -> Deployment:
    """The deployment's row, locked until the transaction ends: the order of all commands on it."""
    statement = select(Deployment).where(Deployment.id == deployment_id).with_for_update()
    return (await session.execute(statement.execution_options(populate_existing=True))).scalar_one()


async def lock_for(session: AsyncSession, scope: Scope) -> Deployment:
    """`lock`, for a word that counts because of a seat: whoever waited for the row may have waited for the very
    transaction that gave the seat to somebody else. Raises Forbidden."""
    deployment = await lock(session, scope.id)
    wanted = select(RosterSeat.position).join(Person, Person.id == RosterSeat.person_id)
    mine = (RosterSeat.deployment_id == scope.id) & (RosterSeat.person_id == scope.viewer.person_id)
    sits = set(await session.scalars(wanted.where(mine, Person.is_disabled.is_(False))))
    if not scope.positions <= sits:
        raise Forbidden("Your seat was given to somebody else in this moment.")
    return deployment


async def database_now(session: AsyncSession) -> datetime:
    """The one clock of all decisions: PostgreSQL's."""
    now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    return now


def course_of(deployment: Deployment) -> Course:
    return Course(State(deployment.state), deployment.attempt, deployment.planned_at, deployment.hold_reason)


async def apply(
    session: AsyncSession,
    deployment: Deployment,
    change: Change,
    *,
    actor: Actor,
    text: str,
    reason: str = "",
    cause: str = "",
    planned_at: datetime | None = None,
    severity: str = "normal",
    payload: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> None:
    """Move a locked deployment along its table and write the event. Raises Rejected; the row then is as it was.
    `now` is the database's time, where the caller asked for it already."""
    moved = course.follow(course_of(deployment), change, reason=reason, planned_at=planned_at)
    now = now or await database_now(session)
    before = deployment.state
    deployment.state, deployment.attempt = moved.state.value, moved.attempt
    deployment.planned_at, deployment.hold_reason = moved.planned_at, moved.reason
    deployment.held_by = actor.name[:WHO_LIMIT] if moved.state is State.ON_HOLD else ""
    deployment.state_since = now
    if change in (*course.NEW_ATTEMPT_CHANGES, Change.RESUME):
        deployment.gate_opened_at = now
    if change in (*course.NEW_ATTEMPT_CHANGES, Change.HOLD, Change.EXPIRE):
        await disarm(session, deployment, now)
    phases = await follow_course(session, deployment, State(before), by=actor.name, now=now)
    entry = Entry(
        kind=change.value,
        text=text,
        topics=("deployment", "signoffs", "checklists", "traffic", *(("phases",) if phases else ())),
        cause=cause or reason,
        severity="crit" if severity == "crit" else "warn" if severity == "warn" else "normal",
        payload={
            "from": before,
            "to": deployment.state,
            "attempt": deployment.attempt,
            **({"phases": phases} if phases else {}),
            **(payload or {}),
        },
    )
    await append(session, deployment.id, entry, actor)
    if change is Change.ABORT:
        what = "the deployment"
        await end_with(session, deployment.id, phase=None, what=what, who=actor.name, actor=actor, now=now)


async def create(
    session: AsyncSession,
    *,
    plan: Plan,
    source: str,
    mode: str,
    binding: Mapping[str, Any],
    target_configuration: str,
    planned_at: datetime,
    holders: tuple[SeatHolder, ...],
    actor: Actor = SYSTEM,
) -> Deployment:
    """A new deployment of a plan, its plan version taken up, its roster seated."""
    version, _ = await take_up(session, plan, source)
    now = await database_now(session)
    production = plan.production
    deployment = Deployment(
        plan_version_id=version.id,
        mode=mode,
        title=plan.title,
        phase=production.key,
        state=State.PREPARING.value,
        attempt=1,
        blue_version=plan.releases.blue.version,
        blue_digest=plan.releases.blue.digest,
        green_version=plan.releases.green.version,
        green_digest=plan.releases.green.digest,
        target=production.target or plan.targets[0].key,
        binding=dict(binding),
        target_configuration=target_configuration,
        planned_at=planned_at,
        gate_opened_at=now,
        state_since=now,
        created_at=now,
    )
    session.add(deployment)
    await session.flush()
    for holder in holders:
        session.add(RosterSeat(deployment_id=deployment.id, **_columns(holder)))
    await session.execute(
        insert(TargetState).values(target=deployment.target, epoch=0).on_conflict_do_nothing(index_elements=["target"])
    )
    planned = await make_rows(session, deployment, plan)
    text = f"{plan.title} {deployment.blue_version} → {deployment.green_version} created, plan {version.hash[:8]}"
    payload = {"plan": version.hash, "mode": mode, "planned": {k: at.isoformat() for k, at in planned.items() if at}}
    entry = Entry("deployment.created", text, ("deployment", "team"), payload=payload)
    await append(session, deployment.id, entry, actor)
    return deployment


def _columns(holder: SeatHolder) -> dict[str, Any]:
    return {
        "position": holder.position,
        "seat": holder.seat,
        "person_id": holder.person_id,
        "is_deputy": holder.is_deputy,
    }


async def take_up(session: AsyncSession, plan: Plan, source: str) -> tuple[PlanVersion, bool]:
    """The plan's version row, and whether this made it: a hash that was used before keeps its row."""
    digest = plan_hash(plan)
    statement = insert(PlanVersion).values(
        key=plan.key,
        hash=digest,
        source=source,
        document=plan.model_dump(mode="json"),
        created_at=await database_now(session),
    )
    statement = statement.on_conflict_do_nothing(index_elements=["hash"])
    is_new = (await session.scalar(statement.returning(PlanVersion.id))) is not None
    version = (await session.execute(select(PlanVersion).where(PlanVersion.hash == digest))).scalar_one()
    return version, is_new


async def passing_gate(
    session: AsyncSession, deployment: Deployment, plan: Plan, digest: str, now: datetime | None = None
) -> Binding:
    """What the gate passes for now. Raises Rejected with what is missing (I3)."""
    now = now or await database_now(session)
    gate, binding = await gate_of(session, deployment, plan, digest, now)
    if gate.verdict is not GateVerdict.PASSED:
        missing = ", ".join(f"{plan.position(line.question.position).title}: {line.state}" for line in gate.missing)
        twice = f"{', '.join(gate.same_person)} gave more than one" if gate.same_person else ""
        raise Rejected(
            f"The gate has not passed ({'; '.join(part for part in (missing, twice) if part)}).",
            remedy=f"All {votes_wanted(plan)} sign-offs must be GO, by as many people, on what the board shows now.",
            conflict=True,
            code="gate",
        )
    return binding


async def proceed(session: AsyncSession, scope: Scope) -> None:
    deployment = await lock(session, scope.id)
    if not course.allowed(State(deployment.state), Change.PROCEED):
        course.follow(course_of(deployment), Change.PROCEED)
    await passing_gate(session, deployment, scope.plan, scope.plan_hash)
    count = votes_wanted(scope.plan)
    text = f"{scope.seat_title} proceeded: {count} GO by {count} people"
    await apply(session, deployment, Change.PROCEED, actor=scope.actor, text=text)


async def arm(session: AsyncSession, scope: Scope) -> None:
    """Lock the target for this deployment, begin a new block of epochs, and hand out the rollback grants. Each worker
    then writes its capsule (app/traffic/tasks_capsule.py)."""
    deployment = await lock(session, scope.id)
    course.follow(course_of(deployment), Change.ARM)
    await passing_gate(session, deployment, scope.plan, scope.plan_hash)
    now = await database_now(session)
    state = (
        await session.execute(select(TargetState).where(TargetState.target == deployment.target).with_for_update())
    ).scalar_one()
    if state.locked_by not in (None, deployment.id):
        raise Rejected(
            f"Deployment {state.locked_by} holds the target {deployment.target}.",
            remedy="Complete or abort it first: a target belongs to one deployment at a time.",
            conflict=True,
            code="target_locked",
        )
    await _nothing_moves(session, deployment.target)
    await _way_back_is_proven(session, deployment, state, now)
    state.locked_by = deployment.id
    state.epoch = block_after(state.epoch)
    deployment.armed_at = now
    holders = await grant_rollback(session, deployment, scope.plan, now)
    text = f"{scope.seat_title} armed the switch; {len(holders)} people can roll back"
    await apply(session, deployment, Change.ARM, actor=scope.actor, text=text, payload={"grants": holders})


async def _nothing_moves(session: AsyncSession, target: str) -> None:
    """Arming begins a new block of epochs, which ends whatever is still on its way; so that must be over."""
    running = await session.scalar(
        select(Operation.kind).where(Operation.target == target, Operation.finished_at.is_(None)).limit(1)
    )
    if running is not None:
        raise Rejected(
            f"The {running} before is still being guarded.",
            remedy="It ends within 10 s after its last check; arm then.",
            conflict=True,
            code="in_flight",
        )
    # It would go on moving what this deployment then answers for.
    canary = await session.scalar(
        select(CanaryRun.deployment_id).where(CanaryRun.target == target, CanaryRun.finished_at.is_(None)).limit(1)
    )
    if canary is not None:
        raise Rejected(
            f"A canary of deployment {canary} has the target {target}.",
            remedy="Have it taken back first; arm then.",
            conflict=True,
            code="target_locked",
        )


async def _way_back_is_proven(session: AsyncSession, deployment: Deployment, state: TargetState, now: datetime) -> None:
    """From the watch's findings: nothing outside is asked in this transaction."""
    light = await light_of(session, deployment, state, now)
    if not light.is_ready:
        raise Rejected(
            f"The way back is not proven. {'; '.join(light.reasons)}.",
            remedy="The Switch page shows each line with what to do about it. Arm again when all are YES.",
            conflict=True,
            code="not_ready",
        )


async def grant_rollback(session: AsyncSession, deployment: Deployment, plan: Plan, now: datetime) -> list[str]:
    """A grant for each person whose position may roll back. Returns their names."""
    rows = await session.execute(
        select(RosterSeat, Person)
        .join(Person, Person.id == RosterSeat.person_id)
        .where(RosterSeat.deployment_id == deployment.id, Person.is_disabled.is_(False))
    )
    names: list[str] = []
    for seat, person in rows:
        if "rollback" not in capabilities_of(plan, frozenset({seat.position}), is_admin=False):
            continue
        await grant_to(session, deployment, person.id, seat.position, now)
        names.append(person.name)
    return names


async def grant_to(session: AsyncSession, deployment: Deployment, person_id: int, position: str, now: datetime) -> None:
    """One person's grant for this attempt: by arming, or by taking a seat while armed."""
    statement = insert(RollbackGrant).values(
        deployment_id=deployment.id,
        attempt=deployment.attempt,
        person_id=person_id,
        position=position,
        granted_at=now,
    )
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["deployment_id", "attempt", "person_id"],
            set_={"revoked_at": None, "granted_at": now, "position": position},
        )
    )


async def disarm(session: AsyncSession, deployment: Deployment, now: datetime) -> None:
    """Take back what arming gave. Only called where no traffic is on GREEN."""
    deployment.armed_at = None
    deployment.switched_at = None
    grants = await session.scalars(
        select(RollbackGrant).where(RollbackGrant.deployment_id == deployment.id, RollbackGrant.revoked_at.is_(None))
    )
    for grant in grants:
        grant.revoked_at = now
    state = await session.get(TargetState, deployment.target, with_for_update=True)
    if state is not None and state.locked_by == deployment.id:
        state.locked_by = None


async def hold(session: AsyncSession, scope: Scope, reason: str) -> None:
    deployment = await lock(session, scope.id)
    text = f"{scope.seat_title} put the deployment on hold: {reason.strip()}"
    await apply(session, deployment, Change.HOLD, actor=scope.actor, text=text, reason=reason, severity="warn")


async def resume(session: AsyncSession, scope: Scope) -> None:
    deployment = await lock(session, scope.id)
    text = f"{scope.seat_title} resumed the deployment"
    await apply(session, deployment, Change.RESUME, actor=scope.actor, text=text)


async def reschedule(session: AsyncSession, scope: Scope, planned_at: datetime, reason: str) -> None:
    """A new planned time: a new attempt with new sign-offs."""
    deployment = await lock(session, scope.id)
    now = await database_now(session)
    if planned_at <= now:
        raise Rejected(
            "The new start is in the past.", remedy="Choose a time that is still to come.", code="planned_at"
        )
    if planned_at - now > FARTHEST:
        raise Rejected("The new start is more than a year away.", remedy="Choose a nearer one.", code="planned_at")
    course.follow(course_of(deployment), Change.RESCHEDULE, reason=reason, planned_at=planned_at)
    planned = await replan(session, deployment, scope.plan, planned_at)
    text = f"{scope.seat_title} rescheduled the start: {reason.strip()}"
    await apply(
        session,
        deployment,
        Change.RESCHEDULE,
        actor=scope.actor,
        text=text,
        reason=reason,
        planned_at=planned_at,
        severity="warn",
        payload={"planned_at": planned_at.isoformat(), "planned": planned},
    )


async def reopen(session: AsyncSession, scope: Scope) -> None:
    """A new attempt after a rollback."""
    deployment = await lock(session, scope.id)
    text = f"{scope.seat_title} opened attempt {deployment.attempt + 1}: {votes_wanted(scope.plan)} new sign-offs"
    await apply(session, deployment, Change.NEW_ATTEMPT, actor=scope.actor, text=text)


async def abort(session: AsyncSession, scope: Scope, reason: str) -> None:
    deployment = await lock(session, scope.id)
    text = f"{scope.seat_title} aborted the deployment: {reason.strip()}"
    course.follow(course_of(deployment), Change.ABORT, reason=reason)
    now = await database_now(session)
    await disarm(session, deployment, now)  # the target before the log, as everywhere
    deployment.finished_at = now
    await apply(session, deployment, Change.ABORT, actor=scope.actor, text=text, reason=reason, severity="warn")


async def complete(session: AsyncSession, scope: Scope) -> None:
    """The production phase is complete. BLUE stays warm, the grants stay valid."""
    deployment = await lock(session, scope.id)
    text = f"{scope.seat_title} completed the phase: {deployment.green_version} is live, BLUE stays warm"
    await apply(session, deployment, Change.COMPLETE, actor=scope.actor, text=text)


GATED = (State.PREPARING.value, State.PROCEEDED.value, State.ARMED.value)
"""Where a gate waits, and can wait too long."""


def is_over(deployment: Deployment, plan: Plan, now: datetime) -> bool:
    """Whether the gate waited too long."""
    gate = plan.production.signoffs
    if gate is None or deployment.state not in GATED:
        return False
    return now >= max(deployment.planned_at, deployment.gate_opened_at) + timedelta(seconds=gate.expires_after_s)


async def expire_gate(session: AsyncSession, deployment_id: int, plan: Plan) -> bool:
    """Turn a gate that waited too long into a hold. Whether it did."""
    deployment = await lock(session, deployment_id)
    gate = plan.production.signoffs
    if gate is None or not is_over(deployment, plan, await database_now(session)):
        return False
    text = f"The gate closed {round(gate.expires_after_s / 60)} min after the planned start; nothing moved"
    await apply(session, deployment, Change.EXPIRE, actor=SYSTEM, text=text, reason=text, severity="warn")
    return True


async def note_configuration(session: AsyncSession, deployment_id: int, configuration: str) -> None:
    """The target is set up differently from what the team voted on: sign-offs become OUTDATED by it."""
    deployment = await lock(session, deployment_id)
    if deployment.target_configuration == configuration:
        return
    first = not deployment.target_configuration
    deployment.target_configuration = configuration
    if first:
        await touch(session, deployment_id, ("signoffs",))
        return
    text = f"The target {deployment.target} was changed outside gonogo"
    entry = Entry("traffic.target.changed", text, ("signoffs", "traffic"), severity="warn")
    await append(session, deployment_id, entry, SYSTEM)
