"""One-click persons: there in the range, not at all in live mode."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, update

from app.db.tables import Person, WebSession
from app.domain.plan import Plan
from app.web.access import SESSION_COOKIE


async def person_id(web: Any, login: str) -> int:
    async def query(session: Any) -> int:
        return int((await session.execute(select(Person.id).where(Person.login == login))).scalar_one())

    return int(await web.database.read(query))


async def test_the_page_offers_each_seat_of_the_plan_by_its_title(web: Any, plan: Plan) -> None:
    client = await web.client_as(None)
    page = (await client.get("/sign-in")).text
    for position in plan.positions:
        for seat in range(1, position.seats + 1):
            title = position.title if position.seats == 1 else f"{position.title} {seat}"
            assert f"<b>{title}</b>" in page
    assert "<b>Administrator</b>" in page
    assert "password" not in page.split("<main", 1)[1].replace("no password", "").replace("and password", "")
    assert page.index("They sign off") < page.index("They work with them") < page.index("They look on")


async def test_one_press_signs_in_freshly_stepped_up(web: Any) -> None:
    client = await web.client_as(None)
    chosen = await person_id(web, "devops_lead")
    answer = await client.post("/sign-in/person", data={"person": str(chosen), "next": "/d/1/board"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/d/1/board"
    assert client.cookies[SESSION_COOKIE]

    async def query(session: Any) -> timedelta:
        age = select(func.clock_timestamp() - WebSession.stepped_up_at).where(WebSession.person_id == chosen)
        return (await session.execute(age)).scalar_one()

    assert await web.database.read(query) < timedelta(seconds=10)


async def test_in_live_mode_there_is_no_such_thing(web: Any) -> None:
    client = await web.client_as(None)
    chosen = await person_id(web, "devops_lead")
    web.app.state.settings = replace(web.app.state.settings, mode="live")
    answer = await client.post("/sign-in/person", data={"person": str(chosen)})
    assert answer.status_code == 404
    assert not client.cookies
    page = (await client.get("/sign-in")).text
    assert "DevOps lead" not in page
    assert "/sign-in/person" not in page


async def test_a_session_of_one_press_is_none_in_live_mode(web: Any) -> None:
    """Also with the same database, the same cookie and its name."""
    client = await web.client_as(None)
    await client.post("/sign-in/person", data={"person": str(await person_id(web, "admin"))})
    assert (await client.get("/tokens")).status_code == 200
    web.app.state.settings = replace(web.app.state.settings, mode="live")
    assert (await client.get("/tokens")).status_code == 303


async def test_nobody_unknown_and_nobody_disabled_can_be_chosen(web: Any) -> None:
    client = await web.client_as(None)
    chosen = await person_id(web, "devops_lead")
    await web.database.run(lambda s: s.execute(update(Person).where(Person.id == chosen).values(is_disabled=True)))
    for person in (str(chosen), "99999999", "0", "-1", "x", "99999999999999999999999"):
        assert (await client.post("/sign-in/person", data={"person": person})).status_code == 404
    assert "<b>DevOps lead</b>" not in (await client.get("/sign-in")).text


async def test_a_rehearsal_has_no_passwords_to_choose_or_to_guess(web: Any) -> None:
    client = await web.client_as(None)
    assert (await client.get("/password")).status_code == 404
    assert (await client.post("/password", data={})).status_code == 404
    answer = await client.post("/sign-in", data={"login": "devops_lead", "password": "anything at all"})
    assert answer.status_code == 422
    assert not client.cookies


async def test_step_up_is_one_press_in_the_range(web: Any) -> None:
    client = await web.client_as("devops_lead")
    await web.database.run(
        lambda s: s.execute(update(WebSession).values(stepped_up_at=func.clock_timestamp() - timedelta(minutes=6)))
    )
    page = await client.get("/step-up?next=/d/1/switch")
    assert "It is me" in page.text
    assert 'value="/d/1/switch"' in page.text
    answer = await client.post("/step-up", data={"next": "/d/1/switch"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/d/1/switch"

    async def query(session: Any) -> timedelta:
        return (await session.execute(select(func.max(func.clock_timestamp() - WebSession.stepped_up_at)))).scalar_one()

    assert await web.database.read(query) < timedelta(seconds=10)


async def test_a_rehearsals_people_come_with_its_seats(web: Any) -> None:
    admin = await web.client_as("admin")
    chosen = await person_id(web, "devops_lead")
    for url, form in (("/people", {"name": "Bo", "login": "bo"}), (f"/people/{chosen}/password", {})):
        answer = await admin.post(url, data=form)
        assert answer.status_code == 422
        assert "nobody has a password" in answer.text
    page = (await admin.get("/people")).text
    assert "Add somebody" not in page
    assert "New first password" not in page
