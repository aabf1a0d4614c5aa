"""The traffic port: everything gonogo asks of a load balancer.

One implementation a kind of balancer; one contract suite (tests/providers/traffic_contract.py) runs against each.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from app.domain.sides import Side, Weights

Fence = Callable[[], Awaitable[None]]
"""Awaited by a provider right before the bytes leave; raises `StaleEpoch` if a newer operation exists."""


@dataclass(frozen=True, slots=True)
class RouteOutcome:
    """What became of the write to one route of a target. `unknown`: it may have been applied, or may be later."""

    route: str
    outcome: Literal["applied", "refused", "unknown", "stale"]
    detail: str = ""


class ProviderError(Exception):
    """A call to the outside world that did not give an answer to rely on.

    `permanent` means that trying again cannot help (no permission, no such resource). `retry_after` is in seconds.
    `unknown_outcome` means that the call may have been applied: read before deciding anything. `routes` says route by
    route what a write did before it gave up; empty where the error is about no single route.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool = False,
        retry_after: float | None = None,
        unknown_outcome: bool = False,
        routes: tuple[RouteOutcome, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.permanent = permanent
        self.retry_after = retry_after
        self.unknown_outcome = unknown_outcome
        self.routes = routes


class StaleEpoch(Exception):
    """A newer operation exists for this target; this one may issue nothing more."""

    def __init__(self, epoch: int, newest: int) -> None:
        super().__init__(f"epoch {epoch} is older than {newest}")
        self.epoch = epoch
        self.newest = newest


@dataclass(frozen=True, slots=True)
class RouteWeights:
    """One route of the target (a listener's default action, a rule, a backend) and the weights read from it."""

    route: str
    weights: Weights


@dataclass(frozen=True, slots=True)
class TargetReading:
    """What the balancer says of itself when asked.

    `epoch` is the one the target itself carries (0 if it has none). `configuration` is a short stable hash of
    everything but the weights: sign-offs are bound to it, and a change of it is drift.
    """

    routes: tuple[RouteWeights, ...]
    epoch: int
    configuration: str

    def agrees(self, weights: Weights) -> bool:
        """True if there is a route and each one has these weights."""
        return bool(self.routes) and all(route.weights == weights for route in self.routes)

    @property
    def weights(self) -> Weights | None:
        """The weights, where all routes agree; None for a split target."""
        found = {route.weights for route in self.routes}
        return found.pop() if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class SideHealth:
    """The health of one side as checked at its own address, and the digest it says it runs."""

    side: Side
    healthy: int
    required: int
    digest: str
    detail: str

    @property
    def is_healthy(self) -> bool:
        return self.healthy >= self.required > 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a pre-flight: what was asked, whether it is as it must be (None: no answer), what was found, and
    what to do about it. `key` is stable, for tests and pages: "credentials", "green_attached", "stickiness", …"""

    key: str
    title: str
    is_ok: bool | None
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class HandStep:
    """One step of moving the target without gonogo: what it does, and the command with real ids, or where to click."""

    text: str
    command: str = ""


class TrafficTarget(Protocol):
    """A place where traffic is steered. Every call has its own deadline of a few seconds and raises
    `ProviderError` when it is missed; no call repeats by itself what may have been applied."""

    @property
    def name(self) -> str: ...

    async def read(self) -> TargetReading:
        """Read the weights back from the balancer itself, never from memory."""
        ...

    async def write(self, weights: Weights, *, epoch: int, fence: Fence) -> tuple[RouteOutcome, ...]:
        """Set the weights on every route, the side that gains first. Awaits `fence` right before each effect.

        Returns a line for each route, all applied. Raises StaleEpoch if the target already carries a newer epoch than
        `epoch`, and ProviderError with its `routes` if any route was not surely written. Writing what is already set
        is harmless.
        """
        ...

    async def preflight(self) -> tuple[Finding, ...]:
        """Everything that must be true before a switch may be armed, proven by calls that change nothing: credentials,
        permissions, both sides attached, nothing that would hold customers back. Never raises ProviderError: a
        question without an answer is a Finding whose `is_ok` is None."""
        ...

    def by_hand(self, weights: Weights, *, epoch: int) -> tuple[HandStep, ...]:
        """How a person sets these weights without gonogo, with the target's real ids; for the console-failure card.
        `epoch` is what the steps leave on the target, so that no older operation moves it back."""
        ...

    async def health(self, side: Side) -> SideHealth:
        """Ask the side's own targets, not through the public address."""
        ...

    async def aclose(self) -> None: ...
