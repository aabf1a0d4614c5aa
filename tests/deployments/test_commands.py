"""Proceed, arm, hold, resume, reschedule: who, when, and what else they change."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import ChecklistState, Deployment, Event, RollbackGrant, Signoff, TargetState
from app.deployments import commands
from app.deployments.tasks import keep_gates
from app.domain.deployments import State
from app.domain.errors import Rejected
from app.domain.plan import Plan
from app.domain.signoffs import fingerprint
from app.seed import create_rehearsal
from app.signoffs.commands import record_signoff
from app.signoffs.forms import VoteForm
from app.signoffs.queries import binding_of
from app.web.access import Scope
from tests.traffic.armed import prove

ScopeOf = Callable[..., Awaitable[Scope]]
SIGNERS = ("devops_lead", "backend_lead", "security_officer", "operations", "project_manager")


async def vote_all(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    for login in SIGNERS:
        scope = await scope_of(deployment, login)
        question = next(right.partition(":")[2] for right in scope.capabilities if right.startswith("sign_off:"))

        async def write(session: AsyncSession, scope: Scope = scope, question: str = question) -> None:
            shown = fingerprint(await binding_of(session, scope.deployment, scope.plan, scope.plan_hash))
            await record_signoff(session, scope, VoteForm(question=question, vote="go", shown=shown))

        await database.run(write)


async def prove_way_back(database: Database) -> None:
    await prove(database)


async def run(database: Database, command: Any, scope: Scope, *arguments: Any) -> None:
    await database.run(lambda session: command(session, scope, *arguments))


async def state_of(database: Database, deployment: Deployment) -> str:
    async def query(session: AsyncSession) -> str:
        return (await session.execute(select(Deployment.state).where(Deployment.id == deployment.id))).scalar_one()

    return await database.read(query)


async def test_from_five_go_to_armed(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    await vote_all(database, deployment, scope_of)
    await run(database, commands.proceed, await scope_of(deployment, "project_manager"))
    assert await state_of(database, deployment) == State.PROCEEDED
    await prove_way_back(database)
    await run(database, commands.arm, await scope_of(deployment, "devops_lead"))
    assert await state_of(database, deployment) == State.ARMED
    grants = await database.read(lambda s: s.scalars(select(RollbackGrant.position)))
    assert sorted(grants) == ["devops", "devops", "devops_lead", "project_manager"]
    locked = await database.read(lambda s: s.scalar(select(TargetState.locked_by)))
    assert locked == deployment.id


async def test_proceeding_needs_all_five(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    with pytest.raises(Rejected, match="gate has not passed"):
        await run(database, commands.proceed, await scope_of(deployment, "project_manager"))
    assert await state_of(database, deployment) == State.PREPARING


async def test_a_vote_outdated_after_proceeding_stops_the_arming(
    database: Database, deployment: Deployment, scope_of: ScopeOf, plan: Plan
) -> None:
    await vote_all(database, deployment, scope_of)
    await run(database, commands.proceed, await scope_of(deployment, "project_manager"))
    await prove_way_back(database)
    item = next(i for i in plan.checklist("before_production").items if i.check is None)

    async def change(session: AsyncSession) -> None:
        now = await commands.database_now(session)
        session.add(ChecklistState(deployment_id=deployment.id, attempt=1, item=item.key, state="failed", at=now))

    await database.run(change)
    with pytest.raises(Rejected, match="outdated"):
        await run(database, commands.arm, await scope_of(deployment, "devops_lead"))


NO_PERMISSION = {"key": "permission", "title": "May change the listener", "is_ok": False, "found": "AccessDenied"}


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("blue_is_healthy", False, "BLUE"),
        ("blue_at", None, "BLUE"),
        ("read_at", None, "balancer"),
        ("read_error", "connection refused", "The balancer's answer and set-up: connection refused"),
        ("configuration", "another", "set up as another, voted on configuratio"),
        ("preflight_at", None, "Pre-flight: not asked yet"),
        ("preflight", [], "Pre-flight: the balancer had nothing to say"),
        ("preflight", [NO_PERMISSION], "May change the listener: AccessDenied"),
        ("preflight", [{**NO_PERMISSION, "is_ok": None}], "May change the listener: AccessDenied"),
    ],
)
async def test_arming_needs_a_proven_way_back(
    database: Database, deployment: Deployment, scope_of: ScopeOf, column: str, value: object, says: str
) -> None:
    await vote_all(database, deployment, scope_of)
    await run(database, commands.proceed, await scope_of(deployment, "project_manager"))
    await prove_way_back(database)
    await database.run(lambda s: s.execute(update(TargetState).values({column: value})))
    with pytest.raises(Rejected, match=says):
        await run(database, commands.arm, await scope_of(deployment, "devops_lead"))
    assert await database.read(lambda s: s.scalar(select(RollbackGrant.id))) is None


async def test_a_hold_takes_back_what_arming_gave(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await vote_all(database, deployment, scope_of)
    await run(database, commands.proceed, await scope_of(deployment, "project_manager"))
    await prove_way_back(database)
    await run(database, commands.arm, await scope_of(deployment, "devops_lead"))
    await run(database, commands.hold, await scope_of(deployment, "project_manager"), "key rotation is open")
    assert await state_of(database, deployment) == State.ON_HOLD
    standing = await database.read(
        lambda s: s.scalars(select(RollbackGrant.id).where(RollbackGrant.revoked_at.is_(None)))
    )
    assert list(standing) == []
    assert await database.read(lambda s: s.scalar(select(TargetState.locked_by))) is None


async def test_a_reschedule_asks_for_five_new_votes(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await vote_all(database, deployment, scope_of)
    later = deployment.planned_at + timedelta(days=1)
    await run(database, commands.reschedule, await scope_of(deployment, "project_manager"), later, "the bank asks")
    with pytest.raises(Rejected, match="gate has not passed"):
        await run(database, commands.proceed, await scope_of(deployment, "project_manager"))
    kept = await database.read(lambda s: s.scalars(select(Signoff.attempt)))
    assert set(kept) == {1}


async def test_a_start_in_the_past_is_refused(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    scope = await scope_of(deployment, "project_manager")
    with pytest.raises(Rejected, match="past"):
        await run(database, commands.reschedule, scope, scope.now - timedelta(minutes=1), "oh")


async def test_a_start_that_no_calendar_holds_is_refused(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    scope = await scope_of(deployment, "project_manager")
    with pytest.raises(Rejected, match="more than a year away"):
        await run(database, commands.reschedule, scope, datetime.max.replace(tzinfo=UTC), "oh")


async def test_a_gate_that_waits_too_long_becomes_a_hold(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    assert not await database.run(lambda s: commands.expire_gate(s, deployment.id, plan))

    async def age(session: AsyncSession) -> None:
        row = await session.get_one(Deployment, deployment.id)
        row.planned_at = row.gate_opened_at = await commands.database_now(session) - timedelta(hours=3)

    await database.run(age)
    await keep_gates(database)
    assert await state_of(database, deployment) == State.ON_HOLD
    await run(database, commands.resume, await scope_of(deployment, "project_manager"))
    await keep_gates(database)
    assert await state_of(database, deployment) == State.PREPARING, "resuming opens the gate anew"


async def test_another_deployment_cannot_take_a_held_target(
    database: Database, deployment: Deployment, scope_of: ScopeOf, plan: Plan, site: Any
) -> None:
    other = await database.run(lambda s: create_rehearsal(s, site, plan, "source"))
    await database.run(lambda s: s.execute(update(Deployment).values(target_configuration="configuration-1")))
    for each in (deployment, other):
        await vote_all(database, each, scope_of)
        await run(database, commands.proceed, await scope_of(each, "project_manager"))
    await prove_way_back(database)
    await run(database, commands.arm, await scope_of(deployment, "devops_lead"))
    with pytest.raises(Rejected, match="holds the target"):
        await run(database, commands.arm, await scope_of(other, "devops_lead"))


async def test_each_change_is_one_event(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    await run(database, commands.hold, await scope_of(deployment, "project_manager"), "wait")
    await run(database, commands.resume, await scope_of(deployment, "project_manager"))
    events = await database.read(
        lambda s: s.execute(select(Event.kind, Event.actor).where(Event.chain == deployment.id).order_by(Event.seq))
    )
    assert [tuple(event) for event in events] == [
        ("deployment.created", "gonogo"),
        ("deployment.held", "Project manager"),
        ("deployment.resumed", "Project manager"),
    ]


async def test_an_open_question_beside_the_way_back_does_not_keep_it_from_arming(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await vote_all(database, deployment, scope_of)
    await run(database, commands.proceed, await scope_of(deployment, "project_manager"))
    beside = {"key": "dns", "title": "The records follow", "is_ok": None, "found": "throttled"}
    await prove(database, preflight=[{**NO_PERMISSION, "is_ok": True}, beside])
    await run(database, commands.arm, await scope_of(deployment, "devops_lead"))
    assert await state_of(database, deployment) == "armed"


async def test_each_arming_begins_a_higher_block_of_epochs(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await database.run(lambda s: s.execute(update(TargetState).values(epoch=1999)))
    await vote_all(database, deployment, scope_of)
    await run(database, commands.proceed, await scope_of(deployment, "project_manager"))
    await prove(database)
    await run(database, commands.arm, await scope_of(deployment, "devops_lead"))
    state = await database.read(lambda session: session.scalar(select(TargetState)))
    assert state is not None
    assert state.epoch == 2000
