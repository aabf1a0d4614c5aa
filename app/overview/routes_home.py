"""HTTP out: the list of deployments, a position's home page and its fragments."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.policy import may, signed_in
from app.overview import queries, queries_brief, queries_list, queries_panels
from app.overview.views import HomeView
from app.web.access import Scope, Viewer, database
from app.web.rendering import fragment, page, plain_page, shared_fragment

router = APIRouter()
View = TypeVar("View")
_NAMES = (
    *("votes", "gate", "checklist", "progress", "metrics", "strip"),
    *("traffic", "customers", "reports", "team", "latest", "hand", "personal", "duties", "reach", "brief"),
)
Watcher = Annotated[Scope, Depends(may("overview.home"))]


@router.get("/")
async def deployments(request: Request, viewer: Annotated[Viewer, Depends(signed_in("overview.list"))]) -> Response:
    view = await database(request).read(lambda session: queries_list.deployments(session, request, viewer))
    return plain_page(request, "overview/list.html", viewer=viewer, view=view)


@router.get("/d/{deployment_id}")
async def home(request: Request, scope: Watcher) -> Response:
    view = await database(request).read(lambda session: queries.home(session, scope))
    return await page(request, scope, "overview/home.html", current="home", home=view, **_parts(view))


@router.get("/d/{deployment_id}/brief")
async def brief(request: Request, scope: Watcher) -> Response:
    view = await _read(request, lambda session: queries_brief.brief(session, scope, is_page=True))
    return await page(request, scope, "overview/brief.html", current="brief", brief=view)


@router.get("/d/{deployment_id}/brief/_brief")
async def brief_fragment(
    request: Request, scope: Watcher, is_page: Annotated[bool, Query(alias="page")] = False
) -> Response:
    return await shared_fragment(
        request,
        scope,
        "overview/_brief.html",
        "brief",
        lambda session: queries_brief.brief(session, scope, is_page=is_page),
        is_page,
    )


@router.get("/d/{deployment_id}/home/_panels")
async def panels(request: Request, scope: Watcher) -> Response:
    view = await database(request).read(lambda session: queries.home(session, scope))
    return fragment(request, scope, "overview/_panels.html", home=view, **_parts(view))


def _parts(view: HomeView) -> dict[str, Any]:
    """Each panel's view model under the name that its fragment reads it by."""
    return {name: getattr(view, name) for name in _NAMES} | {"panel_now": view.now}


async def _read(request: Request, query: Callable[[AsyncSession], Awaitable[View]]) -> View:
    return await database(request).read(query)


@router.get("/d/{deployment_id}/home/_now")
async def now(request: Request, scope: Watcher) -> Response:
    view = await _read(request, lambda session: queries.now_panel(session, scope))
    return fragment(request, scope, "overview/_now.html", panel_now=view)


@router.get("/d/{deployment_id}/home/_traffic")
async def traffic(request: Request, scope: Watcher) -> Response:
    return await shared_fragment(
        request,
        scope,
        "overview/_traffic.html",
        "traffic",
        lambda session: queries_panels.traffic(session, scope, scope.deployment, scope.now),
    )


@router.get("/d/{deployment_id}/home/_strip")
async def strip(request: Request, scope: Watcher) -> Response:
    return await shared_fragment(
        request, scope, "overview/_strip.html", "strip", lambda session: queries_panels.strip(session, scope)
    )


@router.get("/d/{deployment_id}/home/_customers")
async def customers(request: Request, scope: Watcher) -> Response:
    return await shared_fragment(
        request,
        scope,
        "overview/_customers.html",
        "customers",
        lambda session: queries_panels.customers(session, scope, scope.deployment, scope.now),
    )


@router.get("/d/{deployment_id}/home/_team")
async def team(request: Request, scope: Watcher) -> Response:
    view = await _read(request, lambda session: queries_panels.team(session, scope, scope.now))
    return fragment(request, scope, "overview/_team.html", team=view)


@router.get("/d/{deployment_id}/home/_latest")
async def latest(request: Request, scope: Watcher) -> Response:
    return await shared_fragment(
        request, scope, "overview/_latest.html", "latest", lambda session: queries_panels.latest(session, scope)
    )
