"""HTTP out: the wall, the metrics panel, the charts."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from app.accounts.policy import may
from app.metrics.queries import charts, headline, panel
from app.metrics.queries_wall import t_zero, wall
from app.web.access import Scope, database
from app.web.rendering import fragment, mission_of, page, shared_fragment

router = APIRouter(prefix="/d/{deployment_id}")

Watcher = Annotated[Scope, Depends(may("metrics.view"))]


@router.get("/wall")
async def show_wall(request: Request, scope: Watcher) -> Response:
    view = await database(request).read(lambda session: wall(session, scope, scope.now))
    return await page(request, scope, "metrics/wall.html", current="wall", wall=view)


@router.get("/wall/_panel")
async def show_wall_panel(request: Request, scope: Watcher) -> Response:
    return await shared_fragment(
        request, scope, "metrics/_wall.html", "wall", lambda session: wall(session, scope, scope.now)
    )


@router.get("/wall/_head")
async def show_wall_head(request: Request, scope: Watcher) -> Response:
    return fragment(request, scope, "metrics/_wall_head.html", mission=await mission_of(request, scope))


@router.get("/metrics")
async def show_metrics(request: Request, scope: Watcher) -> Response:
    read = database(request).read
    return await page(
        request,
        scope,
        "metrics/metrics.html",
        head=await read(lambda session: headline(session, scope.deployment, scope.plan, scope.now)),
        metrics=await read(lambda session: panel(session, scope.deployment, scope.plan, scope.now)),
        charts=await read(lambda session: charts(session, scope.deployment, scope.plan, scope.now)),
        zero_at=await read(lambda session: t_zero(session, scope.deployment)),
        zone=scope.plan.timezone,
    )


@router.get("/metrics/_panel")
async def show_panel(request: Request, scope: Watcher) -> Response:
    return await shared_fragment(
        request,
        scope,
        "metrics/_panel.html",
        "metrics",
        lambda session: panel(session, scope.deployment, scope.plan, scope.now),
    )


@router.get("/metrics/_headline")
async def show_headline(request: Request, scope: Watcher) -> Response:
    return await shared_fragment(
        request,
        scope,
        "metrics/_headline.html",
        "head",
        lambda session: headline(session, scope.deployment, scope.plan, scope.now),
    )
