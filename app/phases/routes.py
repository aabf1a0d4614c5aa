"""The whole day, one phase, and the presses on them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from app.accounts.policy import may
from app.domain.errors import Rejected
from app.domain.phases import Change
from app.phases import commands, commands_clock, commands_skip, queries_clock, queries_day, queries_phase
from app.phases.forms import AgreeForm, JumpForm, MoveForm, PhaseForm, SpeedForm
from app.phases.queries import phase_of
from app.phases.views import Trouble
from app.scripts.routes import bound_of
from app.web.access import Scope, database
from app.web.rendering import done, fragment, is_htmx, page

router = APIRouter(prefix="/d/{deployment_id}/phases")

View = Annotated[Scope, Depends(may("phases.view"))]
Skip = Annotated[Scope, Depends(may("phases.skip"))]
Clock = Annotated[Scope, Depends(may("phases.clock"))]
Sent = Annotated[PhaseForm, Form()]

_AT_THE_FIELD = ("reason", "planned_at")
"""Refusals whose sentence stands at the field; the others are panels of their own."""


@router.get("")
async def day(request: Request, scope: View) -> Response:
    read = database(request).read
    view = await read(lambda s: queries_day.day_view(s, scope))
    clock = await read(lambda s: queries_clock.clock_view(s, scope))
    return await page(request, scope, "phases/phases.html", current="phases", day=view, clock=clock)


@router.get("/_day")
async def day_fragment(request: Request, scope: View) -> Response:
    view = await database(request).read(lambda s: queries_day.day_view(s, scope))
    return fragment(request, scope, "phases/_day.html", day=view)


@router.get("/_clock")
async def clock_fragment(request: Request, scope: View) -> Response:
    view = await database(request).read(lambda s: queries_clock.clock_view(s, scope))
    return fragment(request, scope, "phases/_clock.html", clock=view)


@router.post("/clock/speed")
async def speed(request: Request, scope: Clock, form: Annotated[SpeedForm, Form()]) -> Response:
    await database(request).run(lambda s: commands_clock.set_speed(s, scope, form.speed))
    return done(request, f"/d/{scope.id}/phases")


@router.post("/clock/jump")
async def jump(request: Request, scope: Clock, form: Annotated[JumpForm, Form()]) -> Response:
    await database(request).run(lambda s: commands_clock.jump(s, scope, form.to))
    return done(request, f"/d/{scope.id}/phases")


@router.get("/{phase}")
async def phase(request: Request, scope: View, phase: str) -> Response:
    return await _page(request, scope, phase)


@router.get("/{phase}/_phase")
async def phase_fragment(request: Request, scope: View, phase: str) -> Response:
    return await _fragment(request, scope, phase)


@router.get("/{phase}/_marks")
async def marks(request: Request, scope: View, phase: str) -> Response:
    found = phase_of(scope.plan, phase)
    view = await database(request).read(lambda s: queries_phase.marks_view(s, scope, found))
    return fragment(request, scope, "phases/_marks.html", marks=view)


@router.post("/{phase}/start")
async def start(
    request: Request, scope: Annotated[Scope, Depends(may("phases.start"))], phase: str, form: Sent
) -> Response:
    return await _change(request, scope, phase, Change.START, form)


@router.post("/{phase}/complete")
async def complete(
    request: Request, scope: Annotated[Scope, Depends(may("phases.complete"))], phase: str, form: Sent
) -> Response:
    return await _change(request, scope, phase, Change.COMPLETE, form)


@router.post("/{phase}/hold")
async def hold(
    request: Request, scope: Annotated[Scope, Depends(may("phases.hold"))], phase: str, form: Sent
) -> Response:
    return await _change(request, scope, phase, Change.HOLD, form)


@router.post("/{phase}/resume")
async def resume(
    request: Request, scope: Annotated[Scope, Depends(may("phases.resume"))], phase: str, form: Sent
) -> Response:
    return await _change(request, scope, phase, Change.RESUME, form)


@router.post("/{phase}/reschedule")
async def reschedule(
    request: Request,
    scope: Annotated[Scope, Depends(may("phases.reschedule"))],
    phase: str,
    form: Annotated[MoveForm, Form()],
) -> Response:
    return await _change(request, scope, phase, Change.RESCHEDULE, form)


@router.post("/{phase}/abort")
async def abort(
    request: Request, scope: Annotated[Scope, Depends(may("phases.abort"))], phase: str, form: Sent
) -> Response:
    return await _change(request, scope, phase, Change.ABORT, form)


@router.post("/{phase}/skip")
async def skip(request: Request, scope: Skip, phase: str, form: Sent) -> Response:
    trouble = None
    try:
        await database(request).run(lambda s: commands_skip.ask(s, scope, phase, form))
    except Rejected as error:
        trouble = _trouble("skip", form, error)
    return await _answer(request, scope, phase, trouble)


@router.post("/{phase}/skip/agree")
async def agree(request: Request, scope: Skip, phase: str, form: Annotated[AgreeForm, Form()]) -> Response:
    await database(request).run(lambda s: commands_skip.agree(s, scope, phase, form))
    return done(request, f"/d/{scope.id}/phases/{phase}")


@router.post("/{phase}/skip/withdraw")
async def withdraw(request: Request, scope: Skip, phase: str) -> Response:
    await database(request).run(lambda s: commands_skip.withdraw(s, scope, phase))
    return done(request, f"/d/{scope.id}/phases/{phase}")


async def _change(request: Request, scope: Scope, key: str, change: Change, form: PhaseForm) -> Response:
    trouble = None
    try:
        await database(request).run(lambda s: commands.change_phase(s, scope, key, change, form))
    except Rejected as error:
        control = next(name for name, what in queries_phase.CHANGES.items() if what is change)
        trouble = _trouble(control, form, error)
    return await _answer(request, scope, key, trouble)


def _trouble(control: str, form: PhaseForm, error: Rejected) -> Trouble:
    """The sentence for the field. Raises the refusal again where it belongs to none."""
    if error.code not in _AT_THE_FIELD:
        raise error
    at = form.planned_at.strftime("%Y-%m-%dT%H:%M") if isinstance(form, MoveForm) and form.planned_at else ""
    return Trouble(control, error.code, f"{error.reason} {error.remedy}".strip(), form.reason, at)


async def _answer(request: Request, scope: Scope, key: str, trouble: Trouble | None) -> Response:
    """The fresh panel for whoever pressed; everybody else's comes with the stream."""
    status = 422 if trouble else 200
    if is_htmx(request):
        return await _fragment(request, scope, key, trouble, status)
    if trouble:
        return await _page(request, scope, key, trouble, status)
    return RedirectResponse(f"/d/{scope.id}/phases/{key}", status_code=303)


async def _page(
    request: Request, scope: Scope, key: str, trouble: Trouble | None = None, status: int = 200
) -> Response:
    found = phase_of(scope.plan, key)
    view = await database(request).read(lambda s: queries_phase.phase_page(s, scope, found, bound_of(request)))
    return await page(
        request, scope, "phases/phase.html", current="phases", status=status, trouble=trouble, **view.parts
    )


async def _fragment(
    request: Request, scope: Scope, key: str, trouble: Trouble | None = None, status: int = 200
) -> Response:
    found = phase_of(scope.plan, key)
    view = await database(request).read(lambda s: queries_phase.phase_view(s, scope, found))
    return fragment(request, scope, "phases/_phase.html", status=status, phase=view, trouble=trouble)
