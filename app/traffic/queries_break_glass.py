"""Reads of break-glass: what was done with it, and whose alarm still stands."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import BreakGlass, BreakGlassLine, Person, RosterSeat
from app.domain.plan import Plan
from app.traffic.commands_break_glass import BROKEN_OFF, UNSEEN
from app.traffic.views import BreakGlassRun, BreakGlassView
from app.web.access import Scope

MAY_ACKNOWLEDGE = ("proceed", "decide")
"""As in accounts/policy.py, "traffic.acknowledge"."""
_ENDINGS = {
    "": "still going on",
    "on_blue": "all traffic on BLUE",
    "not_observed": "the balancer set to BLUE, traffic not seen there in full",
    "not_written": "the balancer did not take it",
    "newer_epoch": "refused: a later arming had taken over",
    "blue_unhealthy": "refused: BLUE was unhealthy",
    BROKEN_OFF: "broken off",
    UNSEEN: "the target was moved; nothing else is known",
}


async def unacknowledged(session: AsyncSession, deployment_id: int) -> Sequence[BreakGlass]:
    """The runs whose alarm still stands, newest first."""
    statement = (
        select(BreakGlass)
        .where(BreakGlass.deployment_id == deployment_id, BreakGlass.acknowledged_at.is_(None))
        .order_by(BreakGlass.started_at.desc())
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).all()


async def break_glass_view(session: AsyncSession, scope: Scope) -> BreakGlassView | None:
    """Every run whose alarm stands, line by line; None without any."""
    runs = await unacknowledged(session, scope.id)
    if not runs:
        return None
    shown: list[BreakGlassRun] = []
    for run in runs:
        lines = await session.scalars(
            select(BreakGlassLine).where(BreakGlassLine.run == run.run).order_by(BreakGlassLine.seq)
        )
        shown.append(
            BreakGlassRun(
                run=run.run,
                who=run.who,
                host=run.host,
                reason=run.reason,
                started_at=run.started_at,
                ending=_ENDINGS.get(run.outcome, run.outcome),
                lines=tuple((line.at, line.text) for line in lines),
            )
        )
    return BreakGlassView(
        url=f"/d/{scope.id}/break-glass/acknowledge",
        runs=tuple(shown),
        may_acknowledge=any(scope.may(right) for right in MAY_ACKNOWLEDGE),
        holders=await _holders(session, scope.id, scope.plan),
        zone=scope.plan.timezone,
    )


async def _holders(session: AsyncSession, deployment_id: int, plan: Plan) -> tuple[str, ...]:
    """Who may acknowledge, by name."""
    held = {position.key for position in plan.positions if set(position.capabilities).intersection(MAY_ACKNOWLEDGE)}
    names = await session.scalars(
        select(Person.name)
        .join(RosterSeat, RosterSeat.person_id == Person.id)
        .where(RosterSeat.deployment_id == deployment_id, RosterSeat.position.in_(held))
        .order_by(RosterSeat.id)
    )
    return tuple(dict.fromkeys(names))
