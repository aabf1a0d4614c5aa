"""The administrators' page of people, and the first administrator."""

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.accounts.commands_people import create_first_admin
from app.db.tables import Event, Person, RollbackGrant, WebSession
from app.domain.errors import Rejected
from app.realtime import stream

from .conftest import PASSWORD
from .test_step_up import signed_in

HTMX = {"hx-request": "true"}


async def person(web: Any, login: str) -> Person:
    async def query(session: Any) -> Person:
        return (await session.execute(select(Person).where(Person.login == login))).scalar_one()

    found: Person = await web.database.read(query)
    return found


def printed(page: str) -> str:
    found = re.search(r'<code class="secret"[^>]*>([^<]+)</code>', page)
    assert found
    return found[1]


async def test_a_new_persons_first_password_opens_only_the_page_to_choose_one(
    live: Any, browser: Any, web: Any
) -> None:
    async with browser(live) as chief, browser(live) as client:
        await signed_in(chief, web)
        made = await chief.post("/people", data={"name": "Bo Berg", "login": "Bo@Example.org"}, headers=HTMX)
        assert made.status_code == 200
        first = printed(made.text)
        assert first not in (await chief.get("/people")).text, "shown once"
        stored = (await person(web, "bo@example.org")).password_hash
        assert stored is not None
        assert stored.startswith("once:$argon2id$")
        answer = await client.post("/sign-in", data={"login": "bo@example.org", "password": first})
        assert answer.headers["location"] == "/password?login=bo%40example.org"
        assert not client.cookies
        chosen = {"chosen": "my own plain words", "again": "my own plain words"}
        done = await client.post("/password", data={"login": "bo@example.org", "password": first, **chosen})
        assert done.status_code == 303
        again = await client.post("/password", data={"login": "bo@example.org", "password": first, **chosen})
        assert again.status_code == 422, "the first password is used up"


async def test_a_name_to_sign_in_with_is_somebodys_alone(live: Any, browser: Any, web: Any) -> None:
    async with browser(live) as chief:
        await signed_in(chief, web)
        answer = await chief.post("/people", data={"name": "Other", "login": "CHIEF"}, headers=HTMX)
        assert answer.status_code == 422
        assert "Ada Chief signs in with this name already." in answer.text
        assert 'aria-invalid="true"' in answer.text
        assert 'value="Other"' in answer.text, "what was typed stays"


async def test_disabling_ends_sessions_and_takes_the_rollback_right(live: Any, browser: Any, web: Any) -> None:
    holder = await person(web, "devops_lead")
    await web.database.run(lambda s: _grant(s, web.deployment.id, holder.id))
    await web.database.run(lambda s: _session(s, holder.id))
    async with browser(live) as chief:
        await signed_in(chief, web)
        answer = await chief.post(f"/people/{holder.id}/disable", headers=HTMX)
        assert answer.status_code == 200
        assert f'id="person-{holder.id}" data-state="disabled"' in answer.text
        assert await web.database.read(lambda s: _open_rights(s, holder.id)) == (0, 0)
        told = await web.database.read(lambda s: _newest(s, web.deployment.id))
        assert told == ("accounts.rollback_right.revoked", "DevOps lead may no longer roll back", "Ada Chief")
        await chief.post(f"/people/{holder.id}/enable", headers=HTMX)
        assert not (await person(web, "devops_lead")).is_disabled
        assert await web.database.read(lambda s: _open_rights(s, holder.id)) == (0, 0), "neither comes back by itself"


async def _grant(session: Any, deployment_id: int, person_id: int) -> None:
    now = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    row = {"deployment_id": deployment_id, "person_id": person_id, "position": "devops_lead", "attempt": 1}
    session.add(RollbackGrant(**row, granted_at=now))


async def _session(session: Any, person_id: int) -> None:
    now = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    moments = {"created_at": now, "seen_at": now, "stepped_up_at": now}
    session.add(WebSession(id_hash=b"x" * 32, person_id=person_id, csrf="c", **moments))


async def _open_rights(session: Any, person_id: int) -> tuple[int, int]:
    sessions = select(func.count()).select_from(WebSession)
    sessions = sessions.where(WebSession.person_id == person_id, WebSession.ended_at.is_(None))
    grants = select(func.count()).select_from(RollbackGrant)
    grants = grants.where(RollbackGrant.person_id == person_id, RollbackGrant.revoked_at.is_(None))
    return (await session.execute(sessions)).scalar_one(), (await session.execute(grants)).scalar_one()


async def _newest(session: Any, chain: int) -> tuple[str, str, str]:
    newest = select(Event.kind, Event.text, Event.actor).where(Event.chain == chain).order_by(Event.seq.desc())
    row = (await session.execute(newest.limit(1))).one()
    return row[0], row[1], row[2]


async def test_nobody_disables_the_own_account_or_the_last_administrator(live: Any, browser: Any, web: Any) -> None:
    chief = await person(web, "chief")
    async with browser(live) as client:
        await signed_in(client, web)
        answer = await client.post(f"/people/{chief.id}/disable", headers=HTMX)
        assert answer.status_code == 422
        assert "You cannot disable your own account." in answer.text
        assert not (await person(web, "chief")).is_disabled


