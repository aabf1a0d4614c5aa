"""Checklists, readiness, presence and duties as machines read them."""

from typing import Any

from app.domain.duties import duties_of
from app.domain.plan import Plan
from tests.conftest import Web, make_scope_of
from tests.signoffs.cast import tick

from .test_tokens import assert_problem


async def test_checklists_say_what_is_done_and_by_whom(web: Web, machine: Any, plan: Plan) -> None:
    scope_of = make_scope_of(web.database, web.app.state.settings)
    await tick(web.database, await scope_of(web.deployment, "operations"), "dashboards_open")
    client = await machine("read")
    found = (await client.get(f"/deployments/{web.deployment.id}/checklists")).json()
    assert [each["key"] for each in found["shared"]] == ["before_production", "before_github", "before_staging"]
    first = found["shared"][0]
    items = {item["key"]: item for item in first["items"]}
    assert [item["key"] for item in first["items"]] == [i.key for i in plan.checklist("before_production").items]
    assert (first["done"], first["total"]) == (1, 10)
    boards = items["dashboards_open"]
    assert (boards["state"], boards["is_done"], boards["by"], boards["machine"]) == ("done", True, "Operations", None)
    green = items["green_running"]
    assert (green["check"], green["machine"], green["is_done"]) == ("green_running", "unknown", False)
    team = items["team_present"]
    assert (team["machine"], team["is_done"]) == ("no", False)
    assert "0 of 10 required seats are there" in team["found"]


async def test_readiness_and_presence_of_everybody(web: Web, machine: Any, plan: Plan) -> None:
    person = await web.client_as("backend_1")
    base = f"/d/{web.deployment.id}"
    assert (await person.post(f"{base}/checklists/personal", data={"done": "readiness.phone"})).status_code == 303
    assert (await person.post(f"{base}/roster/arrive")).status_code == 303
    await person.get(f"{base}/wall")
    client = await machine("read")
    found = (await client.get(f"/deployments/{web.deployment.id}/checklists")).json()
    keys = {item["key"] for each in found["personal"] for item in each["items"] if item["machine"] is None}
    mine = next(row for row in found["people"] if row["name"] == "Backend 1")
    assert (mine["done"], mine["total"]) == (1, len(keys))
    assert set(mine["open"]) == keys - {"readiness.phone"}
    assert "Executive" not in {row["name"] for row in found["people"]}
    backend = next(row for row in found["presence"] if row["position"] == "backend")
    seen = {name: backend[name] for name in ("required", "seated", "arrived", "present", "on_page")}
    assert seen == {"required": 2, "seated": 2, "arrived": 1, "present": 1, "on_page": 1}
    missing = {"seat": "backend-2", "title": "Backend 2", "name": "Backend 2", "why": "never"}
    assert backend["missing"] == [missing]


async def test_duties_say_who_did_what(web: Web, machine: Any, plan: Plan) -> None:
    support = await web.client_as("support")
    sent = await support.post(f"/d/{web.deployment.id}/checklists/duties", data={"done": "support.before-1"})
    assert sent.status_code == 303
    client = await machine("read")
    found = (await client.get(f"/deployments/{web.deployment.id}/duties")).json()
    assert found["stage"] == "before"
    wanted = [place for place in plan.positions if duties_of(place)]
    assert [each["position"] for each in found["positions"]] == [place.key for place in wanted]
    mine = next(each for each in found["positions"] if each["position"] == "support")
    duties = {duty["key"]: duty for duty in mine["duties"]}
    assert (duties["before-1"]["times"], duties["before-1"]["by"]) == (1, "Support and communications")
    assert duties["before-1"]["at"].endswith("Z")
    assert (duties["repeated-1"]["every_s"], duties["repeated-1"]["is_late"]) == (300, False)
    assert (duties["before-2"]["times"], duties["before-2"]["at"]) == (0, None)


async def test_nothing_is_ticked_by_a_machine_nor_read_with_another_scope(web: Web, machine: Any) -> None:
    reader, other = await machine("read"), await machine("readings")
    for what in ("checklists", "duties"):
        url = f"/deployments/{web.deployment.id}/{what}"
        assert_problem(await reader.post(url, json={}), 405, "http")
        assert_problem(await other.get(url), 403, "forbidden")
    elsewhere = await machine("read", deployment=web.deployment.id)
    assert_problem(await elsewhere.get("/deployments/4711/duties"), 404, "not_found")
