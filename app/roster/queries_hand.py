"""Reads of the hand on the rollback: who has it now, to whom it is offered, and who could take it."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Custody
from app.deployments.commands import database_now
from app.domain.custody import Hand, Held, able, hand_of
from app.domain.plan import Plan
from app.eventlog.log import versions_of
from app.roster.queries import roster_of
from app.roster.views import HandView
from app.web.access import Scope


def held(row: Custody | None) -> Held:
    if row is None:
        return Held()
    return Held(row.person_id, row.since, row.offered_to, row.offered_by, row.offered_at)


async def hand_now(session: AsyncSession, deployment_id: int, plan: Plan) -> Hand:
    row = await session.get(Custody, deployment_id, populate_existing=True)
    return hand_of(plan, await roster_of(session, deployment_id), held(row))


async def hand_view(session: AsyncSession, scope: Scope) -> HandView:
    """Versions first: what is rendered is then never older than it says."""
    versions = await versions_of(session, scope.id)
    roster = await roster_of(session, scope.id)
    row = await session.get(Custody, scope.id, populate_existing=True)
    hand = hand_of(scope.plan, roster, held(row))
    me = scope.viewer.person_id
    others = tuple((str(number), name) for number, name in able(scope.plan, roster).items() if number != hand.person_id)
    return HandView(
        url=f"/d/{scope.id}/roster",
        name=hand.name,
        since=hand.since,
        is_yours=hand.person_id == me,
        offered_name=hand.offered_name,
        offered_at=hand.offered_at,
        is_offered_to_you=hand.offered_to == me,
        others=others if hand.person_id == me else (),
        now=await database_now(session),
        versions=versions,
    )
