"""Accept a switch or a rollback: one transaction that locks, decides, and writes operation, event and job."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, Operation, Person, RollbackGrant, TargetState
from app.deployments.commands import apply, course_of, database_now, lock, passing_gate
from app.domain import deployments as course
from app.domain.deployments import Change
from app.domain.epochs import next_epoch
from app.domain.errors import Rejected
from app.domain.operations import Kind, State
from app.domain.readiness import PROOF_LIMIT
from app.domain.sides import Side, Weights
from app.eventlog.log import SYSTEM, Actor, Entry, append
from app.traffic.queries_readiness import light_of
from app.web.access import WHO_LIMIT, Forbidden, Scope

KEY_LIMIT = 64
"""Characters of an idempotency key that are kept: a press never fails by what was sent along."""

SHIFT, SHIFT_BACK = "traffic.shift.requested", "traffic.shift_back.requested"
"""Events; the second one's job has the rollback's reserved capacity."""


@dataclass(frozen=True, slots=True)
class Press:
    """Who asked for an operation, and when. `key` makes a repeated press the same one; `although_blue_unhealthy`: that
    was said and pressed all the same."""

    actor: Actor
    key: str
    clicked_at: datetime
    cause: str = ""
    although_blue_unhealthy: bool = False


async def lock_target(session: AsyncSession, target: str) -> TargetState:
    """The target's row, locked: epochs are given out one at a time."""
    statement = select(TargetState).where(TargetState.target == target).with_for_update()
    return (await session.execute(statement.execution_options(populate_existing=True))).scalar_one()


async def hold_target(session: AsyncSession, target: str) -> TargetState:
    """The target's row, made if nobody ever steered it, and locked."""
    await session.execute(insert(TargetState).values(target=target, epoch=0).on_conflict_do_nothing())
    return await lock_target(session, target)


async def demand_not_production(session: AsyncSession, target: str) -> None:
    """Raises Rejected for a target that some deployment switches: its weights move by a switch, which has its own
    sign-offs, whichever plan calls it a canary's."""
    owner = await session.scalar(select(Deployment.id).where(Deployment.target == target).limit(1))
    if owner is not None:
        raise Rejected(
            f"{target} is the production target of deployment {owner}: it is switched, never shifted. "
            "No traffic moved.",
            remedy="Give the canary a target of its own, in the plan and in site.yaml.",
            conflict=True,
            code="target",
        )


async def in_flight(session: AsyncSession, target: str) -> Operation | None:
    """The operation that has not ended on a target; there is at most one (I5)."""
    statement = select(Operation).where(Operation.target == target, Operation.finished_at.is_(None))
    return (await session.execute(statement.with_for_update())).scalar_one_or_none()


