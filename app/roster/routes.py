"""The roster: who sits where, and the two things that change it."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.policy import may
from app.domain.errors import Rejected
from app.roster import commands, queries
from app.roster.forms import SeatForm, TakeForm
from app.roster.views import Trouble
from app.web.access import Scope, database
from app.web.rendering import fragment, is_htmx, page

router = APIRouter(prefix="/d/{deployment_id}/roster")

View = Annotated[Scope, Depends(may("roster.view"))]
Change = Annotated[Scope, Depends(may("roster.change"))]


@router.get("")
async def roster(request: Request, scope: View) -> Response:
    return await _page(request, scope)


@router.get("/_roster")
async def roster_fragment(request: Request, scope: View) -> Response:
    return await _fragment(request, scope)


@router.post("/take")
async def take(request: Request, scope: Change, form: Annotated[TakeForm, Form()]) -> Response:
    return await _change(request, scope, form, lambda session: commands.take_seat(session, scope, form), form.person)


@router.post("/free")
async def free(request: Request, scope: Change, form: Annotated[SeatForm, Form()]) -> Response:
    return await _change(request, scope, form, lambda session: commands.free_seat(session, scope, form))


async def _change(
    request: Request,
    scope: Scope,
    form: SeatForm,
    write: Callable[[AsyncSession], Awaitable[None]],
    person: int = 0,
) -> Response:
    """The fresh roster for whoever changed it; everybody else's comes with the stream."""
    trouble, status = None, 200
    try:
        await database(request).run(write)
    except Rejected as error:
        if error.conflict:
            raise
        text = f"{error.reason} {error.remedy}".strip()
        key = queries.seat_key(form.position if form.seat else "new", form.seat)
        trouble, status = Trouble(key, text, form.position, person), 422
    if is_htmx(request):
        return await _fragment(request, scope, trouble, status)
    if trouble is not None:
        return await _page(request, scope, trouble, status)
    return RedirectResponse(f"/d/{scope.id}/roster", status_code=303)


async def _page(request: Request, scope: Scope, trouble: Trouble | None = None, status: int = 200) -> Response:
    view = await database(request).read(lambda session: queries.roster_view(session, scope))
    return await page(
        request, scope, "roster/roster.html", current="roster", status=status, roster=view, trouble=trouble
    )


async def _fragment(request: Request, scope: Scope, trouble: Trouble | None = None, status: int = 200) -> Response:
    view = await database(request).read(lambda session: queries.roster_view(session, scope))
    return fragment(request, scope, "roster/_roster.html", status=status, roster=view, trouble=trouble)
