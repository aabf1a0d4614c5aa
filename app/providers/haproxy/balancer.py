"""ports.traffic for one target that one or several HAProxies steer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx

from app.domain.plan_parts import Identity
from app.domain.sides import Side, Weights
from app.ports.traffic import (
    Fence,
    Finding,
    HandStep,
    ProviderError,
    RouteOutcome,
    RouteWeights,
    SideHealth,
    TargetReading,
)
from app.providers.exchange import TIMEOUT, WHOLE
from app.providers.haproxy import by_hand
from app.providers.haproxy.checks import servers_up
from app.providers.haproxy.farm import Farm, Route
from app.providers.haproxy.preflight import inspect
from app.providers.haproxy.state import InstanceState, ask_state, configuration, routes_of
from app.providers.haproxy.writing import Writing
from app.providers.side_address import BY_DIGEST, SideAddress, ask_side
from app.providers.turns import Turns

PATIENCE = 1.0
"""Seconds to wait for another writer of this host. One that takes longer is frozen: a rollback goes on without it."""


class HaproxyBalancer:
    """One attempt a call; no call retries by itself. `state_folder` is shared by all workers of this host: there they
    take turns, and the epoch outlives a restart of HAProxy, which forgets its variables."""

    def __init__(
        self,
        name: str,
        farm: Farm,
        state_folder: Path,
        sides: Mapping[Side, SideAddress],
        identity: Identity = BY_DIGEST,
    ) -> None:
        self._name = name
        self._farm = farm
        self._sides = sides
        self._identity = identity
        self._turns = Turns(state_folder, name, PATIENCE)
        self._client = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)

    @property
    def name(self) -> str:
        return self._name

    async def read(self) -> TargetReading:
        """Raises ProviderError unless every instance answers: some routes are not the target."""
        async with self._deadline():
            states = await asyncio.gather(*(ask_state(self._farm, instance) for instance in self._farm.instances))
        routes = [_weights_on(route, state) for state in states for route in routes_of(self._farm, state)]
        epoch = max(self._turns.newest, *(state.mark.epoch for state in states))
        return TargetReading(tuple(routes), epoch, configuration(self._farm, states))

    async def write(self, weights: Weights, *, epoch: int, fence: Fence) -> tuple[RouteOutcome, ...]:
        async with self._turns.next(epoch) as turn:
            turn.check(epoch)
            await fence()
            turn.keep(epoch)
            return await Writing(self._farm, weights, epoch, fence).run()

    async def preflight(self) -> tuple[Finding, ...]:
        return await inspect(self._farm, self._turns)

    def by_hand(self, weights: Weights, *, epoch: int) -> tuple[HandStep, ...]:
        return by_hand.steps(self._farm, weights, epoch)

    async def health(self, side: Side) -> SideHealth:
        """HAProxy's own checks say how many servers are up; the side's own address says which release it is, and must
        be well too. Where one of them does not answer, the side is not healthy."""
        own, up = await asyncio.gather(self._own_address(side), self._servers_up(side))
        count, detail = up
        if not own.healthy:
            count, detail = 0, f"{own.detail} at its own address; {detail}"
        return SideHealth(side, count, own.required, own.digest, detail)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _own_address(self, side: Side) -> SideHealth:
        return await ask_side(self._client, side, self._sides[side], self._identity)

    async def _servers_up(self, side: Side) -> tuple[int, str]:
        try:
            async with self._deadline():
                return await servers_up(self._farm, side)
        except ProviderError as problem:
            return 0, problem.message

    @contextlib.asynccontextmanager
    async def _deadline(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(WHOLE):
                yield
        except TimeoutError as problem:
            raise ProviderError(f"{self._name} did not answer within {WHOLE:g} s") from problem


def _weights_on(route: Route, state: InstanceState) -> RouteWeights:
    found = state.weights(route.backend)
    if found is None:
        raise ProviderError(f"{route.name} has weight on neither side")
    return RouteWeights(route.name, found)
