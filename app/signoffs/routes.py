"""The board, its fragments, and the two things a voter can send."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from app.accounts.policy import may
from app.domain.errors import Rejected
from app.signoffs import commands, queries_board
from app.signoffs.forms import VoteForm, WithdrawForm
from app.web.access import Scope, database
from app.web.rendering import fragment, is_htmx, page

router = APIRouter(prefix="/d/{deployment_id}/board")

View = Annotated[Scope, Depends(may("signoffs.view"))]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a ballot was refused, and the comment that had been typed, to stand at the field again."""

    question: str
    comment: str
    text: str


@router.get("")
async def board(request: Request, scope: View) -> Response:
    return await _page(request, scope)


async def _page(request: Request, scope: Scope, trouble: Trouble | None = None, status: int = 200) -> Response:
    view = await database(request).read(lambda s: queries_board.board(s, scope))
    context: dict[str, Any] = {
        "headline": view.headline,
        "votes": view.votes,
        "gate": view.gate,
        "team": view.team,
        "trouble": trouble,
    }
    return await page(request, scope, "signoffs/board.html", current="board", status=status, **context)


@router.get("/_votes")
async def votes(request: Request, scope: View) -> Response:
    return await _votes(request, scope)


async def _votes(request: Request, scope: Scope, trouble: Trouble | None = None, status: int = 200) -> Response:
    ground = await database(request).read(lambda s: queries_board.ground_of(s, scope))
    return fragment(
        request,
        scope,
        "signoffs/_votes.html",
        votes=queries_board.votes_view(ground),
        trouble=trouble,
        status=status,
    )


@router.get("/_gate")
async def gate(request: Request, scope: View) -> Response:
    ground = await database(request).read(lambda s: queries_board.ground_of(s, scope))
    return fragment(request, scope, "signoffs/_gate.html", gate=queries_board.gate_view(ground))


@router.get("/_headline")
async def headline(request: Request, scope: View) -> Response:
    ground = await database(request).read(lambda s: queries_board.ground_of(s, scope))
    return fragment(request, scope, "signoffs/_headline.html", headline=queries_board.headline_view(ground))


@router.get("/_team")
async def team(request: Request, scope: View) -> Response:
    view = await database(request).read(lambda s: queries_board.team_view(s, scope))
    return fragment(request, scope, "signoffs/_team.html", team=view)


@router.post("/vote")
async def vote(
    request: Request, scope: Annotated[Scope, Depends(may("signoffs.vote"))], form: Annotated[VoteForm, Form()]
) -> Response:
    trouble = None
    try:
        await database(request).run(lambda s: commands.record_signoff(s, scope, form))
    except Rejected as error:
        if error.conflict:
            raise
        trouble = Trouble(form.question, form.comment, f"{error.reason} {error.remedy}".strip())
    return await _answer(request, scope, trouble)


@router.post("/withdraw")
async def withdraw(
    request: Request, scope: Annotated[Scope, Depends(may("signoffs.withdraw"))], form: Annotated[WithdrawForm, Form()]
) -> Response:
    await database(request).run(lambda s: commands.withdraw_signoff(s, scope, form.question))
    return await _answer(request, scope, None)


async def _answer(request: Request, scope: Scope, trouble: Trouble | None) -> Response:
    """The fresh panel for the voter; everybody else's comes with the stream."""
    status = 422 if trouble else 200
    if is_htmx(request):
        return await _votes(request, scope, trouble, status)
    if trouble:
        return await _page(request, scope, trouble, status)
    return RedirectResponse(f"/d/{scope.id}/board", status_code=303)
