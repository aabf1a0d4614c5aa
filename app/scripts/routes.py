"""A script's panel, its press and its output."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from app.accounts.policy import may
from app.phases.queries import phase_of
from app.scripts import commands, queries
from app.scripts.forms import ScriptForm
from app.scripts.queries import Bound
from app.web.access import Scope, database
from app.web.rendering import fragment, is_htmx

router = APIRouter(prefix="/d/{deployment_id}/phases/{phase}/scripts/{step}")

View = Annotated[Scope, Depends(may("phases.view"))]
Run = Annotated[Scope, Depends(may("scripts.run"))]
Abort = Annotated[Scope, Depends(may("scripts.abort"))]
Sent = Annotated[ScriptForm, Form()]
Number = Annotated[int, Query(ge=0, le=2**31 - 1)]


def bound_of(request: Request) -> Bound:
    found: Bound = request.app.state.scripts
    return found


@router.get("/_script")
async def show_script(request: Request, scope: View, phase: str, step: str) -> Response:
    found, action = commands.script_of(scope.plan, phase, step)
    bound = bound_of(request)
    view = await database(request).read(lambda s: queries.script_view(s, scope, found, action, bound))
    return fragment(request, scope, "scripts/_script.html", script=view)


@router.get("/_output")
async def output_after(
    request: Request, scope: View, phase: str, step: str, run: Number = 0, after: Number = 0
) -> JSONResponse:
    """What came after piece `after` of run `run`, as JSON for static/js/scripts.js, which shows it as text."""
    found, action = commands.script_of(scope.plan, phase, step)
    pieces = await database(request).read(lambda s: queries.pieces_after(s, scope, found, action, run, after))
    return JSONResponse(
        {
            "run": pieces.run,
            "after": pieces.after,
            "text": pieces.text,
            "pending": pieces.pending,
            "fresh": pieces.is_fresh,
            "open": pieces.is_open,
            "more": pieces.has_more,
            "size": pieces.size,
        },
        headers={"Cache-Control": "no-store"},
    )


@router.get("/output.txt")
async def whole_output(request: Request, scope: View, phase: str, step: str) -> PlainTextResponse:
    found, action = commands.script_of(scope.plan, phase, step)
    name, text = await database(request).read(lambda s: queries.whole_output(s, scope, found, action))
    return PlainTextResponse(text, headers={"Content-Disposition": f'attachment; filename="{name}"'})


@router.post("/run")
async def run(request: Request, scope: Run, phase: str, step: str, form: Sent) -> Response:
    _, action = commands.script_of(scope.plan, phase, step)
    why_not = await bound_of(request).why_not(action)
    await database(request).run(lambda s: commands.request_run(s, scope, phase, step, form, why_not))
    return await _answer(request, scope, phase, step)


@router.post("/abort")
async def abort(request: Request, scope: Abort, phase: str, step: str, form: Sent) -> Response:
    await database(request).run(lambda s: commands.abort_run(s, scope, phase, step, form))
    return await _answer(request, scope, phase, step)


async def _answer(request: Request, scope: Scope, phase: str, step: str) -> Response:
    if is_htmx(request):
        return await show_script(request, scope, phase, step)
    return RedirectResponse(f"/d/{scope.id}/phases/{phase_of(scope.plan, phase).key}#script-{step}", status_code=303)
