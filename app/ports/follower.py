"""The follower port: what follows the balancer and is never on the critical path, such as DNS records (design.md,
"Moving traffic": the switch is a write to the balancer; DNS follows)."""

from dataclasses import dataclass
from typing import Literal, Protocol

from app.domain.sides import Weights
from app.ports.traffic import Fence


@dataclass(frozen=True, slots=True)
class FollowerReading:
    """`weights` as the follower has them (None: it cannot be told). `state`: `in_sync` everywhere, `pending` a change
    is on its way, `refused` the last change was not taken. `found` is a sentence for people."""

    state: Literal["in_sync", "pending", "refused"]
    weights: Weights | None
    found: str


class Follower(Protocol):
    """Every call has its own deadline and raises `ProviderError` (ports.traffic) when it is missed."""

    async def set(self, weights: Weights, *, epoch: int, fence: Fence) -> None:
        """Ask for these weights; returns when the change is sent, not when it has arrived."""
        ...

    async def read(self) -> FollowerReading:
        """Where the records point now, and whether the last change has arrived everywhere."""
        ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where a follower has to be: the weights of the newest operation that was written, and what is recorded of the
    follower (its epoch and state; 0 and empty before anything was)."""

    weights: Weights
    epoch: int
    recorded_epoch: int
    recorded_state: str


class FollowerDesk(Protocol):
    """Where following is recorded. PostgreSQL in the product, memory in tests."""

    async def wanted(self) -> Wanted | None:
        """None while no operation was ever written: then whatever the records say is right."""
        ...

    async def fence(self, epoch: int) -> None:
        """Raises StaleEpoch (ports.traffic) if a newer operation was accepted than the one of this epoch."""
        ...

    async def record(self, reading: FollowerReading, epoch: int) -> None:
        """`epoch` is the operation's whose weights were last asked for; 0: nobody's."""
        ...
