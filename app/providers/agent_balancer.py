"""ports.traffic for a balancer agent: the small HTTP API of docs/range.md that a team may put in front of any
balancer. The range's own balancer speaks it too.
"""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import httpx
from pydantic import BaseModel, Field, ValidationError

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
    StaleEpoch,
    TargetReading,
)
from app.providers.exchange import TIMEOUT, exchange, refusal
from app.providers.side_address import BY_DIGEST, SideAddress, ask_side
from app.providers.token_file import bearer

Percent = Annotated[int, Field(ge=0, le=100)]
CONFLICT = 409


class AgentRoute(BaseModel):
    route: str
    blue: Percent
    green: Percent


class AgentState(BaseModel):
    routes: tuple[AgentRoute, ...]
    epoch: Annotated[int, Field(ge=0)]
    configuration: str


class AgentBalancer:
    """One attempt a call; no call retries by itself."""

    def __init__(
        self,
        name: str,
        agent_url: str,
        token_file: Path,
        sides: Mapping[Side, SideAddress],
        identity: Identity = BY_DIGEST,
    ) -> None:
        self._name = name
        self._agent_url = agent_url
        self._sides = sides
        self._identity = identity
        self._token_file = token_file
        self._client = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)

    @property
    def name(self) -> str:
        return self._name

    async def read(self) -> TargetReading:
        response = await exchange(self._client, "GET", self._agent_url, headers=bearer(self._token_file))
        if not response.is_success:
            raise refusal(response)
        return _reading(response)

    async def write(self, weights: Weights, *, epoch: int, fence: Fence) -> tuple[RouteOutcome, ...]:
        """The agent writes all its routes in one step, so there is one effect and one fence."""
        wanted = {"blue": weights.blue, "green": weights.green, "epoch": epoch}
        await fence()
        response = await exchange(self._client, "PUT", self._agent_url, headers=bearer(self._token_file), body=wanted)
        if response.status_code == CONFLICT:
            raise StaleEpoch(epoch, _newest(response, epoch))
        if not response.is_success:
            raise refusal(response)
        return tuple(RouteOutcome(name, "applied") for name in _route_names(response) or ("agent",))

    async def preflight(self) -> tuple[Finding, ...]:
        """One question: does the agent answer with our token? It looks after its balancer itself."""
        title = f"The balancer agent of {self._name} answers"
        try:
            reading = await self.read()
        except ProviderError as problem:
            remedy = "Check the agent's address and token in site.yaml."
            return (Finding("agent", title, False if problem.permanent else None, problem.message, remedy),)
        return (Finding("agent", title, True, f"routes read: {len(reading.routes)}, epoch {reading.epoch}"),)

    def by_hand(self, weights: Weights, *, epoch: int) -> tuple[HandStep, ...]:
        body = json.dumps({"blue": weights.blue, "green": weights.green, "epoch": epoch})
        token = f"Authorization: Bearer $(cat {shlex.quote(str(self._token_file))})"
        command = f'curl -fsS -X PUT -H "{token}" -d {shlex.quote(body)} {shlex.quote(self._agent_url)}'
        return (HandStep(f"Set {self._name} to BLUE {weights.blue}, GREEN {weights.green}", command),)

    async def health(self, side: Side) -> SideHealth:
        return await ask_side(self._client, side, self._sides[side], self._identity)

    async def aclose(self) -> None:
        await self._client.aclose()


def _reading(response: httpx.Response) -> TargetReading:
    try:
        state = AgentState.model_validate_json(response.content)
        routes = tuple(RouteWeights(r.route, Weights(r.blue, r.green)) for r in state.routes)
    except (ValidationError, ValueError) as problem:
        raise ProviderError(f"{response.request.url} answered something else than weights: {problem}") from problem
    return TargetReading(routes, state.epoch, state.configuration)


def _route_names(response: httpx.Response) -> tuple[str, ...]:
    try:
        return tuple(route.route for route in AgentState.model_validate_json(response.content).routes)
    except ValidationError:
        return ()


def _newest(response: httpx.Response, epoch: int) -> int:
    """The epoch the agent holds; if it does not say, one more than ours."""
    try:
        return int(json.loads(response.content)["newest"])
    except (ValueError, KeyError, TypeError):
        return epoch + 1
