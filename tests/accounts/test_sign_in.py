"""Signing in with name and password, and the sessions it opens."""

import re
from datetime import timedelta
from typing import Any

import pytest
from fastapi import Request
from sqlalchemy import func, select, update

from app.accounts import commands
from app.accounts.routes import local_path
from app.db.tables import Event, LoginAttempt, Person, WebSession
from app.web.access import ABSOLUTE, IDLE, SECURE_SESSION_COOKIE, SESSION_COOKIE, session_key

from .conftest import PASSWORD


async def sign_in(client: Any, login: str = "chief", password: str = PASSWORD, **more: str) -> Any:
    return await client.post("/sign-in", data={"login": login, "password": password, **more})


async def test_a_right_password_opens_a_session_with_a_host_cookie(live: Any, browser: Any) -> None:
    async with browser(live) as client:
        answer = await sign_in(client, login="  CHIEF ")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/"
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"{SECURE_SESSION_COOKIE}=")
        for part in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
            assert part in cookie
        assert "Domain" not in cookie
        assert (await client.get("/tokens")).status_code == 200


async def test_only_the_hash_of_the_cookie_is_stored(live: Any, browser: Any, web: Any) -> None:
    async with browser(live) as client:
        await sign_in(client)
        raw = client.cookies[SECURE_SESSION_COOKIE]
        assert len(raw) >= 43  # 256 random bits
        stored = await web.database.read(_hashes)
        assert session_key(live.state.settings, raw) in stored
        assert raw.encode() not in b"".join(stored)


async def _hashes(session: Any) -> list[bytes]:
    return list(await session.scalars(select(WebSession.id_hash)))


async def test_signing_in_again_ends_the_session_before(live: Any, browser: Any) -> None:
    async with browser(live) as client, browser(live) as thief:
        await sign_in(client)
        stolen = client.cookies[SECURE_SESSION_COOKIE]
        await sign_in(client)
        assert client.cookies[SECURE_SESSION_COOKIE] != stolen
        thief.cookies.set(SECURE_SESSION_COOKIE, stolen)
        assert (await thief.get("/tokens")).status_code == 303


async def test_a_wrong_name_and_a_wrong_password_read_the_same(live: Any, browser: Any) -> None:
    async with browser(live) as client:
        for login, password in (("chief", "wrong"), ("nobody", PASSWORD), ("chief", " ")):
            answer = await sign_in(client, login, password)
            assert answer.status_code == 422
            assert "The name or the password is not right." in answer.text
            assert "set-cookie" not in answer.headers


