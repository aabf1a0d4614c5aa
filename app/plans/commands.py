"""Taking a plan up: it is stored as it is, for good, under its hash. Nothing that runs changes by it."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.deployments import commands as deployments
from app.domain.plan import Plan
from app.eventlog.log import INSTALLATION, Actor, Entry, append

TAKEN_UP = "plans.version.taken_up"


async def take_up(session: AsyncSession, plan: Plan, source: str, actor: Actor) -> str:
    """Store a plan that was checked; its hash. Twice the same is the same row, with the source of the first, and
    nothing is told."""
    version, is_new = await deployments.take_up(session, plan, source)
    if is_new:
        text = f"{actor.name} took up plan {plan.key}@{version.hash[:12]}: {plan.title}"
        payload = {"plan": version.hash, "key": plan.key}
        await append(session, INSTALLATION, Entry(TAKEN_UP, text, payload=payload), actor)
    return version.hash
