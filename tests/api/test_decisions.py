"""Decision points and incidents as machines read them."""

from datetime import datetime
from typing import Any

from sqlalchemy import update

from app.db.tables import Decision
from tests.conftest import Web, make_scope_of
from tests.decisions.conftest import on_green
from tests.decisions.test_answer import give

from .test_tokens import assert_problem


async def test_points_with_their_snapshot_and_how_far_silence_came(web: Web, machine: Any) -> None:
    clock = await on_green(web.database, web.deployment, make_scope_of(web.database, web.app.state.settings))
    client = await machine("read")
    url = f"/deployments/{web.deployment.id}/decisions"
    assert {each["state"] for each in (await client.get(url)).json()["points"]} == {"to_come"}
    await clock.at(5.01)
    five = (await client.get(url)).json()["points"][0]
    assert (five["state"], five["asked"], five["answer"]) == ("open", "position", None)
    left = datetime.fromisoformat(five["next_asked_at"]) - datetime.fromisoformat(five["opened_at"])
    assert left.total_seconds() == 60
    assert five["snapshot"]["probes_green"] == 100
    await clock.silence(61)
    assert (await client.get(url)).json()["points"][0]["asked"] == "leader"
    await give(clock, "project_manager", "watch", reason="Memory")
    found = (await client.get(url)).json()
    assert found["is_watched"] is True
    five = found["points"][0]
    assert (five["state"], five["answer"], five["by"], five["reason"]) == (
        "answered",
        "watch",
        "Project manager",
        "Memory",
    )


async def test_a_snapshot_that_cannot_be_read_is_null_and_the_answer_whole(web: Web, machine: Any) -> None:
    clock = await on_green(web.database, web.deployment, make_scope_of(web.database, web.app.state.settings))
    await clock.at(5.01)
    await web.database.run(lambda session: session.execute(update(Decision).values(snapshot={"metrics": 3})))
    client = await machine("read")
    answer = await client.get(f"/deployments/{web.deployment.id}/decisions")
    assert answer.status_code == 200
    five = answer.json()["points"][0]
    assert (five["state"], five["snapshot"]) == ("open", None)


async def test_incidents_come_newest_first_page_by_page(web: Web, machine: Any) -> None:
    person = await web.client_as("support")
    base = f"/d/{web.deployment.id}/incidents"
    for title in ("Slow", "Slower"):
        await person.post(f"{base}/raise", data={"title": title, "severity": "warning"})
    client = await machine("read")
    url = f"/deployments/{web.deployment.id}/incidents"
    first = (await client.get(f"{url}?limit=1")).json()
    (item,) = first["items"]
    assert (item["title"], item["asked"], item["outcome"]) == ("Slower", "position", None)
    assert [check["text"] for check in item["checks"]][:1] == ["checks the logs"]
    rest = (await client.get(f"{url}?before={first['next_before']}")).json()
    assert [each["title"] for each in rest["items"]] == ["Slow"]
    assert rest["next_before"] is None


async def test_neither_is_read_with_another_scope(web: Web, machine: Any) -> None:
    client = await machine("readings")
    for what in ("decisions", "incidents"):
        assert_problem(await client.get(f"/deployments/{web.deployment.id}/{what}"), 403, "forbidden")
