"""The first deployment: the rehearsal's with its people, one a seat, or a live one from a plan and a roster."""

import asyncio
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ruamel.yaml import YAML
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import ROOT, Misconfigured, Settings
from app.db.engine import Database, make_engine
from app.db.tables import Deployment, Person
from app.deployments.commands import SeatHolder, create, database_now
from app.domain.plan import Plan, Position
from app.providers.plan_yaml import load_plan
from app.wiring import Site, binding_of, make_ports

PLAN_FILE = ROOT / "plans" / "alawael.yaml"
START_IN = timedelta(minutes=30)
_LOCK = 71_001
"""Advisory lock, so that several web processes that start together seed once."""


def seat_name(position: Position, seat: int) -> str:
    """ "DevOps lead", and "DevOps 2" where a position has several seats."""
    return position.title if position.seats == 1 else f"{position.title} {seat}"


async def seed_rehearsal(session: AsyncSession, settings: Settings, site: Site) -> Deployment | None:
    """The rehearsal's deployment, made if the range has none yet."""
    plan_file = settings.plan_file or PLAN_FILE
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
    seats = [
        (position.key if position.seats == 1 else f"{position.key}_{seat}", position, seat)
        for position in plan.positions
        for seat in range(1, position.seats + 1)
    ]
    wanted = {login: seat_name(position, seat) for login, position, seat in seats if login not in known}
    fresh = [Person(login=login, name=name, password_hash=None, created_at=now) for login, name in wanted.items()]
    if "admin" not in known:
        fresh.append(Person(login="admin", name="Administrator", password_hash=None, is_admin=True, created_at=now))
    session.add_all(fresh)
    await session.flush()
    known |= {person.login: person for person in fresh}
    return tuple(SeatHolder(position.key, seat, known[login].id) for login, position, seat in seats)


class RosterInvalid(Misconfigured):
    """The roster file names a position or a person that does not exist, or leaves a seat of the gate empty."""


def read_roster(text: str) -> dict[str, list[str]]:
    """Position → sign-in names, the first ones on the seats, those beyond the seats as deputies."""
    document = YAML(typ="safe").load(text)
    if not isinstance(document, dict):
        raise RosterInvalid("The roster must map each position to a list of sign-in names.")
    return {str(key): [str(name).strip().lower() for name in names or []] for key, names in document.items()}


async def seat_roster(session: AsyncSession, plan: Plan, roster: dict[str, list[str]]) -> tuple[SeatHolder, ...]:
    """Raises RosterInvalid, naming every problem."""
    positions = {position.key: position for position in plan.positions}
    people = {person.login: person for person in await session.scalars(select(Person))}
    problems = [f"no position {key!r} in the plan" for key in roster if key not in positions]
    problems += [f"nobody signs in as {name!r}" for names in roster.values() for name in names if name not in people]
    gate = plan.production.signoffs
    problems += [
        f"nobody sits on {question.position!r}, which signs off"
        for question in (gate.questions if gate else ())
        if not roster.get(question.position)
    ]
    if problems:
        raise RosterInvalid("The roster cannot be used: " + "; ".join(problems) + ".")
    return tuple(
        SeatHolder(key, number, people[name].id, is_deputy=number > positions[key].seats)
        for key, names in roster.items()
        for number, name in enumerate(names, start=1)
    )


async def deploy_live(settings: Settings, source: str, plan_name: str, roster: str, start: datetime) -> int:
    """Create a live deployment; returns its id. Raises Misconfigured or PlanInvalid."""
    if settings.is_range:
        raise Misconfigured("A range makes its own deployments; `gonogo deploy` is for a live installation.")
    plan = load_plan(source, plan_name)
    site = make_ports(settings).site
    target = plan.production.target or plan.targets[0].key
    planned_at = start if start.tzinfo else start.replace(tzinfo=ZoneInfo(plan.timezone))
    database = Database(make_engine(settings.database_url, pool_size=1))

    async def write(session: AsyncSession) -> int:
        made = await create(
            session,
            plan=plan,
            source=source,
            mode="live",
            binding=binding_of(site, target),
            target_configuration="",
            planned_at=planned_at,
            holders=await seat_roster(session, plan, read_roster(roster)),
        )
        return made.id

    try:
        return await database.run(write)
    finally:
        await database.aclose()
