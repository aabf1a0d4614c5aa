"""The Range page over HTTP: who turns what, what it leaves in the timeline, twice, huge, hostile, and a dead range."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.policy import ACTIONS
from app.db.tables import Deployment, Event, RollbackGrant, RosterSeat, TargetState
from app.deployments.commands import database_now
from app.domain.deployments import State
from app.domain.sides import Side
from app.providers.range_control import RangeControl
from app.range.commands import RESTARTED, TURNED
from tests.range.conftest import RangeWeb

TURNERS = ("project_manager", "devops_lead", "devops_1", "admin")
OTHERS = ("backend_lead", "backend_1", "security_officer", "operations", "support", "executive")

GREEN = {"latency_ms": "800", "failure_percent": "0", "memory_percent": "0", "cpu_percent": "0", "db_connections": "0"}
POSTS: dict[str, dict[str, str]] = {
    "/knobs/green": GREEN,
    "/knobs/balancer": {"slow_ms": "0", "late_ms": "0", "refuse": "yes"},
    "/knobs/customers": {"per_second": "10", "streams": "3"},
    "/preset": {"preset": "green_slow"},
    "/restart": {"side": "GREEN"},
}
HTMX = {"HX-Request": "true"}


async def lines(ranged: RangeWeb, kind: str) -> list[Event]:
    async def query(session: AsyncSession) -> list[Event]:
        statement = select(Event).where(Event.chain == ranged.web.deployment.id, Event.kind == kind)
        return list(await session.scalars(statement.order_by(Event.seq)))

    return await ranged.web.database.read(query)


async def send(client: httpx.AsyncClient, ranged: RangeWeb, path: str, **fields: str) -> httpx.Response:
    return await client.post(f"{ranged.url}{path}", data=fields, headers=HTMX)


@pytest.mark.parametrize("login", ["project_manager", "executive"])
async def test_the_page_shows_knobs_processes_and_customers(ranged: RangeWeb, login: str) -> None:
    ranged.stand.failures = [
        {"at": "2026-11-23T18:04:01+00:00", "side": "GREEN", "path": "/<b>", "status": 500, "error": ""}
    ]
    client = await ranged.client_as(login)
    page = (await client.get(ranged.url)).text
    assert "All is well in the range" in page
    assert 'href="http://127.0.0.1:8401"' in page
    assert "12,034" in page
    assert "status 500" in page
    assert "/&lt;b&gt;" in page
    assert ('action="' + ranged.url + '/preset"' in page) is (login == "project_manager")
    assert ("New rehearsal" in page) is (login == "project_manager")
    for part in ("_headline", "_knobs", "_status"):
        assert (await client.get(f"{ranged.url}/{part}")).status_code == 200


@pytest.mark.parametrize("login", OTHERS)
async def test_other_positions_only_look(ranged: RangeWeb, login: str) -> None:
    client = await ranged.client_as(login)
    for path, fields in POSTS.items():
        answer = await send(client, ranged, path, **fields)
        assert answer.status_code == 403, path
        assert "Not for your position" in answer.text
    assert (await send(client, ranged, "/rehearsals")).status_code == 403
    assert ranged.stand.calls == []


@pytest.mark.parametrize("login", TURNERS)
async def test_a_turn_is_in_force_and_in_the_timeline(ranged: RangeWeb, login: str) -> None:
    client = await ranged.client_as(login)
    answer = await send(client, ranged, "/knobs/green", **GREEN, unavailable="yes")
    assert answer.status_code == 200
    assert 'id="range-knobs"' in answer.text
    assert ranged.stand.knobs.green.latency_ms == 800
    assert ranged.stand.knobs.green.unavailable
    (line,) = await lines(ranged, TURNED)
    assert "made GREEN slow: +800 ms; made GREEN unavailable: it answers 503 to everything" in line.text
    assert line.payload["after"]["green"]["latency_ms"] == 800
    page = (await client.get(ranged.url)).text
    assert "Something is wrong on purpose" in page
    assert "GREEN: +800 ms, 503 to everything" in page


@pytest.mark.parametrize(("group", "name"), [("github", "GitHub’s stand-in"), ("slotbook", "The slot book’s stand-in")])
async def test_a_stand_in_that_refuses_is_turned_and_named(ranged: RangeWeb, group: str, name: str) -> None:
    client = await ranged.client_as("devops_lead")
    assert (await send(client, ranged, f"/knobs/{group}", refuse="yes")).status_code == 200
    assert getattr(ranged.stand.knobs, group).refuse
    page = (await client.get(ranged.url)).text
    assert "Something is wrong on purpose" in page
    assert f"{name}: refuses changes" in page
    assert (await send(client, ranged, f"/knobs/{group}")).status_code == 200, "an unticked box is a no"
    assert not getattr(ranged.stand.knobs, group).refuse


async def test_presets_add_up_and_all_well_ends_them(ranged: RangeWeb) -> None:
    client = await ranged.client_as("project_manager")
    for preset in ("green_slow", "green_failing", "green_dead", "balancer_refuses"):
        assert (await send(client, ranged, "/preset", preset=preset)).status_code == 200
    green = ranged.stand.knobs.green
    assert (green.latency_ms, green.failure_percent, green.dead) == (800, 5, True)
    assert ranged.stand.knobs.balancer.refuse
    page = (await client.get(ranged.url)).text
    assert "no process" in page
    assert page.count('aria-pressed="true"') == 4
    assert (await send(client, ranged, "/preset", preset="all_well")).status_code == 200
    assert ranged.stand.knobs.green.latency_ms == 0
    said = [line.text for line in await lines(ranged, TURNED)]
    assert said[0] == "Project manager made GREEN slow: +800 ms"
    assert said[2] == "Project manager killed GREEN"
    assert "brought GREEN back" in said[-1]


async def test_the_same_press_sent_again_turns_nothing(ranged: RangeWeb) -> None:
    client = await ranged.client_as("devops_lead")
    first = {"preset": "green_slow", "_key": "one"}
    await send(client, ranged, "/preset", **first)
    await send(client, ranged, "/preset", preset="all_well", _key="two")
    assert (await send(client, ranged, "/preset", **first)).status_code == 200
    assert ranged.stand.knobs.green.latency_ms == 0
    assert len(await lines(ranged, TURNED)) == 2
    await send(client, ranged, "/preset", preset="all_well", _key="three")
    assert len(await lines(ranged, TURNED)) == 2, "what changes nothing leaves no line"


async def test_a_restart_happens_once_a_press(ranged: RangeWeb) -> None:
    client = await ranged.client_as("devops_1")
    answers = await asyncio.gather(
        *(send(client, ranged, "/restart", side="GREEN", _key="press") for _ in range(4)),
    )
    assert {answer.status_code for answer in answers} == {200}
    assert ranged.stand.restarts[Side.GREEN] == 1
    assert [line.text for line in await lines(ranged, RESTARTED)] == ["DevOps restarted GREEN"]
    await send(client, ranged, "/restart", side="GREEN", _key="another")
    assert ranged.stand.restarts[Side.GREEN] == 2


@pytest.mark.parametrize(
    "value", ["", "-1", "10001", "1e3", "999999999999999999999", "٣x", "<b>", "0x10", "1\x00", "NaN", "1" * 5000]
)
async def test_a_value_out_of_bounds_stays_at_its_field(ranged: RangeWeb, value: str) -> None:
    client = await ranged.client_as("project_manager")
    answer = await send(client, ranged, "/knobs/green", **{**GREEN, "latency_ms": value})
    if value == "1\x00":  # a control character is left out, and what remains is a number
        assert (answer.status_code, ranged.stand.knobs.green.latency_ms) == (200, 1)
        return
    assert answer.status_code == 422
    assert "A whole number from 0 to 10,000." in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert "<b>" not in answer.text.replace("<b>GREEN", "").replace("<b>Balancer", "").replace("<b>GitHub", "").replace(
        "<b>All", ""
    )
    assert ranged.stand.calls == []
    whole = await client.post(f"{ranged.url}/knobs/green", data={**GREEN, "latency_ms": value})
    assert whole.status_code == 422
    assert "<h1" in whole.text


async def test_strange_groups_presets_and_sides_are_not_there(ranged: RangeWeb) -> None:
    client = await ranged.client_as("project_manager")
    assert (await send(client, ranged, "/knobs/red", **GREEN)).status_code == 422
    assert (await send(client, ranged, "/preset", preset="format_disk")).status_code == 404
    assert (await send(client, ranged, "/restart", side="RED")).status_code == 404
    assert (await send(client, ranged, "/knobs/green", latency_ms="5")).status_code == 422
    assert (await client.post(f"{ranged.url}/preset", content=b"\xff" * 100_000)).status_code in (404, 413, 422)
    assert ranged.stand.calls == []


async def test_without_the_csrf_token_or_from_elsewhere_nothing_is_turned(ranged: RangeWeb) -> None:
    client = await ranged.client_as("project_manager")
    client.headers["x-csrf"] = "another"
    assert (await send(client, ranged, "/preset", preset="green_dead")).status_code == 409
    client.headers["sec-fetch-site"] = "cross-site"
    assert (await send(client, ranged, "/preset", preset="green_dead")).status_code == 403
    assert ranged.stand.calls == []


async def test_a_range_that_is_gone_says_so(ranged: RangeWeb) -> None:
    site = ranged.web.app.state.site
    ranged.web.app.state.range_control = RangeControl("http://127.0.0.1:9", site.range.token_file)
    client = await ranged.client_as("project_manager")
    page = await client.get(ranged.url)
    assert page.status_code == 200
    assert "The range does not answer" in page.text
    assert "No knobs to turn" in page.text
    for path, fields in POSTS.items():
        answer = await send(client, ranged, path, **fields)
        assert answer.status_code == 422, path
        assert "The range does not answer. Nothing was done." in answer.text
    assert await lines(ranged, TURNED) == []


async def test_live_mode_has_no_such_page(ranged: RangeWeb) -> None:
    from dataclasses import replace

    client = await ranged.client_as("project_manager")
    app = ranged.web.app
    app.state.settings = replace(app.state.settings, mode="live", secure_cookies=False)
    live = await _signed_in_live(ranged)
    for path in ("", "/_knobs", "/_status"):
        assert (await live.get(f"{ranged.url}{path}")).status_code == 404
    for path, fields in {**POSTS, "/rehearsals": {}}.items():
        assert (await send(live, ranged, path, **fields)).status_code == 404, path
    assert ranged.stand.calls == []
    del client


async def _signed_in_live(ranged: RangeWeb) -> httpx.AsyncClient:
    """A live installation knows sessions by another key than a range does."""
    from hashlib import sha256

    from app.db.tables import WebSession
    from app.web.access import SESSION_COOKIE

    client = await ranged.client_as("admin")
    raw = client.cookies[SESSION_COOKIE]

    async def move(session: AsyncSession) -> None:
        statement = update(WebSession).where(WebSession.id_hash == sha256(raw.encode()).digest())
        await session.execute(statement.values(id_hash=sha256(b"live:" + raw.encode()).digest()))

    await ranged.web.database.run(move)
    return client


# ── another rehearsal ─────────────────────────────────────────────────────────────────────────────────────────────


async def put(ranged: RangeWeb, state: State, *, set_blue: int | None = 100) -> None:
    async def write(session: AsyncSession) -> None:
        own = ranged.web.deployment.id
        now = await database_now(session)
        await session.execute(update(Deployment).where(Deployment.id == own).values(state=state.value))
        await session.execute(update(TargetState).values(set_blue=set_blue, locked_by=own))
        lead = await session.scalar(select(RosterSeat.person_id).where(RosterSeat.position == "devops_lead").limit(1))
        assert lead is not None
        if await session.scalar(select(RollbackGrant.id).limit(1)) is None:
            grant: dict[str, Any] = {"deployment_id": own, "attempt": 1, "person_id": lead, "position": "devops_lead"}
            session.add(RollbackGrant(**grant, granted_at=now))

    await ranged.web.database.run(write)


async def count(ranged: RangeWeb) -> int:
    async def query(session: AsyncSession) -> int:
        return await session.scalar(select(func.count()).select_from(Deployment)) or 0

    return await ranged.web.database.read(query)


@pytest.mark.parametrize("state", [State.PREPARING, State.ARMED, State.SWITCHED, State.ROLLING_BACK, State.ON_HOLD])
async def test_no_rehearsal_begins_beside_another(ranged: RangeWeb, state: State) -> None:
    await put(ranged, state)
    client = await ranged.client_as("project_manager")
    answer = await send(client, ranged, "/rehearsals")
    assert answer.status_code == 409
    assert f"Rehearsal {ranged.web.deployment.id} is under way" in answer.text
    assert await count(ranged) == 1
    listed = (await client.get("/")).text
    assert 'id="rehearsal-button" aria-disabled="true"' in listed.replace(' data-kind=""', "")


async def test_a_rehearsal_starts_from_blue(ranged: RangeWeb) -> None:
    await put(ranged, State.COMPLETED, set_blue=0)
    client = await ranged.client_as("project_manager")
    answer = await send(client, ranged, "/rehearsals")
    assert answer.status_code == 409
    assert "Roll back first" in answer.text
    assert await count(ranged) == 1


@pytest.mark.parametrize("state", [State.ROLLED_BACK, State.ABORTED])
async def test_another_rehearsal_begins_once(ranged: RangeWeb, state: State) -> None:
    await put(ranged, state)
    client = await ranged.client_as("project_manager")
    answers = await asyncio.gather(*(send(client, ranged, "/rehearsals", _key="k") for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [204, 409, 409]
    (begun,) = [answer for answer in answers if answer.status_code == 204]
    home = begun.headers["HX-Redirect"]
    assert await count(ranged) == 2
    page = await client.get(home)
    assert page.status_code == 200
    assert "Confirm one item" in page.text

    async def query(session: AsyncSession) -> tuple[int | None, int]:
        held = (await session.execute(select(TargetState.locked_by))).scalar_one()
        standing = select(func.count()).select_from(RollbackGrant).where(RollbackGrant.revoked_at.is_(None))
        return held, await session.scalar(standing) or 0

    assert await ranged.web.database.read(query) == (None, 0)
    (line,) = await lines(ranged, "range.rehearsal.begun")
    assert line.actor == "Project manager"


def test_the_actions_are_the_tables() -> None:
    assert set(ACTIONS["range.turn"].any_of) == {"administer", "switch", "proceed"}
    assert set(ACTIONS["range.rehearse"].any_of) == {"administer", "proceed"}


AWS = {"slow_ms": "200", "throttled_percent": "10"}


async def bind_to_aws(ranged: RangeWeb) -> None:
    async def write(session: AsyncSession) -> None:
        row = await session.get_one(Deployment, ranged.web.deployment.id)
        row.binding = {**row.binding, "provider": "aws"}

    await ranged.web.database.run(write)


async def test_the_card_of_aws_turns_faults_and_shows_those_in_force(ranged: RangeWeb) -> None:
    await bind_to_aws(ranged)
    client = await ranged.client_as("devops_lead")
    answer = await send(client, ranged, "/knobs/aws", **AWS, dns_refused="yes")
    assert answer.status_code == 200
    kinds = [(fault.service, fault.kind, fault.percent) for fault in ranged.stand.knobs.aws.faults]
    assert kinds == [("route53", "error", 100), ("*", "error", 10), ("*", "slow", 100)]
    again = (await client.get(f"{ranged.url}/_knobs")).text
    card = again[again.index('id="knobs-aws"') :]
    assert 'name="slow_ms" inputmode="numeric" autocomplete="off" value="200"' in card
    assert 'name="throttled_percent" inputmode="numeric" autocomplete="off" value="10"' in card
    assert card.count("checked") == 1
    assert [line.text for line in await lines(ranged, TURNED)] == ["DevOps lead let the simulated AWS fail in 3 ways"]
    wrong = await send(client, ranged, "/knobs/aws", slow_ms="-1", throttled_percent="101")
    assert wrong.status_code == 422
    assert "A whole number from 0 to 100." in wrong.text
    assert len(ranged.stand.knobs.aws.faults) == 3


async def test_without_a_simulated_aws_there_is_no_card_for_it(ranged: RangeWeb) -> None:
    client = await ranged.client_as("devops_lead")
    assert 'id="knobs-aws"' not in (await client.get(f"{ranged.url}/_knobs")).text
    assert (await send(client, ranged, "/knobs/aws", **AWS)).status_code == 404
    assert ranged.stand.calls == []
