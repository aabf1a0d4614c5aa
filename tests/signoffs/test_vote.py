"""POST /d/{id}/board/vote and the command behind it."""

from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Deployment, RosterSeat, Signoff, TargetState, WebSession
from app.deployments.commands import arm, hold, lock, proceed, resume
from app.domain.errors import Rejected
from app.domain.signoffs import COMMENT_LIMIT, GateVerdict, VoteState
from app.signoffs.tasks import keep_votes
from tests.conftest import Web
from tests.signoffs.cast import (
    VOTERS,
    ScopeOf,
    all_vote_go,
    events,
    gate_now,
    row_of,
    shown_to,
    standing,
    vote,
)
from tests.traffic.armed import prove


async def test_five_go_open_the_gate_and_say_so_once(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await all_vote_go(database, scope_of, deployment)
    gate, _ = await gate_now(database, await scope_of(deployment, "project_manager"))
    assert gate.verdict is GateVerdict.PASSED
    kinds = [event.kind for event in await events(database, deployment)]
    assert kinds == ["signoffs.recorded"] * 5 + ["signoffs.gate.passed"]


async def test_a_vote_sent_twice_is_one(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    scope = await scope_of(deployment, "security_officer")
    await vote(database, scope, "security", "nogo", "Key rotation has no evidence yet")
    await vote(database, scope, "security", "nogo", "Key rotation has no evidence yet")
    said = await events(database, deployment)
    assert [event.text for event in said] == ["Security officer said NO-GO: Key rotation has no evidence yet"]
    assert said[0].actor == "Security officer"


async def test_a_new_vote_replaces_the_standing_one(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    scope = await scope_of(deployment, "security_officer")
    await vote(database, scope, "security", "nogo", "Not yet")
    await vote(database, scope, "security", "go", "Now it has evidence")
    assert await standing(database, deployment) == {"security": "GO"}


@pytest.mark.parametrize(
    ("login", "question", "said", "comment", "shown", "code"),
    [
        ("backend_lead", "security", "go", "", None, "position"),
        ("devops_1", "infrastructure", "go", "", None, "position"),
        ("security_officer", "nonsense", "go", "", None, "position"),
        ("security_officer", "security", "nogo", "  ", None, "comment"),
        ("security_officer", "security", "go", "x" * (COMMENT_LIMIT + 1), None, "comment"),
        ("security_officer", "security", "go", "", "0" * 32, "stale"),
    ],
)
async def test_refused_votes_leave_nothing_behind(
    database: Database,
    deployment: Deployment,
    scope_of: ScopeOf,
    login: str,
    question: str,
    said: str,
    comment: str,
    shown: str | None,
    code: str,
) -> None:
    form = {"shown": shown} if shown else {}
    with pytest.raises(Rejected) as refused:
        await vote(database, await scope_of(deployment, login), question, said, comment, **form)
    assert refused.value.code == code
    assert await events(database, deployment) == []
    assert await standing(database, deployment) == {}


async def test_a_no_go_puts_a_proceeded_deployment_on_hold(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await all_vote_go(database, scope_of, deployment)
    leader = await scope_of(deployment, "project_manager")
    await database.run(lambda session: proceed(session, leader))
    await vote(database, await scope_of(deployment, "operations"), "monitoring", "nogo", "An alert is open")
    held = await row_of(database, deployment)
    assert (held.state, held.hold_reason) == ("on_hold", "Operations said NO-GO: An alert is open")
    assert held.held_by == "Operations"
    kinds = [event.kind for event in await events(database, deployment, "")]
    assert kinds[-2:] == ["signoffs.recorded", "deployment.held"]


async def test_a_no_go_takes_back_what_arming_gave(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await all_vote_go(database, scope_of, deployment)
    leader, devops = await scope_of(deployment, "project_manager"), await scope_of(deployment, "devops_lead")
    await database.run(lambda session: proceed(session, leader))
    await prove(database)
    await database.run(lambda session: arm(session, devops))
    assert (await row_of(database, deployment)).state == "armed"
    await vote(database, await scope_of(deployment, "security_officer"), "security", "nogo", "Stop")
    target = await database.read(lambda session: session.get_one(TargetState, deployment.target))
    assert (await row_of(database, deployment)).state == "on_hold"
    assert target.locked_by is None


async def test_a_no_go_while_preparing_fails_the_gate_without_a_hold(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    scope = await scope_of(deployment, "security_officer")
    await vote(database, scope, "security", "nogo", "Not yet")
    assert (await gate_now(database, scope))[0].verdict is GateVerdict.FAILED
    assert (await row_of(database, deployment)).state == "preparing"


async def test_votes_go_on_while_on_hold_and_stand_after_it(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    leader = await scope_of(deployment, "project_manager")
    await database.run(lambda session: hold(session, leader, "Lunch"))
    await all_vote_go(database, scope_of, deployment)
    await database.run(lambda session: resume(session, leader))
    assert (await gate_now(database, leader))[0].verdict is GateVerdict.PASSED


@pytest.mark.parametrize("state", ["switching", "switched", "rolling_back", "rolled_back", "completed", "aborted"])
async def test_no_vote_from_the_switch_on(
    database: Database, deployment: Deployment, scope_of: ScopeOf, state: str
) -> None:
    scope = await scope_of(deployment, "operations")

    async def move(session: AsyncSession) -> None:
        (await lock(session, deployment.id)).state = state

    await database.run(move)
    with pytest.raises(Rejected) as refused:
        await vote(database, scope, "monitoring", "nogo", "Too late")
    assert refused.value.conflict


async def test_who_lost_the_seat_neither_votes_nor_counts(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await all_vote_go(database, scope_of, deployment)
    scope = await scope_of(deployment, "operations")
    other = await scope_of(deployment, "executive")

    async def reseat(session: AsyncSession) -> None:
        await session.execute(
            update(RosterSeat)
            .where(RosterSeat.deployment_id == deployment.id, RosterSeat.position == "operations")
            .values(person_id=other.viewer.person_id)
        )

    await database.run(reseat)
    gate, _ = await gate_now(database, scope)
    assert [(line.question.key, line.state) for line in gate.missing] == [("monitoring", VoteState.OUTDATED)]
    with pytest.raises(Rejected):
        await vote(database, scope, "monitoring")


async def test_expired_votes_end_and_say_so_once(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    await all_vote_go(database, scope_of, deployment)
    scope = await scope_of(deployment, "operations")

    async def age(session: AsyncSession) -> None:
        await session.execute(
            update(Signoff)
            .where(Signoff.question.in_(("monitoring", "security")))
            .values(expires_at=scope.now - timedelta(seconds=1))
        )

    await database.run(age)
    await keep_votes(database)
    await keep_votes(database)
    said = [event.text for event in await events(database, deployment, "signoffs.expired")]
    assert said == ["Security officer’s GO and Operations’ GO expired after 60 min"]
    assert (await gate_now(database, scope))[0].verdict is GateVerdict.PENDING


# ── over HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_five_vote_in_their_browsers(web: Web) -> None:
    for question, login in VOTERS.items():
        client = await web.client_as(login)
        form = {"question": question, "vote": "go", "comment": "fine", "shown": await shown_to(client, web.deployment)}
        answer = await client.post(f"/d/{web.deployment.id}/board/vote", data=form, headers={"hx-request": "true"})
        assert answer.status_code == 200
        assert f'id="vote-{question}" data-state="go"' in answer.text
        assert answer.text.lstrip().startswith('<section class="panel" id="votes"')
    board = await (await web.client_as("project_manager")).get(f"/d/{web.deployment.id}/board")
    assert "All five are GO. You can proceed." in board.text


async def test_without_script_a_vote_leads_back_to_the_board(web: Web) -> None:
    client = await web.client_as("operations")
    form = {"question": "monitoring", "vote": "go", "shown": await shown_to(client, web.deployment)}
    answer = await client.post(f"/d/{web.deployment.id}/board/vote", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/d/{web.deployment.id}/board")


async def test_positions_without_a_question_may_not_vote(web: Web) -> None:
    form = {"question": "monitoring", "vote": "go", "shown": ""}
    for login in ("devops_1", "backend_1", "support", "executive", "admin"):
        client = await web.client_as(login)
        answer = await client.post(f"/d/{web.deployment.id}/board/vote", data=form)
        assert (login, answer.status_code) == (login, 403)


async def test_a_stale_go_is_a_conflict_in_words(web: Web) -> None:
    client = await web.client_as("operations")
    form = {"question": "monitoring", "vote": "go", "shown": "0" * 32}
    answer = await client.post(f"/d/{web.deployment.id}/board/vote", data=form, headers={"hx-request": "true"})
    assert answer.status_code == 409
    assert answer.headers["hx-retarget"] == "#notice"
    assert "has changed since this page showed it. Nothing was recorded." in answer.text


async def test_an_error_stands_at_the_field_with_what_was_typed(web: Web) -> None:
    client = await web.client_as("operations")
    typed = "x" * (COMMENT_LIMIT + 1)
    form = {"question": "monitoring", "vote": "nogo", "comment": typed, "shown": ""}
    for headers in ({"hx-request": "true"}, {}):
        answer = await client.post(f"/d/{web.deployment.id}/board/vote", data=form, headers=headers)
        assert answer.status_code == 422
        assert 'aria-describedby="comment-monitoring-error" aria-invalid="true"' in answer.text
        assert f">{typed}</textarea>" in answer.text
    empty = await client.post(
        f"/d/{web.deployment.id}/board/vote", data={**form, "comment": ""}, headers={"hx-request": "true"}
    )
    assert "A NO-GO needs a comment." in empty.text


async def test_hostile_text_stays_text(web: Web) -> None:
    client = await web.client_as("operations")
    hostile = "<img src=x onerror=alert(1)> {{ 7*7 }} \x00\x1b[31m \u202e </script>"
    form = {"question": "monitoring", "vote": "nogo", "comment": hostile, "shown": ""}
    answer = await client.post(f"/d/{web.deployment.id}/board/vote", data=form, headers={"hx-request": "true"})
    assert answer.status_code == 200
    assert "<img" not in answer.text
    assert "&lt;img src=x onerror=alert(1)&gt; {{ 7*7 }}" in answer.text
    assert "\x00" not in answer.text


async def test_an_unreadable_ballot_goes_to_the_notice(web: Web) -> None:
    client = await web.client_as("operations")
    for form in ({"question": "monitoring", "vote": "maybe"}, {}, {"question": "q" * 300, "vote": "go"}):
        answer = await client.post(f"/d/{web.deployment.id}/board/vote", data=form, headers={"hx-request": "true"})
        assert answer.status_code == 422
        assert answer.headers["hx-retarget"] == "#notice"


async def test_a_vote_needs_a_fresh_sign_in_and_the_page_says_so_before(web: Web) -> None:
    client = await web.client_as("operations")

    async def age(session: AsyncSession) -> None:
        await session.execute(update(WebSession).values(stepped_up_at=WebSession.created_at - timedelta(minutes=6)))

    await web.database.run(age)
    board = await client.get(f"/d/{web.deployment.id}/board")
    assert 'id="comment-monitoring"' in board.text
    assert f'href="/step-up?next=/d/{web.deployment.id}/board"' in board.text
    form = {"question": "monitoring", "vote": "go", "shown": await shown_to(client, web.deployment)}
    answer = await client.post(f"/d/{web.deployment.id}/board/vote", data=form, headers={"hx-request": "true"})
    assert answer.status_code == 403
    assert "Confirm that it is you" in answer.text
    assert await standing(web.database, web.deployment) == {}


async def test_a_vote_without_the_pages_token_is_refused(web: Web) -> None:
    client = await web.client_as("operations")
    form = {"question": "monitoring", "vote": "go", "shown": await shown_to(client, web.deployment)}
    client.headers["x-csrf"] = "of another page"
    answer = await client.post(f"/d/{web.deployment.id}/board/vote", data=form)
    assert answer.status_code == 409
    assert await standing(web.database, web.deployment) == {}