async def test_an_administrator_sets_a_number_to_call(live: Any, browser: Any, web: Any) -> None:
    async with browser(live) as chief:
        await signed_in(chief, web)
        lead = await person(web, "devops_lead")
        url = f"/people/{lead.id}/phone"
        for _ in range(2):
            assert (await chief.post(url, data={"phone": "+1 555 0100"}, headers=HTMX)).status_code == 200
        assert (await person(web, "devops_lead")).phone == "+1 555 0100"
        for hostile in ("call <b>me</b>", "1" * 41):
            wrong = await chief.post(url, data={"phone": hostile}, headers=HTMX)
            assert wrong.status_code == 422
            assert "Digits, spaces" in wrong.text
            assert "<b>me" not in wrong.text
        assert (await person(web, "devops_lead")).phone == "+1 555 0100"

        async def told(session: Any) -> list[Event]:
            kind = "accounts.person.phone_changed"
            return list(await session.scalars(select(Event).where(Event.kind == kind)))

        lines = await web.database.read(told)
        assert [line.text for line in lines] == [f"The telephone number of {lead.name} was changed"]
        assert "555" not in str(lines[0].payload)
        assert (await chief.post("/people/999999/phone", data={"phone": ""}, headers=HTMX)).status_code == 404


async def test_a_new_first_password_ends_the_sessions(live: Any, browser: Any, web: Any) -> None:
    chief = await person(web, "chief")
    async with browser(live) as client:
        await signed_in(client, web)
        answer = await client.post(f"/people/{chief.id}/password", headers=HTMX)
        assert printed(answer.text)
        assert (await client.get("/people")).status_code == 303


async def test_what_somebody_is_called_is_only_text(live: Any, browser: Any, web: Any) -> None:
    async with browser(live) as chief:
        await signed_in(chief, web)
        name = "<img src=x onerror=alert(1)>\"'"
        answer = await chief.post("/people", data={"name": name, "login": "x1"}, headers=HTMX)
        assert "<img" not in answer.text
        assert "&lt;img src=x" in answer.text


async def test_without_script_the_page_shows_the_password_as_well(live: Any, browser: Any, web: Any) -> None:
    async with browser(live) as chief:
        await signed_in(chief, web)
        answer = await chief.post("/people", data={"name": "Cy", "login": "cy", "is_admin": "yes"})
        assert answer.status_code == 200
        assert "<!doctype html>" in answer.text
        assert printed(answer.text)
        assert (await person(web, "cy")).is_admin
        assert answer.headers["cache-control"] == "no-store"


async def test_there_is_one_first_administrator(web: Any) -> None:
    with pytest.raises(Rejected, match="it needs 12"):
        await create_first_admin(web.database, "chief", "Ada Chief", "short")
    await create_first_admin(web.database, " Chief ", "Ada Chief", PASSWORD)
    made = await person(web, "chief")
    assert made.is_admin
    assert made.name == "Ada Chief"
    with pytest.raises(Rejected, match="There is an administrator already"):
        await create_first_admin(web.database, "second", "Bo", PASSWORD)


async def test_the_open_stream_of_somebody_disabled_ends(web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stream.RECHECK_S + stream.BEAT_S <= 5
    monkeypatch.setattr(stream, "RECHECK_S", 0.2)
    monkeypatch.setattr(stream, "BEAT_S", 0.1)
    operations = await web.client_as("operations")
    admin = await web.client_as("admin")
    watching = asyncio.create_task(operations.get(f"/d/{web.deployment.id}/live"))
    await asyncio.sleep(0.5)
    assert not watching.done()
    found = await person(web, "operations")
    await admin.post(f"/people/{found.id}/disable", headers=HTMX)
    answer = await asyncio.wait_for(watching, 5)
    assert "event: hello" in answer.text
    assert "event: beat" in answer.text


async def test_an_administrator_finds_the_pages_from_the_list_and_nobody_else_is_shown_them(web: Any) -> None:
    for login, shown in (("admin", True), ("devops_lead", False)):
        page = (await (await web.client_as(login)).get("/")).text
        assert ('href="/people"' in page) == shown
        assert ('href="/tokens"' in page) == shown


async def test_an_open_page_keeps_its_session_in_use(web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "RECHECK_S", 0.2)
    monkeypatch.setattr(stream, "BEAT_S", 0.1)
    client = await web.client_as("operations")
    watching = asyncio.create_task(client.get(f"/d/{web.deployment.id}/live"))
    await asyncio.sleep(0.3)
    old = func.clock_timestamp() - timedelta(minutes=20)
    await web.database.run(lambda s: s.execute(update(WebSession).values(seen_at=old)))

    async def age(session: Any) -> timedelta:
        found: timedelta = (await session.execute(select(func.clock_timestamp() - WebSession.seen_at))).scalar_one()
        return found

    for _ in range(50):
        await asyncio.sleep(0.1)
        if await web.database.read(age) < timedelta(minutes=1):
            break
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert await web.database.read(age) < timedelta(minutes=1)
