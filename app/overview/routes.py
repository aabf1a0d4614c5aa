"""HTTP out: the list and the homes (routes_home), the fragments of the frame, and the gallery of components."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from app.accounts.policy import may, signed_in
from app.overview import routes_home
from app.overview.gallery.page import context
from app.web.access import Scope, Viewer
from app.web.rendering import fragment, mission_of

router = APIRouter()
router.include_router(routes_home.router)

Watcher = Annotated[Scope, Depends(may("deployments.view"))]


@router.get("/d/{deployment_id}/_mission")
async def show_mission(request: Request, scope: Watcher) -> Response:
    return fragment(request, scope, "_mission.html", mission=await mission_of(request, scope))


@router.get("/d/{deployment_id}/_guard")
async def show_guard(request: Request, scope: Watcher) -> Response:
    return fragment(request, scope, "_guard.html", mission=await mission_of(request, scope))


@router.get("/d/{deployment_id}/_banner")
async def show_banner(request: Request, scope: Watcher) -> Response:
    return fragment(request, scope, "_banner.html", mission=await mission_of(request, scope))


@router.get("/_components")
async def show_components(
    request: Request,
    viewer: Annotated[Viewer, Depends(signed_in("gallery.view"))],
    theme: str = "",
    direction: Annotated[str, Query(alias="dir")] = "",
) -> Response:
    return fragment(request, viewer, "gallery.html", **context(theme, direction))
