"""HTTP of the timeline: the page, its fragments, notes, the log's proof."""

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response

from app.accounts.policy import may
from app.domain.errors import Rejected
from app.timeline import commands, queries
from app.timeline.forms import Note
from app.timeline.views import ChainView, Choice, NoteView, Show
from app.web.access import Scope, database
from app.web.form import read_form
from app.web.rendering import fragment, is_htmx, page, shared_fragment

router = APIRouter(prefix="/d/{deployment_id}/timeline")
Reader = Annotated[Scope, Depends(may("timeline.view"))]


def _choice(
    show: Show = "all",
    seat: Annotated[str, Query(max_length=48)] = "",
    probes: bool = False,
    before: Annotated[int, Query(ge=0, le=2**62)] = 0,
) -> Choice:
    return Choice(show, seat, probes, before)


Chosen = Annotated[Choice, Depends(_choice)]


def _note(scope: Scope, **values: Any) -> NoteView:
    action = f"/d/{scope.id}/timeline/notes"
    return NoteView(action, scope.may("note"), secrets.token_hex(4), **values)


async def _page(
    request: Request, scope: Scope, choice: Choice, *, status: int = 200, chain: ChainView | None = None, **note: Any
) -> Response:
    view = await database(request).read(lambda session: queries.lines(session, scope, choice))
    measured = await database(request).read(lambda session: queries.facts(session, scope))
    return await page(
        request,
        scope,
        "timeline/timeline.html",
        current="timeline",
        status=status,
        view=view,
        facts=measured,
        note=_note(scope, **note),
        chain=chain or ChainView(f"/d/{scope.id}/timeline/verify"),
    )


@router.get("")
async def timeline(request: Request, scope: Reader, choice: Chosen) -> Response:
    return await _page(request, scope, choice)


@router.get("/_list")
async def list_fragment(request: Request, scope: Reader, choice: Chosen) -> Response:
    return await shared_fragment(
        request, scope, "timeline/_list.html", "view", lambda session: queries.lines(session, scope, choice), choice
    )


@router.get("/_facts")
async def facts_fragment(request: Request, scope: Reader) -> Response:
    return await shared_fragment(
        request, scope, "timeline/_facts.html", "facts", lambda session: queries.facts(session, scope)
    )


@router.get("/verify")
async def verify(request: Request, scope: Reader) -> Response:
    chain = await database(request).read(lambda session: queries.chain_state(session, scope))
    if is_htmx(request):
        return fragment(request, scope, "timeline/_chain.html", chain=chain)
    return await _page(request, scope, Choice(), chain=chain)


@router.get("/_note")
async def note_fragment(request: Request, scope: Annotated[Scope, Depends(may("timeline.note"))]) -> Response:
    return fragment(request, scope, "timeline/_note.html", note=_note(scope))


@router.post("/notes")
async def add_note(request: Request, scope: Annotated[Scope, Depends(may("timeline.note"))]) -> Response:
    form = await read_form(request, Note)
    if not isinstance(form, dict):
        note = form
        try:
            await database(request).run(lambda session: commands.add_note(session, scope, note))
        except Rejected as error:
            if error.code != "text":
                raise
            form = {"text": f"{error.reason} {error.remedy}"}
    if isinstance(form, dict):
        sent: dict[str, Any] = {"text": str((await request.form()).get("text", "")), "errors": form}
        if is_htmx(request):
            return fragment(request, scope, "timeline/_note.html", status=422, note=_note(scope, **sent))
        return await _page(request, scope, Choice(), status=422, **sent)
    if is_htmx(request):
        return fragment(request, scope, "timeline/_note.html", note=_note(scope))
    return RedirectResponse(f"/d/{scope.id}/timeline", status_code=303)
