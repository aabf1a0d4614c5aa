"""The Plan page of a deployment, and the plan as it was written."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse, Response

from app.accounts.policy import may
from app.plans import queries
from app.web.access import Scope, database
from app.web.figures import day, hms
from app.web.rendering import page

router = APIRouter(prefix="/d/{deployment_id}/plan")
Reader = Annotated[Scope, Depends(may("plans.view"))]


@router.get("")
async def runbook(request: Request, scope: Reader) -> Response:
    view = await database(request).read(lambda session: queries.runbook(session, scope))
    return await page(request, scope, "plans/runbook.html", current="plan", view=view)


@router.get("/print.css")
async def print_style(scope: Reader) -> Response:
    """The foot of each printed page: a style sheet, because only those reach the margins of paper."""
    deployment, zone = scope.deployment, scope.plan.timezone
    foot = (
        f"{deployment.title} {deployment.blue_version} → {deployment.green_version} · {deployment.mode} · "
        f"plan {scope.plan.key}@{scope.plan_hash[:12]} · {day(scope.now, zone)}, {hms(scope.now, zone)} {zone}"
    )
    return paper_foot(foot)


def paper_foot(foot: str) -> Response:
    """The style sheet that puts this text below each printed page."""
    text = "".join(letter if letter.isascii() and letter.isalnum() else f"\\{ord(letter):06x}" for letter in foot)
    return Response(f'@page {{ @bottom-left {{ content: "{text}"; font-size: 8pt; }} }}\n', media_type="text/css")


@router.get("/source")
async def source(request: Request, scope: Reader) -> Response:
    """The YAML text that this deployment was made from, comments included."""
    text = await database(request).read(lambda session: queries.source_of(session, scope))
    return as_written(text, f"{scope.plan.key}-{scope.plan_hash[:12]}.yaml")


def as_written(text: str, name: str) -> Response:
    """A plan's text as a file to keep."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return PlainTextResponse(text, headers=headers, media_type="application/yaml")
