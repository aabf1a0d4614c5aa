"""Writes of the hand on the rollback, and "I am here"."""

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Custody, Deployment, RosterSeat
from app.deployments.commands import database_now, lock
from app.domain import custody
from app.domain.custody import Hand, able, hand_of
from app.domain.errors import Rejected
from app.domain.roster import Roster
from app.eventlog.log import Entry, Topic, append
from app.roster.forms import OfferForm
from app.roster.queries import roster_of
from app.roster.queries_hand import held
from app.web.access import Forbidden, Scope

_TOPICS: tuple[Topic, ...] = ("team", "deployment")
"""The guard on every page names who has the hand."""


async def _now(session: AsyncSession, scope: Scope) -> tuple[Deployment, Roster, Custody, Hand]:
    """The deployment locked, and who has the hand under that lock."""
    deployment = await lock(session, scope.id)
    roster = await roster_of(session, scope.id)
    row = await session.get(Custody, scope.id, populate_existing=True)
    hand = hand_of(scope.plan, roster, held(row))
    if row is None:
        row = Custody(deployment_id=scope.id)
        session.add(row)
    return deployment, roster, row, hand


async def offer(session: AsyncSession, scope: Scope, form: OfferForm) -> None:
    """Offer the hand to somebody who may roll back; it moves when they accept. The same offer twice is one."""
    deployment, roster, row, hand = await _now(session, scope)
    me = scope.viewer.person_id
    custody.check_offer(scope.plan, roster, hand, me, form.person)
    if hand.offered_to == form.person:
        return
    # Whoever has it by the plan alone takes it up with the offer.
    row.person_id, row.since = me, hand.since or await database_now(session)
    row.offered_to, row.offered_by, row.offered_at = form.person, me, await database_now(session)
    name = able(scope.plan, roster)[form.person]
    text = f"{scope.who} offered the hand on the rollback to {name}"
    await _append(session, deployment, "roster.hand.offered", text, scope, form.person)


async def accept(session: AsyncSession, scope: Scope) -> None:
    """Take the hand that is offered. Sent twice it is taken once."""
    deployment, _, row, hand = await _now(session, scope)
    me = scope.viewer.person_id
    if hand.person_id == me and hand.since is not None:
        return
    custody.check_answer(hand, me)
    row.person_id, row.since = me, await database_now(session)
    row.offered_to = row.offered_by = row.offered_at = None
    text = f"{scope.who} has the hand on the rollback, from {hand.name}"
    await _append(session, deployment, "roster.hand.taken", text, scope, me)


async def decline(session: AsyncSession, scope: Scope) -> None:
    """Leave the hand where it is: said by whom it is offered to."""
    deployment, _, row, hand = await _now(session, scope)
    custody.check_answer(hand, scope.viewer.person_id)
    row.offered_to = row.offered_by = row.offered_at = None
    text = f"{scope.who} declined the hand on the rollback; {hand.name} keeps it"
    await _append(session, deployment, "roster.hand.declined", text, scope, hand.person_id)


async def withdraw(session: AsyncSession, scope: Scope) -> None:
    """Take one's own offer back."""
    deployment, _, row, hand = await _now(session, scope)
    custody.check_withdraw(hand, scope.viewer.person_id)
    row.offered_to = row.offered_by = row.offered_at = None
    text = f"{scope.who} took the offer of the hand on the rollback back"
    await _append(session, deployment, "roster.hand.withdrawn", text, scope, hand.person_id)


async def _append(
    session: AsyncSession, deployment: Deployment, kind: str, text: str, scope: Scope, person: int | None
) -> None:
    await session.flush()
    await append(session, deployment.id, Entry(kind, text, _TOPICS, payload={"person": person}), scope.actor)


async def arrive(session: AsyncSession, scope: Scope) -> None:
    """ "I am here", for all of one's seats in this attempt. Sent twice it is said once. Raises Forbidden, Rejected."""
    if not scope.seats:
        raise Forbidden("Only who has a seat in this deployment arrives.")
    deployment = await lock(session, scope.id)
    if deployment.state == "aborted":
        raise Rejected("This deployment was aborted; nobody is waited for.", conflict=True)
    statement = (
        update(RosterSeat)
        .where(
            RosterSeat.deployment_id == deployment.id,
            RosterSeat.person_id == scope.viewer.person_id,
            RosterSeat.arrived_attempt.is_distinct_from(deployment.attempt),
        )
        .values(arrived_at=await database_now(session), arrived_attempt=deployment.attempt)
        .returning(RosterSeat.id)
    )
    if (await session.execute(statement)).first() is None:
        return
    entry = Entry("roster.arrived", f"{scope.who} is here", ("team", "checklists"))
    await append(session, deployment.id, entry, scope.actor)
