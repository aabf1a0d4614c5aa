"""The administrators' page of tokens for machines."""

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from app.accounts import commands_tokens as commands
from app.accounts import queries
from app.accounts.forms import NewToken
from app.accounts.policy import signed_in
from app.accounts.views import Issued
from app.domain.errors import Rejected
from app.eventlog.log import Actor
from app.web.access import Viewer, database
from app.web.form import read_form
from app.web.rendering import fragment, is_htmx, plain_page

router = APIRouter(prefix="/tokens")
Manager = Annotated[Viewer, Depends(signed_in("accounts.tokens.manage"))]


async def _answer(
    request: Request, viewer: Viewer, *, status: int = 200, issued: Issued | None = None, **context: Any
) -> Response:
    view = await database(request).read(lambda session: queries.tokens(session, viewer))
    values = {
        "view": view,
        "is_fresh": viewer.is_stepped_up,
        "issued": issued,
        "mark": secrets.token_hex(3) if issued else "",
        "errors": {},
        "values": {},
        "scopes": [],
        **context,
    }
    if is_htmx(request):
        return fragment(request, viewer, "accounts/_tokens.html", status=status, **values)
    return plain_page(request, "accounts/tokens.html", viewer=viewer, status=status, **values)


@router.get("")
async def tokens(request: Request, viewer: Annotated[Viewer, Depends(signed_in("accounts.tokens.view"))]) -> Response:
    return await _answer(request, viewer)


@router.post("")
async def create(request: Request, viewer: Manager) -> Response:
    form = await read_form(request, NewToken)
    sent = await request.form()
    typed: dict[str, Any] = {
        "values": {name: str(value) for name, value in sent.items()},
        "scopes": sent.getlist("scopes"),
    }
    if isinstance(form, dict):
        if "scopes" in form:
            form["scopes"] = "Choose at least one thing that the token may do."
        return await _answer(request, viewer, status=422, errors=form, **typed)
    try:
        raw = await database(request).run(
            lambda session: commands.create_token(
                session,
                Actor(viewer.name, viewer.person_id),
                name=form.name,
                scopes=form.scopes,
                deployment_id=form.deployment or None,
                days=form.days,
            )
        )
    except Rejected as refusal:
        errors = {refusal.code: f"{refusal.reason} {refusal.remedy}".strip()}
        return await _answer(request, viewer, status=422, errors=errors, **typed)
    text = "Shown this once. Keep it where machines keep secrets; it is sent as “Authorization: Bearer …”."
    return await _answer(request, viewer, issued=Issued(f"Token {form.name}", raw, text))


@router.post("/{token_id}/revoke")
async def revoke(request: Request, token_id: int, viewer: Manager) -> Response:
    actor = Actor(viewer.name, viewer.person_id)
    await database(request).run(lambda session: commands.revoke_token(session, actor, token_id))
    return await _answer(request, viewer)
