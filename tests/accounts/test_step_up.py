"""Confirming in live mode, and choosing a password."""

from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, update

from app.db.tables import WebSession
from app.web.access import SECURE_SESSION_COOKIE

from .conftest import PASSWORD

NEW = "another five plain words"


async def csrf_of(web: Any) -> str:
    newest = select(WebSession.csrf).order_by(WebSession.created_at.desc()).limit(1)

    async def query(session: Any) -> str:
        return str((await session.execute(newest)).scalar_one())

    return str(await web.database.read(query))


async def signed_in(client: Any, web: Any, password: str = PASSWORD) -> Any:
    answer = await client.post("/sign-in", data={"login": "chief", "password": password})
    assert answer.status_code == 303, answer.text
    client.headers["x-csrf"] = await csrf_of(web)
    return client


async def age_step_up(web: Any) -> None:
    old = func.clock_timestamp() - timedelta(minutes=6)
    await web.database.run(lambda s: s.execute(update(WebSession).values(stepped_up_at=old)))


async def test_an_old_sign_in_may_look_but_not_change(live: Any, browser: Any, web: Any) -> None:
    async with browser(live) as client:
        await signed_in(client, web)
        await age_step_up(web)
        assert "Confirm that it is you" in (await client.get("/people")).text
        refused = await client.post("/people", data={"name": "Bo", "login": "bo"})
        assert refused.status_code == 403
        assert "/step-up?next=" in refused.text
        wrong = await client.post("/step-up", data={"password": "wrong", "next": "/people"})
        assert wrong.status_code == 422
        assert "The password is not right." in wrong.text
        assert (await client.post("/people", data={"name": "Bo", "login": "bo"})).status_code == 403
        right = await client.post("/step-up", data={"password": PASSWORD, "next": "https://evil.test/x"})
        assert right.headers["location"] == "/"
        assert (await client.post("/people", data={"name": "Bo", "login": "bo"})).status_code == 200


async def test_guessing_at_the_step_up_counts_like_guessing_at_the_door(live: Any, browser: Any, web: Any) -> None:
    async with browser(live) as client:
        await signed_in(client, web)
        for _ in range(5):
            await client.post("/step-up", data={"password": "wrong"})
        assert "Try again in" in (await client.post("/step-up", data={"password": PASSWORD})).text


async def test_a_new_password_ends_all_other_sessions(live: Any, browser: Any, web: Any) -> None:
    async with browser(live) as client, browser(live) as other:
        await signed_in(other, web)
        form = {"login": "chief", "password": PASSWORD, "chosen": NEW, "again": NEW}
        answer = await client.post("/password", data=form)
        assert answer.status_code == 303
        assert (await client.get("/tokens")).status_code == 200
        assert (await other.get("/tokens")).status_code == 303
    async with browser(live) as client:
        assert (await client.post("/sign-in", data={"login": "chief", "password": PASSWORD})).status_code == 422
        await signed_in(client, web, NEW)


REFUSED = [
    ({"chosen": NEW, "again": NEW + "x"}, "This is not the same as above."),
    ({"chosen": "short", "again": "short"}, "it needs 12"),
    ({"chosen": PASSWORD, "again": PASSWORD}, "This is the password you have now."),
    ({"password": "wrong", "chosen": NEW, "again": NEW}, "The name or the password is not right."),
    ({"chosen": "", "again": ""}, "This field is empty."),
]


async def test_what_cannot_be_a_new_password(live: Any, browser: Any) -> None:
    async with browser(live) as client:
        for form, said in REFUSED:
            answer = await client.post("/password", data={"login": "chief", "password": PASSWORD, **form})
            assert answer.status_code == 422
            assert said in answer.text
            assert SECURE_SESSION_COOKIE not in client.cookies
            assert PASSWORD not in answer.text
            assert NEW not in answer.text
