"""HTTP of the Range page. In live mode there is no such page."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from app.accounts.policy import may
from app.eventlog.log import versions_of
from app.ports.traffic import ProviderError
from app.providers.range_control import KnobRefused, RangeControl
from app.range import commands, queries
from app.range.forms import FORMS, Group, PresetForm, RehearsalForm, RestartForm
from app.range.queries_cards import PRESETS, Sent
from app.range.views import RangePage
from app.web.access import NotFound, Scope, database
from app.web.form import read_form
from app.web.rendering import fragment, go_to, is_htmx, page

router = APIRouter(prefix="/d/{deployment_id}/range")

Watcher = Annotated[Scope, Depends(may("range.view"))]
Turner = Annotated[Scope, Depends(may("range.turn"))]


def _control(request: Request) -> RangeControl:
    """The range's control API; one client a process. Raises NotFound in live mode."""
    site = request.app.state.site
    if not request.app.state.settings.is_range or site.range is None:
        raise NotFound("There is no such page.")
    known = getattr(request.app.state, "range_control", None)
    if known is None:
        known = RangeControl(site.range.control_url, site.range.token_file)
        request.app.state.range_control = known
    control: RangeControl = known
    return control


async def _found(request: Request) -> queries.RangeStatus | str:
    try:
        return await queries.status_of(_control(request))
    except ProviderError as error:
        return error.message


@router.get("")
async def show_range(request: Request, scope: Watcher) -> Response:
    found = await _found(request)
    view = await database(request).read(lambda session: queries.page_of(session, scope, found))
    return await page(request, scope, "range/range.html", current="range", view=view, **_parts(view))


def _parts(view: RangePage) -> dict[str, Any]:
    """The page's fragments under the names they read."""
    return {"head": view.headline, "knobs": view.knobs, "processes": view.status, "rehearsal": view.rehearsal}


@router.get("/_headline")
async def show_headline(request: Request, scope: Watcher) -> Response:
    found = await _found(request)
    versions = await database(request).read(lambda session: versions_of(session, scope.id))
    return fragment(request, scope, "range/_headline.html", head=queries.headline_view(scope, found, versions))


@router.get("/_knobs")
async def show_knobs(request: Request, scope: Watcher) -> Response:
    return await _knobs(request, scope)


@router.get("/_status")
async def show_status(request: Request, scope: Watcher) -> Response:
    found = await _found(request)
    versions = await database(request).read(lambda session: versions_of(session, scope.id))
    return fragment(request, scope, "range/_status.html", processes=queries.status_view(scope, found, versions))


async def _knobs(request: Request, scope: Scope, sent: Sent | None = None) -> Response:
    """The fresh knobs for whoever turned; without script the whole page."""
    found = await _found(request)
    versions = await database(request).read(lambda session: versions_of(session, scope.id))
    view = queries.knobs_view(scope, found, versions, sent=sent)
    code = 422 if sent else 200
    if is_htmx(request) or request.method == "GET":
        return fragment(request, scope, "range/_knobs.html", status=code, knobs=view)
    if not sent:
        return RedirectResponse(f"/d/{scope.id}/range", status_code=303)
    whole = await database(request).read(lambda session: queries.page_of(session, scope, found))
    return await page(
        request, scope, "range/range.html", current="range", status=422, view=whole, **(_parts(whole) | {"knobs": view})
    )


@router.post("/knobs/{group}")
async def set_knobs(request: Request, scope: Turner, group: Group) -> Response:
    control = _control(request)
    if group == "aws" and not queries.has_aws(scope):
        raise NotFound("This range has no simulated AWS.")
    typed = {name: str(value) for name, value in (await request.form()).items()}
    form = await read_form(request, FORMS[group])
    if isinstance(form, dict):
        return await _knobs(request, scope, (group, typed, form))
    try:
        await commands.turn(database(request), control, scope, form.part(group), form.key)
    except KnobRefused as refused:
        return await _knobs(request, scope, (group, typed, {refused.field.split(".")[-1]: str(refused)}))
    return await _knobs(request, scope)


@router.post("/preset")
async def set_preset(request: Request, scope: Turner) -> Response:
    control = _control(request)
    form = await read_form(request, PresetForm)
    if isinstance(form, dict):
        raise NotFound("There is no such preset.")
    if form.preset == "all_well":
        await commands.reset(database(request), control, scope, form.key)
    else:
        await commands.turn(database(request), control, scope, PRESETS[form.preset], form.key)
    return await _knobs(request, scope)


@router.post("/restart")
async def restart(request: Request, scope: Turner) -> Response:
    control = _control(request)
    form = await read_form(request, RestartForm)
    if isinstance(form, dict):
        raise NotFound("There is no such release.")
    await commands.restart(database(request), control, scope, form.side, form.key)
    if is_htmx(request):
        return await show_status(request, scope)
    return RedirectResponse(f"/d/{scope.id}/range", status_code=303)


@router.post("/rehearsals")
async def begin_rehearsal(request: Request, scope: Annotated[Scope, Depends(may("range.rehearse"))]) -> Response:
    _control(request)
    form = await read_form(request, RehearsalForm)
    if isinstance(form, dict):
        raise NotFound("There is no such plan.")
    rehearse: commands.Rehearse = request.app.state.rehearse
    targets = frozenset(request.app.state.site.targets)
    made = await database(request).run(
        lambda session: commands.begin_rehearsal(session, scope, rehearse, form.plan, targets)
    )
    return go_to(request, f"/d/{made.id}")
