"""HTTP in and out for the switch, the rollback, and what helps when the console is gone."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.policy import may
from app.db.tables import Operation
from app.deployments.commands import lock
from app.domain.errors import Rejected
from app.metrics.queries import panel as metrics_panel
from app.traffic import queries_page
from app.traffic.commands import check_grant, request_rollback, request_switch
from app.traffic.commands_break_glass import acknowledge
from app.traffic.forms import RollbackForm, SwitchForm
from app.traffic.queries_card import card_view
from app.web.access import Scope, database
from app.web.figures import day, hms
from app.web.rendering import done, fragment, go_to, is_htmx, mission_of, notice, page, plain_page

router = APIRouter(prefix="/d/{deployment_id}")

View = Annotated[Scope, Depends(may("traffic.view"))]


@router.get("/switch")
async def show_switch(request: Request, scope: View) -> Response:
    return await _page(request, scope)


async def _page(request: Request, scope: Scope, *, error: str = "", status: int = 200) -> Response:
    async def query(session: AsyncSession) -> dict[str, Any]:
        ground = await queries_page.ground_of(session, scope)
        return {
            "live": queries_page.live_view(ground),
            "control": queries_page.control_view(ground, error=error),
            "metrics": await metrics_panel(session, scope.deployment, scope.plan, ground.now),
        }

    context = await database(request).read(query)
    return await page(request, scope, "traffic/switch.html", current="switch", status=status, **context)


@router.get("/switch/_live")
async def show_live(request: Request, scope: View) -> Response:
    ground = await database(request).read(lambda session: queries_page.ground_of(session, scope))
    return fragment(request, scope, "traffic/_live.html", live=queries_page.live_view(ground))


@router.get("/switch/_control")
async def show_control(request: Request, scope: View) -> Response:
    return await _control(request, scope)


async def _control(request: Request, scope: Scope, *, error: str = "", status: int = 200) -> Response:
    ground = await database(request).read(lambda session: queries_page.ground_of(session, scope))
    view = queries_page.control_view(ground, error=error)
    return fragment(request, scope, "traffic/_control.html", status=status, control=view)


@router.post("/switch")
async def switch(
    request: Request, scope: Annotated[Scope, Depends(may("traffic.switch"))], form: Annotated[SwitchForm, Form()]
) -> Response:
    key = f"sw:{scope.viewer.person_id}:{form.key}" if form.key else ""
    try:
        await database(request).run(
            lambda session: request_switch(session, scope, key=key, is_confirmed=form.is_confirmed)
        )
    except Rejected as refusal:
        if refusal.code != "confirm":
            raise
        return await _not_confirmed(request, scope, f"{refusal.reason} {refusal.remedy}")
    if is_htmx(request):
        return await _control(request, scope)
    return done(request, f"/d/{scope.id}/switch")


async def _not_confirmed(request: Request, scope: Scope, error: str) -> Response:
    if is_htmx(request):
        return await _control(request, scope, error=error, status=422)
    return await _page(request, scope, error=error, status=422)


@router.post("/rollback")
async def roll_back(
    request: Request, scope: Annotated[Scope, Depends(may("traffic.rollback"))], form: Annotated[RollbackForm, Form()]
) -> Response:
    """Whoever holds a grant, from whatever page, however old: the grant is asked for in the same transaction."""

    async def write(session: AsyncSession) -> Operation:
        deployment = await lock(session, scope.id)
        await check_grant(session, deployment, scope.viewer.person_id)
        return await request_rollback(
            session,
            deployment.id,
            actor=scope.actor,
            key=f"rb:{scope.viewer.person_id}:{form.key}" if form.key else "",
            clicked_at=scope.now,
            although_blue_unhealthy=form.names_unhealthy_blue,
            cause=form.cause,
        )

    try:
        operation = await database(request).run(write)
    except Rejected as refusal:
        if refusal.code != "blue_unhealthy" or not is_htmx(request):
            raise
        # The guard on that page may be older than the finding: it comes back with the button that names it.
        return fragment(request, scope, "_guard.html", status=422, mission=await mission_of(request, scope))
    if scope.viewer.is_idle:
        return _accepted(request, scope, operation)
    return go_to(request, f"/d/{scope.id}/switch")


def _accepted(request: Request, scope: Scope, operation: Operation) -> Response:
    """For whom the next page would only be the sign-in: say first that the press counted."""
    context: dict[str, Any] = {
        "operation": operation,
        "zone": scope.plan.timezone,
        "blue_version": scope.deployment.blue_version,
        "next_url": f"/sign-in?next=/d/{scope.id}/switch",
    }
    if is_htmx(request):
        panel = notice(request, "traffic/_accepted.html", status=200, **context)
        panel.headers["HX-Retarget"] = "#notice"
        panel.headers["HX-Reswap"] = "innerHTML"
        return panel
    return plain_page(request, "traffic/accepted.html", **context)


# ── when the console is gone ────────────────────────────────────────────────────────────────────────────────────────


@router.get("/card")
async def show_card(request: Request, scope: View) -> Response:
    """A page of its own without bars: it is made to be printed before it is needed."""
    card = await database(request).read(lambda session: card_view(session, scope))
    return fragment(request, scope, "traffic/card.html", card=card)


@router.get("/card/print.css")
async def print_style(scope: View) -> Response:
    """Head and foot of each printed page: a style sheet, because only those reach the margins of paper."""
    deployment, zone = scope.deployment, scope.plan.timezone
    head = f"{deployment.title} {deployment.blue_version} → {deployment.green_version} · {deployment.mode}"
    foot = (
        f"plan {scope.plan.key}@{scope.plan_hash[:12]} · printed {day(scope.now, zone)}, {hms(scope.now, zone)} {zone}"
    )
    rules = f'@top-left {{ content: "{_css(head)}"; font-size: 8pt; }} '
    rules += f'@bottom-left {{ content: "{_css(foot)}"; font-size: 8pt; }}'
    return Response(f"@page {{ {rules} }}\n", media_type="text/css")


def _css(text: str) -> str:
    """Safe inside a string of a style sheet."""
    return "".join(letter if letter.isascii() and letter.isalnum() else f"\\{ord(letter):06x}" for letter in text)


@router.post("/break-glass/acknowledge")
async def acknowledge_use(request: Request, scope: Annotated[Scope, Depends(may("traffic.acknowledge"))]) -> Response:
    await database(request).run(lambda session: acknowledge(session, scope))
    return done(request, f"/d/{scope.id}/switch")
