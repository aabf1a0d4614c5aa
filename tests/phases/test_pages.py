"""The pages of phases and steps over HTTP: what each person sees and may press, wrong and hostile forms."""

import re
from typing import Any

import httpx
import pytest

from app.db.tables import Deployment
from app.domain.deployments import State as Course
from app.domain.phases import State
from app.domain.plan import Plan
from app.eventlog.log import touch
from tests.phases.ready import checklist_done, run_of

HX = {"hx-request": "true"}


async def send(client: httpx.AsyncClient, web: Any, path: str, **form: Any) -> httpx.Response:
    return await client.post(f"/d/{web.deployment.id}/phases{path}", data=form, headers=HX)


async def started(web: Any, plan: Plan) -> httpx.AsyncClient:
    await checklist_done(web.database, web.deployment, plan, "github")
    client: httpx.AsyncClient = await web.client_as("devops_lead")
    answer = await send(client, web, "/github/start", version=0)
    assert answer.status_code == 200, answer.text
    return client


async def test_the_day_names_its_state_and_the_next_move(web: Any, plan: Plan) -> None:
    client = await web.client_as("project_manager")
    page = (await client.get(f"/d/{web.deployment.id}/phases")).text
    assert "<h1>Phase 2 is next: one condition is open</h1>" in page
    for phase in plan.phases:
        assert f'id="phase-{phase.key}"' in page
        assert phase.title in page
    assert "Stands ready" in page
    assert "The plan&#39;s clock" in page
    await started(web, plan)
    fragment = (await client.get(f"/d/{web.deployment.id}/phases/_day")).text
    assert "<h1>Phase 2 is running: set up the GitHub organisation next</h1>" in fragment
    assert "7 steps" in fragment


@pytest.mark.parametrize("key", ["github", "staging", "production", "rollback", "monitoring", "decommission"])
@pytest.mark.parametrize("login", ["devops_lead", "project_manager", "executive", "admin"])
async def test_every_phase_has_its_page_for_everybody(web: Any, key: str, login: str) -> None:
    client = await web.client_as(login)
    base = f"/d/{web.deployment.id}/phases/{key}"
    page = await client.get(base)
    assert page.status_code == 200
    for part in ("_phase", "_marks", "steps/_steps", "steps/_after"):
        fragment = await client.get(f"{base}/{part}")
        assert fragment.status_code == 200
        assert "<html" not in fragment.text
    may = login in ("devops_lead", "project_manager") and key not in ("production", "rollback")
    assert ('id="button-control-' in page.text) == may


async def test_a_start_that_must_wait_says_what_it_waits_for(web: Any) -> None:
    client = await web.client_as("devops_lead")
    page = (await client.get(f"/d/{web.deployment.id}/phases/github")).text
    assert 'id="button-control-start" aria-disabled="true"' in page.replace(' data-kind="primary"', "")
    refused = await send(client, web, "/github/start", version=0)
    assert refused.status_code == 409
    assert refused.headers["HX-Retarget"] == "#notice"
    assert "Before phase 2: 0 of 6 items done" in refused.text


async def test_a_missing_reason_and_a_past_time_stand_at_their_fields(web: Any, plan: Plan) -> None:
    client = await started(web, plan)
    refused = await send(client, web, "/github/hold", version=1, reason="  ")
    assert refused.status_code == 422
    assert 'id="reason-control-hold-error"' in refused.text
    assert (await send(client, web, "/github/hold", version=1, reason="GitHub is down")).status_code == 200
    for wrong in ("2020-01-01T10:00", "9999-12-31T23:59", ""):
        refused = await send(client, web, "/github/reschedule", version=2, reason="later", planned_at=wrong)
        assert refused.status_code == 422, wrong
    assert 'value="9999-12-31T23:59"' not in refused.text
    row = await run_of(web.database, web.deployment, "github")
    assert (row.state, row.version) == (State.ON_HOLD, 2)


async def test_without_script_the_same_forms_lead_back_to_the_page(web: Any, plan: Plan) -> None:
    client = await started(web, plan)
    base = f"/d/{web.deployment.id}/phases/github"
    answer = await client.post(f"{base}/hold", data={"version": 1, "reason": "GitHub is down"})
    assert (answer.status_code, answer.headers["location"]) == (303, base)
    refused = await client.post(f"{base}/abort", data={"version": 2, "reason": ""})
    assert refused.status_code == 403  # the DevOps lead leads the phase, not the day
    step = f"{base}/steps/access_status"
    await client.post(f"{base}/resume", data={"version": 2})
    assert (await client.post(f"{step}/start", data={"version": 0})).status_code == 303
    page = await client.post(f"{step}/finish", data={"version": 1, "text": ""})
    assert page.status_code == 422
    assert "<html" in page.text
    assert "What shows it is missing." in page.text


