"""The rehearsal's people and its first deployment: one person a seat, named by the seat. Range only."""

import asyncio
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import ROOT, Misconfigured, Settings
from app.db.tables import Deployment, Person
from app.deployments.commands import SeatHolder, create, database_now
from app.domain.plan import Plan, Position
from app.providers.plan_yaml import load_plan
from app.wiring import Site, binding_of

PLAN_FILE = ROOT / "plans" / "alawael.yaml"
START_IN = timedelta(minutes=30)
_LOCK = 71_001
"""Advisory lock, so that several web processes that start together seed once."""


def seat_name(position: Position, seat: int) -> str:
    """ "DevOps lead", and "DevOps 2" where a position has several seats."""
    return position.title if position.seats == 1 else f"{position.title} {seat}"


async def seed_rehearsal(
    session: AsyncSession, settings: Settings, site: Site, plan_file: Path = PLAN_FILE
) -> Deployment | None:
    """The rehearsal's deployment, made if the range has none yet."""
    if not settings.is_range:
        raise Misconfigured("Only a range is seeded; a live installation starts with `gonogo admin create`.")
    await session.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    if await session.scalar(select(Deployment.id).limit(1)) is not None:
        return None
    source = await asyncio.to_thread(plan_file.read_text, encoding="utf-8")
    return await create_rehearsal(session, site, load_plan(source, str(plan_file.name)), source)


async def create_rehearsal(session: AsyncSession, site: Site, plan: Plan, source: str) -> Deployment:
    """Another rehearsal of a plan with the range's people, planned half an hour from now."""
    holders = await seat_people(session, plan)
    target = plan.production.target or plan.targets[0].key
    return await create(
        session,
        plan=plan,
        source=source,
        mode="rehearsal",
        binding=binding_of(site, target),
        target_configuration="",
        planned_at=await database_now(session) + START_IN,
        holders=holders,
    )


async def seat_people(session: AsyncSession, plan: Plan) -> tuple[SeatHolder, ...]:
    """One person for each seat of the plan and an administrator, found or made by their login."""
    now = await database_now(session)
    known = {person.login: person for person in await session.scalars(select(Person))}
    holders: list[SeatHolder] = []
    for position in plan.positions:
        for seat in range(1, position.seats + 1):
            login = position.key if position.seats == 1 else f"{position.key}_{seat}"
            person = known.get(login)
            if person is None:
                person = Person(login=login, name=seat_name(position, seat), password_hash=None, created_at=now)
                session.add(person)
                await session.flush()
            holders.append(SeatHolder(position.key, seat, person.id))
    if "admin" not in known:
        session.add(Person(login="admin", name="Administrator", password_hash=None, is_admin=True, created_at=now))
    return tuple(holders)
