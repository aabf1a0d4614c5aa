"""Reads of sign-offs: what a vote is bound to now, the standing votes, and the gate they make."""

import json
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.checklists.queries import States, bound_parts, states_of
from app.db.tables import Deployment, Person, RosterSeat, Signoff
from app.domain.deployments import State
from app.domain.plan import Plan
from app.domain.signoffs import Binding, Gate, Holders, Verdict, Vote, evaluate

VOTING = (State.PREPARING, State.PROCEEDED, State.ARMED, State.ON_HOLD)
"""Votes are cast and withdrawn until the switch, also while the deployment is on hold."""


async def gate_of(
    session: AsyncSession, deployment: Deployment, plan: Plan, plan_hash: str, now: datetime
) -> tuple[Gate, Binding]:
    """The gate of the production switch as it stands at `now`, and what the votes had to be bound to for it.

    Callers that act on it hold the deployment's row locked, so that no vote and no tick slips in between.
    """
    binding = await binding_of(session, deployment, plan, plan_hash)
    return await gate_on(session, deployment, plan, binding, now), binding


async def gate_on(session: AsyncSession, deployment: Deployment, plan: Plan, binding: Binding, now: datetime) -> Gate:
    """The gate of the standing votes, where what they had to be bound to is known already."""
    spec = plan.production.signoffs
    if spec is None:
        raise ValueError(f"plan {plan.key} has no go/no-go questions for its production phase")
    votes = await standing_votes(session, deployment)
    return evaluate(spec, votes, binding, await holders_of(session, deployment.id), now)


async def binding_of(session: AsyncSession, deployment: Deployment, plan: Plan, plan_hash: str) -> Binding:
    """What a vote is given for now."""
    return binding_from(deployment, plan, plan_hash, await states_of(session, deployment))


def binding_from(deployment: Deployment, plan: Plan, plan_hash: str, states: States) -> Binding:
    """Part by part what a vote is given for (design.md, "What a sign-off is bound to"), in the order people read it.

    No part is ever empty: what is not known yet says so, and becoming known is a change.
    """
    return {
        "plan": plan_hash,
        "binding": json.dumps(deployment.binding, sort_keys=True, ensure_ascii=False),
        "blue": f"{deployment.blue_version} {deployment.blue_digest}",
        "green": f"{deployment.green_version} {deployment.green_digest}",
        "target": deployment.target_configuration or "not read yet",
        **bound_parts(plan, states),
    }


async def standing_votes(session: AsyncSession, deployment: Deployment) -> list[Vote]:
    """The votes of the current attempt that nobody replaced or withdrew, oldest first."""
    rows = await session.scalars(
        select(Signoff)
        .where(
            Signoff.deployment_id == deployment.id,
            Signoff.attempt == deployment.attempt,
            Signoff.ended_at.is_(None),
        )
        .order_by(Signoff.cast_at)
    )
    return [vote_of(row) for row in rows]


def vote_of(row: Signoff) -> Vote:
    return Vote(
        question=row.question,
        position=row.position,
        person_id=row.person_id,
        who=row.who,
        verdict=Verdict(row.verdict),
        comment=row.comment,
        bound_to=row.bound_to,
        cast_at=row.cast_at,
        expires_at=row.expires_at,
    )


async def holders_of(session: AsyncSession, deployment_id: int) -> Holders:
    """Who sits on which position now; a disabled account sits nowhere."""
    rows = await session.execute(
        select(RosterSeat.position, RosterSeat.person_id)
        .join(Person, Person.id == RosterSeat.person_id)
        .where(RosterSeat.deployment_id == deployment_id, Person.is_disabled.is_(False))
    )
    found: dict[str, set[int]] = {}
    for position, person_id in rows:
        found.setdefault(position, set()).add(person_id)
    return {position: frozenset(people) for position, people in found.items()}
