"""HTTP of the freeze and of emergency patches."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.policy import may
from app.domain.errors import Rejected
from app.freeze import commands, queries
from app.freeze.forms import AnswerForm, FreezeForm, PatchForm
from app.freeze.views import Typed
from app.web.access import Scope, database
from app.web.form import read_form
from app.web.rendering import done, fragment, is_htmx, page

router = APIRouter(prefix="/d/{deployment_id}/freeze")

View = Annotated[Scope, Depends(may("freeze.view"))]
Change = Annotated[Scope, Depends(may("freeze.change"))]
Write = Callable[[AsyncSession], Awaitable[None]]


@router.get("")
async def freeze_page(request: Request, scope: View) -> Response:
    return await _show(request, scope, Typed(), whole=True)


@router.get("/_freeze")
async def freeze_fragment(request: Request, scope: View) -> Response:
    return await _show(request, scope, Typed())


async def _show(request: Request, scope: Scope, typed: Typed, *, whole: bool = False, status: int = 200) -> Response:
    view = await database(request).read(lambda session: queries.freeze_view(session, scope))
    if whole:
        return await page(
            request, scope, "freeze/freeze.html", current="freeze", status=status, frozen=view, typed=typed
        )
    return fragment(request, scope, "freeze/_freeze.html", status=status, frozen=view, typed=typed)


async def _wrong(request: Request, scope: Scope, form: str, field: str, errors: dict[str, str]) -> Response:
    sent = str((await request.form()).get(field, ""))[:4000]
    return await _show(request, scope, Typed(form, sent, errors), whole=not is_htmx(request), status=422)


async def _done(request: Request, scope: Scope, write: Write) -> Response:
    await database(request).run(write)
    return await _show(request, scope, Typed()) if is_htmx(request) else done(request, f"/d/{scope.id}/freeze")


@router.post("/set")
async def set_freeze(request: Request, scope: Change) -> Response:
    form = await read_form(request, FreezeForm)
    if isinstance(form, dict):
        return await _wrong(request, scope, "set", "reason", form)
    try:
        return await _done(request, scope, lambda session: commands.freeze(session, scope, form))
    except Rejected as error:
        if error.code != "until":
            raise
        return await _wrong(request, scope, "set", "reason", {"minutes": f"{error.reason} {error.remedy}"})


@router.post("/lift")
async def lift_freeze(request: Request, scope: Change) -> Response:
    return await _done(request, scope, lambda session: commands.lift(session, scope))


@router.post("/patches")
async def ask_for_patch(request: Request, scope: Annotated[Scope, Depends(may("freeze.ask"))]) -> Response:
    form = await read_form(request, PatchForm)
    if isinstance(form, dict):
        return await _wrong(request, scope, "ask", "text", form)
    return await _done(request, scope, lambda session: commands.ask(session, scope, form))


@router.post("/patches/{patch_id}/answer")
async def answer_patch(
    request: Request,
    scope: Annotated[Scope, Depends(may("freeze.answer"))],
    patch_id: int,
    form: Annotated[AnswerForm, Form()],
) -> Response:
    return await _done(request, scope, lambda session: commands.answer(session, scope, patch_id, form))