async def test_what_people_write_is_shown_as_they_wrote_it_and_does_nothing(web: Any, plan: Plan) -> None:
    client = await started(web, plan)
    hostile = "<img src=x onerror=alert(1)> {{ 7*7 }} \x00\u202e javascript:alert(1)"
    assert (await send(client, web, "/github/steps/access_status/start", version=0)).status_code == 200
    answer = await send(client, web, "/github/steps/access_status/finish", version=1, text=hostile)
    assert answer.status_code == 200
    assert (await send(client, web, "/github/hold", version=1, reason=hostile)).status_code == 200
    for path in ("", "/github"):
        page = (await client.get(f"/d/{web.deployment.id}/phases{path}")).text
        assert "<img" not in page
        assert "&lt;img src=x onerror=alert(1)&gt; {{ 7*7 }}" in page
        assert 'href="javascript' not in page


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/github/hold", {"version": "x", "reason": "r"}),
        ("/github/hold", {"version": -1, "reason": "r"}),
        ("/github/hold", {"version": 2**40, "reason": "r"}),
        ("/github/hold", {"version": 1, "reason": "r" * 20_000}),
        ("/github/steps/access_status/start", {"version": 2**40}),
        ("/clock/speed", {"speed": "faster"}),
        ("/clock/speed", {"speed": 0}),
        ("/clock/jump", {"to": "tomorrow"}),
        ("/clock/jump", {"to": "9999-12-31T23:59:59+00:00"}),
        ("/clock/jump", {"to": "0001-01-01T00:00:00+14:00"}),
    ],
)
async def test_what_cannot_be_read_or_is_too_much_changes_nothing(
    web: Any, plan: Plan, path: str, form: dict[str, Any]
) -> None:
    client = await started(web, plan)
    answer = await send(client, web, path, **form)
    assert answer.status_code in (409, 422), answer.text
    row = await run_of(web.database, web.deployment, "github")
    assert (row.state, row.version) == (State.RUNNING, 1)


async def test_what_is_not_in_the_plan_is_not_found(web: Any) -> None:
    client = await web.client_as("devops_lead")
    for path in ("/nothing", "/nothing/_phase", "/nothing/_marks", "/nothing/steps/_steps", "/nothing/steps/_after"):
        assert (await client.get(f"/d/{web.deployment.id}/phases{path}")).status_code == 404
    assert (await send(client, web, "/nothing/start", version=0)).status_code == 404
    assert (await send(client, web, "/github/steps/nothing/start", version=0)).status_code == 404


async def test_the_clock_is_for_rehearsals_and_for_who_leads(web: Any) -> None:
    lead, reader = await web.client_as("devops_lead"), await web.client_as("executive")
    base = f"/d/{web.deployment.id}/phases"
    assert "clock-button-60" in (await lead.get(f"{base}/_clock")).text
    assert "clock-button-60" not in (await reader.get(f"{base}/_clock")).text
    assert (await send(lead, web, "/clock/speed", speed=60)).status_code == 204
    fragment = (await lead.get(f"{base}/_clock")).text
    assert 'id="clock-button-60" aria-pressed="true"' in fragment


async def test_home_names_the_step_that_waits(web: Any, plan: Plan) -> None:
    await started(web, plan)
    home = f"/d/{web.deployment.id}/home/_now"
    security = await web.client_as("security_officer")
    assert "Your step in phase 2: confirm the branch protection" in (await security.get(home)).text
    await send(security, web, "/github/steps/confirm_protection/start", version=0)
    assert "You are at it: confirm the branch protection" in (await security.get(home)).text
    lead = await web.client_as("devops_lead")
    await send(lead, web, "/github/steps/configure_github/start", version=0)
    await send(lead, web, "/github/steps/configure_github/fail", version=1, text="HTTP 403")
    text = (await lead.get(home)).text
    assert "Decide in phase 2: “Set up the GitHub organisation” failed" in text
    assert f'href="/d/{web.deployment.id}/phases/github"' in text
    assert "Phase 2" not in (await (await web.client_as("executive")).get(home)).text


async def test_home_asks_the_second_position_for_a_skip(web: Any) -> None:
    lead, manager = await web.client_as("devops_lead"), await web.client_as("project_manager")
    assert (await send(lead, web, "/github/skip", version=0, reason="done last week")).status_code == 200
    home = f"/d/{web.deployment.id}/home/_now"
    assert "Somebody asks to skip phase 2: agree or not" in (await manager.get(home)).text
    assert "Somebody asks" not in (await lead.get(home)).text
    assert (await send(lead, web, "/github/skip/agree")).status_code == 422
    bare = await send(manager, web, "/github/skip/agree")
    assert bare.status_code == 409, "a press that does not say what it was given for is a stale one"
    page = (await manager.get(f"/d/{web.deployment.id}/phases/github")).text
    shown = dict(re.findall(r'<input type="hidden" name="(version|asked_at)" id="asked-[^"]*" value="([^"]*)">', page))
    assert (await send(manager, web, "/github/skip/agree", **shown)).status_code == 204
    assert (await run_of(web.database, web.deployment, "github")).state == State.SKIPPED


async def test_the_bar_names_the_phase_that_the_day_is_in(web: Any, plan: Plan) -> None:
    """Another phase that runs has the bar until production's sign-offs are proceeded on."""
    reader = await web.client_as("executive")
    bar = f"/d/{web.deployment.id}/_mission"
    assert "Production: sign-offs open" in (await reader.get(bar)).text
    client = await started(web, plan)
    assert "GitHub: running" in (await reader.get(bar)).text
    assert "Phase 2 of 6" in (await reader.get(bar)).text
    await send(client, web, "/github/hold", version=1, reason="a break")
    assert "GitHub: on hold" in (await reader.get(bar)).text

    async def proceed(session: Any) -> None:
        row = await session.get_one(Deployment, web.deployment.id)
        row.state = Course.PROCEEDED.value
        await touch(session, row.id, ("deployment",))

    await web.database.run(proceed)
    assert "Production: waiting to be armed" in (await reader.get(bar)).text
