"""People who press at the same moment, on real connections."""

import asyncio

import pytest

from app.config import Settings
from app.db.engine import Database
from app.deployments.commands import proceed
from app.domain.errors import Rejected
from app.signoffs.commands import withdraw_signoff
from tests.conftest import Seeder, make_scope_of
from tests.signoffs.cast import all_vote_go, events, row_of, standing, tick, vote


async def test_one_vote_sent_five_times_at_once_is_one(
    committed_db: Database, seed: Seeder, settings: Settings
) -> None:
    deployment = await seed(committed_db)
    scope = await make_scope_of(committed_db, settings)(deployment, "operations")
    await asyncio.gather(*(vote(committed_db, scope, "monitoring", "go", "fine") for _ in range(5)))
    assert [event.kind for event in await events(committed_db, deployment)] == ["signoffs.recorded"]


async def test_five_people_at_once_open_the_gate_once(committed_db: Database, seed: Seeder, settings: Settings) -> None:
    deployment = await seed(committed_db)
    scope_of = make_scope_of(committed_db, settings)
    voters = {"infrastructure": "devops_lead", "application": "backend_lead", "security": "security_officer"}
    voters |= {"monitoring": "operations", "requirements": "project_manager"}
    scopes = {question: await scope_of(deployment, login) for question, login in voters.items()}
    await asyncio.gather(*(vote(committed_db, scope, question) for question, scope in scopes.items()))
    kinds = sorted(event.kind for event in await events(committed_db, deployment))
    assert kinds == ["signoffs.gate.passed"] + ["signoffs.recorded"] * 5


@pytest.mark.parametrize("against", ["nogo", "withdraw", "tick"])
async def test_proceeding_against_a_vote_never_ends_in_a_passed_gate_that_was_not(
    committed_db: Database, seed: Seeder, settings: Settings, against: str
) -> None:
    """Whoever comes first, the deployment does not stand proceeded beside a NO-GO, a withdrawn GO or an unseen tick."""
    deployment = await seed(committed_db)
    scope_of = make_scope_of(committed_db, settings)
    await all_vote_go(committed_db, scope_of, deployment)
    leader, officer = await scope_of(deployment, "project_manager"), await scope_of(deployment, "security_officer")
    support = await scope_of(deployment, "support")

    async def oppose() -> None:
        match against:
            case "nogo":
                await vote(committed_db, officer, "security", "nogo", "Stop")
            case "withdraw":
                await committed_db.run(lambda session: withdraw_signoff(session, officer, "security"))
            case _:
                await tick(committed_db, support, "support_briefed", "by mail")

    found = await asyncio.gather(
        oppose(), committed_db.run(lambda session: proceed(session, leader)), return_exceptions=True
    )
    assert found[0] is None
    state = (await row_of(committed_db, deployment)).state
    if isinstance(found[1], Rejected):
        assert state == "preparing"
    else:
        assert found[1] is None
        assert state == ("proceeded" if against == "tick" else "on_hold")
    if against != "tick":
        assert (await standing(committed_db, deployment)).get("security") != "GO"
