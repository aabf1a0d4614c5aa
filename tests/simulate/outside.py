"""The outside of a simulated run: a balancer of one or more routes, two sides, probes, customers, all with faults.

A call that left is not a call of its worker any more: it lands whatever becomes of the worker.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from app.domain.sides import Side, Weights
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
from tests.orchestrator.world import RELEASES
from tests.simulate.life import Life, Tell
from tests.simulate.scenario import Scenario

DEADLINE_S = 3.0
"""Of each call of a provider (app/providers/exchange.py)."""
ON_ITS_WAY_S = 2.9
"""Of a call that only just meets the deadline."""
ANSWERS_S = 0.004
ASKED_FOR_S = 0.001


def elapsed() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Call:
    """An effect on one route that left: when, when its fence was answered, and what was known then."""

    at: float
    fenced_at: float
    batch: int
    operation_id: int
    worker: str
    epoch: int
    weights: Weights
    route: int
    fault: str
    green_passed_at: float
    checks: dict[str, Any]
    is_owner: bool
    landed_at: float | None = None
    is_known_refused: bool = False


@dataclass
class Outside:
    scenario: Scenario
    tell: Tell
    note: Callable[[str, str], None]
    weights: list[Weights] = field(default_factory=list)
    served: list[Weights] = field(default_factory=list)
    """What customers get; a front that is stuck serves what was set before."""
    history: list[tuple[float, tuple[Weights, ...], tuple[Weights, ...]]] = field(default_factory=list)
    """Since when which weights were set, and served."""
    epoch: int = 0
    calls: list[Call] = field(default_factory=list)
    reads: list[tuple[float, int]] = field(default_factory=list)
    """When a reading of the balancer was answered, and for which operation."""
    shown: list[tuple[float, int, int | None]] = field(default_factory=list)
    """The same with GREEN's share that was answered, None where the routes disagree."""
    read_on_blue: dict[int, float] = field(default_factory=dict)
    """When a reading of an operation first found every route on BLUE."""
    passed_at: dict[Side, float] = field(default_factory=dict)
    writes: deque[str] = field(default_factory=deque)
    foreign_at: float = -1.0
    broken: list[str] = field(default_factory=list)
    """Invariants that were seen broken on the way."""
    batches: int = 0
    dice: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self.weights = [Weights(100, 0)] * self.scenario.routes
        self.served = list(self.weights)
        self.history = [(0.0, tuple(self.weights), tuple(self.served))]
        self.writes = deque(self.scenario.writes)
        self.dice = random.Random(self.scenario.seed + 7)

    def active(self, windows: Any, what: str = "") -> str:
        """The kind of the first window that is open now, or empty."""
        at = elapsed()
        return next((w.what for w in windows if w.begins <= at < w.ends and (not what or w.what == what)), "")

    def next_fault(self) -> str:
        if self.writes:
            return self.writes.popleft()
        kind = self.active(self.scenario.cloud)
        return f"{kind}:{self.dice.uniform(0.1, 2.5):.3f}" if kind else ""

    def apply(self, route: int, weights: Weights, epoch: int, call: Call | None = None) -> bool:
        if self.scenario.keeps_epoch and epoch < self.epoch:
            return False
        self.epoch = max(self.epoch, epoch)
        if weights.blue + weights.green != 100:
            self.broken.append(f"I1: route {route} was left with {weights.blue} / {weights.green}")
        self.weights[route] = weights
        self.serve()
        if call is not None:
            call.landed_at = elapsed()
        self.tell(f"route {route} is {weights} by epoch {epoch}")
        return True

    def serve(self) -> None:
        """Customers get what is set, unless the front is stuck."""
        if not self.active(self.scenario.stuck):
            self.served = list(self.weights)
        self.history.append((elapsed(), tuple(self.weights), tuple(self.served)))

    def spans(self) -> Iterator[tuple[float, float, tuple[Weights, ...], tuple[Weights, ...]]]:
        """From when to when, the weights that each route was set to, and those that customers got."""
        ends = [begins for begins, _, _ in self.history[1:]] + [float("inf")]
        for (begins, weights, served), end in zip(self.history, ends, strict=True):
            yield begins, end, weights, served

    def foreign(self, blue: int) -> None:
        self.note("foreign", "balancer")
        self.foreign_at = elapsed()
        self.weights = [Weights(blue, 100 - blue)] * len(self.weights)
        self.serve()
        self.tell(f"somebody else sets BLUE {blue}")

    def is_sick(self, side: Side) -> bool:
        return bool(self.active(self.scenario.sides, f"{side}.sick"))

    def is_all_on(self, side: Side) -> bool:
        return all(weights == Weights.all_to(side) for weights in self.weights)

    def serving(self, number: int) -> Side:
        weights = self.served[number % len(self.served)]
        return Side.GREEN if (number * 37) % 100 < weights.green else Side.BLUE


