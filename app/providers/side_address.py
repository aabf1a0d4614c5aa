"""Asking a side at its own address, past the balancer: is it well, and which release is it?"""

from dataclasses import dataclass

import httpx

from app.domain.plan_parts import Identity
from app.domain.sides import Side
from app.ports.traffic import ProviderError, SideHealth
from app.providers.exchange import exchange

BY_DIGEST = Identity(field="digest")


@dataclass(frozen=True, slots=True)
class SideAddress:
    """Where a side is reached directly, not through the public address. `health` is a path there; `required` is how
    many of its instances must be healthy (a single address counts as one)."""

    url: str
    health: str = "/health"
    required: int = 1


async def ask_side(client: httpx.AsyncClient, side: Side, address: SideAddress, identity: Identity) -> SideHealth:
    """A side that cannot be reached is an unhealthy side, not an error: that is an answer too."""
    try:
        response = await exchange(client, "GET", address.url.rstrip("/") + address.health)
    except ProviderError as problem:
        return SideHealth(side, 0, address.required, "", problem.message)
    healthy = 1 if response.is_success else 0
    return SideHealth(side, healthy, address.required, _digest(response, identity), f"status {response.status_code}")


def _digest(response: httpx.Response, identity: Identity) -> str:
    """From the header or the JSON field by which the plan says that a release names itself; otherwise from the
    field `digest` of the health check."""
    if identity.header and (found := response.headers.get(identity.header)):
        return str(found)
    try:
        body = response.json()
    except ValueError:
        return ""
    field = identity.field or "digest"
    return str(body.get(field) or "") if isinstance(body, dict) else ""
