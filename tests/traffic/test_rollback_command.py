"""Accepting a rollback: no gate, no analysis, a grant; it pre-empts, and everything of it is one transaction."""

import asyncio

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.commands_people import set_phone
from app.db.engine import Database
from app.db.tables import Deployment, Operation, Person, Signoff
from app.deployments.commands import database_now
from app.domain.errors import Rejected
from app.eventlog.log import SYSTEM, verify_chain
from app.traffic.commands import request_rollback
from app.web.access import Forbidden
from tests.conftest import ScopeOf
from tests.traffic.armed import (
    before,
    count_events,
    jobs,
    operations_of,
    press_rollback,
    press_switch,
    prove,
    state_of,
    target_of,
)


async def test_it_pre_empts_a_running_switch(database: Database, armed: Deployment, scope_of: ScopeOf) -> None:
    switch = await press_switch(database, await scope_of(armed, "devops_lead"), "k1")
    back = await press_rollback(database, await scope_of(armed, "project_manager"), "k2")
    first, second = await operations_of(database)
    assert (first.id, first.state, first.reason) == (switch.id, "superseded", "Project manager rolled back")
    assert first.finished_at is not None
    assert (second.id, second.kind, second.want_blue, second.epoch) == (back.id, "rollback", 100, first.epoch + 1)
    assert await state_of(database, armed) == "rolling_back"
    assert ("rollback", "traffic.drive", back.id) in await jobs(database)
    assert await count_events(database, "traffic.rollback.requested") == 1
    assert await database.read(lambda session: verify_chain(session, armed.id)) is None


async def test_all_of_it_is_one_transaction(
    committed_db: Database, committed: Deployment, committed_scope_of: ScopeOf
) -> None:
    await press_switch(committed_db, await committed_scope_of(committed, "devops_lead"), "k1")
    leader = await committed_scope_of(committed, "devops_lead")

    async def write(session: AsyncSession) -> None:
        await request_rollback(session, committed.id, actor=leader.actor, key="k2", clicked_at=leader.now)
        raise KeyError("the web process dies before the commit")

    with pytest.raises(KeyError):
        await committed_db.run(write)
    (switch,) = await operations_of(committed_db)
    assert (switch.state, switch.finished_at) == ("accepted", None)
    assert [queue for queue, _, _ in await jobs(committed_db)] == ["traffic"]
    assert await count_events(committed_db, "traffic.rollback.requested") == 0
    assert (await target_of(committed_db)).epoch == 1001
    assert await state_of(committed_db, committed) == "switching"

    back = await press_rollback(committed_db, leader, "k2")
    assert ("rollback", "traffic.drive", back.id) in await jobs(committed_db)
    assert (await target_of(committed_db)).epoch == 1002


async def test_a_second_rollback_is_the_first_one(database: Database, armed: Deployment, scope_of: ScopeOf) -> None:
    await press_switch(database, await scope_of(armed, "devops_lead"), "k1")
    first = await press_rollback(database, await scope_of(armed, "devops_1"), "k2")
    second = await press_rollback(database, await scope_of(armed, "devops_2"), "k3")
    assert first.id == second.id
    assert await count_events(database, "traffic.rollback.requested") == 1


async def test_fifty_at_once_are_one(
    committed_db: Database, committed: Deployment, committed_scope_of: ScopeOf
) -> None:
    devops = await committed_scope_of(committed, "devops_lead")
    await press_switch(committed_db, devops, "k1")
    pressed = await asyncio.gather(*(press_rollback(committed_db, devops, f"r{number}") for number in range(50)))
    assert len({operation.id for operation in pressed}) == 1
    assert len(await operations_of(committed_db)) == 2


async def test_switch_and_rollback_at_once_end_in_a_rollback_or_an_untouched_arming(
    committed_db: Database, committed: Deployment, committed_scope_of: ScopeOf
) -> None:
    """Whoever gets the row first: a rollback that comes before the switch has nothing to roll back, and says so."""
    lead = await committed_scope_of(committed, "devops_lead")
    other = await committed_scope_of(committed, "devops_1")
    _, back = await asyncio.gather(
        press_switch(committed_db, lead, "k1"), press_rollback(committed_db, other, "k2"), return_exceptions=True
    )
    found = await operations_of(committed_db)
    if isinstance(back, Operation):
        assert [operation.state for operation in found] == ["superseded", "accepted"]
    else:
        assert isinstance(back, Rejected)
        assert [operation.kind for operation in found] == ["switch"]
        assert (await press_rollback(committed_db, other, "k3")).kind == "rollback"


async def test_before_any_switch_there_is_nothing_to_roll_back(
    database: Database, armed: Deployment, scope_of: ScopeOf
) -> None:
    with pytest.raises(Rejected, match="There is nothing to roll back"):
        await press_rollback(database, await scope_of(armed, "devops_lead"), "k1")


