"""The checklists page, its fragments, and the one form of an item."""

from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import UploadFile

from app.accounts.policy import may
from app.checklists import (
    commands,
    commands_files,
    commands_own,
    queries,
    queries_duties,
    queries_files,
    queries_personal,
)
from app.checklists.forms import ItemForm, TickForm
from app.domain.errors import Rejected
from app.web.access import Scope, database
from app.web.rendering import done, fragment, is_htmx, page

router = APIRouter(prefix="/d/{deployment_id}/checklists")

View = Annotated[Scope, Depends(may("checklists.view"))]
Own = Annotated[Scope, Depends(may("checklists.own"))]
Show = Literal["all", "mine"]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an item's form was refused, and what had been typed, to stand at the field again."""

    checklist: str
    item: str
    state: str
    typed: str
    text: str


@router.get("")
async def checklists(request: Request, scope: View, show: Show = "all") -> Response:
    return await _page(request, scope, show)


async def _page(
    request: Request, scope: Scope, show: Show, trouble: Trouble | None = None, status: int = 200
) -> Response:
    view = await database(request).read(lambda s: queries.whole_page(s, scope, only_mine=show == "mine"))
    return await page(
        request, scope, "checklists/page.html", current="checklists", view=view, trouble=trouble, status=status
    )


@router.get("/_progress")
async def progress(request: Request, scope: View) -> Response:
    view = await database(request).read(lambda s: queries.progress_view(s, scope))
    return fragment(request, scope, "checklists/_progress.html", progress=view)


@router.get("/_personal")
async def personal(request: Request, scope: View) -> Response:
    view = await database(request).read(lambda s: queries_personal.personal_view(s, scope))
    return fragment(request, scope, "checklists/_personal.html", personal=view)


@router.post("/personal")
async def tick_own(request: Request, scope: Own, form: Annotated[TickForm, Form()]) -> Response:
    await database(request).run(lambda s: commands_own.tick_own(s, scope, form))
    return await personal(request, scope) if is_htmx(request) else done(request, f"/d/{scope.id}/checklists")


@router.get("/_duties")
async def duties(request: Request, scope: View) -> Response:
    view = await database(request).read(lambda s: queries_duties.duties_view(s, scope))
    return fragment(request, scope, "checklists/_duties.html", duties=view)


@router.post("/duties")
async def tick_duty(request: Request, scope: Own, form: Annotated[TickForm, Form()]) -> Response:
    await database(request).run(lambda s: commands_own.tick_duty(s, scope, form))
    return await duties(request, scope) if is_htmx(request) else done(request, f"/d/{scope.id}/checklists")


@router.get("/{checklist}/_items")
async def items(request: Request, scope: View, checklist: str, show: Show = "all") -> Response:
    return await _items(request, scope, checklist, show)


@router.get("/{checklist}/_machine")
async def machine(request: Request, scope: View, checklist: str, show: Show = "all") -> Response:
    view = await database(request).read(lambda s: queries.one_list(s, scope, checklist, only_mine=show == "mine"))
    return fragment(request, scope, "checklists/_machine.html", checklist=view)


async def _items(
    request: Request, scope: Scope, checklist: str, show: Show, trouble: Trouble | None = None, status: int = 200
) -> Response:
    view = await database(request).read(lambda s: queries.one_list(s, scope, checklist, only_mine=show == "mine"))
    return fragment(request, scope, "checklists/_items.html", checklist=view, trouble=trouble, status=status)


@router.get("/files/{file_id}")
async def evidence_file(request: Request, scope: View, file_id: int) -> Response:
    """Always saved, never shown: whatever is in it gets no chance to act as a page of ours."""
    row = await database(request).read(lambda s: queries_files.one_file(s, scope, file_id))
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(row.name, safe='')}",
        "content-security-policy": "sandbox; default-src 'none'",
        "x-content-type-options": "nosniff",
    }
    return Response(row.content, media_type=row.kind, headers=headers)


@router.post("/{checklist}/{item}/files")
async def add_file(
    request: Request,
    scope: Annotated[Scope, Depends(may("checklists.tick"))],
    checklist: str,
    item: str,
    show: Show = "all",
) -> Response:
    async with request.form(max_files=1, max_fields=20) as form:
        sent = form.get("file")
        name, content = (sent.filename or "", await sent.read()) if isinstance(sent, UploadFile) else ("", b"")
    await database(request).run(lambda s: commands_files.add_file(s, scope, checklist, item, name, content))
    if is_htmx(request):
        return await _items(request, scope, checklist, show)
    return done(request, f"/d/{scope.id}/checklists?show={show}")


@router.post("/{checklist}/{item}")
async def record_item(
    request: Request,
    scope: Annotated[Scope, Depends(may("checklists.tick"))],
    checklist: str,
    item: str,
    form: Annotated[ItemForm, Form()],
    show: Show = "all",
) -> Response:
    trouble = None
    try:
        await database(request).run(lambda s: commands.record_item(s, scope, checklist, item, form))
    except Rejected as error:
        if error.code != "text":
            raise
        trouble = Trouble(checklist, item, form.state, form.text, f"{error.reason} {error.remedy}".strip())
    status = 422 if trouble else 200
    if is_htmx(request):
        return await _items(request, scope, checklist, show, trouble, status)
    if trouble:
        return await _page(request, scope, show, trouble, status)
    return RedirectResponse(f"/d/{scope.id}/checklists?show={show}", status_code=303)
