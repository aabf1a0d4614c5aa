"""The administrators' page of tokens."""

import hashlib
import re
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from app.accounts.policy import ACTIONS
from app.db.tables import ApiToken, Event

HTMX = {"hx-request": "true"}


async def newest(web: Any) -> ApiToken:
    async def query(session: Any) -> ApiToken:
        return (await session.execute(select(ApiToken).order_by(ApiToken.id.desc()).limit(1))).scalar_one()

    found: ApiToken = await web.database.read(query)
    return found


async def count(web: Any) -> int:
    async def query(session: Any) -> int:
        return len(list(await session.scalars(select(ApiToken.id))))

    return int(await web.database.read(query))


async def test_a_token_is_shown_once_and_stored_as_its_hash(web: Any) -> None:
    admin = await web.client_as("admin")
    form = {"name": "Shop monitoring", "scopes": ["read", "readings"], "deployment": "0", "days": "90"}
    answer = await admin.post("/tokens", data=form, headers=HTMX)
    assert answer.status_code == 200
    found = re.search(r"gng_[\w-]{43}", answer.text)
    assert found
    token = await newest(web)
    assert token.token_hash == hashlib.sha256(found[0].encode()).digest()
    assert token.scopes == ["read", "readings"]
    assert token.expires_at - token.created_at == timedelta(days=90)
    page = (await admin.get("/tokens")).text
    assert found[0] not in page
    assert "Shop monitoring" in page


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"scopes": []}, "Choose at least one thing"),
    ({"scopes": ["switch"]}, "Choose at least one thing"),
    ({"scopes": ["sign_off"]}, "Choose at least one thing"),
    ({"scopes": ["rollback"]}, "belongs to one deployment"),
    ({"days": "91"}, "This value cannot be read here."),
    ({"days": "0"}, "This value cannot be read here."),
    ({"name": ""}, "This field is empty."),
    ({"deployment": "4711"}, "There is no such deployment."),
]


async def test_what_no_token_can_be(web: Any) -> None:
    admin = await web.client_as("admin")
    for change, said in REFUSED:
        form = {"name": "CI", "scopes": ["read"], "deployment": "0", "days": "30"} | change
        answer = await admin.post("/tokens", data=form, headers=HTMX)
        assert answer.status_code == 422
        assert said in answer.text
    assert await count(web) == 0


async def test_a_rollback_token_is_for_one_deployment(web: Any) -> None:
    admin = await web.client_as("admin")
    form = {"name": "Alarm", "scopes": ["rollback"], "deployment": str(web.deployment.id), "days": "1"}
    assert (await admin.post("/tokens", data=form, headers=HTMX)).status_code == 200
    assert (await newest(web)).deployment_id == web.deployment.id


async def test_revoking_is_for_good_and_logged(web: Any) -> None:
    admin = await web.client_as("admin")
    await admin.post("/tokens", data={"name": "CI", "scopes": ["read"], "days": "30"}, headers=HTMX)
    token = await newest(web)
    answer = await admin.post(f"/tokens/{token.id}/revoke", headers=HTMX)
    assert f'id="token-{token.id}" data-state="revoked"' in answer.text
    first = (await newest(web)).revoked_at
    assert first is not None
    await admin.post(f"/tokens/{token.id}/revoke", headers=HTMX)
    assert (await newest(web)).revoked_at == first
    assert (await admin.post("/tokens/999999/revoke", headers=HTMX)).status_code == 404

    async def texts(session: Any) -> list[str]:
        return list(await session.scalars(select(Event.text).where(Event.chain == 0).order_by(Event.seq)))

    assert (await web.database.read(texts))[-2:] == [
        "Token CI was made: read; all deployments; 30 days",
        "Token CI was revoked",
    ]


def test_no_scope_opens_a_sign_off_or_a_switch() -> None:
    opened = {action.token: action.name for action in ACTIONS.values() if action.token}
    assert set(opened) == {"read", "readings", "rollback"}
    for action in ACTIONS.values():
        if action.name.startswith(("signoffs.vote", "signoffs.withdraw", "traffic.switch", "deployments.arm")):
            assert action.token == ""
