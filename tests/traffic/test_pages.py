"""The Switch page in each state and for each position, and its two forms as browsers and others send them."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Deployment, Operation, Person, RollbackGrant, TargetState, WebSession
from app.deployments.commands import database_now, lock
from app.domain.operations import Answer, Outcome, State
from app.domain.plan import Plan
from app.main import open_database
from app.ports.operations import Progress
from app.traffic.store import PostgresStore
from tests.conftest import ScopeOf, Web
from tests.traffic.armed import operations_of, press_rollback, press_switch, prove

ArmWeb = Callable[[], Awaitable[None]]
HTMX = {"hx-request": "true"}
WATCHERS = ("backend_lead", "backend_1", "security_officer", "operations", "support", "executive", "admin")
"""These neither switch nor roll back."""


def url(web: Web, path: str = "/switch") -> str:
    return f"/d/{web.deployment.id}{path}"


def heading(page: str) -> str:
    return page.split("<h1>")[1].split("</h1>")[0].replace("\u00a0", " ")


async def page_of(web: Web, login: str = "devops_lead") -> str:
    client = await web.client_as(login)
    response = await client.get(url(web))
    assert response.status_code == 200, response.text[-2000:]
    return response.text


async def set_session(web: Web, login: str, **values: Any) -> None:
    person = select(Person.id).where(Person.login == login).scalar_subquery()
    statement = update(WebSession).where(WebSession.person_id == person).values(**values)
    await web.database.run(lambda session: session.execute(statement))


async def drive(web: Web, plan: Plan, operation: Operation, *steps: Progress) -> PostgresStore:
    """Record what a worker would have found."""
    store = PostgresStore(web.database, plan, "w1")
    await store.claim(operation.id)
    for step in steps:
        await store.record(operation.id, step)
    return store


def outcome(answer: Answer, found: str, at: Any, proof: str = "as measured") -> Outcome:
    return Outcome(answer, found, proof, at)


# ── the page, state by state ──────────────────────────────────────────────────────────────────────────────────────


async def test_before_the_gate_the_page_says_what_is_missing(web: Web) -> None:
    page = await page_of(web)
    assert heading(page) == "Not armed. The sign-offs are open."
    assert 'data-act="before"' in page
    assert 'id="switch-form"' not in page
    assert "0 of 5 GO" in page


async def test_armed_the_devops_lead_gets_the_control(web: Web, arm_web: ArmWeb) -> None:
    await arm_web()
    page = await page_of(web)
    for part in ('id="switch-form"', 'id="switch-guard"', "data-lock", 'name="confirm"', 'data-kind="ink"'):
        assert part in page
    assert "I move all production traffic of ALAWAEL from BLUE 0.9.4 to GREEN 1.0.0 now." in page
    assert "5 of 5 GO · gate PASSED" in page
    assert 'data-every="5"' in page, "while armed T−5 is looked at again by itself"


async def test_armed_the_others_read_who_may(web: Web, arm_web: ArmWeb) -> None:
    await arm_web()
    for login in ("project_manager", *WATCHERS):
        page = await page_of(web, login)
        assert 'id="switch-form"' not in page, login
        assert "These can switch: DevOps lead, DevOps 1, DevOps 2." in page


async def test_an_old_sign_in_asks_for_a_new_one_before_the_cover(web: Web, arm_web: ArmWeb) -> None:
    await arm_web()
    client = await web.client_as("devops_lead")
    await set_session(web, "devops_lead", stepped_up_at=func.clock_timestamp() - timedelta(minutes=6))
    page = (await client.get(url(web))).text
    assert "Sign in again first" in page
    assert f'href="/step-up?next={url(web)}"' in page
    assert 'id="switch-guard"' not in page
    refused = await client.post(url(web), data={"confirm": "yes"}, headers=HTMX)
    assert refused.status_code == 403
    assert "/step-up?next=" in refused.text
    assert await operations_of(web.database) == []


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"green_is_healthy": False, "green_found": "unhealthy, 0 of 1 targets"}, "GREEN is not healthy"),
        ({"read_error": "refused the connection"}, "the balancer does not answer: refused the connection"),
        ({"set_blue": 90}, "the balancer is not all on BLUE"),
        ({"configuration": "other"}, "the target was changed outside gonogo"),
    ],
    ids=["green", "balancer", "weights", "configuration"],
)
async def test_what_t_minus_5_would_refuse_stands_there_before_the_press(
    web: Web, arm_web: ArmWeb, found: dict[str, Any], words: str
) -> None:
    await arm_web()
    await prove(web.database, **found)
    page = await page_of(web)
    assert heading(page).startswith("Armed, but not ready: ")
    assert words in page


async def test_old_proofs_are_unknown_not_yes(web: Web, arm_web: ArmWeb) -> None:
    await arm_web()
    old = func.clock_timestamp() - timedelta(seconds=16)
    await web.database.run(lambda session: session.execute(update(TargetState).values(green_at=old)))
    page = await page_of(web)
    assert "last health check is older than 15 s" in page
    assert 'data-state="unknown"' in page


async def test_a_gate_that_no_longer_passes_closes_the_press(web: Web, arm_web: ArmWeb, web_scope_of: ScopeOf) -> None:
    await arm_web()
    await web.database.run(
        lambda s: s.execute(update(Person).where(Person.login == "operations").values(is_disabled=True))
    )
    page = await page_of(web)
    assert heading(page) == "Armed, but the gate does not pass any more."
    assert 'aria-disabled="true"' in page
    assert "The gate does not pass any more: look at the board." in page


async def test_running_the_strip_shows_what_was_found(
    web: Web, arm_web: ArmWeb, web_scope_of: ScopeOf, plan: Plan
) -> None:
    await arm_web()
    operation = await press_switch(web.database, await web_scope_of(web.deployment, "devops_lead"), "k1")
    at = operation.accepted_at
    await drive(
        web,
        plan,
        operation,
        Progress(
            state=State.CHECKING,
            checks={
                "green_healthy": outcome(Answer.YES, "GREEN healthy", at, "18 of 18 targets"),
                "team_present": outcome(Answer.NO, "not seen: Operations", at),
            },
        ),
    )
    page = await page_of(web, "backend_lead")
    assert heading(page) == "The switch is accepted. Checking T−5."
    assert "18 of 18 targets" in page
    assert "not seen: Operations" in page
    assert "CHECKING T−5" in page
    assert "can roll back" in page
    assert 'data-act="switch"' in page


async def test_arrived_the_axis_and_the_figures_stand(
    web: Web, arm_web: ArmWeb, web_scope_of: ScopeOf, plan: Plan
) -> None:
    await arm_web()
    operation = await press_switch(web.database, await web_scope_of(web.deployment, "devops_lead"), "k1")
    click = operation.clicked_at
    await drive(
        web,
        plan,
        operation,
        Progress(customers=(1000, 1)),
        Progress(state=State.OBSERVING, written_at=click + timedelta(seconds=0.21)),
        Progress(
            observed_95_at=click + timedelta(seconds=0.52),
            observed_99_at=click + timedelta(seconds=0.66),
            observed_100_at=click + timedelta(seconds=0.83),
            probes_agreeing=168,
            probes_total=190,
            customers=(2204, 1),
        ),
    )
    page = (await page_of(web)).replace("\u00a0", " ")
    for words in ("0.21 s", "0.52 s", "0.66 s", "0.83 s", "168 of 190", "0 of 1,204"):
        assert words in page
    assert heading(page).startswith("GREEN serves 100 %. Now: ")


async def test_refused_the_page_says_why_and_that_nothing_moved(
    web: Web, arm_web: ArmWeb, web_scope_of: ScopeOf, plan: Plan
) -> None:
    await arm_web()
    operation = await press_switch(web.database, await web_scope_of(web.deployment, "devops_lead"), "k1")
    no = outcome(Answer.NO, "GREEN is not healthy: 0 of 1 targets", operation.accepted_at, "connection refused")
    store = await drive(web, plan, operation, Progress(state=State.CHECKING, checks={"green_healthy": no}))
    await store.finish(operation.id, State.REFUSED, "GREEN is not healthy: 0 of 1 targets", restore=False)
    page = await page_of(web)
    assert heading(page) == "The switch was refused: GREEN is not healthy: 0 of 1 targets. No traffic moved."
    assert "REFUSED, NOTHING WRITTEN" in page
    assert "connection refused" in page
    assert 'id="switch-form"' in page, "it can be pressed again"


async def roll_back_to(web: Web, web_scope_of: ScopeOf, plan: Plan, *steps: Progress) -> Operation:
    lead = await web_scope_of(web.deployment, "devops_lead")
    await press_switch(web.database, lead, "k1")
    operation = await press_rollback(web.database, lead, "k2")
    await drive(web, plan, operation, *steps)
    return operation


async def test_rolling_back_has_a_running_clock(web: Web, arm_web: ArmWeb, web_scope_of: ScopeOf, plan: Plan) -> None:
    await arm_web()
    await roll_back_to(web, web_scope_of, plan)
    page = await page_of(web)
    assert heading(page) == "Rolling back. Writing the weights: all to BLUE."
    assert "data-since=" in page
    assert "Since the press" in page
    assert page.count('class="criterion"') == 7
    assert "Earlier operations" in page
    assert "superseded" in page


async def test_escalated_it_names_whom_to_call(web: Web, arm_web: ArmWeb, web_scope_of: ScopeOf, plan: Plan) -> None:
    await arm_web()
    operation = await roll_back_to(web, web_scope_of, plan)
    click = operation.clicked_at
    bad = outcome(Answer.NO, "0.42 %", click + timedelta(seconds=30), "10 s window")
    await drive(
        web,
        plan,
        operation,
        Progress(written_at=click + timedelta(seconds=0.2), observed_100_at=click + timedelta(seconds=0.94)),
        Progress(checks={"error_rate": bad}),
        Progress(escalated="7 of 7 checks are not YES after 30 s"),
    )
    page = await page_of(web)
    assert heading(page) == "Traffic is on BLUE, but BLUE is not well."
    assert "Time is up" in page
    assert "NOT CONFIRMED" in page
    assert "VP Operations" in page
    assert "0.42 %" in page
    assert ">NO<" in page


async def test_rolled_back_all_seven_are_yes(web: Web, arm_web: ArmWeb, web_scope_of: ScopeOf, plan: Plan) -> None:
    await arm_web()
    operation = await roll_back_to(web, web_scope_of, plan)
    click = operation.clicked_at
    rollback = plan.production.rollback
    assert rollback is not None
    yes: dict[str, Outcome] = {
        spec.check: outcome(Answer.YES, "as wanted", click + timedelta(seconds=3)) for spec in rollback.criteria
    }
    await drive(
        web,
        plan,
        operation,
        Progress(written_at=click + timedelta(seconds=0.19), observed_100_at=click + timedelta(seconds=0.94)),
        Progress(checks=yes),
        Progress(state=State.VERIFYING, verified_at=click + timedelta(seconds=21.6)),
    )
    page = await page_of(web)
    assert heading(page) == "Rolled back to BLUE in 0.94 s. All seven checks are YES."
    assert "Verified after" in page
    assert ">21.6<" in page
    assert "7 of 7" in page
    assert "The guard keeps setting BLUE" in page or operation.guard_until is None


async def test_the_fragments_are_what_the_page_includes(web: Web, arm_web: ArmWeb) -> None:
    await arm_web()
    client = await web.client_as("devops_lead")
    for path, root in (("/switch/_live", "switch-live"), ("/switch/_control", "control")):
        response = await client.get(url(web, path))
        assert response.status_code == 200
        assert f'id="{root}"' in response.text.split(">")[0] + response.text.split(">")[1]
        assert "<html" not in response.text
    for path, root in (("/_mission", "mission"), ("/_guard", "guard"), ("/_banner", "banner")):
        response = await client.get(url(web, path))
        assert response.status_code == 200
        assert f'id="{root}"' in response.text
        assert "<html" not in response.text


# ── the switch's form ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_without_script_the_press_leads_back_to_the_page(web: Web, arm_web: ArmWeb) -> None:
    await arm_web()
    client = await web.client_as("devops_lead")
    response = await client.post(url(web), data={"confirm": "yes", "_key": "k1"})
    assert (response.status_code, response.headers["location"]) == (303, url(web))
    (operation,) = await operations_of(web.database)
    assert operation.idempotency_key == f"sw:{operation.person_id}:k1", "no page's key stands for the product's own"


async def test_with_script_the_control_gives_way(web: Web, arm_web: ArmWeb) -> None:
    await arm_web()
    client = await web.client_as("devops_1")
    response = await client.post(url(web), data={"confirm": "yes", "_key": "k1"}, headers=HTMX)
    assert response.status_code == 200
    assert 'id="control-sent"' in response.text
    assert 'id="switch-form"' not in response.text


async def test_an_unticked_statement_stands_at_its_field(web: Web, arm_web: ArmWeb) -> None:
    await arm_web()
    client = await web.client_as("devops_lead")
    for data in ({}, {"confirm": ""}, {"confirm": "no"}, {"confirm": "on"}, {"confirm": "YES"}):
        for headers in ({}, HTMX):
            response = await client.post(url(web), data={"_key": "k1", **data}, headers=headers)
            assert response.status_code == 422
            assert 'aria-invalid="true"' in response.text
            assert "The statement above the button is not ticked." in response.text
    assert await operations_of(web.database) == []


async def test_the_second_operator_gets_409_with_the_name(web: Web, arm_web: ArmWeb) -> None:
    await arm_web()
    first, second = await web.client_as("devops_lead"), await web.client_as("devops_2")
    await first.post(url(web), data={"confirm": "yes", "_key": "k1"})
    response = await second.post(url(web), data={"confirm": "yes", "_key": "k2"}, headers=HTMX)
    assert response.status_code == 409
    assert response.headers["hx-retarget"] == "#notice"
    assert "DevOps lead started the switch" in response.text
    assert "Nothing was sent twice." in response.text


async def test_who_may_not_switch_is_told_so(web: Web, arm_web: ArmWeb) -> None:
    await arm_web()
    for login in ("project_manager", *WATCHERS):
        client = await web.client_as(login)
        assert (await client.post(url(web), data={"confirm": "yes"})).status_code == 403, login
    assert await operations_of(web.database) == []


@pytest.mark.parametrize(
    "data",
    [
        {"confirm": "yes", "_key": "x" * 41},
        {"confirm": "y" * 10_000},
        {"confirm": "yes\x00", "_key": "\x00" * 70},
        {"confirm": ["yes", "no"], "_key": "k"},
        {"confirm": "<script>alert(1)</script>", "_key": "'; drop table operation; --"},
    ],
    ids=["long key", "long tick", "nul", "twice", "script"],
)
async def test_hostile_forms_do_no_harm(web: Web, arm_web: ArmWeb, data: dict[str, Any]) -> None:
    await arm_web()
    client = await web.client_as("devops_lead")
    response = await client.post(url(web), data=data)
    assert response.status_code in (303, 422), response.text[:500]
    assert "<script>alert" not in response.text
    assert len(await operations_of(web.database)) == (1 if response.status_code == 303 else 0)


async def test_json_instead_of_a_form_is_refused(web: Web, arm_web: ArmWeb) -> None:
    await arm_web()
    client = await web.client_as("devops_lead")
    response = await client.post(url(web), json={"confirm": "yes"})
    assert response.status_code == 422
    assert await operations_of(web.database) == []


async def test_an_old_csrf_token_does_not_switch(web: Web, arm_web: ArmWeb) -> None:
    await arm_web()
    client = await web.client_as("devops_lead")
    response = await client.post(url(web), data={"confirm": "yes"}, headers={"x-csrf": "of an earlier sign-in"})
    assert response.status_code == 409
    assert await operations_of(web.database) == []


async def test_another_site_cannot_switch_or_roll_back(web: Web, arm_web: ArmWeb) -> None:
    await arm_web()
    client = await web.client_as("devops_lead")
    for path in ("/switch", "/rollback"):
        response = await client.post(url(web, path), data={"confirm": "yes"}, headers={"sec-fetch-site": "cross-site"})
        assert response.status_code == 403
    assert await operations_of(web.database) == []


async def test_a_stranger_sees_no_deployment(web: Web, arm_web: ArmWeb) -> None:
    await arm_web()

    async def unseat(session: AsyncSession) -> None:
        session.add(
            Person(login="stranger", name="Stranger", password_hash=None, created_at=await database_now(session))
        )

    await web.database.run(unseat)
    client = await web.client_as("stranger")
    for response in (
        await client.get(url(web)),
        await client.post(url(web), data={"confirm": "yes"}),
        await client.post(url(web, "/rollback")),
    ):
        assert response.status_code == 404


# ── the rollback's form ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def switching(web: Web, arm_web: ArmWeb, web_scope_of: ScopeOf) -> Operation:
    await arm_web()
    return await press_switch(web.database, await web_scope_of(web.deployment, "devops_lead"), "k1")


async def rolled_back(web: Web) -> bool:
    return [row.kind for row in await operations_of(web.database)] == ["switch", "rollback"]


@pytest.mark.parametrize("login", ["devops_2", "project_manager"])
async def test_who_holds_a_grant_rolls_back(web: Web, switching: Operation, login: str) -> None:
    client = await web.client_as(login)
    response = await client.post(url(web, "/rollback"), data={"_key": "r1"})
    assert (response.status_code, response.headers["location"]) == (303, url(web))
    assert await rolled_back(web)


async def test_with_script_the_rollback_page_follows(web: Web, switching: Operation) -> None:
    client = await web.client_as("devops_1")
    response = await client.post(url(web, "/rollback"), data={"_key": "r1"}, headers=HTMX)
    assert response.headers["hx-redirect"] == url(web)
    assert heading((await client.get(url(web))).text).startswith("Rolling back.")


async def test_an_old_token_and_an_idle_session_are_good_enough(web: Web, switching: Operation) -> None:
    client = await web.client_as("devops_1")
    long_ago = func.clock_timestamp() - timedelta(hours=2)
    await set_session(web, "devops_1", seen_at=long_ago, stepped_up_at=long_ago)
    response = await client.post(url(web, "/rollback"), data={}, headers={"x-csrf": "of last week"})
    assert response.status_code == 200
    assert "The rollback to BLUE 0.9.4 is on its way." in response.text
    assert "/sign-in?next=" in response.text
    assert await rolled_back(web)


async def test_idle_with_script_it_says_so_in_the_notice(web: Web, switching: Operation) -> None:
    client = await web.client_as("devops_1")
    await set_session(web, "devops_1", seen_at=func.clock_timestamp() - timedelta(hours=2))
    response = await client.post(url(web, "/rollback"), data={}, headers=HTMX)
    assert response.status_code == 200
    assert response.headers["hx-retarget"] == "#notice"
    assert "is on its way" in response.text


async def test_pressing_twice_does_no_harm(web: Web, switching: Operation) -> None:
    client = await web.client_as("devops_1")
    for key in ("r1", "r1", "r2"):
        assert (await client.post(url(web, "/rollback"), data={"_key": key})).status_code == 303
    assert await rolled_back(web)


async def test_who_may_not_roll_back_is_told_so(web: Web, switching: Operation) -> None:
    for login in WATCHERS:
        client = await web.client_as(login)
        assert (await client.post(url(web, "/rollback"), data={})).status_code == 403, login
    assert not await rolled_back(web)


async def test_a_revoked_grant_ends_the_right(web: Web, switching: Operation) -> None:
    client = await web.client_as("devops_1")
    revoke = update(RollbackGrant).values(revoked_at=func.clock_timestamp())
    await web.database.run(lambda session: session.execute(revoke))
    response = await client.post(url(web, "/rollback"), data={})
    assert response.status_code == 403
    assert not await rolled_back(web)


async def test_a_disabled_account_or_an_ended_session_rolls_nothing_back(web: Web, switching: Operation) -> None:
    client = await web.client_as("devops_1")
    disable = update(Person).where(Person.login == "devops_1").values(is_disabled=True)
    await web.database.run(lambda session: session.execute(disable))
    assert (await client.post(url(web, "/rollback"), data={})).headers["location"].startswith("/sign-in")
    other = await web.client_as("devops_2")
    await set_session(web, "devops_2", ended_at=func.clock_timestamp())
    assert (await other.post(url(web, "/rollback"), data={})).headers["location"].startswith("/sign-in")
    assert not await rolled_back(web)


async def test_nobody_rolls_nothing_back(web: Web, switching: Operation) -> None:
    client: httpx.AsyncClient = await web.client_as(None)
    response = await client.post(url(web, "/rollback"), data={})
    assert response.headers["location"].startswith("/sign-in")
    assert not await rolled_back(web)


async def test_a_page_that_did_not_know_of_a_sick_blue_gets_the_button_that_names_it(
    web: Web, switching: Operation
) -> None:
    await prove(web.database, blue_is_healthy=False, blue_found="unhealthy, 0 of 1 targets")
    client = await web.client_as("devops_lead")
    response = await client.post(url(web, "/rollback"), data={"_key": "r1"}, headers=HTMX)
    assert response.status_code == 422
    assert 'id="guard"' in response.text
    assert "Roll back although BLUE is unhealthy" in response.text
    assert 'name="although"' in response.text
    assert not await rolled_back(web)
    plain = await client.post(url(web, "/rollback"), data={"_key": "r1"})
    assert plain.status_code == 422
    assert "BLUE is unhealthy: unhealthy, 0 of 1 targets. No traffic moved." in plain.text
    again = await client.post(url(web, "/rollback"), data={"_key": "r2", "although": "yes"}, headers=HTMX)
    assert again.headers["hx-redirect"] == url(web)
    assert (await operations_of(web.database))[-1].although_blue_unhealthy


async def test_a_healthy_blue_s_guard_does_not_name_it(web: Web, switching: Operation) -> None:
    client = await web.client_as("devops_lead")
    guard = (await client.get(url(web, "/_guard"))).text
    assert "Roll back to BLUE" in guard
    assert 'name="although"' not in guard


async def test_hostile_rollback_forms(web: Web, switching: Operation) -> None:
    client = await web.client_as("devops_lead")
    for data in ({"_key": "x" * 41}, {"although": "y" * 30}):
        assert (await client.post(url(web, "/rollback"), data=data)).status_code == 422
    assert not await rolled_back(web)
    long = {"_key": "r1", "cause": "c" * 5000}
    await client.post(url(web, "/rollback"), data=long)
    assert await rolled_back(web)
    assert (await operations_of(web.database))[-1].cause == "c" * 500, "too many words keep nobody on GREEN"


async def test_the_cause_is_data(web: Web, switching: Operation) -> None:
    client = await web.client_as("devops_lead")
    await client.post(url(web, "/rollback"), data={"_key": "r1", "cause": "<b onclick=x>payments\x00 fail</b>"})
    page = (await client.get(url(web))).text
    assert "&lt;b onclick=x&gt;payments fail&lt;/b&gt;" in page
    assert "<b onclick" not in page
    deployment = await web.database.read(lambda session: session.get_one(Deployment, web.deployment.id))
    assert deployment.state == "rolling_back"


async def test_a_web_process_that_stands_still_in_a_press_keeps_a_rollback_waiting_for_seconds_only(web: Web) -> None:
    """Such as one whose machine froze: PostgreSQL ends what it holds."""
    frozen = open_database(web.app.state.settings)
    async with frozen.session() as session, asyncio.timeout(20):
        await lock(session, web.deployment.id)
        began = time.monotonic()
        await Database(web.database.engine).run(lambda other: lock(other, web.deployment.id))
        assert time.monotonic() - began < 8
        with contextlib.suppress(DBAPIError):
            await session.rollback()
    await frozen.aclose()
