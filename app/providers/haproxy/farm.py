"""What a binding says of the HAProxies that steer one target, and the commands that follow from it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.domain.sides import Side, Weights
from app.providers.haproxy.mark import Mark
from app.providers.haproxy.shares import scale_of, spread

NAME = r"[A-Za-z0-9_.:-]+"
"""HAProxy's own rule for names; nothing in it ends a command."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One HAProxy process. `address` is `unix:/path/of/socket` or `host:port`, at level admin."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend and its servers of each side."""

    name: str
    servers: Mapping[Side, tuple[str, ...]]

    def commands(self, side: Side, weights: Weights) -> str:
        """One line that gives the side's servers their part."""
        scale = scale_of(len(self.servers[Side.BLUE]), len(self.servers[Side.GREEN]))
        parts = spread(weights.of(side), len(self.servers[side]), scale)
        pairs = zip(self.servers[side], parts, strict=True)
        return "; ".join(f"set server {self.name}/{server} weight {weight}" for server, weight in pairs)


@dataclass(frozen=True, slots=True)
class Route:
    """A backend of an instance: where weights are set and read."""

    instance: Instance
    backend: Backend

    @property
    def name(self) -> str:
        return f"{self.instance.name}/{self.backend.name}"


class Farm:
    """All the instances of a target; each has the same backends. Raises ValueError for what HAProxy could not mean."""

    def __init__(
        self, target: str, instances: Sequence[Instance], backends: Mapping[str, Mapping[Side, Sequence[str]]]
    ) -> None:
        if not instances or not backends:
            raise ValueError("at least one instance and one backend")
        if len({instance.name for instance in instances}) < len(instances):
            raise ValueError("each instance needs a name of its own")
        self.instances = tuple(instances)
        self.backends = tuple(_backend(name, servers) for name, servers in backends.items())
        self.routes = tuple(Route(instance, backend) for instance in self.instances for backend in self.backends)
        self.variable = "proc.gonogo_" + re.sub(r"[^A-Za-z0-9]", lambda found: f"_{ord(found[0]):02x}", target)

    @property
    def ask_mark(self) -> str:
        return f"get var {self.variable}"

    def leave(self, mark: Mark) -> str:
        """HAProxy compares and sets in one step: only where its own is smaller, or where it has none (`iflt`)."""
        return f"experimental-mode on; set var proc.gonogo_asked expr int({int(mark)}),set-var({self.variable},iflt)"


def gains(before: Weights | None, after: Weights) -> Side:
    """The side to write first, so that no moment leaves both empty."""
    if before is not None and before.green != after.green:
        return Side.GREEN if after.green > before.green else Side.BLUE
    return Side.GREEN if after.green > after.blue else Side.BLUE


def _backend(name: str, servers: Mapping[Side, Sequence[str]]) -> Backend:
    found = {side: tuple(servers.get(side, ())) for side in Side}
    named = [*found[Side.BLUE], *found[Side.GREEN]]
    if not all(found.values()):
        raise ValueError(f"backend {name} needs servers on both sides")
    if len(set(named)) < len(named):
        raise ValueError(f"a server of backend {name} is named twice")
    for each in (name, *named):
        if not re.fullmatch(NAME, each):
            raise ValueError(f"{each!r} is not a name that HAProxy knows: letters, digits and _.:- only")
    return Backend(name, found)
