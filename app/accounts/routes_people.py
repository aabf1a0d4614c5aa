"""The administrators' page of people."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import commands_people as commands
from app.accounts import queries
from app.accounts.forms import NewPerson, PhoneForm
from app.accounts.policy import signed_in
from app.accounts.views import Issued
from app.domain.errors import Rejected
from app.eventlog.log import Actor
from app.web.access import Viewer, database, settings
from app.web.form import read_form
from app.web.rendering import fragment, is_htmx, plain_page

router = APIRouter(prefix="/people")
Manager = Annotated[Viewer, Depends(signed_in("accounts.people.manage"))]


async def _answer(
    request: Request, viewer: Viewer, *, status: int = 200, issued: Issued | None = None, **context: Any
) -> Response:
    view = await database(request).read(lambda session: queries.people(session, viewer))
    values = {"view": view, "is_fresh": viewer.is_stepped_up, "issued": issued}
    values |= {"is_range": settings(request).is_range, "mark": secrets.token_hex(3) if issued else ""}
    values |= {"errors": {}, "values": {}, **context}
    if is_htmx(request):
        return fragment(request, viewer, "accounts/_people.html", status=status, **values)
    return plain_page(request, "accounts/people.html", viewer=viewer, status=status, **values)


@router.get("")
async def people(request: Request, viewer: Annotated[Viewer, Depends(signed_in("accounts.people.view"))]) -> Response:
    return await _answer(request, viewer)


@router.post("")
async def create(request: Request, viewer: Manager) -> Response:
    _live_only(request)
    form = await read_form(request, NewPerson)
    sent = {name: str(value) for name, value in (await request.form()).items()}
    if isinstance(form, dict):
        return await _answer(request, viewer, status=422, errors=form, values=sent)
    try:
        password = await commands.create_person(
            database(request),
            _actor(viewer),
            login=form.login,
            name=form.name,
            is_admin=form.is_admin,
            phone=form.phone,
        )
    except Rejected as refusal:
        said = f"{refusal.reason} {refusal.remedy}".strip()
        return await _answer(request, viewer, status=422, errors={"login": said}, values=sent)
    return await _answer(request, viewer, issued=_first_password(form.name, password))


@router.post("/{person_id}/password")
async def reset_password(request: Request, person_id: int, viewer: Manager) -> Response:
    _live_only(request)
    password = await commands.reset_password(database(request), _actor(viewer), person_id)
    view = await database(request).read(lambda session: queries.people(session, viewer))
    name = next((row.name for row in view.people if row.person_id == person_id), "")
    return await _answer(request, viewer, issued=_first_password(name, password))


@router.post("/{person_id}/phone")
async def set_phone(request: Request, person_id: int, viewer: Manager) -> Response:
    form = await read_form(request, PhoneForm)
    if isinstance(form, dict):
        typed = str((await request.form()).get("phone", ""))[:60]
        errors = {f"phone-{person_id}": "Digits, spaces and + ( ) . / - only, at most 40."}
        return await _answer(request, viewer, status=422, errors=errors, values={f"phone-{person_id}": typed})
    return await _change(
        request, viewer, lambda session: commands.set_phone(session, _actor(viewer), person_id, form.phone)
    )


@router.post("/{person_id}/disable")
async def disable(request: Request, person_id: int, viewer: Manager) -> Response:
    return await _change(request, viewer, lambda session: commands.disable_person(session, _actor(viewer), person_id))


@router.post("/{person_id}/enable")
async def enable(request: Request, person_id: int, viewer: Manager) -> Response:
    return await _change(request, viewer, lambda session: commands.enable_person(session, _actor(viewer), person_id))


async def _change(request: Request, viewer: Viewer, write: Callable[[AsyncSession], Awaitable[None]]) -> Response:
    await database(request).run(write)
    return await _answer(request, viewer)


def _live_only(request: Request) -> None:
    if settings(request).is_range:
        raise Rejected(
            "In a rehearsal the people come with the plan's seats, and nobody has a password. Nothing was done.",
            code="range",
        )


def _actor(viewer: Viewer) -> Actor:
    return Actor(viewer.name, viewer.person_id)


def _first_password(name: str, password: str) -> Issued:
    return Issued(
        f"First password of {name}",
        password,
        "Shown this once. It opens the page on which the person chooses a password, and nothing else.",
    )
