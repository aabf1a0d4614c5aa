"""Setting the plan clock: in rehearsals only. Ahead, faster or as fast as real time; never back."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment
from app.deployments.commands import database_now, lock
from app.domain.errors import Rejected
from app.domain.plan_clock import PlanClock, jump_to, run_at
from app.eventlog.log import Entry, append
from app.web.access import Scope
from app.web.figures import day, hm


async def set_speed(session: AsyncSession, scope: Scope, speed: int) -> None:
    """Raises Rejected in a live deployment, and for a speed that is not offered."""
    deployment = await _locked(session, scope)
    if deployment.plan_clock.speed == speed:
        return
    now = await database_now(session)
    clock = run_at(deployment.plan_clock, speed, now)
    await _put(session, scope, deployment, clock, now, f"{scope.seat_title} set the plan's clock to ×{speed}")


async def jump(session: AsyncSession, scope: Scope, to: datetime) -> None:
    """Set the clock ahead to a moment of plan time. Raises Rejected in a live deployment, for a moment without a zone,
    and for one that is not ahead: whoever presses second finds the clock there already."""
    deployment = await _locked(session, scope)
    if to.tzinfo is None:
        raise Rejected("That moment has no time zone.", code="clock")
    now = await database_now(session)
    clock = jump_to(deployment.plan_clock, to, now)
    zone = scope.plan.timezone
    text = f"{scope.seat_title} set the plan's clock ahead to {hm(to, zone)} on {day(to, zone)}"
    await _put(session, scope, deployment, clock, now, text)


async def _locked(session: AsyncSession, scope: Scope) -> Deployment:
    deployment = await lock(session, scope.id)
    if deployment.mode != "rehearsal":
        raise Rejected(
            "The plan's clock of a live deployment is the real one; nobody sets it.",
            remedy="Reschedule the phase instead.",
            code="live",
        )
    return deployment


async def _put(
    session: AsyncSession, scope: Scope, deployment: Deployment, clock: PlanClock, now: datetime, text: str
) -> None:
    deployment.set_plan_clock(clock)
    payload = {"speed": clock.speed, "real": now.isoformat(), "plan": clock.at(now).isoformat()}
    entry = Entry("phases.clock.set", text, ("phases", "deployment"), payload=payload)
    await append(session, deployment.id, entry, scope.actor)
