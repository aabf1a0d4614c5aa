"""ports.operations on PostgreSQL: leases on database time, who may write, and what a record tells the others."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import CustomerReport, Deployment, Effect, Event, Operation, RosterSeat, TopicVersion, WebSession
from app.deployments.commands import database_now
from app.domain.operations import Answer, Outcome, State
from app.domain.plan import Plan
from app.domain.sides import Weights
from app.eventlog.log import SYSTEM, Entry, append
from app.incidents.commands_reports import take_in
from app.incidents.forms import ReportForm
from app.ports.operations import Progress, Superseded
from app.traffic.commands import lock_target
from app.traffic.store import PostgresStore, team_of
from tests.conftest import ScopeOf
from tests.traffic.armed import count_events, jobs, operations_of, press_rollback, press_switch, state_of


@pytest.fixture
async def switch(database: Database, armed: Deployment, scope_of: ScopeOf) -> Operation:
    return await press_switch(database, await scope_of(armed, "devops_lead"), "k1")


def store_of(database: Database, plan: Plan, worker: str = "w1") -> PostgresStore:
    return PostgresStore(database, plan, worker)


async def expire_lease(database: Database) -> None:
    past = func.clock_timestamp() - timedelta(seconds=1)
    await database.run(lambda session: session.execute(update(Operation).values(lease_until=past)))


async def test_one_worker_holds_the_lease(database: Database, plan: Plan, switch: Operation) -> None:
    first, second = store_of(database, plan), store_of(database, plan, "w2")
    assert await first.claim(switch.id) is not None
    assert await second.claim(switch.id) is None
    assert await first.claim(switch.id) is not None, "renewed"
    await expire_lease(database)
    assert await second.claim(switch.id) is not None
    assert await first.claim(switch.id) is None
    (row,) = await operations_of(database)
    assert (row.lease_owner, row.takeovers) == ("w2", 1)
    assert await count_events(database, "traffic.operation.taken_over") == 1


async def test_at_once_only_one_gets_it(
    committed_db: Database, committed: Deployment, committed_scope_of: ScopeOf, plan: Plan
) -> None:
    switch = await press_switch(committed_db, await committed_scope_of(committed, "devops_lead"), "k1")
    stores = [store_of(committed_db, plan, f"w{number}") for number in range(8)]
    claims = await asyncio.gather(*(store.claim(switch.id) for store in stores))
    assert sum(claim is not None for claim in claims) == 1


async def test_who_lost_the_lease_writes_nothing_more(database: Database, plan: Plan, switch: Operation) -> None:
    first, second = store_of(database, plan), store_of(database, plan, "w2")
    await first.claim(switch.id)
    await expire_lease(database)
    await second.claim(switch.id)
    for attempt in (
        first.record_intent(switch.id, Weights(0, 100)),
        first.record(switch.id, Progress(state=State.WRITING)),
        first.resolve_intents(switch.id, "applied"),
        first.finish(switch.id, State.DONE, "", restore=False),
        first.newest_epoch(switch.id),
    ):
        with pytest.raises(Superseded, match="w2 holds the lease"):
            await attempt
    assert await second.newest_epoch(switch.id) == switch.epoch


async def test_a_superseded_switch_writes_nothing_more(
    database: Database, plan: Plan, armed: Deployment, switch: Operation, scope_of: ScopeOf
) -> None:
    store = store_of(database, plan)
    await store.claim(switch.id)
    await press_rollback(database, await scope_of(armed, "devops_lead"), "k2")
    with pytest.raises(Superseded, match="ended"):
        await store.record_intent(switch.id, Weights(0, 100))
    with pytest.raises(Superseded):
        await store.newest_epoch(switch.id)
    assert await store.claim(switch.id) is None


async def test_intent_and_outcome(database: Database, plan: Plan, switch: Operation) -> None:
    store = store_of(database, plan)
    await store.claim(switch.id)
    assert not (await store.load(switch.id)).may_have_written
    effect = await store.record_intent(switch.id, Weights(0, 100))
    loaded = await store.load(switch.id)
    assert (loaded.open_intent, loaded.may_have_written) == (True, True)
    await store.record_outcome(effect, "refused", "503: busy")
    loaded = await store.load(switch.id)
    assert (loaded.open_intent, loaded.may_have_written) == (False, False)
    assert await count_events(database, "traffic.write.failed") == 1
    await store.record_outcome(await store.record_intent(switch.id, Weights(0, 100)), "unknown", "no answer")
    assert (await store.load(switch.id)).open_intent
    await store.resolve_intents(switch.id, "not applied")
    loaded = await store.load(switch.id)
    assert (loaded.open_intent, loaded.may_have_written) == (False, True), "it may still land"
    rows = await database.read(lambda session: session.scalars(select(Effect.outcome).order_by(Effect.id)))
    assert list(rows) == ["refused", "not applied"]


async def test_an_applied_write_of_which_nothing_more_is_known_leaves_a_question(
    database: Database, plan: Plan, switch: Operation
) -> None:
    """Its worker died between the outcome and the record: the next one reads, and writes again only if it must."""
    store = store_of(database, plan)
    await store.claim(switch.id)
    effect = await store.record_intent(switch.id, Weights(0, 100))
    await store.record_outcome(effect, "applied", "BLUE 0, GREEN 100")
    assert (await store.load(switch.id)).open_intent
    at = await store.claim(switch.id)
    await store.record(switch.id, Progress(state=State.OBSERVING, written_at=at))
    assert not (await store.load(switch.id)).open_intent


async def test_an_applied_write_that_the_target_does_not_show_was_not_applied(
    database: Database, plan: Plan, switch: Operation
) -> None:
    store = store_of(database, plan)
    await store.claim(switch.id)
    await store.record_outcome(await store.record_intent(switch.id, Weights(0, 100)), "applied", "")
    await store.resolve_intents(switch.id, "not applied")
    loaded = await store.load(switch.id)
    assert (loaded.open_intent, loaded.may_have_written) == (False, True), "it may still land"


async def test_the_first_answer_to_a_write_stays(database: Database, plan: Plan, switch: Operation) -> None:
    """A worker back from a freeze tells what it knows: its successor has read the target since."""
    first, second = store_of(database, plan), store_of(database, plan, "w2")
    await first.claim(switch.id)
    effect = await first.record_intent(switch.id, Weights(0, 100))
    await expire_lease(database)
    await second.claim(switch.id)
    await second.resolve_intents(switch.id, "applied")
    await first.record_outcome(effect, "unknown", "no answer")
    assert await database.read(lambda session: session.scalar(select(Effect.outcome))) == "applied"
    assert await count_events(database, "traffic.write.failed") == 0


async def test_the_first_moment_counts(database: Database, plan: Plan, switch: Operation) -> None:
    """A driver that took over must not move what was already measured."""
    store = store_of(database, plan)
    at = await store.claim(switch.id)
    assert at is not None
    await store.record(switch.id, Progress(written_at=at, observed_95_at=at))
    await store.record(
        switch.id, Progress(written_at=at + timedelta(seconds=5), observed_95_at=at + timedelta(seconds=9))
    )
    (row,) = await operations_of(database)
    assert row.written_at == row.observed_95_at == at


async def test_arriving_moves_the_deployment(
    database: Database, plan: Plan, armed: Deployment, switch: Operation
) -> None:
    store = store_of(database, plan)
    at = await store.claim(switch.id)
    assert at is not None
    await store.record(switch.id, Progress(state=State.OBSERVING, written_at=at))
    assert await state_of(database, armed) == "switching"
    outcome = Outcome(Answer.YES, "100 %", "100 of 100 probes", at)
    await store.record(switch.id, Progress(observed_100_at=at, checks={"all_observed": outcome}))
    assert await state_of(database, armed) == "switched"
    assert (await store.load(switch.id)).checks == {"all_observed": outcome}
    assert await count_events(database, "traffic.switch.arrived") == 1


async def test_a_refused_switch_leaves_it_armed(
    database: Database, plan: Plan, armed: Deployment, switch: Operation
) -> None:
    store = store_of(database, plan)
    await store.claim(switch.id)
    await store.finish(switch.id, State.REFUSED, "GREEN is not healthy", restore=False)
    assert await state_of(database, armed) == "armed"
    (row,) = await operations_of(database)
    assert (row.state, row.reason, row.lease_owner) == ("refused", "GREEN is not healthy", "")
    assert row.finished_at is not None


async def test_a_failed_switch_asks_for_its_rollback_in_the_same_transaction(
    database: Database, plan: Plan, armed: Deployment, switch: Operation
) -> None:
    store = store_of(database, plan)
    await store.claim(switch.id)
    await store.finish(switch.id, State.FAILED, "not observed", restore=True)
    first, second = await operations_of(database)
    assert (first.state, second.kind, second.state) == ("failed", "rollback", "accepted")
    assert (second.requested_by, second.cause, second.epoch) == ("gonogo", "not observed", first.epoch + 1)
    assert ("rollback", "traffic.drive", second.id) in await jobs(database)
    assert await state_of(database, armed) == "rolling_back"


async def test_a_failed_switch_and_who_follows_the_target_do_not_wait_for_each_other(
    committed_db: Database, committed: Deployment, committed_scope_of: ScopeOf, plan: Plan
) -> None:
    """The follower of the balancer holds the target and then takes the log's end; the rollback takes both as well."""
    switch = await press_switch(committed_db, await committed_scope_of(committed, "devops_lead"), "k1")
    store = store_of(committed_db, plan)
    await store.claim(switch.id)
    async with committed_db.session() as follower:
        await lock_target(follower, committed.target)
        ending = asyncio.create_task(store.finish(switch.id, State.FAILED, "not observed", restore=True))
        await asyncio.sleep(0.5)
        async with asyncio.timeout(0.8):
            await append(
                follower, committed.id, Entry("traffic.follower.in_sync", "DNS: in sync", ("traffic",)), SYSTEM
            )
        await follower.commit()
    await ending
    assert await state_of(committed_db, committed) == "rolling_back"


