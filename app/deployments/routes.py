"""HTTP in and out for a deployment's course."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.policy import may
from app.deployments import commands
from app.deployments.forms import ReasonForm, RescheduleForm
from app.web.access import Scope, database
from app.web.rendering import done

router = APIRouter(prefix="/d/{deployment_id}")


async def _run(request: Request, scope: Scope, write: Callable[[AsyncSession], Awaitable[None]], page: str) -> Response:
    await database(request).run(write)
    return done(request, f"/d/{scope.id}{page}")


@router.post("/proceed")
async def proceed(request: Request, scope: Annotated[Scope, Depends(may("deployments.proceed"))]) -> Response:
    return await _run(request, scope, lambda session: commands.proceed(session, scope), "/board")


@router.post("/arm")
async def arm(request: Request, scope: Annotated[Scope, Depends(may("deployments.arm"))]) -> Response:
    return await _run(request, scope, lambda session: commands.arm(session, scope), "/switch")


@router.post("/hold")
async def hold(
    request: Request,
    scope: Annotated[Scope, Depends(may("deployments.hold"))],
    form: Annotated[ReasonForm, Form()],
) -> Response:
    return await _run(request, scope, lambda session: commands.hold(session, scope, form.reason), "/board")


@router.post("/resume")
async def resume(request: Request, scope: Annotated[Scope, Depends(may("deployments.resume"))]) -> Response:
    return await _run(request, scope, lambda session: commands.resume(session, scope), "/board")


@router.post("/reschedule")
async def reschedule(
    request: Request,
    scope: Annotated[Scope, Depends(may("deployments.reschedule"))],
    form: Annotated[RescheduleForm, Form()],
) -> Response:
    planned_at = form.planned_at
    if planned_at.tzinfo is None:
        planned_at = planned_at.replace(tzinfo=ZoneInfo(scope.plan.timezone))
    return await _run(
        request, scope, lambda session: commands.reschedule(session, scope, planned_at, form.reason), "/board"
    )


@router.post("/reopen")
async def reopen(request: Request, scope: Annotated[Scope, Depends(may("deployments.reopen"))]) -> Response:
    return await _run(request, scope, lambda session: commands.reopen(session, scope), "/board")


@router.post("/abort")
async def abort(
    request: Request,
    scope: Annotated[Scope, Depends(may("deployments.abort"))],
    form: Annotated[ReasonForm, Form()],
) -> Response:
    return await _run(request, scope, lambda session: commands.abort(session, scope, form.reason), "/board")


@router.post("/complete")
async def complete(request: Request, scope: Annotated[Scope, Depends(may("deployments.complete"))]) -> Response:
    return await _run(request, scope, lambda session: commands.complete(session, scope), "")
