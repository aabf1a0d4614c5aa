"""The balancer agent: reads and writes the weights of the range's balancer, and fails when its knobs say so."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass

from app.domain.sides import Weights
from app.ports.traffic import StaleEpoch
from app.rehearsal.caddy import ROUTE
from app.rehearsal.knobs import BalancerKnobs
from app.rehearsal.weights_file import WeightsFile

REMEMBERED = 1000


class Refused(Exception):
    """The agent refuses writes: nothing was applied."""


@dataclass(frozen=True, slots=True)
class BalancerState:
    """What `GET /balancer` answers."""

    weights: Weights
    epoch: int
    configuration: str

    def as_json(self) -> dict[str, object]:
        routes = [{"route": ROUTE, "blue": self.weights.blue, "green": self.weights.green}]
        return {"routes": routes, "epoch": self.epoch, "configuration": self.configuration}


@dataclass(frozen=True, slots=True)
class Received:
    """A write that reached the agent: `at` is seconds since 1970; a stale one was not applied."""

    at: float
    epoch: int
    blue: int
    is_stale: bool


class Agent:
    """The check of the epoch and the write are one step under one lock, also for writes that arrive late."""

    has_knobs = True

    def __init__(self, file: WeightsFile, configuration: str) -> None:
        self.knobs = BalancerKnobs()
        self._file = file
        self._configuration = configuration
        self._lock = asyncio.Lock()
        self._late: set[asyncio.Task[None]] = set()
        self.received: deque[Received] = deque(maxlen=REMEMBERED)

    def read(self) -> BalancerState:
        return BalancerState(self._file.read(), self._file.read_epoch(), self._configuration)

    async def write(self, weights: Weights, epoch: int) -> BalancerState:
        """Raises Refused, or StaleEpoch when a newer epoch was written before."""
        knobs = self.knobs
        self.received.append(Received(time.time(), epoch, weights.blue, epoch < self._file.read_epoch()))
        if knobs.refuse:
            raise Refused
        self._check(epoch)
        if knobs.slow_ms:
            await asyncio.sleep(knobs.slow_ms / 1000)
        if knobs.late_ms:
            task = asyncio.create_task(self._apply_late(weights, epoch, knobs.late_ms / 1000))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
            return BalancerState(weights, epoch, self._configuration)
        await self._apply(weights, epoch)
        return self.read()

    def _check(self, epoch: int) -> None:
        newest = self._file.read_epoch()
        if epoch < newest:
            raise StaleEpoch(epoch, newest)

    async def _apply(self, weights: Weights, epoch: int) -> None:
        async with self._lock:
            self._check(epoch)
            self._file.write(weights, epoch)

    async def _apply_late(self, weights: Weights, epoch: int, delay: float) -> None:
        await asyncio.sleep(delay)
        try:
            await self._apply(weights, epoch)
        except StaleEpoch:
            return  # somebody newer wrote meanwhile: that stands
