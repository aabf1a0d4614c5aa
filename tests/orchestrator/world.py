"""The outside world of the simulator: a balancer with faults, releases with health, probes and customers.

Small real classes that implement the ports; nothing is patched. Everything that reaches the balancer is written down.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.domain.sides import Release, Side, Weights
from app.ports.customers import CustomerCount
from app.ports.probe import HttpAnswer, ProbeResult
from app.ports.traffic import (
    Fence,
    Finding,
    HandStep,
    ProviderError,
    RouteOutcome,
    RouteWeights,
    SideHealth,
    StaleEpoch,
    TargetReading,
)
from tests.orchestrator.virtual_time import START

RELEASES = {
    Side.BLUE: Release("0.9.4", "sha256:" + "b" * 64),
    Side.GREEN: Release("1.0.0", "sha256:" + "9" * 64),
}
ANSWERS_AFTER_S = 0.004


def now() -> datetime:
    return START + timedelta(seconds=asyncio.get_running_loop().time())


@dataclass(frozen=True)
class Call:
    """A write that left: when, by which epoch, wanting what, whether the balancer took it, and when GREEN had last
    answered a health check well and with the right digest."""

    at: datetime
    epoch: int
    weights: Weights
    applied: bool
    green_passed_at: datetime | None


@dataclass
class World:
    """`faults` are taken one a write, then all is well: "refused", "lost" (applied, no answer), "vanished" (not
    applied, no answer), "late:2.5" (answered at once, applied 2.5 s later); `always` is for all that follow. A balancer
    without `keeps_epoch` takes any epoch."""

    weights: Weights = field(default_factory=lambda: Weights(100, 0))
    epoch: int = 0
    keeps_epoch: bool = True
    configuration: str = "c1"
    faults: deque[str] = field(default_factory=deque)
    always: str = ""
    sick: set[Side] = field(default_factory=set)
    passed_at: dict[Side, datetime] = field(default_factory=dict)
    digests: dict[Side, str] = field(default_factory=lambda: {side: RELEASES[side].digest for side in Side})
    is_silent: bool = False
    calls: list[Call] = field(default_factory=list)
    history: list[Weights] = field(default_factory=list)
    failing_path: str = ""
    requests: int = 0

    def apply(self, weights: Weights, epoch: int) -> None:
        if self.keeps_epoch and epoch < self.epoch:
            return
        self.epoch = max(self.epoch, epoch)
        self.weights = weights
        self.history.append(weights)

    def serving(self, number: int) -> Side:
        return Side.GREEN if number % 100 < self.weights.green else Side.BLUE


class SimulatedBalancer:
    """ports.traffic.TrafficTarget."""

    name = "production"

    def __init__(self, world: World) -> None:
        self.world = world

    async def read(self) -> TargetReading:
        await asyncio.sleep(ANSWERS_AFTER_S)
        if self.world.is_silent:
            raise ProviderError("the balancer does not answer")
        route = RouteWeights("public", self.world.weights)
        return TargetReading((route,), self.world.epoch if self.world.keeps_epoch else 0, self.world.configuration)

    async def write(self, weights: Weights, *, epoch: int, fence: Fence) -> tuple[RouteOutcome, ...]:
        await asyncio.sleep(ANSWERS_AFTER_S)
        await fence()
        world = self.world
        if world.keeps_epoch and epoch < world.epoch:
            raise StaleEpoch(epoch, world.epoch)
        fault, _, delay = (world.faults.popleft() if world.faults else world.always).partition(":")
        is_applied = fault not in ("refused", "vanished")
        world.calls.append(Call(now(), epoch, weights, is_applied, world.passed_at.get(Side.GREEN)))
        match fault:
            case "refused":
                raise ProviderError("503: busy")
            case "vanished":
                raise ProviderError("no answer within 3 s", unknown_outcome=True)
            case "lost":
                world.apply(weights, epoch)
                raise ProviderError("the connection was cut", unknown_outcome=True)
            case "late":
                asyncio.get_running_loop().call_later(float(delay), world.apply, weights, epoch)
            case _:
                world.apply(weights, epoch)
        return (RouteOutcome("public", "applied"),)

    async def preflight(self) -> tuple[Finding, ...]:
        return (Finding("simulated", "The simulated balancer answers", not self.world.is_silent, "asked"),)

    def by_hand(self, weights: Weights, *, epoch: int) -> tuple[HandStep, ...]:
        return ()

    async def health(self, side: Side) -> SideHealth:
        await asyncio.sleep(ANSWERS_AFTER_S)
        healthy = 0 if side in self.world.sick else 1
        if healthy and self.world.digests[side] == RELEASES[side].digest:
            self.world.passed_at[side] = now()
        return SideHealth(side, healthy, 1, self.world.digests[side], "asked at its own address")

    async def aclose(self) -> None:
        return None


class SimulatedProber:
    """ports.probe.Prober: customers' way in, so it sees what the weights say."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sent = 0

    async def probe(self, *, fresh_connection: bool) -> ProbeResult:
        self.sent += 1
        started = asyncio.get_running_loop().time()
        await asyncio.sleep(ANSWERS_AFTER_S)
        side = self.world.serving(self.sent * 37)
        return ProbeResult(started, ANSWERS_AFTER_S, side not in self.world.sick, side)

    async def fetch(self, method: str, path: str) -> HttpAnswer:
        await asyncio.sleep(ANSWERS_AFTER_S)
        status = 500 if self.world.failing_path and path.startswith(self.world.failing_path) else 200
        return HttpAnswer(status, "ALAWAEL 1.0.0", 0.02)

    async def aclose(self) -> None:
        return None


class SimulatedCustomers:
    """ports.customers.Customers: 50 requests a second, none of which fails."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def count(self) -> CustomerCount:
        await asyncio.sleep(ANSWERS_AFTER_S)
        return CustomerCount(int(asyncio.get_running_loop().time() * 50), 0, 50.0, "")

    async def aclose(self) -> None:
        return None
