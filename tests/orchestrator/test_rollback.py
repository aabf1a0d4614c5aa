"""The course of a rollback: verified, guarded against late calls, escalated, never given up early."""

import asyncio
from collections import deque
from datetime import timedelta

import pytest

from app.domain.operations import GIVE_UP_AFTER, GUARD_FOR, Answer, Kind, State
from app.domain.plan import Plan
from app.domain.sides import Side, Weights
from tests.orchestrator.ledger import Row
from tests.orchestrator.simulator import Simulation
from tests.orchestrator.virtual_time import run


def on_green(plan: Plan) -> Simulation:
    simulation = Simulation(plan)
    simulation.world.weights = Weights(0, 100)
    return simulation


def roll_back(simulation: Simulation) -> Row:
    async def course() -> Row:
        number = simulation.ledger.insert(Kind.ROLLBACK)
        await simulation.until_settled()
        return simulation.ledger.rows[number]

    return run(course())


def test_all_seven_criteria_are_yes_within_30_s(plan: Plan) -> None:
    simulation = on_green(plan)
    row = roll_back(simulation)
    simulation.check_invariants()
    assert row.operation.state is State.DONE
    assert row.operation.verified_at is not None
    assert row.operation.verified_at - row.operation.clicked_at < timedelta(seconds=5)
    assert row.escalations == 0
    rollback = plan.production.rollback
    assert rollback is not None
    assert all(row.operation.checks[spec.check].answer is Answer.YES for spec in rollback.criteria)


def test_the_guard_takes_back_what_lands_late(plan: Plan) -> None:
    """A balancer that keeps no epoch applies a call of the dead switch 4 s after the rollback."""
    simulation = on_green(plan)
    simulation.world.keeps_epoch = False

    async def course() -> None:
        simulation.ledger.insert(Kind.ROLLBACK)
        asyncio.get_running_loop().call_later(4.0, simulation.world.apply, Weights(0, 100), 0)
        await simulation.until_settled()

    run(course())
    simulation.check_invariants()
    assert simulation.world.weights == Weights(100, 0)
    assert [call.weights.blue for call in simulation.world.calls] == [100, 100]
    taken_back = simulation.world.calls[1].at - simulation.world.calls[0].at
    assert timedelta(seconds=3.9) < taken_back < timedelta(seconds=5.5)


def test_the_guard_runs_its_whole_time(plan: Plan) -> None:
    simulation = on_green(plan)

    async def course() -> float:
        simulation.ledger.insert(Kind.ROLLBACK)
        await simulation.until_settled()
        return asyncio.get_running_loop().time()

    assert run(course()) >= GUARD_FOR.total_seconds()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("high error rate", "error_rate"), ("no reading", "response_time"), ("sick", "health_passing")],
)
def test_what_is_not_yes_after_30_s_escalates_once_and_is_tried_on(plan: Plan, kind: str, expected: str) -> None:
    simulation = on_green(plan)
    match kind:
        case "high error rate":
            simulation.ledger.readings[Side.BLUE]["error_rate"] = (0.42, "OK")
        case "no reading":
            simulation.ledger.readings[Side.BLUE]["response_time"] = (10.0, "UNKNOWN")
        case "sick":
            simulation.world.sick.add(Side.BLUE)

    async def course() -> Row:
        number = simulation.ledger.insert(Kind.ROLLBACK)
        row = simulation.ledger.rows[number]
        workers = asyncio.create_task(simulation.until_settled())
        await asyncio.sleep(29.5)
        assert row.escalations == 0
        await asyncio.sleep(2)
        assert row.escalations == 1
        assert row.operation.checks[expected].answer is not Answer.YES
        assert simulation.world.weights == Weights(100, 0)
        simulation.ledger.readings[Side.BLUE].update(error_rate=(0.02, "OK"), response_time=(130.0, "OK"))
        simulation.world.sick.clear()
        await workers
        return row

    row = run(course())
    assert row.escalations == 1
    assert row.operation.verified_at is not None
    assert row.operation.state is State.ESCALATED, "verified, but not in time: the record says so"


def test_a_rollback_that_never_becomes_good_ends_escalated(plan: Plan) -> None:
    simulation = on_green(plan)
    simulation.ledger.readings[Side.BLUE]["error_rate"] = (5.0, "CRITICAL")

    async def course() -> float:
        simulation.ledger.insert(Kind.ROLLBACK)
        await simulation.until_settled()
        return asyncio.get_running_loop().time()

    assert run(course()) >= GIVE_UP_AFTER.total_seconds()
    row = simulation.ledger.newest
    assert row.operation.state is State.ESCALATED
    assert row.operation.verified_at is None
    assert simulation.world.weights == Weights(100, 0)


@pytest.mark.parametrize("fault", ["refused", "lost", "vanished"])
def test_a_balancer_that_misbehaves_is_tried_until_it_takes_it(plan: Plan, fault: str) -> None:
    simulation = on_green(plan)
    simulation.world.faults = deque([fault] * 6)
    row = roll_back(simulation)
    simulation.check_invariants()
    assert row.operation.state is State.DONE
    assert row.operation.verified_at is not None


def test_a_balancer_that_is_silent_for_40_s_escalates_and_then_arrives(plan: Plan) -> None:
    simulation = on_green(plan)
    simulation.world.always = "refused"

    async def course() -> Row:
        row = simulation.ledger.rows[simulation.ledger.insert(Kind.ROLLBACK)]
        workers = asyncio.create_task(simulation.until_settled())
        await asyncio.sleep(40)
        assert row.escalations == 1
        simulation.world.always = ""
        await workers
        return row

    row = run(course())
    simulation.check_invariants()
    assert row.operation.verified_at is not None


def test_it_does_not_need_blue_to_be_proven(plan: Plan) -> None:
    """A sick BLUE was named when the button was pressed: the write is not held up by it."""
    simulation = on_green(plan)
    simulation.world.sick.add(Side.BLUE)

    async def course() -> None:
        simulation.ledger.insert(Kind.ROLLBACK)
        workers = asyncio.create_task(simulation.until_settled())
        await asyncio.sleep(1)
        assert simulation.world.weights == Weights(100, 0)
        workers.cancel()

    run(course())
