"""Taking a plan up: it is stored as it is, for good, under its hash. Nothing that runs changes by it."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from app.deployments import commands as deployments
from app.domain.plan import Plan
from app.eventlog.log import INSTALLATION, Actor, Entry, append

TAKEN_UP = "plans.version.taken_up"


@dataclass(frozen=True, slots=True)
class TakenUp:
    """`is_new` is false where the same plan was there before: then nothing was written."""

    hash: str
    is_new: bool


async def take_up(session: AsyncSession, plan: Plan, source: str, actor: Actor) -> TakenUp:
    """Store a plan that was checked. Twice the same is the same row, with the source of the first."""
    version, is_new = await deployments.take_up(session, plan, source)
    digest = version.hash
    if not is_new:
        return TakenUp(digest, is_new=False)
    text = f"{actor.name} took up plan {plan.key}@{digest[:12]}: {plan.title}"
    await append(session, INSTALLATION, Entry(TAKEN_UP, text, payload={"plan": digest, "key": plan.key}), actor)
    return TakenUp(digest, is_new=True)
