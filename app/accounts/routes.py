"""Signing in and out, step-up, one's own password."""

from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from app.accounts import commands, queries, routes_people, routes_tokens
from app.accounts.forms import ChoosePerson, NewPassword, SignIn, StepUp
from app.accounts.policy import anybody, signed_in
from app.domain.errors import Rejected
from app.web.access import ABSOLUTE, NotFound, Viewer, database, session_cookie, settings
from app.web.form import read_form
from app.web.rendering import go_to, plain_page

router = APIRouter()
router.include_router(routes_people.router)
router.include_router(routes_tokens.router)


def local_path(request: Request, wanted: str) -> str:
    """Where to go next: a path of this installation, whatever was asked for. Absolute addresses of this very host
    are reduced to their path; anything a browser could read as another host becomes "/"."""
    if any(ord(character) <= 32 or character == "\\" for character in wanted):
        return "/"
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return "/"
    is_ours = parts.netloc in ("", request.url.netloc) and (not parts.scheme or bool(parts.netloc))
    if not is_ours or not parts.path.startswith("/") or parts.path.startswith("//"):
        return "/"
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _with_session(request: Request, response: Response, opened: commands.Opened) -> Response:
    configuration = settings(request)
    response.set_cookie(
        session_cookie(configuration),
        opened.cookie,
        max_age=int(ABSOLUTE.total_seconds()),
        path="/",
        secure=configuration.secure_cookies,
        httponly=True,
        samesite="lax",
    )
    return response


def _present_cookie(request: Request) -> str:
    return request.cookies.get(session_cookie(settings(request)), "")


@router.get("/sign-in", dependencies=[Depends(anybody("accounts.sign_in"))])
async def sign_in_page(request: Request, next: str = "/") -> Response:  # noqa: A002 - the name in the address
    return await _sign_in_page(request, local_path(request, next))


async def _sign_in_page(
    request: Request, after: str, *, status: int = 200, login: str = "", errors: dict[str, str] | None = None
) -> Response:
    if settings(request).is_range:
        groups = await database(request).read(queries.seat_groups)
        return plain_page(request, "accounts/choose.html", status=status, groups=groups, after=after)
    context: dict[str, Any] = {"after": after, "login": login, "errors": errors or {}}
    return plain_page(request, "accounts/sign_in.html", status=status, **context)


@router.post("/sign-in", dependencies=[Depends(anybody("accounts.sign_in"))])
async def sign_in(request: Request) -> Response:
    form = await read_form(request, SignIn)
    if isinstance(form, dict):
        return await _sign_in_page(request, "/", status=422, errors=form)
    after = local_path(request, form.next)
    try:
        opened = await commands.sign_in(
            database(request),
            settings(request),
            login=form.login,
            password=form.password,
            address=_address(request),
            replaced=_present_cookie(request),
        )
    except Rejected as refusal:
        if refusal.code == "once":
            return go_to(request, f"/password?{urlencode({'login': form.login})}")
        said = f"{refusal.reason} {refusal.remedy}".strip()
        return await _sign_in_page(request, after, status=422, login=form.login, errors={"password": said})
    return _with_session(request, go_to(request, after), opened)


@router.post("/sign-in/person", dependencies=[Depends(anybody("accounts.sign_in"))])
async def choose_person(request: Request) -> Response:
    if not settings(request).is_range:
        raise NotFound("There is no such page.")
    form = await read_form(request, ChoosePerson)
    if isinstance(form, dict):
        raise NotFound("There is no such person in this rehearsal.")
    address, replaced = _address(request), _present_cookie(request)
    opened = await database(request).run(
        lambda session: commands.choose_person(session, settings(request), form.person, address, replaced)
    )
    return _with_session(request, go_to(request, local_path(request, form.next)), opened)


@router.get("/password", dependencies=[Depends(anybody("accounts.password"))])
async def password_page(request: Request, login: str = "") -> Response:
    _live_only(request)
    return plain_page(request, "accounts/password.html", login=login[:120], errors={})


@router.post("/password", dependencies=[Depends(anybody("accounts.password"))])
async def change_password(request: Request) -> Response:
    _live_only(request)
    form = await read_form(request, NewPassword)
    if isinstance(form, dict):
        return plain_page(request, "accounts/password.html", status=422, login="", errors=form)
    errors: dict[str, str] = {}
    if form.chosen != form.again:
        errors["again"] = "This is not the same as above."
    else:
        try:
            opened = await commands.change_password(
                database(request),
                settings(request),
                login=form.login,
                password=form.password,
                chosen=form.chosen,
                address=_address(request),
                replaced=_present_cookie(request),
            )
            return _with_session(request, RedirectResponse("/", status_code=303), opened)
        except Rejected as refusal:
            field = "chosen" if refusal.code == "password" else "password"
            errors[field] = f"{refusal.reason} {refusal.remedy}".strip()
    return plain_page(request, "accounts/password.html", status=422, login=form.login, errors=errors)


def _live_only(request: Request) -> None:
    # The range's people have no passwords.
    if settings(request).is_range:
        raise NotFound("There is no such page in a rehearsal: nobody has a password here.")


@router.get("/step-up")
async def step_up_page(
    request: Request,
    viewer: Annotated[Viewer, Depends(signed_in("accounts.step_up"))],
    next: str = "/",  # noqa: A002 - the name in the address
) -> Response:
    return _step_up_page(request, viewer, local_path(request, next))


def _step_up_page(
    request: Request, viewer: Viewer, after: str, *, status: int = 200, errors: dict[str, str] | None = None
) -> Response:
    context: dict[str, Any] = {
        "after": after,
        "person": viewer,
        "errors": errors or {},
        "is_range": settings(request).is_range,
    }
    return plain_page(request, "accounts/step_up.html", viewer=viewer, status=status, **context)


@router.post("/step-up")
async def step_up(request: Request, viewer: Annotated[Viewer, Depends(signed_in("accounts.step_up"))]) -> Response:
    form = await read_form(request, StepUp)
    if isinstance(form, dict):
        return _step_up_page(request, viewer, "/", status=422, errors=form)
    after = local_path(request, form.next)
    try:
        await commands.step_up(database(request), settings(request), viewer, form.password, _address(request))
    except Rejected as refusal:
        said = "The password is not right." if refusal.code == "credentials" else f"{refusal.reason} {refusal.remedy}"
        return _step_up_page(request, viewer, after, status=422, errors={"password": said})
    return go_to(request, after)


@router.post("/sign-out")
async def sign_out(request: Request, viewer: Annotated[Viewer, Depends(signed_in("accounts.sign_out"))]) -> Response:
    await database(request).run(lambda session: commands.sign_out(session, viewer))
    response = go_to(request, "/sign-in")
    configuration = settings(request)
    response.delete_cookie(
        session_cookie(configuration), path="/", secure=configuration.secure_cookies, httponly=True, samesite="lax"
    )
    return response