@dataclass
class Balancer:
    """ports.traffic.TrafficTarget, as one worker holds it for one operation."""

    outside: Outside
    life: Life
    operation_id: int
    looks: Callable[[int, str], tuple[float, dict[str, Any], bool]]
    """When the fence was answered, the operation's checks, whether this worker owned it then."""

    name = "production"

    async def read(self) -> TargetReading:
        outside = self.outside
        fault = outside.active(outside.scenario.reads)
        if fault:
            outside.note(f"read.{fault}", "read")
        await asyncio.sleep({"silent": DEADLINE_S, "slow": 1.5}.get(fault, ANSWERS_S))
        if fault in ("silent", "failing"):
            raise ProviderError("no answer within 3 s" if fault == "silent" else "503: busy")
        outside.reads.append((elapsed(), self.operation_id))
        if outside.is_all_on(Side.BLUE):
            outside.read_on_blue.setdefault(self.operation_id, elapsed())
        routes = tuple(RouteWeights(f"route-{n}", weights) for n, weights in enumerate(outside.weights))
        is_one = len(set(outside.weights)) == 1
        outside.shown.append((elapsed(), self.operation_id, outside.weights[0].green if is_one else None))
        return TargetReading(routes, outside.epoch if outside.scenario.keeps_epoch else 0, "c1")

    async def write(self, weights: Weights, *, epoch: int, fence: Fence) -> tuple[RouteOutcome, ...]:
        """All routes side by side, each with its own fence and its own deadline."""
        self.outside.batches += 1
        batch = self.outside.batches
        routes = range(len(self.outside.weights))
        done = await asyncio.gather(
            *(self._route(route, batch, weights, epoch, fence) for route in routes), return_exceptions=True
        )
        for found in done:
            if isinstance(found, BaseException) and not isinstance(found, ProviderError):
                raise found
        outcomes = tuple(_outcome(route, found) for route, found in enumerate(done))
        failed = [found for found in done if isinstance(found, ProviderError)]
        if failed:
            raise ProviderError(
                failed[0].message,
                retry_after=failed[0].retry_after,
                unknown_outcome=any(one.unknown_outcome for one in failed),
                routes=outcomes,
            )
        return outcomes

    async def _route(self, route: int, batch: int, weights: Weights, epoch: int, fence: Fence) -> None:
        outside = self.outside
        await fence()
        fenced_at, checks, is_owner = self.looks(self.operation_id, self.life.name)
        if outside.scenario.keeps_epoch:
            # Frozen between the fence and the bytes: only the balancer itself can refuse what comes out of that.
            await self.life.through("send", _nothing)
        fault, _, text = outside.next_fault().partition(":")
        seconds = float(text or 0)
        if fault:
            outside.note(f"write.{fault}", "write")
        call = Call(
            elapsed(),
            fenced_at,
            batch,
            self.operation_id,
            self.life.name,
            epoch,
            weights,
            route,
            fault,
            outside.passed_at.get(Side.GREEN, -1e9),
            checks,
            is_owner,
        )
        outside.calls.append(call)
        outside.tell(f"{self.life.name} writes {weights} to route {route}, epoch {epoch} {fault}")
        await self._land(call, fault, seconds)

    async def _land(self, call: Call, fault: str, seconds: float) -> None:
        loop, outside = asyncio.get_running_loop(), self.outside
        taken: list[bool] = []

        def land() -> None:
            taken.append(outside.apply(call.route, call.weights, call.epoch, call))

        match fault:
            case "refused" | "throttled":
                await asyncio.sleep(ANSWERS_S)
                call.is_known_refused = True
                raise ProviderError("429: later", retry_after=seconds or None)
            case "partial" if call.route == 0:
                await asyncio.sleep(ANSWERS_S)
                call.is_known_refused = True
                raise ProviderError("409: the rule is being changed")
            case "broken":
                if outside.dice.random() < 0.5:
                    loop.call_later(ANSWERS_S / 2, land)
                await asyncio.sleep(ANSWERS_S)
                raise ProviderError("502: bad gateway", unknown_outcome=True)
            case "vanished" | "silent":
                await asyncio.sleep(DEADLINE_S if fault == "silent" else ANSWERS_S)
                raise ProviderError("no answer", unknown_outcome=True)
            case "lost":
                loop.call_later(ANSWERS_S / 2, land)
                await asyncio.sleep(DEADLINE_S if seconds else ANSWERS_S)
                raise ProviderError("the connection was cut", unknown_outcome=True)
            case "slow":
                loop.call_later(seconds, land)
                await asyncio.sleep(seconds + ASKED_FOR_S)
            case "late":
                loop.call_later(seconds, land)
                await asyncio.sleep(ANSWERS_S)
                return
            case "astray":
                loop.call_later(seconds, land)
                await asyncio.sleep(ANSWERS_S)
                raise ProviderError("the connection was cut", unknown_outcome=True)
            case "crawl":
                loop.call_later(ON_ITS_WAY_S + seconds, land)
                await asyncio.sleep(ON_ITS_WAY_S)
                return
            case _:
                loop.call_later(ANSWERS_S / 2, land)
                await asyncio.sleep(ANSWERS_S)
        if taken == [False]:
            raise StaleEpoch(call.epoch, outside.epoch)

    async def preflight(self) -> tuple[Finding, ...]:
        return ()

    def by_hand(self, weights: Weights, *, epoch: int) -> tuple[HandStep, ...]:
        return ()

    async def health(self, side: Side) -> SideHealth:
        outside = self.outside
        await asyncio.sleep(ANSWERS_S)
        healthy = 0 if outside.is_sick(side) else 1
        digest = RELEASES[side].digest
        if outside.active(outside.scenario.sides, f"{side}.digest"):
            digest = "sha256:" + "7" * 64
            outside.note("wrong_digest", "health")
        elif healthy:
            outside.passed_at[side] = elapsed()
        if not healthy:
            outside.note("sick", "health")
        return SideHealth(side, healthy, 1, digest, "asked at its own address")

    async def aclose(self) -> None:
        return None


