"""The list and the home pages over HTTP: who sees which panels, the fragments, presence."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, Operation, Person, ProbeSummary, RosterSeat, TopicVersion, WebSession
from app.deployments.commands import database_now
from app.domain.deployments import State
from app.domain.plan import Plan
from app.eventlog.log import touch
from app.overview.queries_layout import layout_of
from tests.conftest import Web, make_scope_of
from tests.signoffs.cast import all_vote_go

LOGINS = (
    *("project_manager", "devops_lead", "devops_1", "devops_2", "backend_lead", "backend_1"),
    *("security_officer", "operations", "support", "executive", "admin"),
)


async def put(web: Web, state: State, **values: object) -> None:
    """The deployment in a state, as if its commands had brought it there."""

    async def write(session: AsyncSession) -> None:
        now = await database_now(session)
        statement = update(Deployment).where(Deployment.id == web.deployment.id)
        await session.execute(statement.values(state=state.value, state_since=now, **values))

    await web.database.run(write)


def ids_of(page: str) -> list[str]:
    return re.findall(r'\bid="([^"]+)"', page)


@pytest.mark.parametrize("login", LOGINS)
async def test_every_position_has_its_home(web: Web, login: str) -> None:
    client = await web.client_as(login)
    for state in (State.ON_HOLD, State.SWITCHED):
        await put(web, state, hold_reason="the disk is <full>")
        answer = await client.get(f"/d/{web.deployment.id}")
        assert answer.status_code == 200, answer.text[:2000]
        assert answer.text.count("<h1") == 1
        assert 'id="now"' in answer.text
        assert "<full>" not in answer.text
        found = ids_of(answer.text)
        assert len(found) == len(set(found)), sorted({one for one in found if found.count(one) > 1})


@pytest.mark.parametrize("login", ["project_manager", "devops_lead", "executive", "admin"])
async def test_every_panel_of_a_page_can_be_fetched_again(web: Web, login: str) -> None:
    client = await web.client_as(login)
    page = (await client.get(f"/d/{web.deployment.id}")).text
    urls = set(re.findall(r'hx-get="([^"]+)"', page))
    assert len(urls) > 5
    for url in urls:
        answer = await client.get(url, headers={"HX-Request": "true"})
        assert answer.status_code == 200, url
        root = re.search(r'\bid="([^"]+)"', answer.text)
        assert root is not None
        assert f'id="{root[1]}"' in page, url


async def test_a_page_that_is_not_there_leads_back_to_its_deployment(web: Web) -> None:
    client = await web.client_as("executive")
    back = f'href="/d/{web.deployment.id}"'
    for path in ("/phases/nothing", "/nothing"):
        answer = await client.get(f"/d/{web.deployment.id}{path}")
        assert answer.status_code == 404
        assert "Back to the deployment" in answer.text
        assert back in answer.text
    assert "Back to the deployment" not in (await client.get("/d/999999/board")).text
    assert "Back to the deployment" not in (await client.get("/nothing")).text


async def test_who_is_not_on_the_roster_finds_nothing(web: Web) -> None:
    async def add(session: AsyncSession) -> None:
        now = await database_now(session)
        session.add(Person(login="stranger", name="Stranger", password_hash=None, created_at=now))

    await web.database.run(add)
    client = await web.client_as("stranger")
    for path in ("", "/home/_now", "/home/_panels", "/home/_team", "/range"):
        assert (await client.get(f"/d/{web.deployment.id}{path}")).status_code == 404
    assert "Back to the deployment" not in (await client.get(f"/d/{web.deployment.id}/range")).text
    listed = await client.get("/")
    assert "No deployment yet" in listed.text
    assert "ALAWAEL" not in listed.text
    nobody = await web.client_as(None)
    assert (await nobody.get(f"/d/{web.deployment.id}")).status_code == 303


async def test_panels_follow_the_plan_and_the_time_of_the_day(web: Web, plan: Plan) -> None:
    find = make_scope_of(web.database, web.app.state.settings)
    lead = await find(web.deployment, "project_manager")
    before = layout_of(lead, State.PREPARING, has_question=True)
    assert before.main[:2] == ("votes", "checklist")
    assert before.lead == ("gate",)
    during = layout_of(lead, State.SWITCHED, has_question=True)
    assert "votes" not in during.main
    assert "checklist" not in during.main
    assert "gate" in during.lead
    assert layout_of(lead, State.ARMED, has_question=True).main[:2] == ("votes", "checklist")
    devops = await find(web.deployment, "devops_1")
    assert layout_of(devops, State.SWITCHING, has_question=False).main == ("strip", "metrics", "timeline")
    for position in plan.positions:
        seat = await find(web.deployment, position.key if position.seats == 1 else f"{position.key}_1")
        for state in State:
            layout = layout_of(seat, state, has_question=True)
            shown = {*layout.main, *layout.lead, *layout.rest}
            left_out = {"votes", "checklist"} - shown
            assert set(position.panels) - left_out <= shown


async def test_a_voter_is_led_to_the_own_items_and_the_own_row(web: Web) -> None:
    client = await web.client_as("devops_lead")
    page = (await client.get(f"/d/{web.deployment.id}")).text
    assert 'href="#checklist-before_production"' in page
    assert 'href="#vote-infrastructure"' in page
    assert 'id="vote-infrastructure"' in page


async def test_arming_is_offered_after_a_fresh_sign_in_only(web: Web) -> None:
    scope_of = make_scope_of(web.database, web.app.state.settings)
    await all_vote_go(web.database, scope_of, web.deployment)
    await put(web, State.PROCEEDED)
    client = await web.client_as("devops_1")
    home = f"/d/{web.deployment.id}"
    page = (await client.get(home)).text
    assert "Arm the switch" in page
    assert f'action="{home}/arm"' in page
    assert "Confirm that it is you" not in page

    async def grow_old(session: AsyncSession) -> None:
        now = await database_now(session)
        await session.execute(update(WebSession).values(stepped_up_at=now - timedelta(minutes=6)))

    await web.database.run(grow_old)
    page = (await client.get(home)).text
    assert f'action="{home}/arm"' not in page
    assert f'href="/step-up?next={home}"' in page
    reader = await web.client_as("executive")
    page = (await reader.get(home)).text
    assert f'action="{home}/arm"' not in page
    assert "arms next" in page


async def test_the_list_shows_state_seat_and_next_move(web: Web) -> None:
    client = await web.client_as("security_officer")
    page = (await client.get("/")).text
    assert "REHEARSAL" in page
    assert "Sign-offs open" in page
    assert "You sit there as Security officer." in page
    assert "Give your GO or NO-GO" in page
    assert "New rehearsal" not in page
    await put(web, State.ABORTED, hold_reason="tired")
    page = (await client.get("/")).text
    assert "Nothing is under way" in page
    assert "Aborted: nothing to press" in page


async def test_an_administrator_sees_all(web: Web) -> None:
    client = await web.client_as("admin")
    page = (await client.get("/")).text
    assert "You administer it, without a seat." in page
    assert "New rehearsal" in page


# ── presence ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def seat_of(web: Web, position: str) -> RosterSeat:
    statement = select(RosterSeat).where(
        RosterSeat.deployment_id == web.deployment.id, RosterSeat.position == position, RosterSeat.seat == 1
    )
    return await web.database.read(lambda session: _one(session, statement))


async def _one(session: AsyncSession, statement: object) -> RosterSeat:
    found: RosterSeat = (await session.execute(statement)).scalar_one()  # type: ignore[call-overload]
    return found


async def team_version(web: Web) -> int:
    statement = select(TopicVersion.version).where(
        TopicVersion.deployment_id == web.deployment.id, TopicVersion.topic == "team"
    )

    async def query(session: AsyncSession) -> int:
        return await session.scalar(statement) or 0

    return await web.database.read(query)


async def test_asking_for_a_page_is_being_here(web: Web) -> None:
    client = await web.client_as("operations")
    before = await team_version(web)
    await client.get(f"/d/{web.deployment.id}/home/_team", headers={"HX-Request": "true"})
    assert (await seat_of(web, "operations")).seen_at is None
    await client.get(f"/d/{web.deployment.id}/board")
    first = await seat_of(web, "operations")
    assert (first.seen_page, await team_version(web)) == ("board", before + 1)
    await client.get(f"/d/{web.deployment.id}")
    second = await seat_of(web, "operations")
    assert (second.seen_page, await team_version(web)) == ("home", before + 1)
    await client.get(f"/d/{web.deployment.id}")
    assert (await seat_of(web, "operations")).seen_at == second.seen_at
    lead = await web.client_as("project_manager")
    panel = (await lead.get(f"/d/{web.deployment.id}/home/_team")).text
    assert '<li id="seat-operations-1" data-here="yes">' in panel
    assert '<li id="seat-backend-1" data-here="no">' in panel
    assert "not seen yet" in panel


async def test_who_was_away_arrives_again(web: Web) -> None:
    client = await web.client_as("operations")
    await client.get(f"/d/{web.deployment.id}")
    before = await team_version(web)

    async def leave(session: AsyncSession) -> None:
        now = await database_now(session)
        await session.execute(update(RosterSeat).values(seen_at=now - timedelta(seconds=61)))

    await web.database.run(leave)
    await client.get(f"/d/{web.deployment.id}")
    assert await team_version(web) == before + 1


# ── facts from the database ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_refused_switch_reaches_the_headline(web: Web) -> None:
    await put(web, State.ARMED)

    async def refuse(session: AsyncSession) -> None:
        now = await database_now(session)
        session.add(
            Operation(
                deployment_id=web.deployment.id,
                attempt=1,
                target="production",
                kind="switch",
                state="refused",
                reason="GREEN's last passing check is 23 s old",
                epoch=1,
                want_blue=0,
                idempotency_key="k",
                requested_by="DevOps 1",
                frozen_signoffs={},
                clicked_at=now,
                accepted_at=now,
                finished_at=now,
            )
        )

    await web.database.run(refuse)
    client = await web.client_as("support")
    text = (await client.get(f"/d/{web.deployment.id}/home/_now")).text
    assert "The gate is closed again" in text
    traffic = (await client.get(f"/d/{web.deployment.id}/home/_traffic")).text
    assert "DevOps 1, refused" in traffic


async def test_customers_are_counted_from_what_was_recorded(web: Web) -> None:
    async def record(session: AsyncSession) -> None:
        now = (await database_now(session)).replace(microsecond=0)
        for ago, requests, failed in ((400, 1000, 3), (30, 9000, 3), (2, 9600, 5)):
            session.add(
                ProbeSummary(
                    target="production",
                    second=now - timedelta(seconds=ago),
                    blue=3,
                    green=0,
                    unknown=0,
                    failed=1,
                    slowest_ms=4.0,
                    customers_requests=requests,
                    customers_failed=failed,
                )
            )
        await touch(session, web.deployment.id, ("traffic",))

    client = await web.client_as("operations")
    empty = (await client.get(f"/d/{web.deployment.id}/home/_customers")).text
    assert "nobody counts them" in empty
    assert "not counted" in empty
    await web.database.run(record)
    text = (await client.get(f"/d/{web.deployment.id}/home/_customers")).text
    assert re.search(r"<b data-state=\"crit\">2</b> of 8,600", text)
    assert re.search(r"<b data-state=\"crit\">2</b> of 8<", text)