async def test_a_verified_rollback_ends_the_rolling_back(
    database: Database, plan: Plan, armed: Deployment, switch: Operation, scope_of: ScopeOf
) -> None:
    back = await press_rollback(database, await scope_of(armed, "devops_lead"), "k2")
    store = store_of(database, plan)
    at = await store.claim(back.id)
    assert at is not None
    await store.record(back.id, Progress(written_at=at, read_back_at=at, observed_100_at=at))
    assert await state_of(database, armed) == "rolling_back"
    await store.record(back.id, Progress(verified_at=at))
    assert await state_of(database, armed) == "rolled_back"
    await store.finish(back.id, State.DONE, "", restore=False)
    assert (await operations_of(database))[-1].state == "done"


async def test_an_escalation_is_told_to_all(
    database: Database, plan: Plan, armed: Deployment, switch: Operation, scope_of: ScopeOf
) -> None:
    back = await press_rollback(database, await scope_of(armed, "devops_lead"), "k2")
    store = store_of(database, plan)
    await store.claim(back.id)
    await store.record(back.id, Progress(escalated="2 of 7 checks are not YES after 30 s"))
    event = await database.read(
        lambda session: session.scalar(select(Event).where(Event.kind == "traffic.rollback.escalated"))
    )
    assert event is not None
    assert event.severity == "crit"
    assert event.text == "Escalate to VP Operations: 2 of 7 checks are not YES after 30 s"


