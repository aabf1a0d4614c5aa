"""HTTP of the decision points: the page, its fragment, the dialog of every page, answering."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from app.accounts.policy import may
from app.decisions import commands, queries_page
from app.decisions.forms import AnswerForm
from app.web.access import Scope, database
from app.web.rendering import done, fragment, mission_of, page, shared_fragment

router = APIRouter(prefix="/d/{deployment_id}/decisions")

Viewer = Annotated[Scope, Depends(may("decisions.view"))]


@router.get("")
async def decisions(request: Request, scope: Viewer) -> Response:
    view = await database(request).read(lambda session: queries_page.points_view(session, scope))
    return await page(request, scope, "decisions/decisions.html", current="decisions", view=view)


@router.get("/_points")
async def points_fragment(request: Request, scope: Viewer) -> Response:
    return await shared_fragment(
        request, scope, "decisions/_points.html", "view", lambda session: queries_page.points_view(session, scope)
    )


@router.get("/_dialog")
async def dialog_fragment(request: Request, scope: Viewer) -> Response:
    mission = await mission_of(request, scope)
    return fragment(request, scope, "decisions/_dialog.html", mission=mission, is_asked=mission.asks(scope.viewer))


@router.post("/{minute}/answer")
async def answer(
    request: Request,
    scope: Annotated[Scope, Depends(may("decisions.answer"))],
    minute: int,
    form: Annotated[AnswerForm, Form()],
) -> Response:
    await database(request).run(lambda session: commands.answer(session, scope, minute, form))
    return done(request, f"/d/{scope.id}/decisions")
