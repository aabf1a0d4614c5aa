"""HTTP of plan versions: the list, import with its preview, a version as a runbook, differences, the dry run."""

import asyncio
import json
from functools import lru_cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.policy import anybody, signed_in
from app.domain.errors import Rejected
from app.domain.plan import Plan, plan_hash
from app.domain.plan_problems import PlanInvalid
from app.eventlog.log import Actor
from app.plans import commands, queries, queries_dry_run, queries_rehearse, queries_versions
from app.plans.forms import SentPlan, read_sent
from app.plans.routes_runbook import as_written, paper_foot
from app.plans.views_versions import CheckView, VersionsView
from app.providers.plan_yaml import load_plan, plan_schema
from app.web.access import Viewer, database
from app.web.figures import day, hms
from app.web.rendering import plain_page

router = APIRouter()
Reader = Annotated[Viewer, Depends(signed_in("plans.list"))]
Importer = Annotated[Viewer, Depends(signed_in("plans.take_up"))]
Hash = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
Between = Annotated[str, Query(max_length=64)]
A_DAY = "public, max-age=86400"


@router.get("/plans")
async def versions(request: Request, viewer: Reader) -> Response:
    return await _list(request, viewer)


async def _list(request: Request, viewer: Viewer, check: CheckView | None = None) -> Response:
    view: VersionsView = await database(request).read(lambda session: queries_versions.versions(session, viewer))
    status = 422 if check else 200
    return plain_page(request, "plans/versions.html", viewer=viewer, status=status, view=view, check=check)


@router.post("/plans/check")
async def check(request: Request, viewer: Importer) -> Response:
    """Read a plan that was sent in, and show what it is before anything is stored."""
    found = await _read(request)
    if isinstance(found, CheckView):
        return await _list(request, viewer, found)
    sent, plan = found
    view = await database(request).read(lambda session: queries_versions.preview(session, plan, sent.name, sent.text))
    return plain_page(request, "plans/preview.html", viewer=viewer, view=view)


@router.post("/plans")
async def take_up(request: Request, viewer: Importer) -> Response:
    """Store the plan that the preview showed."""
    found = await _read(request)
    if isinstance(found, CheckView):
        return await _list(request, viewer, found)
    sent, plan = found
    if plan_hash(plan) != sent.confirmed:
        raise Rejected(
            "This is not the plan that the preview showed. Nothing was taken up.",
            remedy="Check it again on the page of plans.",
            conflict=True,
            code="plan_changed",
        )

    by = Actor(viewer.name, viewer.person_id)
    digest = await database(request).run(lambda session: commands.take_up(session, plan, sent.text, by))
    return RedirectResponse(f"/plans/{digest}", status_code=303)


async def _read(request: Request) -> tuple[SentPlan, Plan] | CheckView:
    """The plan in the form, or what is wrong with it. Reading takes up to a second, in a thread of its own."""
    sent = SentPlan("the file", "")
    try:
        sent = await read_sent(request)
        return sent, await asyncio.to_thread(load_plan, sent.text, sent.name)
    except PlanInvalid as refused:
        return queries_versions.check_view(refused.source, sent.text, refused)


@router.get("/plans/diff")
async def show_diff(
    request: Request, viewer: Reader, old: Annotated[Between, Query(alias="from")] = "", to: Between = ""
) -> Response:
    view = await database(request).read(lambda session: queries_versions.difference(session, old, to))
    return plain_page(request, "plans/diff.html", viewer=viewer, view=view)


@lru_cache(maxsize=1)
def _schema() -> str:
    return json.dumps(plan_schema(), indent=2, ensure_ascii=False) + "\n"


@router.get("/plans/schema.json", dependencies=[Depends(anybody("plans.schema.view"))])
async def schema() -> Response:
    """For editors, which cannot sign in; the same as plans/plan.schema.json."""
    return Response(_schema(), media_type="application/schema+json", headers={"Cache-Control": A_DAY})


@router.get("/plans/{digest}")
async def version(request: Request, digest: Hash, viewer: Reader) -> Response:
    async def query(session: AsyncSession) -> dict[str, Any]:
        plan, side = await queries_versions.version_of(session, digest)
        return {
            "view": queries.runbook_of(plan, digest, viewer.now),
            "side": side,
            "older": await queries_versions.older_of(session, digest, plan.key),
            "rehearse": await queries_rehearse.offer(session, request, viewer, plan),
        }

    return plain_page(request, "plans/version.html", viewer=viewer, **await database(request).read(query))


@router.get("/plans/{digest}/print.css")
async def print_style(request: Request, digest: Hash, viewer: Reader) -> Response:
    plan, _ = await database(request).read(lambda session: queries_versions.version_of(session, digest))
    zone = plan.timezone
    when = f"{day(viewer.now, zone)}, {hms(viewer.now, zone)} {zone}"
    releases = f"{plan.releases.blue.version} → {plan.releases.green.version}"
    return paper_foot(f"{plan.title} {releases} · plan {plan.key}@{digest[:12]} · {when}")


@router.get("/plans/{digest}/source", dependencies=[Depends(signed_in("plans.list"))])
async def source(request: Request, digest: Hash) -> Response:
    key, text = await database(request).read(lambda session: queries_versions.source_of(session, digest))
    return as_written(text, f"{key}-{digest[:12]}.yaml")


@router.get("/plans/{digest}/dry-run")
async def show_dry_run(
    request: Request, digest: Hash, viewer: Reader, phase: Annotated[str, Query(max_length=48)] = ""
) -> Response:
    plan, _ = await database(request).read(lambda session: queries_versions.version_of(session, digest))
    run = await asyncio.to_thread(queries_dry_run.run_of, plan, phase, viewer.now)
    view = await asyncio.to_thread(queries_dry_run.dry_run_view, plan, digest, run)
    return plain_page(request, "plans/dry_run.html", viewer=viewer, view=view)
