"""The Plan page: everything of the plan, with the people of the roster, for everybody on the roster."""

import pytest

from app.db.engine import Database
from app.db.tables import Deployment
from app.domain.plan import Plan
from app.plans.queries import runbook, source_of
from app.plans.queries_phases import span
from app.plans.views import RunbookView
from tests.conftest import PLAN_FILE, ScopeOf


@pytest.fixture
async def view(database: Database, deployment: Deployment, scope_of: ScopeOf) -> RunbookView:
    scope = await scope_of(deployment, "devops_lead")
    return await database.read(lambda session: runbook(session, scope))


async def test_phases_are_in_words(view: RunbookView, plan: Plan) -> None:
    assert [phase.number for phase in view.phases] == [phase.number for phase in plan.phases]
    production = next(phase for phase in view.phases if phase.key == "production")
    assert production.is_current
    assert (production.when, production.duration) == ("14:00", "40\u00a0min")
    assert production.lead == "DevOps lead, Security officer"
    assert [(mark.at, mark.text) for mark in production.timeline][-1] == ("14:40", "Phase 4 is complete")
    assert production.checklist is not None
    assert [item.proof for item in production.checklist.items].count("By machine") == 3
    assert production.gate is not None
    assert [question.position for question in production.gate.questions] == [
        "DevOps lead",
        "Backend lead",
        "Security officer",
        "Operations",
        "Project manager",
    ]


async def test_roles_have_their_people_and_rights(view: RunbookView) -> None:
    roles = {role.key: role for role in view.roles}
    assert roles["devops"].people == ("DevOps 1", "DevOps 2")
    assert roles["devops_lead"].is_you
    assert not roles["devops"].is_you
    assert roles["devops_lead"].may[0] == "signs off"
    assert "rolls back at any moment" in roles["project_manager"].may
    assert roles["executive"].may == ("sees every page",)


async def test_triggers_say_what_they_watch_and_do(view: RunbookView) -> None:
    rules = [(trigger.rule, trigger.effect) for trigger in view.triggers]
    automatic = "Rolls back by itself, after a visible countdown"
    assert ("Error rate (of all requests) above 2\u00a0% for 2\u00a0min", automatic) in rules
    assert ("Fails: Payment answers; 2 failing checks in a row", automatic) in rules
    assert rules[-1] == ("The guard is lifted and pressed", "Rolls back at once")


async def test_the_binding_in_force_is_shown(view: RunbookView) -> None:
    assert [target.bound_to for target in view.targets] == ["range agent at http://127.0.0.1:9", ""]


async def test_the_source_is_as_written(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    scope = await scope_of(deployment, "executive")
    text = await database.read(lambda session: source_of(session, scope))
    assert text == PLAN_FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.5, "0.5 s"),
        (30, "30 s"),
        (60, "1 min"),
        (2700, "45 min"),
        (5400, "1 h 30 min"),
        (7200, "2 h"),
        (604800, "7 days"),
        (86400, "1 day"),
        (90061, "1 day 1 h"),
    ],
)
def test_spans(seconds: float, words: str) -> None:
    assert span(seconds).replace("\u00a0", " ") == words
