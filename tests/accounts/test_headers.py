"""What every answer carries."""

from typing import Any

import pytest

from app.web.security import CSP, SecurityMiddleware


async def test_every_kind_of_answer_carries_the_policies(web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await web.client_as("admin")
    nobody = await web.client_as(None)
    answers = [
        await client.get("/tokens"),
        await client.post("/tokens", data={}),
        await nobody.get("/sign-in"),
        await nobody.get("/tokens"),
        await nobody.get("/nothing/here"),
        await nobody.get("/api/v1/deployments"),
    ]
    monkeypatch.setattr("app.accounts.queries.tokens", None)
    answers.append(await client.get("/tokens"))
    assert [answer.status_code for answer in answers] == [200, 422, 200, 303, 404, 401, 500]
    for answer in answers:
        assert answer.headers["content-security-policy"] == CSP
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
    assert "NoneType" not in answers[-1].text, "no trace of the fault leaves the house"
    assert (await nobody.get("/static/0/css/tokens.css")).headers["x-content-type-options"] == "nosniff"


def test_the_policy_lets_nothing_inline_run_and_nobody_frame_it() -> None:
    parts = dict(part.strip().split(" ", 1) for part in CSP.split(";"))
    assert "unsafe" not in CSP
    assert parts["default-src"] == "'self'"
    assert parts["script-src"] == "'self'"
    assert parts["style-src"] == "'self'"
    assert parts["frame-ancestors"] == "'none'"
    assert parts["base-uri"] == "'none'"
    assert parts["form-action"] == "'self'"


async def test_with_tls_browsers_are_told_to_stay_with_it() -> None:
    for tls in (True, False):
        sent: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})

        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        async def send(message: Any, into: list[Any] = sent) -> None:
            into.append(message)

        await SecurityMiddleware(app, tls=tls)({"type": "http", "path": "/", "headers": []}, receive, send)
        told = dict(sent[0]["headers"]).get(b"strict-transport-security", b"")
        assert told.startswith(b"max-age=31536000") == tls
