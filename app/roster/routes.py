"""The roster: who sits where, and the two things that change it."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.policy import may
from app.domain.errors import Rejected
from app.roster import commands, commands_hand, queries, queries_hand
from app.roster.forms import OfferForm, SeatForm, TakeForm
from app.roster.views import Trouble
from app.web.access import Scope, database
from app.web.rendering import done, fragment, is_htmx, page

router = APIRouter(prefix="/d/{deployment_id}/roster")

View = Annotated[Scope, Depends(may("roster.view"))]
Hand = Annotated[Scope, Depends(may("roster.hand"))]
Change = Annotated[Scope, Depends(may("roster.change"))]


@router.get("")
async def roster(request: Request, scope: View) -> Response:
    return await _page(request, scope)


@router.get("/_roster")
async def roster_fragment(request: Request, scope: View) -> Response:
    return await _fragment(request, scope)


@router.get("/_hand")
async def hand_fragment(request: Request, scope: View) -> Response:
    view = await database(request).read(lambda session: queries_hand.hand_view(session, scope))
    return fragment(request, scope, "roster/_hand.html", hand=view)


@router.post("/hand/offer")
async def offer_hand(request: Request, scope: Hand, form: Annotated[OfferForm, Form()]) -> Response:
    return await _hand(request, scope, lambda session: commands_hand.offer(session, scope, form))


@router.post("/hand/accept")
async def accept_hand(request: Request, scope: Hand) -> Response:
    return await _hand(request, scope, lambda session: commands_hand.accept(session, scope))


@router.post("/hand/decline")
async def decline_hand(request: Request, scope: Hand) -> Response:
    return await _hand(request, scope, lambda session: commands_hand.decline(session, scope))


@router.post("/hand/withdraw")
async def withdraw_hand(request: Request, scope: Hand) -> Response:
    return await _hand(request, scope, lambda session: commands_hand.withdraw(session, scope))


async def _hand(request: Request, scope: Scope, write: Callable[[AsyncSession], Awaitable[None]]) -> Response:
    await database(request).run(write)
    return await hand_fragment(request, scope) if is_htmx(request) else done(request, f"/d/{scope.id}/roster")


@router.post("/arrive")
async def arrive(request: Request, scope: Annotated[Scope, Depends(may("roster.arrive"))]) -> Response:
    await database(request).run(lambda session: commands_hand.arrive(session, scope))
    return done(request, f"/d/{scope.id}")


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
    context = await _context(request, scope, trouble)
    return await page(request, scope, "roster/roster.html", current="roster", status=status, **context)


async def _fragment(request: Request, scope: Scope, trouble: Trouble | None = None, status: int = 200) -> Response:
    return fragment(request, scope, "roster/_roster.html", status=status, **await _context(request, scope, trouble))


async def _context(request: Request, scope: Scope, trouble: Trouble | None) -> dict[str, Any]:
    view = await database(request).read(lambda session: queries.roster_view(session, scope))
    hand = await database(request).read(lambda session: queries_hand.hand_view(session, scope))
    return {"roster": view, "hand": hand, "trouble": trouble}
