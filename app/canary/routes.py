"""A canary's page, its fragment, and the presses on it."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.policy import may
from app.canary import commands, queries_page
from app.canary.forms import CanaryForm, StartForm
from app.domain.errors import Rejected
from app.web.access import Scope, database
from app.web.rendering import fragment, is_htmx, page

router = APIRouter(prefix="/d/{deployment_id}/phases/{phase}/canary")

View = Annotated[Scope, Depends(may("canary.view"))]
Lead = Annotated[Scope, Depends(may("canary.lead"))]
Speak = Annotated[Scope, Depends(may("canary.speak"))]
Sent = Annotated[CanaryForm, Form()]


@router.get("")
async def canary(request: Request, scope: View, phase: str) -> Response:
    return await _page(request, scope, phase)


@router.get("/_canary")
async def canary_fragment(request: Request, scope: View, phase: str) -> Response:
    return await _fragment(request, scope, phase)


@router.post("/start")
async def start(request: Request, scope: Lead, phase: str, form: Annotated[StartForm, Form()]) -> Response:
    bound = frozenset(request.app.state.site.targets)
    return await _run(request, scope, phase, lambda s: commands.start(s, scope, phase, form, bound=bound))


@router.post("/go-on")
async def go_on(request: Request, scope: Lead, phase: str, form: Sent) -> Response:
    return await _run(request, scope, phase, lambda s: commands.go_on(s, scope, phase, form))


@router.post("/approve")
async def approve(request: Request, scope: Speak, phase: str, form: Sent) -> Response:
    return await _run(request, scope, phase, lambda s: commands.approve(s, scope, phase, form))


@router.post("/report")
async def report(request: Request, scope: Speak, phase: str, form: Sent) -> Response:
    return await _run(request, scope, phase, lambda s: commands.report(s, scope, phase, form))


@router.post("/take-back")
async def take_back(
    request: Request, scope: Annotated[Scope, Depends(may("canary.take_back"))], phase: str, form: Sent
) -> Response:
    return await _run(request, scope, phase, lambda s: commands.take_back(s, scope, phase, form))


async def _run(
    request: Request, scope: Scope, phase: str, write: Callable[[AsyncSession], Awaitable[None]]
) -> Response:
    """The fresh panel for whoever pressed; everybody else's comes with the stream."""
    wrong, status = "", 200
    try:
        await database(request).run(write)
    except Rejected as error:
        if error.code != "text":
            raise
        wrong, status = f"{error.reason} {error.remedy}".strip(), 422
    if is_htmx(request):
        return await _fragment(request, scope, phase, wrong, status)
    if wrong:
        return await _page(request, scope, phase, wrong, status)
    return RedirectResponse(f"/d/{scope.id}/phases/{phase}/canary", status_code=303)


async def _page(request: Request, scope: Scope, phase: str, wrong: str = "", status: int = 200) -> Response:
    view = await database(request).read(lambda s: queries_page.canary_view(s, scope, phase))
    return await page(request, scope, "canary/canary.html", current="phases", status=status, view=view, wrong=wrong)


async def _fragment(request: Request, scope: Scope, phase: str, wrong: str = "", status: int = 200) -> Response:
    view = await database(request).read(lambda s: queries_page.canary_view(s, scope, phase))
    return fragment(request, scope, "canary/_canary.html", status=status, view=view, wrong=wrong)
