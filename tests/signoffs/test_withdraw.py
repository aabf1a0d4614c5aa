"""POST /d/{id}/board/withdraw and the command behind it."""

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Deployment
from app.deployments.commands import lock, proceed
from app.domain.errors import Rejected
from app.signoffs.commands import withdraw_signoff
from tests.conftest import Web
from tests.signoffs.cast import ScopeOf, all_vote_go, events, row_of, shown_to, standing, vote


async def test_a_withdrawn_go_is_gone_and_twice_does_nothing(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    scope = await scope_of(deployment, "operations")
    await vote(database, scope, "monitoring")
    for _ in range(2):
        await database.run(lambda session: withdraw_signoff(session, scope, "monitoring"))
    assert await standing(database, deployment) == {}
    said = await events(database, deployment, "signoffs.withdrawn")
    assert [event.text for event in said] == ["Operations withdrew the GO"]
    assert (await row_of(database, deployment)).state == "preparing"


async def test_a_go_withdrawn_after_proceeding_holds(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await all_vote_go(database, scope_of, deployment)
    leader, scope = await scope_of(deployment, "project_manager"), await scope_of(deployment, "backend_lead")
    await database.run(lambda session: proceed(session, leader))
    await database.run(lambda session: withdraw_signoff(session, scope, "application"))
    held = await row_of(database, deployment)
    assert (held.state, held.hold_reason) == ("on_hold", "Backend lead withdrew the GO")


async def test_after_withdrawing_one_can_vote_again(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    scope = await scope_of(deployment, "operations")
    await vote(database, scope, "monitoring", "nogo", "An alert is open")
    await database.run(lambda session: withdraw_signoff(session, scope, "monitoring"))
    await vote(database, scope, "monitoring")
    assert await standing(database, deployment) == {"monitoring": "GO"}


@pytest.mark.parametrize("question", ["monitoring", "application", "nonsense"])
async def test_nobody_withdraws_what_is_not_theirs(
    database: Database, deployment: Deployment, scope_of: ScopeOf, question: str
) -> None:
    await vote(database, await scope_of(deployment, "operations"), "monitoring")
    scope = await scope_of(deployment, "backend_lead")
    with pytest.raises(Rejected):
        await database.run(lambda session: withdraw_signoff(session, scope, question))
    assert await standing(database, deployment) == {"monitoring": "GO"}


@pytest.mark.parametrize("state", ["switching", "switched", "completed"])
async def test_from_the_switch_on_votes_stay(
    database: Database, deployment: Deployment, scope_of: ScopeOf, state: str
) -> None:
    scope = await scope_of(deployment, "operations")
    await vote(database, scope, "monitoring")

    async def move(session: AsyncSession) -> None:
        (await lock(session, deployment.id)).state = state

    await database.run(move)
    with pytest.raises(Rejected) as refused:
        await database.run(lambda session: withdraw_signoff(session, scope, "monitoring"))
    assert refused.value.conflict
    assert await standing(database, deployment) == {"monitoring": "GO"}


async def test_the_board_shows_a_withdrawn_vote_and_a_new_ballot(web: Web) -> None:
    client = await web.client_as("operations")
    base = f"/d/{web.deployment.id}/board"
    form = {"question": "monitoring", "vote": "go", "shown": await shown_to(client, web.deployment)}
    voted = await client.post(f"{base}/vote", data=form, headers={"hx-request": "true"})
    assert "Withdraw the GO" in voted.text
    answer = await client.post(f"{base}/withdraw", data={"question": "monitoring"}, headers={"hx-request": "true"})
    assert answer.status_code == 200
    assert 'id="vote-monitoring" data-state="withdrawn"' in answer.text
    assert 'id="comment-monitoring"' in answer.text


async def test_others_cannot_withdraw_over_http(web: Web) -> None:
    client = await web.client_as("operations")
    base = f"/d/{web.deployment.id}/board"
    form = {"question": "monitoring", "vote": "go", "shown": await shown_to(client, web.deployment)}
    await client.post(f"{base}/vote", data=form)
    for login, status in (("backend_lead", 422), ("devops_1", 403), ("executive", 403)):
        other = await web.client_as(login)
        answer = await other.post(f"{base}/withdraw", data={"question": "monitoring"}, headers={"hx-request": "true"})
        assert (login, answer.status_code) == (login, status)
    assert await standing(web.database, web.deployment) == {"monitoring": "GO"}
