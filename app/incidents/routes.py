"""HTTP of incidents and of customers' reports."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from app.accounts.policy import may
from app.incidents import commands, commands_reports, queries_page, queries_reports
from app.incidents.forms import DecideForm, FindingForm, RaiseForm, ReportForm, SettleForm
from app.web.access import Scope, database
from app.web.form import read_form
from app.web.rendering import done, fragment, is_htmx, page

router = APIRouter(prefix="/d/{deployment_id}/incidents")

Viewer = Annotated[Scope, Depends(may("incidents.view"))]
Raiser = Annotated[Scope, Depends(may("incidents.raise"))]
Reporter = Annotated[Scope, Depends(may("incidents.report"))]


@router.get("")
async def incidents(request: Request, scope: Viewer) -> Response:
    return await _page(request, scope)


async def _page(
    request: Request,
    scope: Scope,
    *,
    status: int = 200,
    raised: dict[str, Any] | None = None,
    reported: dict[str, Any] | None = None,
) -> Response:
    view = await database(request).read(lambda session: queries_page.incidents_view(session, scope))
    reports = await database(request).read(lambda session: queries_reports.reports_panel(session, scope))
    return await page(
        request,
        scope,
        "incidents/incidents.html",
        current="incidents",
        status=status,
        view=view,
        reports=reports,
        raising=queries_page.raise_view(scope, **(raised or {})),
        taking=queries_reports.take_in_view(scope, **(reported or {})),
    )


@router.get("/_open")
async def open_fragment(request: Request, scope: Viewer) -> Response:
    return await _open(request, scope)


async def _open(request: Request, scope: Scope) -> Response:
    view = await database(request).read(lambda session: queries_page.incidents_view(session, scope))
    return fragment(request, scope, "incidents/_open.html", view=view)


@router.get("/_reports")
async def reports_fragment(request: Request, scope: Viewer) -> Response:
    return await _reports(request, scope)


async def _reports(request: Request, scope: Scope) -> Response:
    panel = await database(request).read(lambda session: queries_reports.reports_panel(session, scope))
    return fragment(request, scope, "incidents/_reports.html", reports=panel)


@router.get("/_raise")
async def raise_fragment(request: Request, scope: Viewer) -> Response:
    return fragment(request, scope, "incidents/_raise.html", raising=queries_page.raise_view(scope))


@router.get("/_take_in")
async def take_in_fragment(request: Request, scope: Reporter) -> Response:
    return fragment(request, scope, "incidents/_take_in.html", taking=queries_reports.take_in_view(scope))


@router.post("/raise")
async def raise_incident(request: Request, scope: Raiser) -> Response:
    form = await read_form(request, RaiseForm)
    if isinstance(form, dict):
        sent: dict[str, Any] = {**await _sent(request, title=300, severity=16), "errors": form}
        if is_htmx(request):
            view = queries_page.raise_view(scope, **sent)
            return fragment(request, scope, "incidents/_raise.html", status=422, raising=view)
        return await _page(request, scope, status=422, raised=sent)
    await database(request).run(lambda session: commands.raise_incident(session, scope, form))
    if is_htmx(request):
        return fragment(request, scope, "incidents/_raise.html", raising=queries_page.raise_view(scope))
    return done(request, f"/d/{scope.id}/incidents")


@router.post("/{incident_id}/checks/{number}")
async def record_finding(
    request: Request,
    scope: Annotated[Scope, Depends(may("incidents.answer"))],
    incident_id: int,
    number: int,
    form: Annotated[FindingForm, Form()],
) -> Response:
    await database(request).run(lambda s: commands.record_finding(s, scope, incident_id, number, form))
    return await _answer(request, scope)


@router.post("/{incident_id}/decide")
async def decide(
    request: Request,
    scope: Annotated[Scope, Depends(may("incidents.decide"))],
    incident_id: int,
    form: Annotated[DecideForm, Form()],
) -> Response:
    await database(request).run(lambda session: commands.decide(session, scope, incident_id, form))
    return await _answer(request, scope)


async def _answer(request: Request, scope: Scope) -> Response:
    if is_htmx(request):
        return await _open(request, scope)
    return done(request, f"/d/{scope.id}/incidents")


# ── customers' reports ────────────────────────────────────────────────────────────────────────────────────────────


@router.post("/reports")
async def take_in(request: Request, scope: Reporter) -> Response:
    form = await read_form(request, ReportForm)
    if isinstance(form, dict):
        sent: dict[str, Any] = {**await _sent(request, text=600, customers=16, link=600, severity=16), "errors": form}
        if "link" in form:
            form["link"] = "This is not a link with https://."
        if "customers" in form:
            form["customers"] = "Say how many, as a number from 1."
        if is_htmx(request):
            view = queries_reports.take_in_view(scope, **sent)
            return fragment(request, scope, "incidents/_take_in.html", status=422, taking=view)
        return await _page(request, scope, status=422, reported=sent)
    await database(request).run(lambda session: commands_reports.take_in(session, scope, form))
    if is_htmx(request):
        return fragment(request, scope, "incidents/_take_in.html", taking=queries_reports.take_in_view(scope))
    return done(request, f"/d/{scope.id}/incidents")


@router.post("/reports/{report_id}/answer")
async def settle(
    request: Request,
    scope: Annotated[Scope, Depends(may("incidents.settle"))],
    report_id: int,
    form: Annotated[SettleForm, Form()],
) -> Response:
    await database(request).run(lambda session: commands_reports.settle(session, scope, report_id, form))
    if is_htmx(request):
        return await _reports(request, scope)
    return done(request, f"/d/{scope.id}/incidents")


async def _sent(request: Request, **lengths: int) -> dict[str, str]:
    """What was typed, cut to what a field can hold, so that nothing has to be typed twice."""
    posted = await request.form()
    return {name: str(posted.get(name, ""))[:length] for name, length in lengths.items()}
