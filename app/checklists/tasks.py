"""Looks at the addresses of the plan's dashboards, where its checklists ask a machine whether they answer."""

from datetime import timedelta
from functools import partial

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import ChannelCheck, Deployment, PlanVersion
from app.deployments.commands import database_now
from app.domain.deployments import State
from app.domain.plan import Plan
from app.domain.plan_parts import Channel
from app.eventlog.log import touch
from app.ports.alerts import Reacher
from app.ports.traffic import ProviderError
from app.web.access import plan_by_hash

Place = tuple[int, str]
"""A deployment and the key of one of its plan's channels."""
LOOK_EVERY = timedelta(seconds=60)
LOGGED_OUT = (301, 302, 303, 307, 308, 401, 403)
"""What a dashboard answers that wants to know who asks: it is there."""
FOUND_LIMIT = 300
"""Characters of what was found that are kept."""


def dashboards_of(plan: Plan) -> tuple[Channel, ...]:
    """The dashboards with an address that a machine may look at; none where no checklist asks for it."""
    if not any(item.check == "dashboards_reachable" for each in plan.checklists for item in each.items):
        return ()
    return tuple(c for c in plan.channels if c.kind == "dashboard" and c.address.startswith("https://"))


async def look_at_dashboards(database: Database, reacher: Reacher) -> int:
    """One look at every dashboard of every deployment whose day is not over and that nobody looked at for a minute.
    Returns how many were looked at. Nothing is kept open towards the database while an address is asked."""
    looked = 0
    for deployment_id, digest in await database.read(_running):
        plan = await database.read(partial(plan_by_hash, digest=digest))
        for channel in dashboards_of(plan):
            place = (deployment_id, channel.key)
            if not await database.read(partial(_is_due, place=place)):
                continue
            state, found = await _look(reacher, channel.address)
            await database.run(partial(_keep, place=place, state=state, found=found))
            looked += 1
    return looked


async def _running(session: AsyncSession) -> list[tuple[int, str]]:
    over = (State.ABORTED.value, State.COMPLETED.value)
    statement = (
        select(Deployment.id, PlanVersion.hash)
        .join(PlanVersion, PlanVersion.id == Deployment.plan_version_id)
        .where(Deployment.state.not_in(over))
        .order_by(Deployment.id)
    )
    return [(number, digest) for number, digest in await session.execute(statement)]


async def _is_due(session: AsyncSession, place: Place) -> bool:
    row = await session.get(ChannelCheck, place, populate_existing=True)
    return row is None or await database_now(session) - row.at >= LOOK_EVERY


async def _look(reacher: Reacher, url: str) -> tuple[str, str]:
    try:
        status = await reacher.reach(url)
    except ProviderError as problem:
        return "no", str(problem)[:FOUND_LIMIT]
    if 200 <= status < 300:
        return "yes", f"answered {status}"
    if status in LOGGED_OUT:
        return "yes", f"answered {status}: it asks who you are"
    return "no", f"answered {status}"


async def _keep(session: AsyncSession, place: Place, state: str, found: str) -> None:
    now = await database_now(session)
    row = await session.get(ChannelCheck, place, populate_existing=True)
    has_changed = row is None or row.state != state
    deployment_id, channel = place
    values = {"state": state, "found": found, "at": now}
    statement = insert(ChannelCheck).values(deployment_id=deployment_id, channel=channel, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=["deployment_id", "channel"], set_=values))
    if has_changed:
        await touch(session, deployment_id, ("checklists",))
