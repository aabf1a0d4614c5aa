"""Scripts over HTTP: where nothing is bound the page says why; the press, the output and the whole text."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import ScriptOutput, ScriptRun
from app.deployments.commands import database_now
from app.providers.script.folder import ScriptFolder
from app.providers.script.running import Surroundings
from app.scripts.queries import GAP, Bound
from tests.conftest import make_scope_of
from tests.phases.ready import running

PAGE = "/d/{id}/phases/github"
SCRIPT = PAGE + "/scripts/configure_github"


async def ready(web: Any, plan: Any, settings: Any) -> str:
    lead = await make_scope_of(web.database, settings)(web.deployment, "devops_lead")
    await running(web.database, web.deployment, plan, lead)
    return SCRIPT.format(id=web.deployment.id)


async def test_without_a_folder_the_step_is_done_by_hand_and_says_why(web: Any, plan: Any, settings: Any) -> None:
    url = await ready(web, plan, settings)
    client = await web.client_as("devops_lead")
    page = (await client.get(PAGE.format(id=web.deployment.id))).text
    assert "It cannot be run here: site.yaml binds no folder of scripts. Do the step by hand" in page
    assert 'id="run-configure_github"' not in page
    assert "Start by hand" in page
    answer = await client.post(url + "/run", data={"version": "0"}, headers={"hx-request": "true"})
    assert answer.status_code == 422
    assert "cannot be run here" in answer.text


async def test_a_missing_script_is_told_before_a_press(web: Any, plan: Any, settings: Any, tmp_path: Any) -> None:
    await ready(web, plan, settings)
    web.app.state.scripts = Bound(ScriptFolder(Surroundings(tmp_path)), str(tmp_path), "deploy", is_here=True)
    client = await web.client_as("devops_lead")
    page = (await client.get(PAGE.format(id=web.deployment.id))).text
    assert "alawael-phase2-github-config.sh is not in the folder of scripts" in page
    (tmp_path / "alawael-phase2-github-config.sh").write_text("echo")
    page = (await client.get(PAGE.format(id=web.deployment.id))).text
    assert 'id="run-configure_github"' in page
    assert f"by a worker, in {tmp_path}, as deploy" in page


async def test_a_press_asks_for_a_run_and_the_output_is_served_from_any_place(
    web: Any, plan: Any, settings: Any, tmp_path: Any
) -> None:
    url = await ready(web, plan, settings)
    (tmp_path / "alawael-phase2-github-config.sh").write_text("echo")
    web.app.state.scripts = Bound(ScriptFolder(Surroundings(tmp_path)), str(tmp_path), "", is_here=True)
    client = await web.client_as("devops_lead")
    assert (await client.get(url + "/output.txt")).status_code == 404
    assert (await client.get(url + "/_output")).json()["run"] == 0
    pressed = await client.post(url + "/run", data={"version": "0"}, headers={"hx-request": "true"})
    assert pressed.status_code == 200
    assert "the first free worker takes it" in pressed.text
    assert 'id="abort-configure_github"' in pressed.text

    async def print_some(session: AsyncSession) -> int:
        run = (await session.execute(ScriptRun.__table__.select())).one()
        for seq, text in ((1, "one\n"), (2, "<b>two</b>\n"), (5, "five\n")):
            session.add(ScriptOutput(run_id=run.id, seq=seq, text=text))
        assert await database_now(session)
        return int(run.id)

    run = await web.database.run(print_some)
    fresh = (await client.get(url + "/_output")).json()
    assert (fresh["run"], fresh["after"], fresh["fresh"], fresh["open"]) == (run, 5, True, True)
    assert fresh["text"] == f"one\n<b>two</b>\n{GAP}five\n"
    later = (await client.get(f"{url}/_output?run={run}&after=2")).json()
    assert (later["text"], later["fresh"]) == (f"{GAP}five\n", False)
    assert (await client.get(f"{url}/_output?run={run}&after=5")).json()["text"] == ""
    whole = await client.get(url + "/output.txt")
    assert whole.text == f"one\n<b>two</b>\n{GAP}five\n"
    assert whole.headers["content-type"] == "text/plain; charset=utf-8"
    assert "attachment" in whole.headers["content-disposition"]
    page = (await client.get(PAGE.format(id=web.deployment.id))).text
    assert "&lt;b&gt;two&lt;/b&gt;" in page
    assert "<b>two" not in page
