"""What one HAProxy says of a target: its mark, and the servers of the target's backends with their weights."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.sides import Side, Weights
from app.ports.traffic import ProviderError
from app.providers.haproxy import answers
from app.providers.haproxy.farm import Backend, Farm, Instance, Route
from app.providers.haproxy.mark import Mark
from app.providers.haproxy.runtime import ask
from app.providers.haproxy.shares import weights_of

ASK_SERVERS = "show servers state"


@dataclass(frozen=True, slots=True)
class InstanceState:
    """`servers` are all of the target's backends, also those that belong to neither side."""

    instance: Instance
    mark: Mark
    servers: tuple[answers.Server, ...]

    def weights(self, backend: Backend) -> Weights | None:
        """None: neither side has any weight."""
        set_to = {server.name: server.weight for server in self.servers if server.backend == backend.name}
        return weights_of({side: sum(set_to[name] for name in backend.servers[side]) for side in Side})

    def missing(self, backends: Sequence[Backend]) -> tuple[str, ...]:
        """Servers that the binding names and HAProxy does not have."""
        there = {(server.backend, server.name) for server in self.servers}
        named = [(backend.name, name) for backend in backends for side in Side for name in backend.servers[side]]
        return tuple("/".join(pair) for pair in named if pair not in there)


async def ask_state(farm: Farm, instance: Instance, before: str = "") -> InstanceState:
    """After the commands `before`, which change no weight. Raises ProviderError, also when a server of the binding is
    not there."""
    asked = filter(None, (before, farm.ask_mark, ASK_SERVERS))
    return _state(farm, instance, await ask(instance.address, "; ".join(asked)))


async def set_weights(farm: Farm, instance: Instance, commands: str) -> InstanceState:
    """What there is after it. The mark is asked last, since a newer writer of another host may have come between.
    Raises ProviderError with HAProxy's own words for what it refused."""
    asked = f"{commands}; {farm.ask_mark}; {ASK_SERVERS}"
    answer = await ask(instance.address, asked, changes=True)
    said = answers.refusal(answer.partition(f"{farm.variable}:")[0].partition(answers.NO_VARIABLE)[0])
    if said:
        raise ProviderError(said, permanent=answers.is_for_good(said))
    return _state(farm, instance, answer)


def _state(farm: Farm, instance: Instance, answer: str) -> InstanceState:
    ours = {backend.name for backend in farm.backends}
    servers = tuple(server for server in answers.servers(answer) if server.backend in ours)
    state = InstanceState(instance, answers.mark(answer, farm.variable), servers)
    if missing := state.missing(farm.backends):
        raise ProviderError(f"{instance.name} has no server {answers.names(missing)}", permanent=True)
    return state


def routes_of(farm: Farm, state: InstanceState) -> tuple[Route, ...]:
    return tuple(route for route in farm.routes if route.instance is state.instance)


def configuration(farm: Farm, states: Sequence[InstanceState]) -> str:
    """A short stable hash of everything but weights: instances, backends, which server is on which side and where it
    is. Maintenance and health are no configuration."""
    sides = [(backend.name, {side.value: sorted(backend.servers[side]) for side in Side}) for backend in farm.backends]
    servers = sorted(
        (state.instance.name, server.backend, server.name, server.place) for state in states for server in state.servers
    )
    return hashlib.sha256(json.dumps([sides, servers]).encode()).hexdigest()[:16]
