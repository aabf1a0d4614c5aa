"""The course of a switch: as planned, refused, with a balancer that misbehaves, superseded half-way."""

import asyncio
from collections import deque
from itertools import pairwise

import pytest

from app.domain.operations import ARRIVE_WITHIN, Answer, Kind, State
from app.domain.plan import Plan
from app.domain.sides import Release, Side, Weights
from app.ports.operations import TeamNow
from tests.orchestrator.ledger import Row
from tests.orchestrator.simulator import Mortality, Simulation, greens
from tests.orchestrator.virtual_time import run


def switch(simulation: Simulation) -> Row:
    """Accept a switch and let one worker settle everything; the invariants hold."""

    async def course() -> Row:
        number = simulation.ledger.insert(Kind.SWITCH)
        await simulation.until_settled()
        return simulation.ledger.rows[number]

    row = run(course())
    simulation.check_invariants()
    return row


def test_all_goes_to_green_and_every_line_is_yes(plan: Plan) -> None:
    simulation = Simulation(plan)
    row = switch(simulation)
    assert row.operation.state is State.DONE
    assert row.reason == ""
    assert simulation.world.weights == Weights(0, 100)
    assert greens(simulation.world) == 1
    lines = {check.check for stage in plan.production.strip for check in stage.checks}
    assert lines == set(row.operation.checks)
    assert {outcome.answer for outcome in row.operation.checks.values()} == {Answer.YES}


def test_what_customers_told_support_counts_at_t_plus_30(plan: Plan) -> None:
    simulation = Simulation(plan)
    simulation.ledger.customer_reports = (2, 5)
    outcome = switch(simulation).operation.checks["no_customer_failures"]
    assert outcome.answer is Answer.NO
    assert outcome.found.startswith("0 failed of ")
    assert outcome.found.endswith(", 2 reports of 5 customers")


def test_the_moments_come_in_their_order(plan: Plan) -> None:
    row = switch(Simulation(plan))
    operation, seen = row.operation, row.observed
    assert operation.written_at is not None
    assert operation.read_back_at is not None
    assert operation.accepted_at < operation.written_at < operation.read_back_at
    assert seen["observed_95_at"] <= seen["observed_99_at"] <= seen["observed_100_at"]
    assert seen["observed_100_at"] == operation.observed_100_at
    late = operation.checks["still_normal"].at
    assert (late - operation.written_at).total_seconds() >= 30


@pytest.mark.parametrize("case", ["sick", "other artifact", "not on BLUE", "changed outside", "dark metric"])
def test_a_no_at_t_minus_5_writes_nothing(plan: Plan, case: str) -> None:
    simulation = Simulation(plan)
    match case:
        case "sick":
            simulation.world.sick.add(Side.GREEN)
        case "other artifact":
            simulation.world.digests[Side.GREEN] = Release("1.0.1", "sha256:" + "7" * 64).digest
        case "not on BLUE":
            simulation.world.weights = Weights(90, 10)
        case "changed outside":
            simulation.world.configuration = "c2"
        case "dark metric":
            simulation.ledger.readings[Side.GREEN]["error_rate"] = (0.0, "UNKNOWN")
    before = simulation.world.weights
    row = switch(simulation)
    assert row.operation.state is State.REFUSED
    assert simulation.world.calls == []
    assert simulation.world.weights == before
    assert row.outcomes == {}
    assert row.reason


def test_a_balancer_that_does_not_answer_refuses_and_is_named(plan: Plan) -> None:
    simulation = Simulation(plan)
    simulation.world.is_silent = True
    row = switch(simulation)
    assert row.operation.state is State.REFUSED
    assert row.reason == "balancer ready is unknown: no answer"


def test_an_absent_team_only_warns(plan: Plan) -> None:
    simulation = Simulation(plan)
    simulation.ledger.team = TeamNow((), ("Operations",))
    row = switch(simulation)
    assert row.operation.state is State.DONE
    assert row.operation.checks["team_present"].answer is Answer.NO


def test_an_unknown_outcome_is_read_before_anything_is_written_again(plan: Plan) -> None:
    simulation = Simulation(plan)
    simulation.world.faults = deque(["lost"])
    row = switch(simulation)
    assert row.operation.state is State.DONE
    assert greens(simulation.world) == 1, "it had been applied: one write is enough"
    assert list(row.outcomes.values()) == ["applied"]


def test_what_was_not_applied_is_written_again(plan: Plan) -> None:
    simulation = Simulation(plan)
    simulation.world.faults = deque(["vanished"])
    row = switch(simulation)
    assert row.operation.state is State.DONE
    assert [call.applied for call in simulation.world.calls] == [False, True]
    assert list(row.outcomes.values()) == ["not applied", "applied"]