async def test_an_unknown_name_takes_as_much_work_as_a_known_one(
    live: Any, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []
    real = commands.passwords._hasher.verify

    class Counting:
        def __init__(self, hasher: Any) -> None:
            self._hasher = hasher

        def __getattr__(self, name: str) -> Any:
            return getattr(self._hasher, name)

        def verify(self, stored: str, password: str) -> bool:
            verified.append(stored.split("$")[3])
            return bool(real(stored, password))

    monkeypatch.setattr(commands.passwords, "_hasher", Counting(commands.passwords._hasher))
    async with browser(live) as client:
        await sign_in(client, password="wrong one")
        await sign_in(client, login="nobody")
    assert len(verified) == 2
    assert verified[0] == verified[1]  # the same cost parameters


async def test_after_five_failures_one_has_to_wait_even_with_the_right_password(live: Any, browser: Any) -> None:
    async with browser(live) as client:
        for _ in range(5):
            assert "is not right" in (await sign_in(client, password="wrong")).text
        refused = await sign_in(client)
        assert refused.status_code == 422
        assert re.search(r"There were 5 attempts that failed.*Try again in 1[0-5] s\.", refused.text, re.S)
        assert SECURE_SESSION_COOKIE not in client.cookies
    async with browser(live, address="10.0.0.2") as elsewhere:
        assert (await sign_in(elsewhere)).status_code == 303, "the wait is for the name from one address"


async def test_a_hundred_guesses_at_once_are_counted_one_by_one(live: Any, browser: Any, web: Any) -> None:
    import asyncio

    async with browser(live) as client:
        answers = await asyncio.gather(*(sign_in(client, password=f"guess {n}") for n in range(20)))
    checked = [answer for answer in answers if "is not right" in answer.text]
    assert len(checked) == 5


async def test_the_wait_ends_and_a_success_forgets_the_failures(live: Any, browser: Any, web: Any) -> None:
    async with browser(live) as client:
        for _ in range(5):
            await sign_in(client, password="wrong")
        await web.database.run(lambda s: s.execute(update(LoginAttempt).values(at=func.now() - timedelta(seconds=16))))
        assert (await sign_in(client)).status_code == 303
        left = await web.database.read(lambda s: _count(s, "chief 10.0.0.1"))
        assert left == 0


async def _count(session: Any, key: str) -> int:
    found = await session.execute(select(func.count()).select_from(LoginAttempt).where(LoginAttempt.key == key))
    return int(found.scalar_one())


def test_the_wait_doubles_and_never_becomes_a_lock_out() -> None:
    waits = [commands.wait_after(n, 5).total_seconds() for n in range(12)]
    assert waits == [0, 0, 0, 0, 0, 15, 30, 60, 120, 240, 300, 300]
    assert commands.wait_after(10**6, 5).total_seconds() == 300
    assert timedelta(seconds=commands.LONGEST_WAIT_S) < commands.WINDOW


async def test_many_names_from_one_address_are_held_up_too(live: Any, browser: Any) -> None:
    async with browser(live) as client:
        answers = [await sign_in(client, login=f"name{n}") for n in range(commands.FREE_ATTEMPTS_OF_ADDRESS + 1)]
    assert "is not right" in answers[-2].text
    assert "Try again in" in answers[-1].text


async def test_a_failed_sign_in_is_logged_without_what_was_typed(live: Any, browser: Any, web: Any) -> None:
    async with browser(live) as client:
        await sign_in(client, login="my secret password", password="x")
        await sign_in(client, password="also secret")
    events = await web.database.read(_events)
    assert events[-2:] == [
        "Sign-in for a name nobody has, or a disabled one failed",
        "Sign-in for chief failed",
    ]


async def _events(session: Any) -> list[str]:
    return list(await session.scalars(select(Event.text).where(Event.chain == 0).order_by(Event.seq)))


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ("/d/1/board?x=1", "/d/1/board?x=1"),
        ("https://gonogo.test/d/1/board", "/d/1/board"),
        ("https://evil.test/", "/"),
        ("//evil.test/a", "/"),
        ("///evil.test/a", "/evil.test/a"),
        ("/\\evil.test", "/"),
        ("\\\\evil.test", "/"),
        ("https:evil.test", "/"),
        ("javascript:alert(1)", "/"),
        ("/\tx", "/"),
        ("/d/1\r\nSet-Cookie: a=b", "/"),
        ("https://gonogo.test//evil.test/", "/"),
        ("https://gonogo.test@evil.test/", "/"),
        ("https://[broken", "/"),
        ("", "/"),
    ],
)
def test_after_signing_in_one_stays_here(wanted: str, given: str) -> None:
    scope = {"type": "http", "scheme": "https", "server": ("gonogo.test", 443), "path": "/sign-in", "headers": []}
    assert local_path(Request(scope), wanted) == given


async def test_the_sign_in_goes_where_that_says(live: Any, browser: Any) -> None:
    async with browser(live) as client:
        assert (await sign_in(client, next="/d/1/board?x=1")).headers["location"] == "/d/1/board?x=1"
        assert (await sign_in(client, next="https://evil.test/")).headers["location"] == "/"


