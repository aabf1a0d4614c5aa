"""What people do with triggers: two hold one, reports count as alerts, pages say it."""

import asyncio
import re
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Alert, Deployment, Operation, Person, Reading, RosterSeat
from app.deployments.commands import database_now
from app.domain.errors import Rejected
from app.domain.plan import Plan
from app.triggers.commands import hold, raise_alert, release
from app.web.access import Forbidden, Scope
from tests.conftest import ScopeOf, Web, make_scope_of
from tests.traffic.armed import arm, operations_of, press_switch, prove
from tests.triggers.breached import age_hold, alerts, checked, events, judge, kinds, read, row, switched


async def breaching(database: Database, deployment: Deployment, plan: Plan, seconds: int = 46) -> None:
    await read(database, deployment, *[0.1] * 10, *[2.6] * (seconds // 2 + 1))
    await judge(database, deployment, plan)


async def bad_for_two_minutes(database: Database, deployment: Deployment) -> None:
    """In place of all earlier readings, of which the good ones would lie between these."""
    await database.run(lambda session: session.execute(delete(Reading)))
    await read(database, deployment, *[2.6] * 62)


async def ask(database: Database, scope: Scope, key: str = "error_rate") -> bool:
    return await database.run(lambda session: hold(session, scope, key))


async def rollbacks(database: Database) -> list[Operation]:
    return [operation for operation in await operations_of(database) if operation.kind == "rollback"]


async def test_two_people_of_two_positions_hold_it_for_five_minutes(
    database: Database, on_green: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    await breaching(database, on_green, plan)
    assert not await ask(database, await scope_of(on_green, "devops_lead"))
    assert await ask(database, await scope_of(on_green, "project_manager"))
    held = await row(database, "error_rate")
    assert held.held_until is not None
    assert (held.stage, held.held_by) == ("held", "DevOps lead and Project manager")
    assert (held.held_until - held.since).total_seconds() == pytest.approx(300, abs=1)
    await bad_for_two_minutes(database, on_green)
    await judge(database, on_green, plan)
    assert await rollbacks(database) == []
    await age_hold(database, 301)
    await judge(database, on_green, plan)
    assert len(await rollbacks(database)) == 1, "armed again, and the breach still stands"
    assert await kinds(database) == [
        "triggers.breach.began",
        "triggers.hold.asked",
        "triggers.held",
        "triggers.fired",
    ]


async def test_the_first_wish_alone_stops_nothing(
    database: Database, on_green: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    await breaching(database, on_green, plan)
    await ask(database, await scope_of(on_green, "devops_lead"))
    await bad_for_two_minutes(database, on_green)
    await judge(database, on_green, plan)
    assert len(await rollbacks(database)) == 1


async def test_neither_the_same_person_nor_the_same_position_confirms(
    database: Database, on_green: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    await breaching(database, on_green, plan)
    await ask(database, await scope_of(on_green, "devops_1"))
    with pytest.raises(Rejected, match="second person") as same:
        await ask(database, await scope_of(on_green, "devops_1"))
    assert same.value.code == "same_person"
    with pytest.raises(Rejected, match="has your position") as position:
        await ask(database, await scope_of(on_green, "devops_2"))
    assert position.value.code == "same_position"
    assert (await row(database, "error_rate")).held_until is None
    await age_hold(database, 121)
    assert not await ask(database, await scope_of(on_green, "devops_2")), "an old wish has lapsed: this is a first one"


async def test_a_second_seat_without_the_right_makes_no_second_position(
    database: Database, on_green: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    """Both may hold by the position DevOps alone; that one of them sits with the executives too changes nothing."""
    await breaching(database, on_green, plan)
    await ask(database, await scope_of(on_green, "devops_1"))
    await sits_too(database, on_green, "devops_2", "executive")
    with pytest.raises(Rejected, match="has your position"):
        await ask(database, await scope_of(on_green, "devops_2"))
    assert (await row(database, "error_rate")).held_until is None


async def test_a_wish_of_somebody_who_lost_the_seat_is_no_first_one(
    database: Database, on_green: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    await breaching(database, on_green, plan)
    lead = await scope_of(on_green, "devops_lead")
    await ask(database, lead)
    mine = RosterSeat.person_id == lead.viewer.person_id
    await database.run(lambda session: session.execute(delete(RosterSeat).where(mine)))
    assert not await ask(database, await scope_of(on_green, "project_manager")), "this is the first one"
    assert await ask(database, await scope_of(on_green, "devops_1"))


async def sits_too(database: Database, deployment: Deployment, login: str, position: str) -> None:
    async def write(session: AsyncSession) -> None:
        person = (await session.execute(select(Person).where(Person.login == login))).scalar_one()
        seat = RosterSeat(deployment_id=deployment.id, position=position, seat=9, person_id=person.id)
        session.add(seat)

    await database.run(write)


async def test_a_storm_of_one_kind_hides_no_report_of_another(
    database: Database, on_green: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    """Hundreds of critical alerts are what an incident brings; the officer's word must count among them."""

    async def storm(session: AsyncSession) -> None:
        since = await database_now(session) - timedelta(seconds=60)
        row = {"deployment_id": on_green.id, "source": "prometheus", "name": "Disk", "state": "firing", "text": ""}
        row |= {"severity": "critical", "category": "capacity", "trigger": "", "raised_by": "", "key": ""}
        await session.execute(
            insert(Alert), [row | {"received_at": since + timedelta(milliseconds=number)} for number in range(600)]
        )

    await database.run(storm)
    await judge(database, on_green, plan)
    assert await rollbacks(database) == []
    officer = await scope_of(on_green, "security_officer")
    await database.run(lambda session: raise_alert(session, officer, "security_alert", "Keys are out", "key-1"))
    await judge(database, on_green, plan)
    assert len(await rollbacks(database)) == 1


async def test_one_person_ends_a_hold(database: Database, on_green: Deployment, plan: Plan, scope_of: ScopeOf) -> None:
    await breaching(database, on_green, plan)
    await ask(database, await scope_of(on_green, "devops_lead"))
    await ask(database, await scope_of(on_green, "project_manager"))
    anyone = await scope_of(on_green, "devops_2")
    await database.run(lambda session: release(session, anyone, "error_rate"))
    await bad_for_two_minutes(database, on_green)
    await judge(database, on_green, plan)
    assert len(await rollbacks(database)) == 1


@pytest.mark.parametrize("key", ["error_rate", "manual", "nothing"])
async def test_where_nothing_runs_there_is_nothing_to_hold(
    database: Database, on_green: Deployment, scope_of: ScopeOf, key: str
) -> None:
    with pytest.raises(Rejected):
        await ask(database, await scope_of(on_green, "devops_lead"), key)
    assert await kinds(database) == []


async def test_the_security_officers_report_rolls_back(
    database: Database, on_green: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    officer = await scope_of(on_green, "security_officer")
    for _ in range(2):
        await database.run(lambda session: raise_alert(session, officer, "security_alert", "Keys are out", "key-1"))
    assert len(await alerts(database)) == 1, "the same press twice is one report"
    await judge(database, on_green, plan)
    (back,) = await rollbacks(database)
    assert "Keys are out" in back.cause


async def test_the_backend_leads_report_completes_a_trigger_of_checks(
    database: Database, on_green: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    await checked(database, on_green, "payment", False, False)
    lead = await scope_of(on_green, "backend_lead")
    await database.run(lambda session: raise_alert(session, lead, "payment", "Cards are refused", "key-1"))
    await judge(database, on_green, plan)
    assert (await row(database, "payment")).stage == "fired"


@pytest.mark.parametrize(
    ("login", "key"), [("backend_lead", "security_alert"), ("security_officer", "payment"), ("operations", "payment")]
)
async def test_who_is_not_named_reports_nothing(
    database: Database, on_green: Deployment, scope_of: ScopeOf, login: str, key: str
) -> None:
    scope = await scope_of(on_green, login)
    with pytest.raises(Forbidden):
        await database.run(lambda session: raise_alert(session, scope, key, "Something", "key-1"))
    assert await alerts(database) == []


async def test_a_report_before_the_switch_is_kept_and_moves_nothing(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    await arm(database, deployment, scope_of)
    officer = await scope_of(deployment, "security_officer")
    await database.run(lambda session: raise_alert(session, officer, "security_alert", "Keys are out", "key-1"))
    await asyncio.sleep(0.01)
    await press_switch(database, await scope_of(deployment, "devops_lead"), "k1")
    await judge(database, deployment, plan)
    assert await rollbacks(database) == []
    assert len(await events(database)) == 1


# ── pages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def web_on_green(web: Web) -> Web:
    scope_of = make_scope_of(web.database, web.app.state.settings)
    await arm(web.database, web.deployment, scope_of)
    await press_switch(web.database, await scope_of(web.deployment, "devops_lead"), "k1")
    await switched(web.database, web.deployment)
    await prove(web.database, set_blue=0)
    return web


async def shown(client: httpx.AsyncClient, web: Web, path: str) -> str:
    answer = await client.get(f"/d/{web.deployment.id}{path}")
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", answer.text).replace("\u00a0", " "))


async def test_the_countdown_is_on_every_page(web_on_green: Web, plan: Plan) -> None:
    web = web_on_green
    lead = await web.client_as("devops_lead")
    assert "7 triggers are armed" in await shown(lead, web, "/triggers") or "see nothing" in await shown(
        lead, web, "/triggers"
    )
    await breaching(web.database, web.deployment, plan)
    for path in ("/_banner", "/triggers", "/timeline", "/board", "/checklists", "/switch"):
        await read(web.database, web.deployment, 2.6)
        text = await shown(lead, web, path)
        assert re.search(r"ROLLBACK IN [67]\d s", text), path
        assert re.search(r"Error rate on GREEN 2\.6 %, above 2 % for [45]\d s of 120 s", text), path
        assert "Roll back now" in text, path
        assert "Hold it…" in text, path
    await read(web.database, web.deployment, 2.6)
    assert re.search(r"ROLLBACK IN [67]\d s", await shown(lead, web, "/wall"))
    await read(web.database, web.deployment, 2.6)
    assert re.search(r"automatic in [67]\d s", await shown(lead, web, "/_guard"))
    reader = await web.client_as("executive")
    text = await shown(reader, web, "/_banner")
    assert "ROLLBACK IN" in text
    assert "Hold it…" not in text
    assert "Roll back now" not in text


async def test_asking_confirming_and_the_others_see_it(web_on_green: Web, plan: Plan) -> None:
    web = web_on_green
    await breaching(web.database, web.deployment, plan)
    lead, manager = await web.client_as("devops_lead"), await web.client_as("project_manager")
    url = f"/d/{web.deployment.id}/triggers/error_rate/hold"
    assert (await lead.post(url)).status_code == 303
    assert (await lead.post(url)).status_code == 409
    text = await shown(manager, web, "/triggers")
    assert "DevOps lead asks to hold it: a second position must confirm." in text
    assert "Confirm: hold it for 5 min" in text
    assert (await manager.post(url, headers={"hx-request": "true"})).status_code == 200
    text = await shown(lead, web, "/triggers")
    assert "AUTOMATIC ROLLBACK HELD, armed again in 5:00" in text or "armed again in 4:5" in text
    assert "by DevOps lead and Project manager" in text


async def test_the_reports_form(web_on_green: Web, plan: Plan) -> None:
    web = web_on_green
    officer, lead = await web.client_as("security_officer"), await web.client_as("backend_lead")
    text = await shown(officer, web, "/triggers")
    assert "Report: Critical security alert" in text
    assert "rolls back to BLUE at once" in text
    assert "Backend lead reports a failure" in await shown(lead, web, "/triggers")
    assert "What did you find?" not in await shown(await web.client_as("operations"), web, "/triggers")
    url = f"/d/{web.deployment.id}/triggers/raise"
    empty = await officer.post(url, data={"trigger": "security_alert", "reason": ""}, headers={"hx-request": "true"})
    assert empty.status_code == 422
    assert "Say in a sentence what you found." in empty.text
    sent = await officer.post(url, data={"trigger": "security_alert", "reason": "<b>Keys</b> are out", "_key": "key-1"})
    assert sent.status_code == 303
    page = await officer.get(f"/d/{web.deployment.id}/triggers")
    assert "&lt;b&gt;Keys&lt;/b&gt; are out" in page.text
    await judge(web.database, web.deployment, plan)
    assert "A trigger rolled back at" in await shown(officer, web, "/triggers")


async def test_a_recommendation_says_why(web_on_green: Web, plan: Plan) -> None:
    web = web_on_green
    await prove(web.database, set_blue=0, blue_is_healthy=False, blue_found="unhealthy, 0 of 1 targets")
    await read(web.database, web.deployment, *[2.6] * 62)
    await judge(web.database, web.deployment, plan)
    lead = await web.client_as("devops_lead")
    text = await shown(lead, web, "/triggers")
    assert "ROLLBACK RECOMMENDED" in text
    assert "BLUE is unhealthy: it only recommends (unhealthy, 0 of 1 targets)" in text
    assert "recommended now" in await shown(lead, web, "/_guard")
    found = await row(web.database, "error_rate")
    assert (found.stage, found.fired_at) == ("recommended", None)