@pytest.mark.parametrize("login", ["operations", "backend_lead", "security_officer", "executive", "admin"])
async def test_without_a_grant_nobody_rolls_back(
    database: Database, armed: Deployment, scope_of: ScopeOf, login: str
) -> None:
    await press_switch(database, await scope_of(armed, "devops_lead"), "k1")
    with pytest.raises(Forbidden, match="no rollback grant"):
        await press_rollback(database, await scope_of(armed, login), "k2")
    assert len(await operations_of(database)) == 1


async def test_a_disabled_account_has_no_grant_any_more(
    database: Database, armed: Deployment, scope_of: ScopeOf
) -> None:
    devops = await scope_of(armed, "devops_1")
    await press_switch(database, await scope_of(armed, "devops_lead"), "k1")
    disable = update(Person).where(Person.login == "devops_1").values(is_disabled=True)
    await database.run(lambda session: session.execute(disable))
    with pytest.raises(Forbidden):
        await press_rollback(database, devops, "k2")


async def test_it_needs_no_gate(database: Database, armed: Deployment, scope_of: ScopeOf) -> None:
    await press_switch(database, await scope_of(armed, "devops_lead"), "k1")

    async def withdraw(session: AsyncSession) -> None:
        now = await database_now(session)
        await session.execute(update(Signoff).values(ended_at=now, end_reason="withdrawn"))

    await database.run(withdraw)
    assert (await press_rollback(database, await scope_of(armed, "devops_lead"), "k2")).kind == "rollback"


async def test_an_unhealthy_blue_is_refused_unless_it_is_named(
    database: Database, armed: Deployment, scope_of: ScopeOf
) -> None:
    devops = await scope_of(armed, "devops_lead")
    await press_switch(database, devops, "k1")
    await prove(database, blue_is_healthy=False, blue_found="unhealthy, 0 of 1 targets")
    with pytest.raises(Rejected, match=r"BLUE is unhealthy: unhealthy, 0 of 1 targets") as refusal:
        await press_rollback(database, devops, "k2")
    assert refusal.value.code == "blue_unhealthy"
    assert "although" in refusal.value.remedy
    assert (await operations_of(database))[0].state == "accepted", "the switch goes on"
    operation = await press_rollback(database, devops, "k3", although=True)
    assert operation.although_blue_unhealthy


async def test_an_old_bad_finding_about_blue_holds_nothing_up(
    database: Database, armed: Deployment, scope_of: ScopeOf
) -> None:
    """Not knowing is no reason not to go back."""
    devops = await scope_of(armed, "devops_lead")
    await press_switch(database, devops, "k1")
    await prove(database, blue_is_healthy=False, blue_at=before(devops.now, 60))
    assert (await press_rollback(database, devops, "k2")).kind == "rollback"


async def end_rollback(database: Database, operation_id: int, *, is_verified: bool) -> None:
    async def end(session: AsyncSession) -> None:
        now = await database_now(session)
        ended = {"finished_at": now, "state": "done" if is_verified else "escalated"}
        ended |= {"verified_at": now} if is_verified else {}
        await session.execute(update(Operation).where(Operation.id == operation_id).values(**ended))
        await session.execute(update(Deployment).values(state="rolled_back"))

    await database.run(end)


async def test_after_a_verified_rollback_there_is_nothing_more_to_roll_back(
    database: Database, armed: Deployment, scope_of: ScopeOf
) -> None:
    devops = await scope_of(armed, "devops_lead")
    await press_switch(database, devops, "k1")
    back = await press_rollback(database, devops, "k2")
    await end_rollback(database, back.id, is_verified=True)
    with pytest.raises(Rejected) as refusal:
        await press_rollback(database, devops, "k3")
    assert refusal.value.conflict
    assert (await press_rollback(database, devops, "k2")).id == back.id, "the same press is still the same"


async def test_a_rollback_that_ended_unverified_can_be_pressed_again(
    database: Database, armed: Deployment, scope_of: ScopeOf
) -> None:
    devops = await scope_of(armed, "devops_lead")
    await press_switch(database, devops, "k1")
    first = await press_rollback(database, devops, "k2")
    await end_rollback(database, first.id, is_verified=False)
    again = await press_rollback(database, devops, "k3")
    assert again.id != first.id
    assert again.epoch == first.epoch + 1


async def test_a_rollback_does_not_wait_for_an_administrator_at_the_persons_account(
    committed_db: Database, committed: Deployment, committed_scope_of: ScopeOf
) -> None:
    devops = await committed_scope_of(committed, "devops_lead")
    await press_switch(committed_db, devops, "k1")
    async with committed_db.session() as administrator:
        await set_phone(administrator, SYSTEM, devops.viewer.person_id, "+49 30 1234")
        async with asyncio.timeout(2):
            await press_rollback(committed_db, devops, "k2")
        assert await state_of(committed_db, committed) == "rolling_back"
        await administrator.rollback()
