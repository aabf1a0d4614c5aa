"""Render a page or a fragment. The frame (mission bar, tabs, person) is the same for all pages of a deployment."""

from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment
from sqlalchemy.ext.asyncio import AsyncSession

from app.eventlog.log import versions_of
from app.web.access import Scope, Viewer, database
from app.web.mission import MissionView
from app.web.page import PageView, PersonView, TabView, Theme
from app.web.sharing import Shelf

MissionBuilder = Callable[[Scope], Awaitable[MissionView]]

_TABS = (
    ("home", "Home", "", "home", True),
    ("phases", "Phases", "/phases", "clock", False),
    ("board", "Go/no-go", "/board", "board", True),
    ("switch", "Switch", "/switch", "switch", False),
    ("decisions", "Decisions", "/decisions", "clock", False),
    ("wall", "Wall", "/wall", "wall", True),
    ("triggers", "Triggers", "/triggers", "warn", False),
    ("incidents", "Incidents", "/incidents", "crit", False),
    ("freeze", "Freeze", "/freeze", "hold", False),
    ("timeline", "Timeline", "/timeline", "list", True),
    ("checklists", "Checklists", "/checklists", "list", False),
    ("roster", "Roster", "/roster", "person", False),
    ("brief", "Briefing", "/brief", "note", False),
    ("plan", "Plan", "/plan", "plan", False),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """What the app's wiring gives to rendering: kept on `app.state.frame`."""

    templates: Environment
    mission: MissionBuilder
    has_range: bool


def _frame(request: Request) -> Frame:
    frame: Frame = request.app.state.frame
    return frame


async def mission_of(request: Request, scope: Scope) -> MissionView:
    """The mission bar's view, for a route that renders a fragment of the frame."""
    return await _frame(request).mission(scope)


def is_htmx(request: Request) -> bool:
    return request.headers.get("hx-request") == "true"


def _theme(request: Request) -> Theme:
    match request.cookies.get("gonogo_theme"):
        case "light":
            return "light"
        case "dark":
            return "dark"
        case _:
            return "system"


def tabs_of(deployment_id: int, *, has_range: bool) -> tuple[TabView, ...]:
    base = f"/d/{deployment_id}"
    tabs = [TabView(key, title, base + path, icon, in_dock) for key, title, path, icon, in_dock in _TABS]
    if has_range:
        tabs.append(TabView("range", "Range", f"{base}/range", "flask"))
    return tuple(tabs)


async def page(
    request: Request, scope: Scope, template: str, *, current: str = "", status: int = 200, **context: Any
) -> Response:
    """A whole page of a deployment. `current` is the key of a tab; the context gets `page`, `mission`, `csrf_token`."""
    frame = _frame(request)
    mission = await frame.mission(scope)
    view = PageView(
        person=PersonView(scope.viewer.name, scope.seat_title if scope.seat_title != scope.viewer.name else ""),
        tabs=tabs_of(scope.id, has_range=frame.has_range),
        current=current,
        theme=_theme(request),
        sign_out_url="/sign-out",
    )
    return _render(
        frame,
        template,
        {
            "page": view,
            "mission": mission,
            "is_asked": mission.asks(scope.viewer),
            "csrf_token": scope.viewer.csrf,
            **context,
        },
        status,
    )


def plain_page(
    request: Request, template: str, *, viewer: Viewer | None = None, status: int = 200, **context: Any
) -> Response:
    """A page outside any deployment: sign-in, the list, an error for somebody who is not signed in."""
    view = PageView(
        person=PersonView(viewer.name) if viewer else None,
        theme=_theme(request),
        sign_out_url="/sign-out" if viewer else "",
    )
    token = viewer.csrf if viewer else ""
    return _render(_frame(request), template, {"page": view, "mission": None, "csrf_token": token, **context}, status)


def fragment(
    request: Request, scope: Scope | Viewer, template: str, *, status: int = 200, **context: Any
) -> HTMLResponse:
    """One fragment: the same template that the page includes."""
    viewer = scope.viewer if isinstance(scope, Scope) else scope
    return _render(_frame(request), template, {"csrf_token": viewer.csrf, **context}, status)


async def shared_fragment(
    request: Request,
    scope: Scope,
    template: str,
    name: str,
    query: Callable[[AsyncSession], Awaitable[Any]],
    *audience: Hashable,
) -> HTMLResponse:
    """A fragment that is the same for all who look, rendered once for those who ask at the same time. `query` gives
    what the template knows as `name`; `audience` is whatever it depends on besides the deployment. Not for templates
    with a form: those carry their own person's token."""
    read = database(request).read

    async def make() -> HTMLResponse:
        return _render(_frame(request), template, {name: await read(query)}, 200)

    shelf: Shelf = request.app.state.shelf
    versions = await read(lambda session: versions_of(session, scope.id))
    made: HTMLResponse = await shelf.take((scope.id, template, *audience), versions, make)
    # Headers are added on the way out, so each answer is its own.
    return HTMLResponse(made.body, made.status_code)


def notice(request: Request, template: str, *, status: int, **context: Any) -> HTMLResponse:
    """A fragment for the page's #notice that needs no person: an error panel."""
    return _render(_frame(request), template, {"csrf_token": "", **context}, status)


def done(request: Request, url: str) -> Response:
    """The answer to a form that changed something: 204 where the stream brings the change, else back to the page."""
    if is_htmx(request):
        return Response(status_code=204)
    return RedirectResponse(url, status_code=303)


def go_to(request: Request, url: str) -> Response:
    """Another page follows, with or without script."""
    if is_htmx(request):
        return Response(status_code=204, headers={"HX-Redirect": url})
    return RedirectResponse(url, status_code=303)


def _render(frame: Frame, template: str, context: Mapping[str, Any], status: int) -> HTMLResponse:
    return HTMLResponse(frame.templates.get_template(template).render(context), status_code=status)
