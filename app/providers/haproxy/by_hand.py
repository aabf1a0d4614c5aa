"""How a person moves a farm without gonogo: with socat, on a machine that reaches the sockets."""

import shlex

from app.domain.sides import Weights
from app.ports.traffic import HandStep
from app.providers.haproxy.farm import Farm, Instance, gains
from app.providers.haproxy.mark import BY_HAND, Mark


def steps(farm: Farm, weights: Weights, epoch: int) -> tuple[HandStep, ...]:
    """The epoch first, so that nothing older moves it back; then the side that is to carry more; then the other."""
    first, mark = gains(None, weights), Mark(epoch, BY_HAND, weights.green)
    found = [HandStep(f"Leave epoch {epoch} on {one.name}", _socat(one, farm.leave(mark))) for one in farm.instances]
    for side in (first, first.other):
        found += [
            HandStep(
                f"Set {side} to {weights.of(side)} % on {route.name}; an empty answer means done",
                _socat(route.instance, route.backend.commands(side, weights)),
            )
            for route in farm.routes
        ]
    return tuple(found)


def _socat(instance: Instance, commands: str) -> str:
    socket = instance.address.removeprefix("unix:")
    there = f"UNIX-CONNECT:{socket}" if socket != instance.address else f"TCP:{socket}"
    return f"echo {shlex.quote(commands)} | socat stdio {shlex.quote(there)}"
