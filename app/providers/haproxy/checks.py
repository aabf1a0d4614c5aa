"""How many servers of a side HAProxy's own checks find up."""

import asyncio

from app.domain.sides import Side
from app.providers.haproxy import answers
from app.providers.haproxy.farm import Farm, Instance
from app.providers.haproxy.runtime import ask


async def ask_statistics(instance: Instance) -> tuple[answers.Line, ...]:
    """Raises ProviderError."""
    return answers.statistics(await ask(instance.address, "show stat"))


async def servers_up(farm: Farm, side: Side) -> tuple[int, str]:
    """On the route that has the fewest, with a line for people. A server that HAProxy does not check counts as one
    that is not up. Raises ProviderError."""
    told = await asyncio.gather(*(ask_statistics(instance) for instance in farm.instances))
    by_instance = dict(zip(farm.instances, told, strict=True))
    found: list[tuple[int, str]] = []
    for route in farm.routes:
        wanted = route.backend.servers[side]
        lines = [line for line in by_instance[route.instance] if line.is_server(route.backend.name, wanted)]
        up = sum(line.is_up for line in lines)
        states = answers.names([f"{line.name} {line.status} {line.check}".strip() for line in lines])
        found.append((up, f"{up} of {len(wanted)} up on {route.name}: {states}"))
    return min(found)
