"""The web process. `uvicorn app.main:create_app --factory`. Keeps no state of its own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app import reactions
from app.accounts.policy import anybody, may
from app.api.commands_alerts import AlertDoor
from app.config import Settings, from_env
from app.db.engine import Database, make_engine
from app.eventlog.log import bind_reactions
from app.logs import configure_logs
from app.overview.mission import build_mission
from app.providers.bounded_fetch import BoundedFetcher
from app.providers.sns import SnsVerifier
from app.realtime.hub import Hub
from app.realtime.stream import event_stream
from app.rehearsal.fault_point import FaultPoint
from app.scripts.queries import Bound
from app.seed import create_rehearsal, seed_rehearsal
from app.web import errors
from app.web.access import (
    PRESENT_EVERY,
    NotFound,
    NotSignedIn,
    Scope,
    find_scope,
    find_viewer,
    keep_alive,
    note_presence,
)
from app.web.compression import CompressionMiddleware
from app.web.rendering import Frame
from app.web.security import SecurityMiddleware
from app.web.sharing import Shelf
from app.web.static_files import static_files
from app.web.templates import page_templates
from app.wiring import Site, make_ports

log = structlog.get_logger()

FEATURES = (
    "accounts",
    "overview",
    "deployments",
    "roster",
    "signoffs",
    "checklists",
    "phases",
    "steps",
    "canary",
    "scripts",
    "traffic",
    "metrics",
    "triggers",
    "decisions",
    "incidents",
    "freeze",
    "timeline",
    "plans",
    "range",
    "api",
)

PAGE_WAITS_S = 2.0
"""How long a page waits for the folder of scripts, which may be on a share that hangs."""
IDLE_S = 4
"""A web process that stands still in the middle of a press keeps a rollback from what it locked for no longer."""

core = APIRouter()


@core.get("/d/{deployment_id}/live")
async def live(request: Request, scope: Annotated[Scope, Depends(may("realtime.stream"))]) -> Response:
    database: Database = request.app.state.database

    clock = asyncio.get_running_loop().time
    noted_at = clock()

    async def is_welcome() -> bool:
        nonlocal noted_at
        try:
            async with database.session() as session:
                viewer = await find_viewer(request, session, allow_idle=True)
                current = await find_scope(request, session, viewer, scope.id)
            await keep_alive(database, viewer)
            if clock() - noted_at >= PRESENT_EVERY.total_seconds():
                noted_at = clock()
                await note_presence(database, current)
        except (NotSignedIn, NotFound):
            return False
        except DBAPIError:
            return True  # PostgreSQL is away; what the browser shows turns STALE by itself.
        return True

    return event_stream(request.app.state.hub, database, scope.id, scope.viewer.person_id, is_welcome)


@core.get("/healthz", dependencies=[Depends(anybody("product.health"))])
async def healthz() -> PlainTextResponse:
    """This process runs."""
    return PlainTextResponse("ok")


@core.get("/readyz", dependencies=[Depends(anybody("product.health"))])
async def readyz(request: Request) -> JSONResponse:
    """This process can serve pages: PostgreSQL answers and NOTIFYs are heard."""
    found = {"database": False, "listening": bool(request.app.state.hub.is_listening)}
    with contextlib.suppress(DBAPIError, OSError, TimeoutError):
        async with asyncio.timeout(2):
            # Read as pages are: past a connection that died with the PostgreSQL before.
            await request.app.state.database.read(lambda session: session.execute(text("select 1")), patience_s=1.0)
            found["database"] = True
    return JSONResponse(found, 200 if all(found.values()) else 503)


@core.get("/metrics", dependencies=[Depends(anybody("product.health"))])
async def own_metrics() -> Response:
    """gonogo's own figures in Prometheus format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    await app.state.hub.start()
    if settings.is_range:
        site: Site = app.state.site
        await app.state.database.run(lambda session: seed_rehearsal(session, settings, site))
    log.info("web.started", mode=settings.mode)
    try:
        yield
    finally:
        await app.state.hub.stop()
        await app.state.database.aclose()


def _scripts(site: Site) -> Bound:
    """What the web process knows of scripts: the files, where their folder is on this machine too. Whether a worker may
    run them as the site's user, only a worker knows."""
    if site.scripts is None:
        return Bound(None)
    folder = site.scripts.folder.absolute()
    return Bound(site.scripts.bind(user="", within=PAGE_WAITS_S), str(folder), site.scripts.user, folder.is_dir())


def make_app(*, tls: bool) -> FastAPI:
    """Routes, static files and middleware: all that is the same whatever the settings and the site. `wire` gives it
    the rest."""
    app = FastAPI(title="gonogo", docs_url=None, redoc_url=None, openapi_url=None, lifespan=_lifespan)
    app.include_router(core)
    for feature in FEATURES:
        app.include_router(import_module(f"app.{feature}.routes").router)
    app.mount("/static", static_files())
    errors.install(app)
    app.add_middleware(CompressionMiddleware)
    app.add_middleware(SecurityMiddleware, tls=tls)
    return app


def wire(app: FastAPI, settings: Settings, database: Database) -> None:
    """Give the application its settings, its site and its database. Raises Misconfigured when a setting or site.yaml
    cannot be used."""
    app.state.settings = settings
    app.state.site = make_ports(settings).site
    app.state.database = database
    if settings.fault_file is not None:
        FaultPoint(settings.fault_file, "web").on_presses()
    app.state.hub = Hub(settings.database_url)
    app.state.scripts = _scripts(app.state.site)
    shelf = app.state.shelf = Shelf()
    app.state.alerts = AlertDoor(app.state.site.alerts, SnsVerifier(BoundedFetcher()))
    app.state.frame = Frame(
        page_templates(), lambda scope: build_mission(app.state.database, shelf, scope), settings.is_range
    )
    bind_reactions(reactions.TABLE)
    app.state.rehearse = lambda session, plan, source: create_rehearsal(session, app.state.site, plan, source)


def open_database(settings: Settings) -> Database:
    """The web process's own."""
    return Database(make_engine(settings.database_url, idle_s=IDLE_S))


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application, wired. Raises Misconfigured when a setting or site.yaml cannot be used."""
    settings = settings or from_env()
    configure_logs()
    app = make_app(tls=settings.secure_cookies)
    wire(app, settings, open_database(settings))
    return app
