"""How a side is: its target group's own health checks for the count, its own address for the release it runs."""

import asyncio
from collections.abc import Mapping

import httpx

from app.domain.sides import Side
from app.ports.traffic import SideHealth
from app.providers.aws.actions import Groups
from app.providers.aws.calls import Calls
from app.providers.exchange import TIMEOUT
from app.providers.side_address import BY_DIGEST, SideAddress, ask_side


class SidesHealth:
    def __init__(self, calls: Calls, groups: Groups, sides: Mapping[Side, SideAddress]) -> None:
        self._calls, self._groups, self._sides = calls, groups, sides
        self._client = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)

    async def of(self, side: Side) -> SideHealth:
        """Raises ProviderError when AWS does not tell; a side whose address does not answer has no digest."""
        address = self._sides[side]
        counted, itself = await asyncio.gather(self.counted(side), ask_side(self._client, side, address, BY_DIGEST))
        return SideHealth(side, counted.healthy, counted.required, itself.digest, counted.detail)

    async def counted(self, side: Side) -> SideHealth:
        """Without the digest. Targets of a group that no listener uses are not checked and not healthy."""
        answer = await self._calls.ask("elbv2", "describe_target_health", TargetGroupArn=self._groups.of(side))
        states = [str(line["TargetHealth"]["State"]) for line in answer["TargetHealthDescriptions"]]
        healthy = states.count("healthy")
        others = {state: states.count(state) for state in sorted(set(states) - {"healthy"})}
        detail = ", ".join(f"{count} {state}" for state, count in {"healthy": healthy, **others}.items())
        return SideHealth(side, healthy, self._sides[side].required, "", detail or "no targets registered")

    async def aclose(self) -> None:
        await self._client.aclose()
