"""One PostgreSQL for the whole run, a migrated template database in it, and a fixed cast of people."""

import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from ruamel.yaml import YAML
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from starlette.datastructures import State

from app import reactions
from app.config import Settings
from app.db.engine import Database, make_engine
from app.db.migrate import upgrade
from app.db.tables import Deployment, Person, PlanVersion, RosterSeat, WebSession
from app.deployments.commands import database_now
from app.domain.plan import Plan
from app.eventlog.log import bind_reactions
from app.logs import configure_logs
from app.rehearsal.postgres import EmbeddedPostgres
from app.seed import create_rehearsal
from app.web.access import SESSION_COOKIE, Scope, Seat, Viewer, capabilities_of, plan_of
from app.wiring import Site
from tests.databases import TEMPLATE, CleanDatabase, Clone
from tests.known_plans import ALAWAEL
from tests.known_plans import ALAWAEL_FILE as PLAN_FILE


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from tests.sharing_out import LongestFirst

    return LongestFirst(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL with fsync off, and the migrated database `template_gonogo` in it."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("pg") / "data", fast=True)
    server.start()
    server.create_database(TEMPLATE)
    upgrade(server.url(TEMPLATE, "owner"))
    server.execute("alter system set autovacuum = off")  # rows stand in the order in which tests write them
    server.execute("select pg_reload_conf()")
    yield server
    server.stop()


@pytest.fixture(scope="session")
async def _clean_databases(postgres: EmbeddedPostgres) -> AsyncIterator[CleanDatabase]:
    found = CleanDatabase(postgres)
    yield found
    await found.aclose()


@pytest.fixture
async def clean_database(_clean_databases: CleanDatabase) -> Clone:
    """A database as migrations leave it, with nobody else in it."""
    return await _clean_databases.next()


@pytest.fixture
def database_url(clean_database: Clone) -> str:
    """Its URL, as the application's role."""
    return clean_database.url


@pytest.fixture(scope="session", autouse=True)
def _reactions() -> None:
    bind_reactions(reactions.TABLE)


@pytest.fixture
def committed_db(clean_database: Clone) -> Database:
    """A database whose commits are real: for NOTIFY, jobs, and anything with more than one connection."""
    return Database(clean_database.engine)


@pytest.fixture(scope="session")
async def _shared_engine(postgres: EmbeddedPostgres) -> AsyncIterator[AsyncEngine]:
    """One clone for all tests that roll back."""
    postgres.create_database("test_shared", template=TEMPLATE)
    engine = make_engine(postgres.url("test_shared", "app"), pool_size=1)
    yield engine
    await engine.dispose()


@pytest.fixture
async def database(_shared_engine: AsyncEngine) -> AsyncIterator[Database]:
    """A database in which everything is rolled back after the test (`Database.run` commits a savepoint)."""
    async with _shared_engine.connect() as connection:
        outer = await connection.begin()
        yield Database(connection)
        await outer.rollback()


@pytest.fixture(scope="session")
def plan() -> Plan:
    return ALAWAEL


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
            plan = plan_of(version)
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
            transport=httpx.ASGITransport(app=self.app, raise_app_exceptions=False),
            base_url="http://gonogo.test",
            headers={"accept-encoding": "identity"},  # packing and unpacking is tested on its own
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


@pytest.fixture(scope="session")
def _application() -> FastAPI:
    """Routes and middleware, made once a worker."""
    from app.main import make_app

    configure_logs()
    return make_app(tls=False)


WebOf = Callable[[Site, Seeder], AbstractAsyncContextManager[Web]]


@pytest.fixture
def web_of(_application: FastAPI, clean_database: Clone, settings: Settings) -> WebOf:
    """`async with web_of(site, seed) as web`: the application over ASGI, wired as in a process of its own but without
    its lifespan: nothing listens, nothing is seeded but what `seed` makes."""

    @asynccontextmanager
    async def wired(site: Site, seed: Seeder) -> AsyncIterator[Web]:
        from app.main import wire

        own = replace(settings, database_url=clean_database.url)
        with own.site_file.open("w", encoding="utf-8") as handle:
            YAML(typ="safe").dump(site.model_dump(mode="json"), handle)
        _application.state = State()
        database = Database(clean_database.engine)
        wire(_application, own, database)
        deployment = await seed(database)
        async with AsyncExitStack() as stack:
            yield Web(_application, database, deployment, stack)

    return wired


@pytest.fixture
async def web(web_of: WebOf, site: Site, seed: Seeder) -> AsyncIterator[Web]:
    """The application with one rehearsal of ALAWAEL's plan."""
    async with web_of(site, seed) as found:
        yield found


@pytest.fixture
async def client_as(web: Web) -> Callable[[str | None], Awaitable[httpx.AsyncClient]]:
    return web.client_as


def chromium() -> str | None:
    """The browser for end-to-end tests, or None. `make test` in CI makes its absence a failure. The headless shell goes
    first: it draws no browser's window around a page, which is two thirds of Chromium's work."""
    candidates = (os.environ.get("GONOGO_CHROMIUM"), "/usr/bin/chromium-headless-shell", "/usr/bin/chromium")
    return next((path for path in candidates if path and Path(path).exists()), None)
