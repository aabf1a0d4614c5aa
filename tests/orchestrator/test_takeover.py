"""A worker dies at every single moment of a switch and of a rollback; another takes over within 3 s and ends it."""

import asyncio
from datetime import timedelta

import pytest

from app.domain.operations import Kind, State
from app.domain.plan import Plan
from app.domain.sides import Weights
from app.ports.operations import Superseded
from app.ports.traffic import StaleEpoch
from tests.orchestrator.ledger import MemoryStore
from tests.orchestrator.simulator import Mortality, Simulation, greens
from tests.orchestrator.virtual_time import run
from tests.simulate.course import leaner

EARLY = range(1, 51)
"""Every call until the weights are observed; after that some, since only waiting and checks follow."""
LATE = (60, 75, 100, 150, 220)


@pytest.fixture
def plan(plan: Plan) -> Plan:
    """Six probes a second: what a worker's death does to an operation does not depend on how many look on."""
    return leaner(plan)


def course_of(plan: Plan, kind: Kind, life: Mortality) -> Simulation:
    simulation = Simulation(plan)
    if kind is Kind.ROLLBACK:
        simulation.world.weights = Weights(0, 100)

    async def course() -> None:
        simulation.ledger.insert(kind)
        await simulation.until_settled(life)

    run(course())
    simulation.check_invariants()
    return simulation


def make_life(at: int, *, before: bool) -> Mortality:
    return Mortality(at, before)


@pytest.mark.timeout(400)  # fifty-five whole runs
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_killed_switch_arrives_all_the_same(plan: Plan, before: bool) -> None:
    died_in = set()
    for at in (*EARLY, *LATE):
        life = make_life(at, before=before)
        simulation = course_of(plan, Kind.SWITCH, life)
        died_in.add(life.died_in)
        row = simulation.ledger.rows[1]
        assert row.operation.state is State.DONE, (at, life.died_in, row.reason)
        assert simulation.world.weights == Weights(0, 100)
        assert greens(simulation.world) <= 2, f"killed in {life.died_in}: {simulation.world.calls}"
        if life.dead.is_set() and life.died_in != "claim":
            assert row.takeovers <= 1
    assert {"load", "record", "record_intent", "write", "newest_epoch", "record_outcome", "read", "health"} <= died_in


@pytest.mark.timeout(400)  # fifty-five whole runs
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_killed_rollback_is_verified_all_the_same(plan: Plan, before: bool) -> None:
    for at in (*EARLY, *LATE):
        life = make_life(at, before=before)
        simulation = course_of(plan, Kind.ROLLBACK, life)
        row = simulation.ledger.rows[1]
        assert row.operation.state is State.DONE, (at, life.died_in)
        assert row.operation.verified_at is not None
        assert row.operation.verified_at - row.operation.clicked_at < timedelta(seconds=10)
        assert simulation.world.weights == Weights(100, 0)


def test_the_takeover_begins_within_3_s(plan: Plan) -> None:
    simulation = Simulation(plan)
    life = Mortality(12)

    async def course() -> float:
        simulation.ledger.insert(Kind.SWITCH)
        workers = asyncio.create_task(simulation.until_settled(life))
        await life.dead.wait()
        died_at = asyncio.get_running_loop().time()
        while simulation.ledger.rows[1].takeovers == 0:
            await asyncio.sleep(0.01)
        taken_at = asyncio.get_running_loop().time()
        await workers
        return taken_at - died_at

    assert run(course()) <= 3.0


def test_three_workers_die_one_after_the_other(plan: Plan) -> None:
    for at in range(3, 33, 3):
        simulation = Simulation(plan)

        async def course(simulation: Simulation = simulation, at: int = at) -> None:
            simulation.ledger.insert(Kind.SWITCH)
            await simulation.until_settled(Mortality(at), Mortality(at), Mortality(at))

        run(course())
        simulation.check_invariants()
        # Three takeovers of up to 2 s and a deadline of 15 s: it arrives, or is taken back; it never stays between.
        assert simulation.ledger.rows[1].operation.state in (State.DONE, State.FAILED)


def test_a_worker_whose_clock_is_an_hour_off_drives_by_the_databases_time(plan: Plan) -> None:
    simulation = Simulation(plan)

    async def course() -> None:
        simulation.ledger.insert(Kind.SWITCH)
        await simulation.worker("w1", off=timedelta(hours=-1))

    run(course())
    simulation.check_invariants()
    operation = simulation.ledger.rows[1].operation
    assert operation.state is State.DONE
    assert operation.written_at is not None
    assert operation.written_at - operation.accepted_at < timedelta(seconds=1)


def test_a_thawed_worker_issues_nothing_after_the_operation_ended_without_a_newer_epoch(plan: Plan) -> None:
    """It was frozen between its intent and its write; meanwhile another worker ended the operation."""
    simulation = Simulation(plan)

    async def course() -> None:
        number = simulation.ledger.insert(Kind.SWITCH)
        frozen, other = MemoryStore(simulation.ledger, "frozen"), MemoryStore(simulation.ledger, "other")
        assert await frozen.claim(number) is not None
        await frozen.record_intent(number, Weights(0, 100))
        await asyncio.sleep(2)
        assert await other.claim(number) is not None
        await other.finish(number, State.REFUSED, "GREEN is not healthy", restore=False)
        job = simulation.job(number, Mortality())

        async def fence() -> None:
            newest = await frozen.newest_epoch(number)
            if newest != simulation.ledger.rows[number].operation.epoch:
                raise StaleEpoch(0, newest)

        with pytest.raises(Superseded):
            await job.traffic.write(Weights(0, 100), epoch=1, fence=fence)

    run(course())
    assert simulation.world.calls == []


def test_two_workers_that_both_drive_end_it_once(plan: Plan) -> None:
    simulation = Simulation(plan)

    async def course() -> None:
        simulation.ledger.insert(Kind.SWITCH)
        await asyncio.gather(simulation.worker("w1"), simulation.worker("w2"), simulation.worker("w3"))

    run(course())
    simulation.check_invariants()
    assert greens(simulation.world) == 1
    assert simulation.ledger.rows[1].takeovers == 0
