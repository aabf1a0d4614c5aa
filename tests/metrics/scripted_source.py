"""A MetricsSource whose answers a test sets."""

import asyncio

from app.domain.sides import Side
from app.ports.metrics import Sample
from app.ports.traffic import ProviderError

CALM = {"response_time": 131.0, "error_rate": 0.02, "db_connections": 31.0, "memory": 48.0, "cpu": 9.0}


class ScriptedSource:
    """`values` per side is what is answered; a side in `silent` does not answer, one in `hanging` never does."""

    def __init__(self) -> None:
        self.values: dict[Side, dict[str, float | None]] = {side: dict(CALM) for side in Side}
        self.samples: dict[Side, int] = dict.fromkeys(Side, 40)
        self.silent: set[Side] = set()
        self.hanging: set[Side] = set()
        self.extra: tuple[Sample, ...] = ()
        self.asked = 0

    async def read(self, side: Side) -> tuple[Sample, ...]:
        self.asked += 1
        if side in self.hanging:
            await asyncio.Event().wait()
        if side in self.silent:
            raise ProviderError(f"{side} refused the connection")
        found = (Sample(key, value, self.samples[side]) for key, value in self.values[side].items())
        return (*found, *self.extra)

    async def aclose(self) -> None:
        return None
