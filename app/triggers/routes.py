"""HTTP of the triggers: the page, its fragment, holding, reporting by hand."""

from typing import Annotated, Unpack

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from app.accounts.policy import may
from app.triggers import commands, queries_page
from app.triggers.forms import HoldForm, RaiseForm
from app.triggers.views import RaiseSent
from app.web.access import Scope, database
from app.web.form import read_form
from app.web.rendering import done, fragment, is_htmx, page

router = APIRouter(prefix="/d/{deployment_id}/triggers")

Viewer = Annotated[Scope, Depends(may("triggers.view"))]
Holder = Annotated[Scope, Depends(may("triggers.hold"))]


@router.get("")
async def triggers(request: Request, scope: Viewer) -> Response:
    return await _page(request, scope)


async def _page(request: Request, scope: Scope, *, status: int = 200, **sent: Unpack[RaiseSent]) -> Response:
    view = await database(request).read(lambda session: queries_page.triggers_view(session, scope))
    return await page(
        request,
        scope,
        "triggers/triggers.html",
        current="triggers",
        status=status,
        view=view,
        report=queries_page.raise_view(scope, **sent),
    )


@router.get("/_list")
async def list_fragment(request: Request, scope: Viewer) -> Response:
    return await _list(request, scope)


async def _list(request: Request, scope: Scope) -> Response:
    view = await database(request).read(lambda session: queries_page.triggers_view(session, scope))
    return fragment(request, scope, "triggers/_list.html", view=view)


@router.post("/{trigger}/hold")
async def hold(request: Request, scope: Holder, trigger: str, _form: Annotated[HoldForm, Form()]) -> Response:
    await database(request).run(lambda session: commands.hold(session, scope, trigger))
    return await _answer(request, scope)


@router.post("/{trigger}/release")
async def release(request: Request, scope: Holder, trigger: str, _form: Annotated[HoldForm, Form()]) -> Response:
    await database(request).run(lambda session: commands.release(session, scope, trigger))
    return await _answer(request, scope)


async def _answer(request: Request, scope: Scope) -> Response:
    if is_htmx(request):
        return await _list(request, scope)
    return done(request, f"/d/{scope.id}/triggers")


@router.get("/_report")
async def report_fragment(request: Request, scope: Annotated[Scope, Depends(may("triggers.raise"))]) -> Response:
    return fragment(request, scope, "triggers/_report.html", report=queries_page.raise_view(scope))


@router.post("/raise")
async def raise_alert(request: Request, scope: Annotated[Scope, Depends(may("triggers.raise"))]) -> Response:
    form = await read_form(request, RaiseForm)
    if isinstance(form, dict):
        posted = await request.form()
        if "reason" in form:
            form["reason"] = "Say in a sentence what you found."
        sent: RaiseSent = {
            "chosen": str(posted.get("trigger", ""))[:48],
            "reason": str(posted.get("reason", ""))[:500],
            "errors": form,
        }
        if is_htmx(request):
            view = queries_page.raise_view(scope, **sent)
            return fragment(request, scope, "triggers/_report.html", status=422, report=view)
        return await _page(request, scope, status=422, **sent)
    await database(request).run(
        lambda session: commands.raise_alert(session, scope, form.trigger, form.reason, form.key)
    )
    if is_htmx(request):
        return fragment(request, scope, "triggers/_report.html", report=queries_page.raise_view(scope))
    return done(request, f"/d/{scope.id}/triggers")
