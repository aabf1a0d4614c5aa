"""Accepting a switch: what it needs, that it happens once, and what is in its transaction."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.checklists.queries import state_key
from app.db.engine import Database
from app.db.tables import ChecklistState, Deployment, Person, Signoff, TargetState
from app.deployments import commands
from app.deployments.commands import database_now
from app.domain.errors import Rejected
from app.domain.operations import State
from app.eventlog.log import verify_chain
from app.traffic.commands import request_switch
from tests.conftest import ScopeOf
from tests.traffic.armed import count_events, jobs, operations_of, press_rollback, press_switch, state_of, target_of


async def test_an_armed_deployment_switches(database: Database, armed: Deployment, scope_of: ScopeOf) -> None:
    operation = await press_switch(database, await scope_of(armed, "devops_lead"), "k1")
    assert (operation.kind, operation.state, operation.want_blue, operation.epoch) == ("switch", "accepted", 0, 1001)
    assert operation.frozen_signoffs["plan"]
    assert await state_of(database, armed) == "switching"
    assert (await target_of(database)).epoch == 1001
    assert await jobs(database) == [("traffic", "traffic.drive", operation.id)]
    assert await count_events(database, "traffic.switch.requested") == 1
    assert await database.read(lambda session: verify_chain(session, armed.id)) is None


async def test_what_is_not_armed_does_not_switch(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    with pytest.raises(Rejected, match="Only an armed deployment can switch"):
        await press_switch(database, await scope_of(deployment, "devops_lead"), "k1")
    assert await operations_of(database) == []
    assert await jobs(database) == []


async def test_without_the_tick_nothing_happens(database: Database, armed: Deployment, scope_of: ScopeOf) -> None:
    with pytest.raises(Rejected) as refusal:
        await press_switch(database, await scope_of(armed, "devops_lead"), "k1", confirmed=False)
    assert refusal.value.code == "confirm"
    assert await operations_of(database) == []
    assert (await target_of(database)).epoch == 1000


async def test_the_same_press_twice_is_one(database: Database, armed: Deployment, scope_of: ScopeOf) -> None:
    devops = await scope_of(armed, "devops_lead")
    first, second = await press_switch(database, devops, "k1"), await press_switch(database, devops, "k1")
    assert first.id == second.id
    assert len(await operations_of(database)) == 1
    assert len(await jobs(database)) == 1


async def test_a_second_operator_is_told_who_was_faster(
    database: Database, armed: Deployment, scope_of: ScopeOf
) -> None:
    await press_switch(database, await scope_of(armed, "devops_lead"), "k1")
    with pytest.raises(Rejected) as refusal:
        await press_switch(database, await scope_of(armed, "devops_1"), "k2")
    assert refusal.value.conflict
    assert refusal.value.reason.startswith("DevOps lead started the switch ")
    assert refusal.value.reason.endswith(" s ago. Nothing was sent twice.")


async def test_a_vote_that_changed_after_arming_closes_it(
    database: Database, armed: Deployment, scope_of: ScopeOf
) -> None:
    async def expire(session: AsyncSession) -> None:
        now = await database_now(session)
        await session.execute(update(Signoff).where(Signoff.question == "security").values(expires_at=now))

    await database.run(expire)
    with pytest.raises(Rejected, match="Security officer: expired"):
        await press_switch(database, await scope_of(armed, "devops_lead"), "k1")


async def test_a_changed_checklist_closes_it(database: Database, armed: Deployment, scope_of: ScopeOf) -> None:
    devops = await scope_of(armed, "devops_lead")
    checklist = devops.plan.checklist("before_production")
    item = next(item for item in checklist.items if item.check is None)

    async def tick(session: AsyncSession) -> None:
        now, key = await database_now(session), state_key(devops.plan, checklist, item)
        session.add(ChecklistState(deployment_id=armed.id, attempt=1, item=key, state="done", evidence="later", at=now))

    await database.run(tick)
    with pytest.raises(Rejected, match="outdated"):
        await press_switch(database, devops, "k1")


async def test_a_disabled_voter_closes_it(database: Database, armed: Deployment, scope_of: ScopeOf) -> None:
    disable = update(Person).where(Person.login == "operations").values(is_disabled=True)
    await database.run(lambda session: session.execute(disable))
    with pytest.raises(Rejected, match="Operations: outdated"):
        await press_switch(database, await scope_of(armed, "devops_lead"), "k1")


async def test_a_target_that_another_deployment_holds_is_left_alone(
    database: Database, armed: Deployment, scope_of: ScopeOf
) -> None:
    await database.run(lambda session: session.execute(update(TargetState).values(locked_by=None)))
    with pytest.raises(Rejected, match="Another deployment holds this target"):
        await press_switch(database, await scope_of(armed, "devops_lead"), "k1")


async def test_fifty_presses_at_once_are_one_operation(
    committed_db: Database, committed: Deployment, committed_scope_of: ScopeOf
) -> None:
    devops = await committed_scope_of(committed, "devops_lead")
    pressed = await asyncio.gather(*(press_switch(committed_db, devops, "the same") for _ in range(50)))
    assert len({operation.id for operation in pressed}) == 1
    assert len(await operations_of(committed_db)) == 1
    assert len(await jobs(committed_db)) == 1
    assert await count_events(committed_db, "traffic.switch.requested") == 1


async def test_fifty_different_presses_at_once_are_one_operation_and_49_refusals(
    committed_db: Database, committed: Deployment, committed_scope_of: ScopeOf
) -> None:
    devops = await committed_scope_of(committed, "devops_lead")
    answers = await asyncio.gather(
        *(press_switch(committed_db, devops, f"k{number}") for number in range(50)), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, Rejected)]
    assert len(refused) == 49
    assert all(refusal.conflict and refusal.code == "in_flight" for refusal in refused)
    assert len(await operations_of(committed_db)) == 1
    assert (await target_of(committed_db)).epoch == 1001


async def test_nothing_of_it_exists_when_its_transaction_fails(
    committed_db: Database, committed: Deployment, committed_scope_of: ScopeOf
) -> None:
    devops = await committed_scope_of(committed, "devops_lead")

    async def write(session: AsyncSession) -> None:
        operation = await request_switch(session, devops, key="k1", is_confirmed=True)
        assert operation.state == State.ACCEPTED.value
        raise KeyError("the web process dies before the commit")

    with pytest.raises(KeyError):
        await committed_db.run(write)
    assert await operations_of(committed_db) == []
    assert await jobs(committed_db) == []
    assert await count_events(committed_db, "traffic.switch.requested") == 0
    assert (await target_of(committed_db)).epoch == 1000
    assert await state_of(committed_db, committed) == "armed"


async def test_a_hold_after_arming_takes_the_switch_away(
    database: Database, armed: Deployment, scope_of: ScopeOf
) -> None:
    leader = await scope_of(armed, "project_manager")
    await database.run(lambda session: commands.hold(session, leader, "A customer called."))
    with pytest.raises(Rejected, match="on hold"):
        await press_switch(database, await scope_of(armed, "devops_lead"), "k1")


async def test_no_name_and_no_key_is_too_long_for_a_rollback(
    database: Database, armed: Deployment, scope_of: ScopeOf
) -> None:
    """A name and the title of a position may be 120 and 200 characters, each by itself."""
    devops = await scope_of(armed, "devops_lead")
    await press_switch(database, devops, "k1")
    seat = replace(devops.seats[0], title="T" * 200)
    named = replace(devops, viewer=replace(devops.viewer, name="N" * 120), seats=(seat,))
    first = await press_rollback(database, named, "k" * 100)
    assert await state_of(database, armed) == "rolling_back"
    again = await press_rollback(database, named, "k" * 100)
    assert (again.id, again.requested_by) == (first.id, "N" * 120)
