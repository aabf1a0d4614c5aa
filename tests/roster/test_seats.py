"""Changing a roster in the database: seats, votes, rollback grants, events, two changes at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Deployment, Event, Person, RollbackGrant, RosterSeat
from app.deployments import commands as course
from app.domain.deployments import State
from app.domain.errors import Rejected
from app.domain.signoffs import GateVerdict, VoteState
from app.eventlog.log import verify_chain, versions_of
from app.roster.commands import free_seat, take_seat
from app.roster.forms import SeatForm, TakeForm
from app.traffic.commands import check_grant, request_switch
from app.web.access import Forbidden, Scope
from tests.conftest import make_scope_of
from tests.deployments.test_commands import prove_way_back
from tests.signoffs.cast import all_vote_go, gate_now, vote

ScopeOf = Callable[..., Awaitable[Scope]]


async def person(database: Database, login: str) -> Person:
    async def query(session: AsyncSession) -> Person:
        return (await session.execute(select(Person).where(Person.login == login))).scalar_one()

    return await database.read(query)


async def newcomer(database: Database, login: str = "bo") -> Person:
    async def write(session: AsyncSession) -> None:
        now = await course.database_now(session)
        session.add(Person(login=login, name=login.capitalize(), password_hash=None, created_at=now))

    await database.run(write)
    return await person(database, login)


async def seats(database: Database, deployment: Deployment) -> dict[tuple[str, int], RosterSeat]:
    async def query(session: AsyncSession) -> dict[tuple[str, int], RosterSeat]:
        rows = await session.scalars(
            select(RosterSeat)
            .where(RosterSeat.deployment_id == deployment.id)
            .execution_options(populate_existing=True)
        )
        return {(row.position, row.seat): row for row in rows}

    return await database.read(query)


async def seat(
    database: Database, by: Scope, who: Person, position: str, number: int = 1, *, shown: int | None = None
) -> None:
    if shown is None:
        holder = (await seats(database, by.deployment)).get((position, number))
        shown = holder.person_id if holder else 0
    form = TakeForm(position=position, seat=number, person=who.id, shown=shown)
    await database.run(lambda session: take_seat(session, by, form))


async def leave(database: Database, by: Scope, position: str, number: int = 1) -> None:
    holder = (await seats(database, by.deployment))[(position, number)]
    form = SeatForm(position=position, seat=number, shown=holder.person_id)
    await database.run(lambda session: free_seat(session, by, form))


async def log(database: Database, deployment: Deployment) -> list[Event]:
    async def query(session: AsyncSession) -> list[Event]:
        rows = await session.scalars(
            select(Event).where(Event.chain == deployment.id, Event.kind.startswith("roster.")).order_by(Event.seq)
        )
        return list(rows)

    return await database.read(query)


async def grants(database: Database, deployment: Deployment) -> set[int]:
    async def query(session: AsyncSession) -> set[int]:
        rows = await session.scalars(
            select(RollbackGrant.person_id).where(
                RollbackGrant.deployment_id == deployment.id, RollbackGrant.revoked_at.is_(None)
            )
        )
        return set(rows)

    return await database.read(query)


async def armed(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    await all_vote_go(database, scope_of, deployment)
    manager, lead = await scope_of(deployment, "project_manager"), await scope_of(deployment, "devops_lead")
    await database.run(lambda session: course.proceed(session, manager))
    await prove_way_back(database)
    await database.run(lambda session: course.arm(session, lead))


async def move(database: Database, deployment: Deployment, state: State) -> None:
    async def write(session: AsyncSession) -> None:
        (await course.lock(session, deployment.id)).state = state.value

    await database.run(write)


async def test_a_seat_changes_hands_with_one_event_that_tells_the_team(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    async def mark(session: AsyncSession) -> None:
        now = await course.database_now(session)
        await session.execute(update(RosterSeat).values(seen_at=now, seen_page="board"))

    await database.run(mark)
    before = await database.read(lambda session: versions_of(session, deployment.id))
    bo = await newcomer(database)
    await seat(database, await scope_of(deployment, "admin"), bo, "operations")
    row = (await seats(database, deployment))[("operations", 1)]
    assert (row.person_id, row.is_deputy, row.seen_at, row.seen_page) == (bo.id, False, None, "")
    (event,) = await log(database, deployment)
    assert event.kind == "roster.seat.taken"
    assert event.text == "Administrator put Bo on operations in place of Operations"
    assert event.payload["sits"] == bo.id
    after = await database.read(lambda session: versions_of(session, deployment.id))
    assert all(after[topic] > before.get(topic, 0) for topic in ("team", "signoffs", "deployment", "timeline"))
    assert await database.read(lambda session: verify_chain(session, deployment.id)) is None


async def test_the_project_manager_changes_it_too_and_a_press_sent_twice_is_one(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    manager, bo = await scope_of(deployment, "project_manager"), await newcomer(database)
    for _ in range(2):
        await seat(database, manager, bo, "operations")
    await leave(database, manager, "operations")
    assert ("operations", 1) not in await seats(database, deployment)
    again = SeatForm(position="operations", seat=1, shown=bo.id)
    await database.run(lambda session: free_seat(session, manager, again))
    assert [event.kind for event in await log(database, deployment)] == ["roster.seat.taken", "roster.seat.freed"]


async def test_a_go_of_somebody_who_left_the_seat_closes_the_gate_and_the_new_holder_opens_it(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await all_vote_go(database, scope_of, deployment)
    admin, bo = await scope_of(deployment, "admin"), await newcomer(database)
    assert (await gate_now(database, admin))[0].verdict is GateVerdict.PASSED
    await seat(database, admin, bo, "operations")
    gate, _ = await gate_now(database, admin)
    assert [(line.question.key, line.state) for line in gate.missing] == [("monitoring", VoteState.OUTDATED)]
    (event,) = await log(database, deployment)
    assert event.text.endswith("; Operations’ GO is OUTDATED")
    assert (event.severity, event.payload["votes_lost"]) == ("warn", ["monitoring"])
    await vote(database, await scope_of(deployment, "bo"), "monitoring")
    assert (await gate_now(database, admin))[0].verdict is GateVerdict.PASSED


async def test_an_armed_switch_is_refused_when_a_voter_left(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await armed(database, deployment, scope_of)
    await seat(database, await scope_of(deployment, "admin"), await newcomer(database), "security_officer")
    lead = await scope_of(deployment, "devops_lead")
    with pytest.raises(Rejected) as refused:
        await database.run(lambda session: request_switch(session, lead, key="k", is_confirmed=True))
    assert refused.value.code == "gate"


async def test_while_armed_the_rollback_grant_goes_with_the_seat(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await armed(database, deployment, scope_of)
    admin, bo, old = await scope_of(deployment, "admin"), await newcomer(database), await person(database, "devops_1")
    await seat(database, admin, bo, "devops")
    found = await grants(database, deployment)
    assert bo.id in found
    assert old.id not in found
    await database.read(lambda session: check_grant(session, deployment, bo.id))
    with pytest.raises(Forbidden):
        await database.read(lambda session: check_grant(session, deployment, old.id))
    event = (await log(database, deployment))[-1]
    assert event.cause == "Bo can roll back from now on; DevOps 1 can no longer roll back"
    await seat(database, admin, old, "devops")
    assert old.id in await grants(database, deployment), "a right that was taken comes back with the seat"


async def test_before_arming_nobody_gets_a_grant(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    await seat(database, await scope_of(deployment, "admin"), await newcomer(database), "devops")
    assert await grants(database, deployment) == set()


async def test_the_last_who_can_roll_back_is_not_taken_off(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await armed(database, deployment, scope_of)
    admin = await scope_of(deployment, "admin")
    for position, number in (("project_manager", 1), ("devops", 1), ("devops", 2)):
        await leave(database, admin, position, number)
    before = await grants(database, deployment)
    with pytest.raises(Rejected) as refused:
        await leave(database, admin, "devops_lead")
    assert refused.value.code == "last_rollback"
    assert await grants(database, deployment) == before == {(await person(database, "devops_lead")).id}
    await seat(database, admin, await newcomer(database), "devops_lead", 0)
    await leave(database, admin, "devops_lead")


async def test_a_disabled_account_is_not_seated_and_a_moving_target_lets_nobody_go(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    admin, bo = await scope_of(deployment, "admin"), await newcomer(database)
    await database.run(lambda s: s.execute(update(Person).where(Person.id == bo.id).values(is_disabled=True)))
    with pytest.raises(Rejected) as refused:
        await seat(database, admin, bo, "operations")
    assert refused.value.code == "disabled"
    other = await newcomer(database, "cy")
    await move(database, deployment, State.SWITCHING)
    with pytest.raises(Rejected) as refused:
        await seat(database, admin, other, "operations")
    assert refused.value.code == "moving"
    await seat(database, admin, other, "operations", 0)
    assert (await seats(database, deployment))[("operations", 2)].is_deputy


async def test_two_people_change_one_seat_at_once_and_the_second_is_told(
    committed_db: Database, seed: Any, settings: Any
) -> None:
    deployment = await seed(committed_db)
    scope_of = make_scope_of(committed_db, settings)
    admin, manager = await scope_of(deployment, "admin"), await scope_of(deployment, "project_manager")
    bo, cy = await newcomer(committed_db, "bo"), await newcomer(committed_db, "cy")
    shown = (await seats(committed_db, deployment))[("operations", 1)].person_id
    answers = await asyncio.gather(
        seat(committed_db, admin, bo, "operations", shown=shown),
        seat(committed_db, manager, cy, "operations", shown=shown),
        return_exceptions=True,
    )
    (refusal,) = [answer for answer in answers if isinstance(answer, Rejected)]
    assert (refusal.code, refusal.conflict) == ("stale", True)
    assert len(await log(committed_db, deployment)) == 1
