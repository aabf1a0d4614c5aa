"""The steps of a phase: two panels, and the presses on a step."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from app.accounts.policy import may
from app.domain.errors import Rejected
from app.domain.steps import AFTER, Change
from app.phases.queries import phase_of
from app.phases.queries_phase import phase_page
from app.scripts.routes import bound_of
from app.steps import commands, queries_panels
from app.steps.forms import StepForm
from app.steps.views import Trouble
from app.web.access import Scope, database
from app.web.rendering import fragment, is_htmx, page

router = APIRouter(prefix="/d/{deployment_id}/phases/{phase}/steps")

View = Annotated[Scope, Depends(may("phases.view"))]
Work = Annotated[Scope, Depends(may("steps.work"))]
Decide = Annotated[Scope, Depends(may("steps.decide"))]
Sent = Annotated[StepForm, Form()]


@router.get("/_steps")
async def steps(request: Request, scope: View, phase: str) -> Response:
    return await _steps(request, scope, phase)


@router.get("/_after")
async def after(request: Request, scope: View, phase: str) -> Response:
    return await _after(request, scope, phase)


async def _steps(
    request: Request, scope: Scope, key: str, trouble: Trouble | None = None, status: int = 200
) -> Response:
    phase = phase_of(scope.plan, key)
    view = await database(request).read(lambda s: queries_panels.steps_view(s, scope, phase, trouble))
    return fragment(request, scope, "steps/_steps.html", steps=view, status=status)


async def _after(
    request: Request, scope: Scope, key: str, trouble: Trouble | None = None, status: int = 200
) -> Response:
    phase = phase_of(scope.plan, key)
    view = await database(request).read(lambda s: queries_panels.after_view(s, scope, phase, trouble))
    return fragment(request, scope, "steps/_after.html", after=view, status=status)


@router.post("/{step}/start")
async def start(request: Request, scope: Work, phase: str, step: str, form: Sent) -> Response:
    return await _change(request, scope, phase, step, Change.START, form)


@router.post("/{step}/finish")
async def finish(request: Request, scope: Work, phase: str, step: str, form: Sent) -> Response:
    return await _change(request, scope, phase, step, Change.FINISH, form)


@router.post("/{step}/tick")
async def tick(request: Request, scope: Work, phase: str, step: str, form: Sent) -> Response:
    return await _change(request, scope, phase, step, Change.TICK, form)


@router.post("/{step}/fail")
async def fail(request: Request, scope: Work, phase: str, step: str, form: Sent) -> Response:
    return await _change(request, scope, phase, step, Change.FAIL, form)


@router.post("/{step}/undo")
async def undo(request: Request, scope: Work, phase: str, step: str, form: Sent) -> Response:
    return await _change(request, scope, phase, step, Change.UNDO, form)


@router.post("/{step}/retry")
async def retry(request: Request, scope: Decide, phase: str, step: str, form: Sent) -> Response:
    return await _change(request, scope, phase, step, Change.RETRY, form)


@router.post("/{step}/bypass")
async def bypass(request: Request, scope: Decide, phase: str, step: str, form: Sent) -> Response:
    return await _change(request, scope, phase, step, Change.BYPASS, form)


async def _change(request: Request, scope: Scope, phase: str, step: str, change: Change, form: StepForm) -> Response:
    """The fresh panel for whoever pressed; everybody else's comes with the stream."""
    trouble, status = None, 200
    try:
        await database(request).run(lambda s: commands.change_step(s, scope, phase, step, change, form))
    except Rejected as error:
        if error.code != "text":
            raise
        text = f"{error.reason} {error.remedy}".strip()
        trouble, status = Trouble(step, queries_panels.URLS[change], form.text, text), 422
    if is_htmx(request):
        return await (_after if step.startswith(AFTER) else _steps)(request, scope, phase, trouble, status)
    if trouble is None:
        return RedirectResponse(f"/d/{scope.id}/phases/{phase}", status_code=303)
    found = phase_of(scope.plan, phase)
    view = await database(request).read(lambda s: phase_page(s, scope, found, bound_of(request), trouble))
    return await page(request, scope, "phases/phase.html", current="phases", status=status, trouble=None, **view.parts)
