"""Whether another rehearsal can begin from a plan version, and for whom."""

from fastapi import Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, RosterSeat
from app.domain.plan import Plan
from app.plans.views_versions import RehearseView
from app.range.queries import why_no_rehearsal, why_not_bound
from app.web.access import Scope, Viewer, find_scope, settings


async def offer(session: AsyncSession, request: Request, viewer: Viewer, plan: Plan) -> RehearseView:
    """For an administrator, and for who proceeds in one of the deployments: the press goes through that deployment's
    Range page, where accounts/policy.py says who may."""
    if not settings(request).is_range:
        return RehearseView("live" if viewer.is_admin else "none")
    lead = await _lead(session, request, viewer)
    if lead is None:
        return RehearseView("none")
    target = plan.production.target or plan.targets[0].key
    why_not = why_not_bound(request.app.state.site.targets, target) or await why_no_rehearsal(session, target)
    return RehearseView("closed" if why_not else "offer", f"/d/{lead.id}/range/rehearsals", why_not)


async def _lead(session: AsyncSession, request: Request, viewer: Viewer) -> Scope | None:
    """The newest deployment through which this person may begin a rehearsal."""
    statement = select(Deployment.id).order_by(Deployment.id.desc())
    if viewer.is_admin:
        statement = statement.limit(1)
    else:
        seats = select(RosterSeat.deployment_id).where(RosterSeat.person_id == viewer.person_id)
        statement = statement.where(Deployment.id.in_(seats)).limit(10)
    for deployment_id in (await session.scalars(statement)).all():
        scope = await find_scope(request, session, viewer, deployment_id)
        if scope.may("administer") or scope.may("proceed"):
            return scope
    return None