async def test_an_idle_session_ends_after_half_an_hour(live: Any, browser: Any, web: Any) -> None:
    async with browser(live) as client:
        await sign_in(client)
        await _age(web, seen_at=IDLE - timedelta(minutes=1))
        assert (await client.get("/tokens")).status_code == 200, "still in use"
        seen = await web.database.read(_seen)
        assert seen < timedelta(seconds=5), "the request before was noted"
        await _age(web, seen_at=IDLE + timedelta(seconds=1))
        answer = await client.get("/tokens")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/sign-in?next=/tokens"


async def _seen(session: Any) -> timedelta:
    return (await session.execute(select(func.clock_timestamp() - func.max(WebSession.seen_at)))).scalar_one()


async def _age(web: Any, **ages: timedelta) -> None:
    values = {name: func.clock_timestamp() - age for name, age in ages.items()}
    await web.database.run(lambda s: s.execute(update(WebSession).values(**values)))


async def test_a_session_in_use_is_written_every_half_minute_at_most(live: Any, browser: Any, web: Any) -> None:
    async with browser(live) as client:
        await sign_in(client)
        await _age(web, seen_at=timedelta(seconds=20))
        await client.get("/tokens")
        assert await web.database.read(_seen) >= timedelta(seconds=20)


async def test_every_session_ends_after_twelve_hours(live: Any, browser: Any, web: Any) -> None:
    async with browser(live) as client:
        await sign_in(client)
        await _age(web, created_at=ABSOLUTE + timedelta(seconds=1))
        assert (await client.get("/tokens")).status_code == 303


async def test_signing_out_ends_the_session_on_the_server(live: Any, browser: Any, web: Any) -> None:
    async with browser(live) as client, browser(live) as thief:
        await sign_in(client)
        raw = client.cookies[SECURE_SESSION_COOKIE]
        answer = await client.post("/sign-out", data={"_csrf": await _csrf(web)})
        assert answer.headers["location"] == "/sign-in"
        assert SECURE_SESSION_COOKIE not in client.cookies
        thief.cookies.set(SECURE_SESSION_COOKIE, raw)
        assert (await thief.get("/tokens")).status_code == 303


async def _csrf(web: Any) -> str:
    async def query(session: Any) -> str:
        newest = select(WebSession.csrf).order_by(WebSession.created_at.desc()).limit(1)
        return str((await session.execute(newest)).scalar_one())

    return str(await web.database.read(query))


async def test_a_plain_cookie_is_not_read_where_the_host_cookie_belongs(live: Any, browser: Any) -> None:
    async with browser(live) as client, browser(live) as neighbour:
        await sign_in(client)
        neighbour.cookies.set(SESSION_COOKIE, client.cookies[SECURE_SESSION_COOKIE])
        assert (await neighbour.get("/tokens")).status_code == 303


async def test_a_disabled_person_cannot_sign_in(live: Any, browser: Any, web: Any) -> None:
    await web.database.run(lambda s: s.execute(update(Person).where(Person.login == "chief").values(is_disabled=True)))
    async with browser(live) as client:
        assert "is not right" in (await sign_in(client)).text


async def test_a_post_from_another_site_opens_nothing(live: Any, browser: Any) -> None:
    async with browser(live) as client:
        answer = await client.post(
            "/sign-in", data={"login": "chief", "password": PASSWORD}, headers={"sec-fetch-site": "cross-site"}
        )
        assert answer.status_code == 403
        assert SECURE_SESSION_COOKIE not in client.cookies


async def test_the_form_tells_the_browser_what_its_fields_are(live: Any, browser: Any) -> None:
    async with browser(live) as client:
        page = (await client.get("/sign-in")).text
    assert 'autocomplete="username"' in page
    assert 'autocomplete="current-password"' in page
    assert 'type="password"' in page


async def test_control_characters_and_odd_bytes_are_no_server_error(live: Any, browser: Any) -> None:
    async with browser(live) as client:
        assert (await sign_in(client, login="a\x00b")).status_code == 422
        raw = await client.post(
            "/sign-in",
            content=b"login=%ff%fe&password=%00",
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
        assert raw.status_code == 422
