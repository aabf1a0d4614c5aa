"""The simulator's power: each of these faults, put into the product, must be caught by the invariants."""

import asyncio
from collections import deque
from datetime import datetime

import pytest

from app.domain import operations as machine
from app.domain.operations import Kind, Operation
from app.domain.plan import Plan
from app.domain.sides import Side, Weights
from app.orchestrator import driver
from tests.orchestrator.simulator import Mortality, Simulation, greens
from tests.orchestrator.virtual_time import run


def caught(simulation: Simulation) -> bool:
    try:
        simulation.check_invariants()
    except AssertionError:
        return True
    return False


def pre_empted(plan: Plan, moment_ms: int) -> Simulation:
    """A rollback comes in while a switch is being written, at a balancer that keeps no epoch."""
    simulation = Simulation(plan)
    simulation.world.keeps_epoch = False

    async def course() -> None:
        simulation.ledger.insert(Kind.SWITCH)
        workers = asyncio.create_task(simulation.until_settled(Mortality()))
        await asyncio.sleep(moment_ms / 1000)
        simulation.ledger.insert(Kind.ROLLBACK)
        await workers

    run(course())
    return simulation


def test_no_epoch_check_is_caught(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = range(8, 40, 2)
    assert not any(caught(pre_empted(plan, moment)) for moment in moments)

    async def open_fence(_self: object, _operation: Operation, _proven_at: object) -> None:
        return None

    monkeypatch.setattr(driver._Run, "_fence", open_fence)
    assert any(caught(pre_empted(plan, moment)) for moment in moments)


def switched(plan: Plan, *faults: str, sick: bool = False) -> Simulation:
    simulation = Simulation(plan)
    simulation.world.faults = deque(faults)
    if sick:
        simulation.world.sick.add(Side.GREEN)

    async def course() -> None:
        simulation.ledger.insert(Kind.SWITCH)
        await simulation.until_settled()

    run(course())
    return simulation


def test_no_health_gate_is_caught(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not caught(switched(plan, sick=True))

    async def unproven(self: driver._Run, _operation: Operation) -> datetime:
        return self.now()

    advisory = machine.ADVISORY | {"green_healthy", "monitoring_live"}
    monkeypatch.setattr(machine, "ADVISORY", advisory)
    monkeypatch.setattr(driver._Run, "_green_proven_at", unproven)
    assert caught(switched(plan, sick=True))


def test_the_gate_before_the_call_alone_is_enough(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two checks guard I2; with the domain's taken away the driver's still holds."""
    monkeypatch.setattr(machine, "ADVISORY", machine.ADVISORY | {"green_healthy", "monitoring_live"})
    simulation = switched(plan, sick=True)
    assert not caught(simulation)
    assert greens(simulation.world) == 0


def test_verifying_once_is_caught(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def late_call() -> Simulation:
        simulation = Simulation(plan)
        simulation.world.keeps_epoch = False
        simulation.world.weights = Weights(0, 100)

        async def course() -> None:
            simulation.ledger.insert(Kind.ROLLBACK)
            asyncio.get_running_loop().call_later(5.0, simulation.world.apply, Weights(0, 100), 0)
            await simulation.until_settled()

        run(course())
        return simulation

    assert not caught(late_call())

    async def no_guard(self: driver._Run, _operation: Operation) -> Operation:
        self._asserted_at = self._confirmed_at = self.now()
        return await self._look()

    monkeypatch.setattr(driver._Run, "_assert", no_guard)
    assert caught(late_call())


def test_trying_again_without_reading_is_caught(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    assert greens(switched(plan, "lost").world) == 1

    async def blind(self: driver._Run, operation: Operation) -> Operation:
        await self.store.resolve_intents(operation.id, "not applied")
        return await self._look()

    read_back = driver._Run._read_back

    async def mutant(self: driver._Run, operation: Operation) -> Operation:
        return await (blind(self, operation) if operation.written_at is None else read_back(self, operation))

    monkeypatch.setattr(driver._Run, "_read_back", mutant)
    assert greens(switched(plan, "lost").world) == 2


def test_weights_that_empty_both_sides_cannot_be_made() -> None:
    for blue, green in ((0, 0), (-1, 101), (50, 51), (100, 100)):
        with pytest.raises(ValueError, match="add up to 100"):
            Weights(blue, green)