async def _repeated(session: AsyncSession, deployment_id: int, key: str) -> Operation | None:
    if not key:
        return None
    statement = select(Operation).where(
        Operation.deployment_id == deployment_id, Operation.idempotency_key == key[:KEY_LIMIT]
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def request_switch(session: AsyncSession, scope: Scope, *, key: str, is_confirmed: bool) -> Operation:
    """All production traffic to GREEN. `key` makes a repeated press the same press.

    Raises Rejected if the statement was not ticked, the deployment is not armed, the gate no longer passes, or
    another operation is in flight (naming who started it).
    """
    deployment = await lock(session, scope.id)
    repeated = await _repeated(session, deployment.id, key)
    if repeated is not None:
        return repeated
    if not is_confirmed:
        raise Rejected(
            "The statement above the button is not ticked. No traffic moved.",
            remedy="Read it, tick it, then press.",
            code="confirm",
        )
    target = await lock_target(session, deployment.target)
    running = await in_flight(session, deployment.target)
    now = await database_now(session)
    _demand_still(running, now)
    course.follow(course_of(deployment), Change.SWITCH)
    if target.locked_by != deployment.id:
        raise Rejected("Another deployment holds this target.", conflict=True, code="target_locked")
    await _way_back_is_not_lost(session, deployment, target, now)
    frozen = dict(await passing_gate(session, deployment, scope.plan, scope.plan_hash, now))
    press = Press(scope.actor, key, scope.now)
    operation = await _insert(session, deployment, target, Kind.SWITCH, Weights.all_to(Side.GREEN), press, now, frozen)
    text = f"{scope.seat_title} started the switch to GREEN {deployment.green_version}"
    payload = {"operation": operation.id, "epoch": operation.epoch}
    await apply(session, deployment, Change.SWITCH, actor=scope.actor, text=text, payload=payload, now=now)
    return operation


async def request_rollback(
    session: AsyncSession,
    deployment_id: int,
    *,
    actor: Actor,
    key: str,
    clicked_at: datetime,
    although_blue_unhealthy: bool = False,
    cause: str = "",
) -> Operation:
    """All production traffic back to BLUE. Needs no gate and no analysis; pre-empts a running switch.

    A rollback that is already on its way is returned as it is. Raises Rejected if there is nothing to roll back, or
    BLUE is unhealthy and that was not named.
    """
    deployment = await lock(session, deployment_id)
    repeated = await _repeated(session, deployment.id, key)
    if repeated is not None:
        return repeated
    target = await lock_target(session, deployment.target)
    running = await in_flight(session, deployment.target)
    if running is not None and running.kind == Kind.ROLLBACK:
        await _join(session, deployment, running, actor)
        return running
    course.follow(course_of(deployment), Change.ROLL_BACK)
    await _is_worth_it(session, deployment)
    now = await database_now(session)
    _blue_is_fit(target, now, named=although_blue_unhealthy)
    if running is not None:
        _supersede(running, now, f"{actor.name} rolled back")
    press = Press(actor, key, clicked_at, cause, although_blue_unhealthy)
    operation = await _insert(session, deployment, target, Kind.ROLLBACK, Weights.all_to(Side.BLUE), press, now)
    text = f"{actor.name} started the rollback to BLUE {deployment.blue_version}"
    payload = {"operation": operation.id, "epoch": operation.epoch, "superseded": running.id if running else None}
    await apply(
        session,
        deployment,
        Change.ROLL_BACK,
        actor=actor,
        text=text,
        cause=cause,
        severity="crit",
        payload=payload,
        now=now,
    )
    return operation


async def request_shift(
    session: AsyncSession,
    deployment: Deployment,
    target_key: str,
    percent: int,
    *,
    actor: Actor,
    key: str,
    cause: str = "",
) -> Operation:
    """`percent` of a canary's traffic to GREEN; 0 takes everything back, pre-empts a running shift and needs no health.
    The deployment must be locked. `key` makes a repeated wish the same operation.

    Raises Rejected if another operation is in flight on that target. No deployment's own target is ever shifted.
    """
    if target_key == deployment.target:
        raise Rejected("The production target is switched, never shifted.", code="target")
    if percent > 0:
        await demand_not_production(session, target_key)
    repeated = await _repeated(session, deployment.id, key)
    if repeated is not None:
        return repeated
    target = await hold_target(session, target_key)
    running = await in_flight(session, target_key)
    now = await database_now(session)
    if running is not None:
        if percent > 0:
            raise Rejected(
                f"{running.requested_by} moves {target_key} already. Nothing was sent twice.",
                conflict=True,
                code="in_flight",
            )
        if running.want_blue == 100:
            return running
        _supersede(running, now, f"{actor.name} took the canary back")
    press = Press(actor, key, now, cause)
    operation = await _insert(session, deployment, target, Kind.SHIFT, Weights(100 - percent, percent), press, now)
    await append(session, deployment.id, _shift_entry(deployment, operation, press), actor)
    return operation


def _shift_entry(deployment: Deployment, operation: Operation, press: Press) -> Entry:
    target, percent = operation.target, 100 - operation.want_blue
    payload = {"operation": operation.id, "epoch": operation.epoch, "target": target, "percent": percent}
    by = f"was ordered by {press.actor.name}"
    if percent == 0:
        text = f"All of {target} back to BLUE {deployment.blue_version} {by}"
        return Entry(SHIFT_BACK, text, ("canary",), press.cause, "warn", payload)
    text = f"{percent} % of {target} to GREEN {deployment.green_version} {by}"
    return Entry(SHIFT, text, ("canary",), press.cause, payload=payload)


def _demand_still(running: Operation | None, now: datetime) -> None:
    """Raises Rejected, naming who started what is on its way."""
    if running is None:
        return
    ago = max(0, round((now - running.accepted_at).total_seconds()))
    raise Rejected(
        f"{running.requested_by} started the {running.kind} {ago} s ago. Nothing was sent twice.",
        conflict=True,
        code="in_flight",
    )


def _supersede(running: Operation, now: datetime, reason: str) -> None:
    running.state, running.finished_at, running.reason = State.SUPERSEDED.value, now, reason


async def _is_worth_it(session: AsyncSession, deployment: Deployment) -> None:
    """After a rollback that was verified there is nothing to roll back; one that ended unverified can be asked for
    again, because nobody knows where customers are."""
    if deployment.state != course.State.ROLLED_BACK:
        return
    last = select(Operation.verified_at).where(
        Operation.deployment_id == deployment.id, Operation.kind == Kind.ROLLBACK
    )
    if (await session.scalar(last.order_by(Operation.id.desc()).limit(1))) is not None:
        raise Rejected(
            "There is nothing to roll back: the last rollback was verified, customers are on BLUE.",
            remedy="Look at the Switch page; a new attempt opens on the board.",
            conflict=True,
            code="state",
        )


async def _join(session: AsyncSession, deployment: Deployment, running: Operation, actor: Actor) -> None:
    """Where a person and a trigger ask for the same rollback it is one, and the log says that both asked."""
    asked = f"{actor.name} asked for it too"
    both = {running.requested_by, actor.name}
    if SYSTEM.name not in both or len(both) == 1 or asked in running.cause:
        return
    running.cause = f"{running.cause}; {asked}" if running.cause else asked
    if actor.name == SYSTEM.name:
        return  # the trigger tells it itself, with its numbers
    text = f"{actor.name} asked for the rollback too; {running.requested_by} had started it"
    payload = {"operation": running.id}
    entry = Entry("traffic.rollback.joined", text, ("traffic",), running.cause, payload=payload)
    await append(session, deployment.id, entry, actor)


async def _way_back_is_not_lost(
    session: AsyncSession, deployment: Deployment, target: TargetState, now: datetime
) -> None:
    """No new effect while a worker cannot keep its capsule (a full disk), or the pre-flight says a plain no."""
    lost = (await light_of(session, deployment, target, now)).plain_noes
    if lost:
        raise Rejected(
            f"The way back is not proven any more. {'; '.join(lost)}. No traffic moved.",
            remedy="Put it right; the Switch page shows when it is.",
            conflict=True,
            code="not_ready",
        )


def _blue_is_fit(target: TargetState, now: datetime, *, named: bool) -> None:
    is_known_bad = (
        target.blue_is_healthy is False and target.blue_at is not None and now - target.blue_at <= PROOF_LIMIT
    )
    if is_known_bad and not named:
        raise Rejected(
            f"BLUE is unhealthy: {target.blue_found}. No traffic moved.",
            remedy="If BLUE is still the better side, press “Roll back although BLUE is unhealthy”.",
            code="blue_unhealthy",
        )


async def _insert(
    session: AsyncSession,
    deployment: Deployment,
    target: TargetState,
    kind: Kind,
    want: Weights,
    press: Press,
    now: datetime,
    frozen: Mapping[str, Any] | None = None,
) -> Operation:
    """The operation's row, with the target's next epoch. `frozen` are the sign-offs that it stands on."""
    target.epoch = next_epoch(target.epoch)
    await session.flush()
    operation = Operation(
        deployment_id=deployment.id,
        attempt=deployment.attempt,
        target=target.target,
        kind=kind.value,
        state=State.ACCEPTED.value,
        reason="",
        epoch=target.epoch,
        want_blue=want.blue,
        idempotency_key=press.key[:KEY_LIMIT] or f"epoch-{target.epoch}",
        requested_by=press.actor.name[:WHO_LIMIT],
        person_id=press.actor.person_id,
        cause=press.cause,
        although_blue_unhealthy=press.although_blue_unhealthy,
        frozen_signoffs=dict(frozen or {}),
        clicked_at=press.clicked_at,
        accepted_at=now,
    )
    session.add(operation)
    await session.flush()
    return operation


async def check_grant(session: AsyncSession, deployment: Deployment, person_id: int) -> None:
    """The right to roll back now: a standing grant of an account that is not disabled. Raises Forbidden."""
    row = await session.scalar(
        select(RollbackGrant.id)
        .join(Person, Person.id == RollbackGrant.person_id)
        .where(
            RollbackGrant.deployment_id == deployment.id,
            RollbackGrant.person_id == person_id,
            RollbackGrant.revoked_at.is_(None),
            Person.is_disabled.is_(False),
        )
        .limit(1)
    )
    if row is None:
        raise Forbidden("You hold no rollback grant for this deployment; arming hands them out.")


async def restore(session: AsyncSession, deployment_id: int, *, key: str, cause: str) -> Operation:
    """The product's own rollback of a switch that did not arrive."""
    return await request_rollback(
        session,
        deployment_id,
        actor=SYSTEM,
        key=key,
        clicked_at=await database_now(session),
        although_blue_unhealthy=True,
        cause=cause,
    )
