"""One PostgreSQL for the whole run, a migrated template database in it, and a fixed cast of people."""

import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import reactions
from app.config import ROOT, Settings
from app.db.engine import Database, make_engine
from app.db.migrate import upgrade
from app.db.tables import Deployment, Person, PlanVersion, RosterSeat, WebSession
from app.deployments.commands import database_now
from app.domain.plan import Plan
from app.eventlog.log import bind_reactions
from app.providers.plan_yaml import load_plan
from app.rehearsal.postgres import EmbeddedPostgres
from app.seed import create_rehearsal
from app.web.access import SESSION_COOKIE, Scope, Seat, Viewer, capabilities_of
from app.wiring import Site

PLAN_FILE = ROOT / "plans" / "alawael.yaml"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL with fsync off, and the migrated database `template_gonogo` in it."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("pg") / "data", fast=True)
    server.start()
    server.create_database("template_gonogo")
    upgrade(server.url("template_gonogo", "owner"))
    yield server
    server.stop()


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The URL of a fresh clone of the migrated database, as the application's role."""
    name = f"test_{secrets.token_hex(6)}"
    postgres.create_database(name, template="template_gonogo")
    yield postgres.url(name, "app")
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def shared_database_url(postgres: EmbeddedPostgres) -> str:
    """One clone for all tests that roll back."""
    postgres.create_database("test_shared", template="template_gonogo")
    return postgres.url("test_shared", "app")


@pytest.fixture(scope="session", autouse=True)
def _reactions() -> None:
    bind_reactions(reactions.TABLE)


@pytest.fixture
async def committed_db(database_url: str) -> AsyncIterator[Database]:
    """A database whose commits are real: for NOTIFY, jobs, and anything with more than one connection."""
    engine = make_engine(database_url, pool_size=5)
    yield Database(engine)
    await engine.dispose()


@pytest.fixture
async def database(shared_database_url: str) -> AsyncIterator[Database]:
    """A database in which everything is rolled back after the test (`Database.run` commits a savepoint)."""
    engine = make_engine(shared_database_url, pool_size=1)
    async with engine.connect() as connection:
        outer = await connection.begin()
        yield Database(connection)
        await outer.rollback()
    await engine.dispose()


@pytest.fixture(scope="session")
def plan() -> Plan:
    return load_plan(PLAN_FILE.read_text(encoding="utf-8"), PLAN_FILE.name)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A range that is not there: for tests that need a binding but move nothing."""
    token = tmp_path / "token"
    token.write_text("token")
    return Site.model_validate(
        {
            "kind": "range",
            "targets": {
                "production": {
                    "provider": "agent",
                    "public_url": "http://127.0.0.1:9",
                    "agent_url": "http://127.0.0.1:9/balancer",
                    "agent_token_file": str(token),
                    "sides": {"BLUE": {"url": "http://127.0.0.1:9"}, "GREEN": {"url": "http://127.0.0.1:9"}},
                }
            },
            "range": {"control_url": "http://127.0.0.1:9", "token_file": str(token)},
        }
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        database_url="postgresql+psycopg://nobody@/nothing",
        owner_database_url="postgresql+psycopg://nobody@/nothing",
        site_file=tmp_path / "site.yaml",
        data_dir=tmp_path,
        mode="range",
        secret=b"0" * 32,
        worker_name="test",
        secure_cookies=False,
    )


Seeder = Callable[[Database], Awaitable[Deployment]]


@pytest.fixture
def seed(site: Site, plan: Plan) -> Seeder:
    """Put the rehearsal's people and a deployment of ALAWAEL's plan into a database."""

    async def put(database: Database) -> Deployment:
        source = PLAN_FILE.read_text(encoding="utf-8")

        async def write(session: AsyncSession) -> Deployment:
            made = await create_rehearsal(session, site, plan, source)
            made.target_configuration = "configuration-1"
            await session.flush()
            return made

        return await database.run(write)

    return put


@pytest.fixture
async def deployment(database: Database, seed: Seeder) -> Deployment:
    return await seed(database)


ScopeOf = Callable[..., Awaitable[Scope]]


@pytest.fixture
def scope_of(database: Database, settings: Settings) -> ScopeOf:
    """`await scope_of(deployment, "devops_lead")`: that seat's Scope, freshly signed in, as a command gets it."""
    return make_scope_of(database, settings)


