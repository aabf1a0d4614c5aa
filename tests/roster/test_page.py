"""The roster page: what it shows to whom, and its two forms over HTTP."""

import re
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from app.db.tables import Person, RosterSeat, WebSession

HTMX = {"hx-request": "true"}


async def person_id(web: Any, login: str) -> int:
    found: int = await web.database.read(lambda session: session.scalar(select(Person.id).where(Person.login == login)))
    return found


async def add(web: Any, login: str, name: str) -> int:
    async def write(session: Any) -> None:
        made = (await session.execute(select(Person.created_at).limit(1))).scalar_one()
        session.add(Person(login=login, name=name, password_hash=None, phone="+1 555 0100", created_at=made))

    await web.database.run(write)
    return await person_id(web, login)


async def holder(web: Any, position: str, seat: int = 1) -> int | None:
    statement = select(RosterSeat.person_id).where(
        RosterSeat.deployment_id == web.deployment.id, RosterSeat.position == position, RosterSeat.seat == seat
    )
    found: int | None = await web.database.read(lambda session: session.scalar(statement))
    return found


def base(web: Any) -> str:
    return f"/d/{web.deployment.id}/roster"


def row(page: str, key: str) -> str:
    found = re.search(rf'<li class="chair" id="seat-{key}".*?</li>', page, re.DOTALL)
    assert found, f"no row {key}"
    return found[0]


async def test_everybody_reads_it_and_only_who_may_sees_the_forms(web: Any) -> None:
    for login, may_change in (("admin", True), ("project_manager", True), ("devops_lead", False), ("executive", False)):
        page = (await (await web.client_as(login)).get(base(web))).text
        assert "Every seat is taken" in page
        assert "DevOps 2" in row(page, "devops-2")
        assert ("/roster/take" in page) == may_change, login
        assert ("Seats are changed by project manager and an administrator." in page) != may_change, login


async def test_ones_own_seat_has_no_form_but_an_administrators(web: Any) -> None:
    page = (await (await web.client_as("project_manager")).get(base(web))).text
    assert "(you)" in row(page, "project_manager-1")
    assert "<form" not in row(page, "project_manager-1")
    assert "<form" in row(page, "operations-1")


async def test_somebody_put_on_a_seat_sees_the_deployment_at_once_and_who_left_no_more(web: Any) -> None:
    bo = await add(web, "bo", "Bo Berg")
    newcomer, before = await web.client_as("bo"), await web.client_as("operations")
    home = f"/d/{web.deployment.id}"
    assert (await newcomer.get(home)).status_code == 404
    admin = await web.client_as("admin")
    shown = await holder(web, "operations")
    form = {"position": "operations", "seat": "1", "shown": str(shown), "person": str(bo)}
    answer = await admin.post(f"{base(web)}/take", data=form, headers=HTMX)
    assert answer.status_code == 200
    assert answer.text.lstrip().startswith('<div id="roster"')
    assert "Bo Berg" in row(answer.text, "operations-1")
    assert 'href="tel:+15550100"' in row(answer.text, "operations-1")
    assert "not seen yet" in row(answer.text, "operations-1")
    assert (await newcomer.get(home)).status_code == 200
    assert web.deployment.title in (await newcomer.get("/")).text
    assert "Bo Berg" in (await newcomer.get(base(web))).text
    assert (await before.get(home)).status_code == 404


async def test_without_script_the_page_comes_back_and_a_refusal_stands_at_its_field(web: Any) -> None:
    admin = await web.client_as("admin")
    shown = str(await holder(web, "operations"))
    done = await admin.post(f"{base(web)}/free", data={"position": "operations", "seat": "1", "shown": shown})
    assert (done.status_code, done.headers["location"]) == (303, base(web))
    page = (await admin.get(base(web))).text
    assert "Nobody sits on operations, who signs off" in page
    assert 'data-state="needed"' in row(page, "operations-1")
    form = {"position": "operations", "seat": "1", "shown": "0"}
    refused = await admin.post(f"{base(web)}/take", data=form)
    assert refused.status_code == 422
    chair = row(refused.text, "operations-1")
    assert "Nobody was chosen" in chair
    assert 'aria-invalid="true" aria-describedby="person-operations-1-error"' in chair
    assert re.search(r'<details class="more" id="more-operations-1-0" open>', chair)
    form = {"position": "devops", "seat": "0", "shown": "0"}
    refused = await admin.post(f"{base(web)}/take", data=form)
    assert 'id="person-new-0-error"' in refused.text
    assert '<option value="devops" selected>' in refused.text