async def _nothing() -> None:
    return None


def _outcome(route: int, found: BaseException | None) -> RouteOutcome:
    if found is None:
        return RouteOutcome(f"route-{route}", "applied")
    unknown = isinstance(found, ProviderError) and found.unknown_outcome
    return RouteOutcome(f"route-{route}", "unknown" if unknown else "refused", str(found))


class Probes:
    """ports.probe.Prober: customers' way in, so it sees what the weights say."""

    def __init__(self, outside: Outside) -> None:
        self.outside = outside
        self.sent = 0

    async def probe(self, *, fresh_connection: bool) -> ProbeResult:
        self.sent += 1
        side = self.outside.serving(self.sent)
        return ProbeResult(elapsed(), ANSWERS_S, not self.outside.is_sick(side), side)

    async def fetch(self, method: str, path: str) -> HttpAnswer:
        await asyncio.sleep(ANSWERS_S)
        is_failing = bool(self.outside.active(self.outside.scenario.pages))
        return HttpAnswer(500 if is_failing else 200, "ALAWAEL 1.0.0", 0.02)

    async def aclose(self) -> None:
        return None


class Customers:
    """ports.customers.Customers: 50 requests a second, none of which fails."""

    async def count(self) -> CustomerCount:
        await asyncio.sleep(ANSWERS_S)
        return CustomerCount(int(elapsed() * 50), 0, 50.0, "")

    async def aclose(self) -> None:
        return None