def test_refused_writes_are_tried_again_with_growing_pauses(plan: Plan) -> None:
    simulation = Simulation(plan)
    simulation.world.faults = deque(["refused"] * 5)
    row = switch(simulation)
    assert row.operation.state is State.DONE
    at = [call.at for call in simulation.world.calls]
    pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(at)]
    assert len(pauses) == 5
    assert pauses[0] < 0.2
    assert pauses[-1] > 2 * pauses[0]
    assert max(pauses) < 0.7


def test_a_balancer_that_never_takes_it_is_taken_back_after_15_s(plan: Plan) -> None:
    simulation = Simulation(plan)
    simulation.world.faults = deque(["refused"] * 500)
    row = None

    async def course() -> None:
        nonlocal row
        row = simulation.ledger.rows[simulation.ledger.insert(Kind.SWITCH)]
        worker = asyncio.create_task(simulation.until_settled())
        await asyncio.sleep(ARRIVE_WITHIN.total_seconds() + 2)
        simulation.world.faults.clear()
        await worker

    run(course())
    simulation.check_invariants()
    assert row is not None
    assert row.operation.state is State.FAILED
    assert simulation.ledger.newest.operation.kind is Kind.ROLLBACK
    assert simulation.ledger.newest.operation.state is State.DONE
    assert len(simulation.world.calls) < 100, "with pauses between"


def test_weights_that_arrive_late_are_not_hammered_and_arrive(plan: Plan) -> None:
    simulation = Simulation(plan)
    simulation.world.faults = deque(["late:3"] * 200)
    row = switch(simulation)
    assert row.operation.state is State.DONE
    assert greens(simulation.world) < 60


def test_an_unknown_write_of_a_switch_that_then_fails_its_check_is_taken_back(plan: Plan) -> None:
    """REFUSED would say that nothing was written, but the write may still land."""
    simulation = Simulation(plan)
    simulation.world.faults = deque(["vanished", "refused", "refused", "refused", "refused", "refused"] * 8)

    async def course() -> Row:
        number = simulation.ledger.insert(Kind.SWITCH)
        worker = asyncio.create_task(simulation.until_settled())
        await asyncio.sleep(1)
        simulation.world.sick.add(Side.GREEN)
        # The health check of T−5 counts for 15 s; what fails then is the arrival or the new check, whichever is first.
        await asyncio.sleep(20)
        simulation.world.faults.clear()
        await worker
        return simulation.ledger.rows[number]

    row = run(course())
    simulation.check_invariants()
    assert row.operation.state is State.FAILED
    assert simulation.world.weights == Weights(100, 0)


def test_green_is_asked_again_before_a_write_when_its_proof_is_old(plan: Plan) -> None:
    """I2 at the moment of the call, not only at T−5."""
    simulation = Simulation(plan)
    simulation.world.faults = deque(["refused"] * 500)

    async def course() -> None:
        simulation.ledger.insert(Kind.SWITCH)
        worker = asyncio.create_task(simulation.until_settled())
        await asyncio.sleep(14)
        simulation.world.faults.clear()
        await worker

    run(course())
    simulation.check_invariants()


@pytest.mark.parametrize("path", ["/", "/health", "/api"])
def test_a_line_after_the_switch_that_says_no_is_told_and_takes_nothing_back(plan: Plan, path: str) -> None:
    """The team decides; automatic triggers are another matter."""
    simulation = Simulation(plan)
    simulation.world.failing_path = path
    row = switch(simulation)
    assert row.operation.state is State.DONE
    said_no = [name for name, outcome in row.operation.checks.items() if outcome.answer is not Answer.YES]
    if path != "/health" or any(test.path.startswith(path) for test in plan.target("production").smoke_tests):
        assert said_no
        assert row.reason
    assert simulation.world.weights == Weights(0, 100)


@pytest.mark.parametrize("moment_ms", [1, 5, 9, 13, 17, 21, 25, 29, 33, 40, 60, 100, 400, 2000, 29000])
def test_a_rollback_pre_empts_at_any_moment_and_the_switch_issues_nothing_more(plan: Plan, moment_ms: int) -> None:
    simulation = Simulation(plan)

    async def course() -> None:
        simulation.ledger.insert(Kind.SWITCH)
        workers = asyncio.create_task(simulation.until_settled(Mortality()))
        await asyncio.sleep(moment_ms / 1000)
        assert simulation.ledger.unfinished
        simulation.ledger.insert(Kind.ROLLBACK)
        await workers

    run(course())
    simulation.check_invariants()
    assert simulation.ledger.newest.operation.state is State.DONE
    assert simulation.ledger.rows[1].operation.state is State.SUPERSEDED