async def test_a_page_that_showed_somebody_else_is_told_so(web: Any) -> None:
    bo = await add(web, "bo", "Bo Berg")
    admin = await web.client_as("admin")
    form = {"position": "operations", "seat": "1", "shown": "0", "person": str(bo)}
    answer = await admin.post(f"{base(web)}/take", data=form, headers=HTMX)
    assert answer.status_code == 409
    assert "Operations sits on this seat of operations now" in answer.text
    assert await holder(web, "operations") == await person_id(web, "operations")


async def test_a_person_on_two_signing_positions_is_named(web: Any) -> None:
    lead = await person_id(web, "backend_lead")
    admin = await web.client_as("admin")
    form = {"position": "devops_lead", "seat": "0", "shown": "0", "person": str(lead)}
    answer = await admin.post(f"{base(web)}/take", data=form, headers=HTMX)
    assert "Backend lead sits on DevOps lead and backend lead" in answer.text
    assert "only one of these can be Backend lead’s" in answer.text
    assert "deputy" in row(answer.text, "devops_lead-2")


async def test_a_disabled_holder_shows_and_cannot_be_chosen(web: Any) -> None:
    async def disable(session: Any) -> None:
        await session.execute(update(Person).where(Person.login == "operations").values(is_disabled=True))

    await web.database.run(disable)
    page = (await (await web.client_as("admin")).get(base(web))).text
    assert 'data-state="disabled"' in row(page, "operations-1")
    assert f'<option value="{await person_id(web, "operations")}"' not in page
    assert "Nobody sits on operations, who signs off" in page


async def test_presence_shows_where_somebody_is(web: Any) -> None:
    await (await web.client_as("operations")).get(f"/d/{web.deployment.id}/board")
    page = (await (await web.client_as("executive")).get(base(web))).text
    assert 'data-state="here"' in row(page, "operations-1")
    assert "Go/no-go" in row(page, "operations-1")
    assert 'data-state="away"' in row(page, "support-1")


@pytest.mark.parametrize("field", ["seat", "shown", "person"])
async def test_what_no_page_sends_is_refused_in_words(web: Any, field: str) -> None:
    admin = await web.client_as("admin")
    form = {"position": "operations", "seat": "1", "shown": "1", "person": "2", field: "x" * 30}
    assert (await admin.post(f"{base(web)}/take", data=form, headers=HTMX)).status_code == 422


async def test_an_old_sign_in_is_confirmed_first(web: Any) -> None:
    admin = await web.client_as("admin")
    hour_ago = func.clock_timestamp() - text("interval '1 hour'")
    await web.database.run(lambda session: session.execute(update(WebSession).values(stepped_up_at=hour_ago)))
    page = (await admin.get(base(web))).text
    assert f'href="/step-up?next={base(web)}"' in page


async def test_in_a_rehearsal_whoever_lost_the_seat_can_still_be_chosen(web: Any) -> None:
    admin = await web.client_as("admin")
    shown = str(await holder(web, "operations"))
    await admin.post(f"{base(web)}/free", data={"position": "operations", "seat": "1", "shown": shown})
    lead = await person_id(web, "backend_lead")
    form = {"position": "devops_lead", "seat": "0", "shown": "0", "person": str(lead)}
    await admin.post(f"{base(web)}/take", data=form)
    page = (await (await web.client_as(None)).get("/sign-in")).text
    assert "Without a seat" in page
    assert f'value="{shown}"' in page
    assert "<b>DevOps lead, deputy</b>" in page