async def test_each_record_tells_the_browsers(database: Database, plan: Plan, switch: Operation) -> None:
    async def version(session: AsyncSession) -> int:
        found = await session.scalar(select(TopicVersion.version).where(TopicVersion.topic == "traffic"))
        return found or 0

    store = store_of(database, plan)
    await store.claim(switch.id)
    before = await database.read(version)
    await store.record(switch.id, Progress(state=State.CHECKING))
    assert await database.read(version) == before + 1


async def test_customers_are_counted_from_the_press(database: Database, plan: Plan, switch: Operation) -> None:
    store = store_of(database, plan)
    await store.claim(switch.id)
    for count in ((1000, 3), (1500, 3), (2204, 4)):
        await store.record(switch.id, Progress(customers=count))
    (row,) = await operations_of(database)
    assert (row.customers_requests, row.customers_failed) == (1204, 1)


async def test_customers_reports_are_counted_from_the_press(
    database: Database, plan: Plan, switch: Operation, armed: Deployment, scope_of: ScopeOf
) -> None:
    store, support = store_of(database, plan), await scope_of(armed, "support")
    assert await store.customer_reports(switch.id) == (0, 0)
    for said, customers in (("Slow since noon", 4), ("Payment fails", 2), ("Payment fails here too", 3)):
        form = ReportForm(text=said, customers=customers, severity="critical")
        await database.run(lambda session, form=form: take_in(session, support, form))  # type: ignore[misc]

    async def earlier(session: AsyncSession) -> None:
        first = CustomerReport.text == "Slow since noon"
        before = switch.clicked_at - timedelta(seconds=1)
        await session.execute(update(CustomerReport).where(first).values(taken_at=before))

    await database.run(earlier)
    assert await store.customer_reports(switch.id) == (2, 5)


async def test_the_team_is_there_if_its_browsers_were(
    database: Database, plan: Plan, armed: Deployment, scope_of: ScopeOf
) -> None:
    async def team(session: AsyncSession) -> tuple[str, ...]:
        return (await team_of(session, armed, plan, await database_now(session))).missing

    assert len(await database.read(team)) == 5
    lead = await scope_of(armed, "devops_lead")

    async def sign_in(session: AsyncSession) -> None:
        now = await database_now(session)
        session.add(
            WebSession(
                id_hash=b"x" * 32,
                person_id=lead.viewer.person_id,
                csrf="c",
                created_at=now,
                seen_at=now,
                stepped_up_at=now,
            )
        )
        await session.execute(
            update(RosterSeat).where(RosterSeat.position == "operations").values(seen_at=now - timedelta(minutes=11))
        )

    await database.run(sign_in)
    assert "DevOps lead" not in await database.read(team)
    assert "Operations" in await database.read(team)