def make_scope_of(database: Database, settings: Settings) -> ScopeOf:
    async def find(deployment: Deployment, login: str, *, stepped_up: bool = True) -> Scope:
        async def query(session: AsyncSession) -> Scope:
            person = (await session.execute(select(Person).where(Person.login == login))).scalar_one()
            current = (
                await session.execute(
                    select(Deployment).where(Deployment.id == deployment.id).execution_options(populate_existing=True)
                )
            ).scalar_one()
            version = await session.get_one(PlanVersion, current.plan_version_id)
            plan = Plan.model_validate(version.document)
            rows = await session.scalars(
                select(RosterSeat).where(RosterSeat.deployment_id == deployment.id, RosterSeat.person_id == person.id)
            )
            seats = tuple(
                Seat(
                    row.position, plan.position(row.position).title, plan.position(row.position).short, row.seat, False
                )
                for row in rows
            )
            now = await database_now(session)
            viewer = Viewer(
                person.id,
                person.name,
                person.login,
                person.is_admin,
                "csrf",
                now if stepped_up else now.replace(year=now.year - 1),
                b"session",
                now,
            )
            held = capabilities_of(plan, frozenset(seat.position for seat in seats), is_admin=person.is_admin)
            return Scope(viewer, current, plan, version.hash, seats, held, settings)

        return await database.read(query)

    return find


@dataclass(frozen=True)
class Web:
    """A whole application on a committed database, and signed-in clients for it."""

    app: FastAPI
    database: Database
    deployment: Deployment
    stack: AsyncExitStack

    async def client_as(self, login: str | None) -> httpx.AsyncClient:
        """A client signed in as the person with this login (a position's key), or nobody's for None."""
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app, raise_app_exceptions=False), base_url="http://gonogo.test"
        )
        await self.stack.enter_async_context(client)
        if login is not None:
            raw, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(16)
            await self.database.run(lambda session: _sign_in(session, login, raw, csrf))
            client.cookies.set(SESSION_COOKIE, raw)
            client.headers["x-csrf"] = csrf
        return client


async def _sign_in(session: AsyncSession, login: str, raw: str, csrf: str) -> None:
    person = (await session.execute(select(Person).where(Person.login == login))).scalar_one()
    now = await database_now(session)
    session.add(
        WebSession(
            id_hash=sha256(raw.encode()).digest(),
            person_id=person.id,
            csrf=csrf,
            created_at=now,
            seen_at=now,
            stepped_up_at=now,
        )
    )


@pytest.fixture
async def web(database_url: str, site: Site, settings: Settings, seed: Seeder) -> AsyncIterator[Web]:
    """The application over ASGI, without its lifespan: nothing listens, nothing is seeded but one rehearsal."""
    from dataclasses import replace

    from ruamel.yaml import YAML

    from app.main import create_app

    settings = replace(settings, database_url=database_url)
    document: Any = site.model_dump(mode="json")
    with settings.site_file.open("w", encoding="utf-8") as handle:
        YAML(typ="safe").dump(document, handle)
    app = create_app(settings)
    database: Database = app.state.database
    deployment = await seed(database)
    async with AsyncExitStack() as stack:
        yield Web(app, database, deployment, stack)
    await database.engine.dispose()


@pytest.fixture
async def client_as(web: Web) -> Callable[[str | None], Awaitable[httpx.AsyncClient]]:
    return web.client_as


def chromium() -> str | None:
    """The browser for end-to-end tests, or None. `make test` in CI makes its absence a failure."""
    candidates = (os.environ.get("GONOGO_CHROMIUM"), "/usr/bin/chromium", "/usr/bin/chromium-headless-shell")
    return next((path for path in candidates if path and Path(path).exists()), None)
