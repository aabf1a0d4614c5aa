"""The Plan page of a deployment, and the plan as it was written."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse, Response

from app.accounts.policy import may
from app.plans import queries
from app.web.access import Scope, database
from app.web.rendering import page

router = APIRouter(prefix="/d/{deployment_id}/plan")
Reader = Annotated[Scope, Depends(may("plans.view"))]


@router.get("")
async def runbook(request: Request, scope: Reader) -> Response:
    view = await database(request).read(lambda session: queries.runbook(session, scope))
    return await page(request, scope, "plans/runbook.html", current="plan", view=view)


@router.get("/source")
async def source(request: Request, scope: Reader) -> Response:
    """The YAML text that this deployment was made from, comments included."""
    text = await database(request).read(lambda session: queries.source_of(session, scope))
    name = f"{scope.plan.key}-{scope.plan_hash[:12]}.yaml"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return PlainTextResponse(text, headers=headers, media_type="application/yaml")
