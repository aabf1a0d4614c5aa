"""Reads for capsules: what is armed now, and the order that a worker leaves on its disk for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, Person, PlanVersion, RosterSeat, TargetState
from app.domain.capsule import Order, ReleasePart, Step
from app.domain.epochs import block_after
from app.domain.plan import Plan
from app.domain.plan_parts import Contact
from app.web.access import plan_by_hash


@dataclass(frozen=True, slots=True)
class Armed:
    """A target that is armed now: it has the row's lock from arming until the attempt is over."""

    deployment: Deployment
    plan: Plan
    plan_hash: str
    state: TargetState
    people: tuple[Contact, ...] = ()
    """Who may roll back, with their numbers."""


async def armed_now(session: AsyncSession) -> list[Armed]:
    statement = (
        select(Deployment, PlanVersion.hash, TargetState)
        .join(PlanVersion, PlanVersion.id == Deployment.plan_version_id)
        .join(TargetState, TargetState.target == Deployment.target)
        .where(TargetState.locked_by == Deployment.id, Deployment.armed_at.is_not(None))
        .execution_options(populate_existing=True)
    )
    rows = (await session.execute(statement)).all()
    found = []
    for deployment, digest, state in rows:
        plan = await plan_by_hash(session, digest)
        found.append(Armed(deployment, plan, digest, state, await people_of(session, deployment, plan)))
    return found


async def people_of(session: AsyncSession, deployment: Deployment, plan: Plan) -> tuple[Contact, ...]:
    """Those on the roster who may roll back, to be called beside the plan's contacts."""
    titles = {position.key: position.title for position in plan.positions if "rollback" in position.capabilities}
    rows = await session.execute(
        select(RosterSeat.id, RosterSeat.position, Person.name, Person.phone)
        .join(Person, Person.id == RosterSeat.person_id)
        .where(
            RosterSeat.deployment_id == deployment.id,
            RosterSeat.position.in_(titles),
            Person.is_disabled.is_(False),
        )
        .order_by(RosterSeat.id)
    )
    return tuple(
        Contact(
            key=f"seat_{seat}",
            title=name if name.startswith(titles[position]) else f"{name}, {titles[position]}",
            phone=phone,
        )
        for seat, position, name, phone in rows
    )


def order_of(
    armed: Armed,
    now: datetime,
    *,
    here: datetime,
    binding: Mapping[str, Any],
    addresses: Mapping[str, tuple[str, ...]],
    by_hand: tuple[Step, ...],
    worker: str = "",
    host: str = "",
) -> Order:
    """`now` is the database's time, `here` this machine's own: the capsule runs out by the clock it is read with.

    Before arming the block is the one that arming will begin, so that a card can be looked at early.
    """
    deployment, plan, state = armed.deployment, armed.plan, armed.state
    phase, spec = plan.phase(deployment.phase), plan.target(deployment.target)
    is_armed = deployment.armed_at is not None and state.locked_by == deployment.id
    return Order(
        deployment_id=deployment.id,
        attempt=deployment.attempt,
        title=deployment.title,
        mode=deployment.mode,
        zone=plan.timezone,
        plan_key=plan.key,
        plan_hash=armed.plan_hash,
        target=deployment.target,
        target_title=spec.title,
        binding=dict(binding),
        addresses=dict(addresses),
        configuration=deployment.target_configuration,
        identity=spec.identity,
        probes=spec.probes,
        criteria=phase.rollback.criteria if phase.rollback else (),
        within_s=phase.rollback.within_s if phase.rollback else 30,
        blue=ReleasePart(version=deployment.blue_version, digest=deployment.blue_digest),
        green=ReleasePart(version=deployment.green_version, digest=deployment.green_digest),
        block=state.epoch if is_armed else block_after(state.epoch),
        not_undone=spec.not_undone,
        contacts=(*plan.contacts, *armed.people),
        channels=plan.channels,
        by_hand=by_hand,
        issued_at=now,
        expires_at=here + timedelta(seconds=spec.capsule_s),
        worker=worker,
        host=host,
    )
