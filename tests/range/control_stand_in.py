"""A range that is only its control API: the real routes and knobs, with processes that are numbers in memory."""

from collections.abc import Mapping
from typing import Any, cast

import httpx
from starlette.applications import Starlette

from app.domain.sides import Side
from app.providers.range_control import RangeControl
from app.rehearsal.control import control_routes
from app.rehearsal.direction import Direction
from app.rehearsal.knobs import Knobs

TOKEN = "token"


class Stand:
    """What `control_routes` asks of a Direction. `calls` are what was done, in order."""

    def __init__(self) -> None:
        self.knobs = Knobs()
        self.restarts = dict.fromkeys(Side, 0)
        self.failures: list[dict[str, Any]] = []
        self.calls: list[str] = []

    async def set_knobs(self, part: Mapping[str, Any]) -> Knobs:
        self.knobs = self.knobs.changed_by(part)
        self.calls.append("set")
        return self.knobs

    async def reset_knobs(self) -> Knobs:
        self.knobs = Knobs()
        self.calls.append("reset")
        return self.knobs

    async def restart_release(self, side: Side) -> int:
        self.restarts[side] += 1
        self.calls.append(f"restart {side}")
        return 4711

    async def customers(self, failures: int) -> dict[str, Any]:
        return {
            "requests": 12034,
            "failed": len(self.failures),
            "per_second": 59.8,
            "by_side": {"BLUE": 12000, "GREEN": 32, "": 2},
            "held_back": 0,
            "failures": self.failures[:failures],
        }

    async def status(self) -> dict[str, Any]:
        return {
            "started": "2026-11-23T18:00:00+00:00",
            "public_url": "http://127.0.0.1:8401",
            "releases": [self._release(side) for side in Side],
            "balancer": {"pid": 3, "running": True, "restarts": 0, "routes": [], "epoch": 0},
            "customers": {"pid": 4, "running": True, "restarts": 0, "count": await self.customers(20)},
            "knobs": self.knobs.model_dump(),
        }

    def _release(self, side: Side) -> dict[str, Any]:
        own = self.knobs.blue if side is Side.BLUE else self.knobs.green
        return {
            "side": side.value,
            "version": "0.9.4" if side is Side.BLUE else "1.0.0",
            "digest": "sha256:0",
            "url": "http://127.0.0.1:8403",
            "pid": None if own.dead else 1,
            "running": not own.dead,
            "restarts": self.restarts[side],
        }


class StandInControl(RangeControl):
    """The provider under test, connected to a Stand instead of a port."""

    def __init__(self, stand: Stand, token_file: Any) -> None:
        super().__init__("http://range.test", token_file)
        app = Starlette(routes=control_routes(cast(Direction, stand), TOKEN))
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app))
