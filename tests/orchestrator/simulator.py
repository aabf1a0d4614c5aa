"""A worker in the simulator, its death at any chosen moment, and the invariants of reliability.md after a run."""

import asyncio
import inspect
import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from app.domain.operations import ENDED, HEALTH_LIMIT, Kind, State, script_of
from app.domain.plan import Plan
from app.domain.sides import Side, Weights
from app.orchestrator.driver import Deps, Job, drive
from tests.orchestrator.ledger import Ledger, MemoryStore
from tests.orchestrator.virtual_time import VirtualClock
from tests.orchestrator.world import RELEASES, SimulatedBalancer, SimulatedCustomers, SimulatedProber, World, now

SWEEP_S = 0.5
COUNTED = frozenset(
    {"claim", "load", "newest_epoch", "record_intent", "record_outcome", "resolve_intents", "record", "finish"}
    | {"readings", "team", "customer_reports", "publish_shares", "read", "write", "health", "fetch", "count"}
)


class Killed(BaseException):
    """SIGKILL: nothing of this worker runs any more."""


@dataclass
class Mortality:
    """Dies at its `at`-th call to the outside, before the call does anything or right after. 0: never."""

    at: int = 0
    before: bool = True
    calls: int = 0
    dead: asyncio.Event = field(default_factory=asyncio.Event)
    died_in: str = ""

    def count(self, name: str) -> bool:
        if self.dead.is_set():
            raise Killed
        self.calls += 1
        return self.calls == self.at

    def die(self, name: str) -> None:
        self.died_in = name
        self.dead.set()
        raise Killed


class Mortal:
    """A port or a store whose caller may die in any of its calls."""

    def __init__(self, inner: Any, life: Mortality) -> None:
        self._inner, self._life = inner, life

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in COUNTED or not inspect.iscoroutinefunction(found):
            return found

        async def call(*args: Any, **named: Any) -> Any:
            dies = self._life.count(name)
            if dies and self._life.before:
                self._life.die(name)
            result = await found(*args, **named)
            if dies or self._life.dead.is_set():
                self._life.die(name)
            return result

        return call


@dataclass
class Simulation:
    """One target, its ledger, and workers that take up what is unfinished about twice a second."""

    plan: Plan
    world: World = field(default_factory=World)
    ledger: Ledger = field(default_factory=Ledger)
    seed: int = 1

    def job(self, operation_id: int, life: Mortality) -> Job:
        return Job(
            operation_id=operation_id,
            script=script_of(self.plan.production),
            plan=self.plan,
            target=self.plan.target("production"),
            releases=RELEASES,
            configuration="c1",
            traffic=Mortal(SimulatedBalancer(self.world), life),
            prober=Mortal(SimulatedProber(self.world), life),
            customers=Mortal(SimulatedCustomers(self.world), life),
        )

    async def worker(self, name: str, life: Mortality | None = None, *, off: timedelta = timedelta(0)) -> None:
        """Sweep and drive until nothing is unfinished, or until death."""
        life = life or Mortality()
        deps = Deps(Mortal(MemoryStore(self.ledger, name), life), VirtualClock(off), random.Random(self.seed))
        while self.ledger.unfinished:
            for operation_id in self.ledger.unfinished:
                await self._drive_or_die(operation_id, deps, life)
                if life.dead.is_set():
                    return
            await asyncio.sleep(SWEEP_S)

    async def _drive_or_die(self, operation_id: int, deps: Deps, life: Mortality) -> None:
        driving = asyncio.create_task(drive(self.job(operation_id, life), deps))
        dying = asyncio.create_task(life.dead.wait())
        await asyncio.wait({driving, dying}, return_when=asyncio.FIRST_COMPLETED)
        for task in (driving, dying):
            task.cancel()
        try:
            await driving
        except (Killed, asyncio.CancelledError):
            if not life.dead.is_set():
                raise

    async def until_settled(self, *lives: Mortality) -> None:
        """One worker for each life (at least one immortal), until every operation has ended."""
        workers = [self.worker(f"w{number}", life) for number, life in enumerate((*lives, Mortality()), start=1)]
        await asyncio.gather(*workers)

    # ── invariants ────────────────────────────────────────────────────────

    def check_invariants(self) -> None:
        self._i1_i6()
        self._i2()
        self._i4()
        self._i5_i9()

    def _i1_i6(self) -> None:
        """Weights always add up (a value cannot empty both sides), and epochs of issued calls never fall."""
        epochs = [call.epoch for call in self.world.calls]
        assert epochs == sorted(epochs), f"I6: {epochs}"
        assert all(weights.blue + weights.green == 100 for weights in self.world.history), "I1"

    def _i2(self) -> None:
        """No call raises GREEN without a passing health check of the right digest, at most 15 s old."""
        for call in self.world.calls:
            if call.weights.green:
                assert call.green_passed_at is not None, f"I2: {call}"
                assert call.at - call.green_passed_at <= HEALTH_LIMIT, f"I2: {call}"

    def _i4(self) -> None:
        """After a rollback was accepted no call raises GREEN, and the end is BLUE."""
        for row in self.ledger.rows.values():
            if row.operation.kind is not Kind.ROLLBACK:
                continue
            later = [call for call in self.world.calls if call.at > row.operation.accepted_at and call.weights.green]
            assert not later, f"I4: {later}"
        if self.ledger.newest.operation.kind is Kind.ROLLBACK:
            assert self.world.weights == Weights.all_to(Side.BLUE), "I4: the end is BLUE"

    def _i5_i9(self) -> None:
        assert not self.ledger.unfinished, "I9: every operation ends"
        for row in self.ledger.rows.values():
            assert row.operation.state in ENDED
            if row.operation.state is State.REFUSED:
                calls = [call for call in self.world.calls if call.epoch == row.operation.epoch and call.applied]
                assert not calls, "refused means that nothing was written"
            if row.operation.state in (State.DONE, State.REFUSED):
                assert not {"", "unknown"}.intersection(row.outcomes.values()), "I9: an intent without an end"


def greens(world: World) -> int:
    """How many writes that raise GREEN reached the balancer."""
    return sum(call.weights.green > 0 for call in world.calls)


__all__ = ["Killed", "Mortality", "Simulation", "greens", "now"]
