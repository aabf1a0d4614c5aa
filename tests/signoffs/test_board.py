"""The board page and its fragments: what they say in each state, to whom, and what became OUTDATED."""

import re

import httpx
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Deployment
from app.deployments.commands import hold, lock, note_configuration, proceed, reschedule
from app.domain.signoffs import GateVerdict, VoteState
from app.signoffs.queries_board import ground_of, votes_view
from tests.conftest import Web, make_scope_of
from tests.signoffs.cast import VOTERS, ScopeOf, all_vote_go, events, gate_now, tick, vote

FRAGMENTS = {"_headline": "board-headline", "_votes": "votes", "_gate": "gate", "_team": "team"}


async def set_state(database: Database, deployment: Deployment, state: str) -> None:
    async def move(session: AsyncSession) -> None:
        (await lock(session, deployment.id)).state = state

    await database.run(move)


def words(answer: httpx.Response) -> str:
    """The text of a page without its tags, spaces as one."""
    assert answer.status_code == 200, answer.text[:500]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


async def test_new_evidence_outdates_the_votes_that_were_given_for_the_old(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    devops = await scope_of(deployment, "devops_1")
    await tick(database, devops, "database_backups", "alawael-0306-1100")
    await vote(database, await scope_of(deployment, "backend_lead"), "application")
    await vote(database, await scope_of(deployment, "security_officer"), "security", "nogo", "Not yet")
    await tick(database, devops, "database_backups", "alawael-0306-1334")
    said = await events(database, deployment, "signoffs.outdated")
    assert [event.text for event in said] == [
        "Backend lead’s GO is OUTDATED: Checklist, “Database backups completed”, evidence changed"
    ]
    scope = await scope_of(deployment, "backend_lead")
    view = votes_view(await database.read(lambda session: ground_of(session, scope)))
    row = next(row for row in view.rows if row.key == "application")
    assert row.state == "outdated"
    assert [change[:3] for change in row.changes] == [
        ("Checklist, “Database backups completed”, evidence", "alawael-0306-1100", "alawael-0306-1334")
    ]
    assert re.fullmatch(r"Confirmed at \d\d:\d\d:\d\d by DevOps 1.*", row.changes[0].note)


async def test_what_outdates_several_votes_is_said_at_one(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    devops = await scope_of(deployment, "devops_1")
    await tick(database, devops, "database_backups", "alawael-0306-1100")
    for question in ("infrastructure", "application", "security"):
        await vote(database, await scope_of(deployment, VOTERS[question]), question)
    await tick(database, devops, "database_backups", "alawael-0306-1334")

    async def seen_by(login: str) -> dict[str, tuple[int, list[tuple[int, str, bool]]]]:
        scope = await scope_of(deployment, login)
        view = votes_view(await database.read(lambda session: ground_of(session, scope)))
        rows = [row for row in view.rows if row.state == "outdated"]
        return {row.key: (len(row.changes), [(t.changes, t.key, t.is_you) for t in row.told]) for row in rows}

    first = (1, "infrastructure", False)
    assert await seen_by("executive") == {
        "infrastructure": (1, []),
        "application": (0, [first]),
        "security": (0, [first]),
    }
    own = (1, "application", True)
    assert await seen_by("backend_lead") == {
        "infrastructure": (0, [own]),
        "application": (1, []),
        "security": (0, [own]),
    }


async def test_evidence_put_back_makes_the_vote_count_again(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await all_vote_go(database, scope_of, deployment)
    support = await scope_of(deployment, "support")
    await tick(database, support, "support_briefed")
    assert (await gate_now(database, support))[0].verdict is GateVerdict.PENDING
    await tick(database, support, "support_briefed", "ticked too early", "open")
    assert (await gate_now(database, support))[0].verdict is GateVerdict.PASSED


async def test_another_target_configuration_outdates_all(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await all_vote_go(database, scope_of, deployment)
    scope = await scope_of(deployment, "operations")
    await database.run(lambda session: note_configuration(session, deployment.id, "configuration-2"))
    gate, _ = await gate_now(database, scope)
    assert {line.state for line in gate.lines} == {VoteState.OUTDATED}


async def test_a_new_attempt_starts_without_votes(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await all_vote_go(database, scope_of, deployment)
    leader = await scope_of(deployment, "project_manager")
    later = leader.now.replace(year=leader.now.year + 1)
    await database.run(lambda session: reschedule(session, leader, later, "Database is not ready"))
    gate, _ = await gate_now(database, await scope_of(deployment, "project_manager"))
    assert {line.state for line in gate.lines} == {VoteState.WAITING}


async def test_every_fragment_is_the_one_the_page_includes(web: Web) -> None:
    base = f"/d/{web.deployment.id}/board"
    for login in ("project_manager", "devops_1", "security_officer", "executive", "admin"):
        client = await web.client_as(login)
        page = await client.get(base)
        assert page.status_code == 200
        for name, root in FRAGMENTS.items():
            answer = await client.get(f"{base}/{name}", headers={"hx-request": "true"})
            assert answer.status_code == 200
            assert f'id="{root}"' in answer.text
            assert f'hx-get="{base}/{name}"' in answer.text
            assert f'id="{root}"' in page.text


async def test_no_id_stands_twice_on_the_page(web: Web) -> None:
    for login in ("project_manager", "operations"):
        page = await (await web.client_as(login)).get(f"/d/{web.deployment.id}/board")
        ids = re.findall(r'\bid="([^"]+)"', page.text)
        assert len(ids) == len(set(ids))


async def test_strangers_see_no_board(web: Web) -> None:
    base = f"/d/{web.deployment.id}/board"
    nobody = await web.client_as(None)
    for path in (base, *(f"{base}/{name}" for name in FRAGMENTS)):
        assert (await nobody.get(path)).status_code == 303
    operations = await web.client_as("operations")
    assert (await operations.get("/d/999999/board")).status_code == 404


async def test_only_the_own_row_has_a_ballot(web: Web) -> None:
    for question, login in VOTERS.items():
        page = await (await web.client_as(login)).get(f"/d/{web.deployment.id}/board")
        assert re.findall(r'id="comment-(\w+)"', page.text) == [question]
    page = await (await web.client_as("executive")).get(f"/d/{web.deployment.id}/board")
    assert 'id="comment-' not in page.text


async def test_a_closed_proceed_stays_in_the_tab_order_and_says_why(web: Web) -> None:
    base = f"/d/{web.deployment.id}/board"
    page = await (await web.client_as("project_manager")).get(base)
    button = re.search(r'<button[^>]*id="proceed-button"[^>]*>', page.text)
    assert button is not None
    assert 'aria-disabled="true" aria-describedby="proceed-button-why"' in button[0]
    assert " disabled" not in button[0].replace("aria-disabled", "")
    assert "Opens when all are GO. Now: five still to come." in words(page)
    others = await (await web.client_as("operations")).get(base)
    assert "proceed-button" not in others.text
    assert "Project manager proceeds when all are GO." in words(others)


OFFERS = (
    # state, who looks, what stands on the page, what does not
    ("proceeded", "devops_lead", "arm-form", "proceed-form"),
    ("proceeded", "operations", "DevOps lead or DevOps arms next", "arm-form"),
    ("armed", "devops_1", "/switch", "arm-form"),
    ("on_hold", "project_manager", "resume-form", "proceed-form"),
    ("on_hold", "operations", "Project manager resumes or reschedules", "resume-form"),
    ("switching", "project_manager", "/switch", "hold-form"),
    ("switched", "project_manager", "complete-form", "comment-"),
    ("rolled_back", "project_manager", "reopen-form", "hold-form"),
    ("completed", "project_manager", "/switch", "comment-"),
    ("aborted", "project_manager", "ABORTED", "reschedule-form"),
)


async def test_the_gate_offers_what_the_state_and_the_seat_allow(web: Web) -> None:
    clients = {login: await web.client_as(login) for login in {login for _, login, _, _ in OFFERS}}
    for state, login, there, absent in OFFERS:
        await set_state(web.database, web.deployment, state)
        page = await clients[login].get(f"/d/{web.deployment.id}/board")
        main = page.text[page.text.index('<main id="main"') :]
        assert there in main, (state, login)
        assert absent not in main, (state, login)


async def test_from_the_switch_on_votes_are_shown_as_they_stood(web: Web) -> None:
    scope_of = make_scope_of(web.database, web.app.state.settings)
    await all_vote_go(web.database, scope_of, web.deployment)
    await set_state(web.database, web.deployment, "switched")

    async def drift(session: AsyncSession) -> None:
        await session.execute(update(Deployment).values(target_configuration="changed by the switch"))

    await web.database.run(drift)
    page = await (await web.client_as("operations")).get(f"/d/{web.deployment.id}/board")
    assert page.text.count('data-state="go"') >= 5
    assert 'data-state="outdated"' not in page.text
    assert "The votes as they stood at the switch." in page.text


async def test_the_reason_of_a_hold_is_text(web: Web) -> None:
    scope_of = make_scope_of(web.database, web.app.state.settings)
    leader = await scope_of(web.deployment, "project_manager")
    await web.database.run(lambda session: hold(session, leader, "<b onclick=alert(1)>wait</b>"))
    page = await (await web.client_as("operations")).get(f"/d/{web.deployment.id}/board")
    assert "<b onclick" not in page.text
    assert "On hold: &lt;b onclick=alert(1)&gt;wait&lt;/b&gt;" in page.text


async def test_a_gate_that_was_used_and_failed_since_is_said_to_those_who_go_on(web: Web) -> None:
    scope_of = make_scope_of(web.database, web.app.state.settings)
    await all_vote_go(web.database, scope_of, web.deployment)
    leader = await scope_of(web.deployment, "project_manager")
    await web.database.run(lambda session: proceed(session, leader))
    await tick(web.database, await scope_of(web.deployment, "support"), "support_briefed", "by mail")
    page = await (await web.client_as("devops_lead")).get(f"/d/{web.deployment.id}/board")
    assert "The gate is closed again: five outdated votes" in page.text
    assert re.search(r'id="arm-button"[^>]* aria-disabled="true"', page.text)
