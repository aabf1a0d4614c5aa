"""Calls to AWS under asyncio: a lane of threads, a deadline, one attempt, and errors in the port's words."""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from app.ports.traffic import Fence, ProviderError
from app.providers.aws.access import Access
from app.providers.aws.clients import Clients
from app.providers.aws.errors import explained, is_error_of_a_call
from app.providers.aws.gate import Gate, stand_before
from app.providers.aws.lane import Lane

WARM_WITHIN = 10.0
WHOLE = 3.0
"""Seconds for a call, whatever it does: AWS answers in a tenth of one."""
ORDINARY_AT_ONCE = 24
ROLLBACK_AT_ONCE = 32
"""More than a target has routes."""
AGAIN_FIRST = 0.05
AGAIN_MOST = 0.4
EFFECT_AGAIN_WITHIN = 1.5
"""Seconds in which a throttled effect is begun again; then the orchestrator decides."""

Answer = dict[str, Any]


class Calls:
    """`service` is boto3's name of a client, `method` of its method. Lanes and connections of a rollback are its own:
    whatever hangs elsewhere, it neither queues nor waits for a connection."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._ordinary = (Lane("aws", ORDINARY_AT_ONCE), Clients(access))
        self._rollback = (Lane("aws-rollback", ROLLBACK_AT_ONCE), Clients(access))
        self._warming: asyncio.Task[None] | None = None
        self._chance = random.Random()  # noqa: S311 - jitter, not a secret

    async def ask(self, service: str, method: str, *, within: float = WHOLE, **parameters: Any) -> Answer:
        """A call that changes nothing, again while it is throttled. Raises ProviderError."""
        return await self._while_throttled(
            lambda rest: self._ask_once(service, method, rest, parameters), within=within
        )

    async def effect(
        self, service: str, method: str, *, fence: Fence, is_rollback: bool = False, **parameters: Any
    ) -> Answer:
        """A call that changes something, again only while it is throttled, which is a plain no. `fence` is awaited
        before each, and again at the wire. Raises what the fence raises, or ProviderError."""
        return await self._while_throttled(
            lambda _: self._effect_once(service, method, fence, is_rollback, parameters), within=EFFECT_AGAIN_WITHIN
        )

    async def _while_throttled(self, call: Callable[[float], Awaitable[Answer]], *, within: float) -> Answer:
        """Ask again with jitter while AWS says "not now". Readings and writes have several parts: giving the whole up
        for one throttled part would send all of them again, and be throttled the more. Nothing else is repeated here:
        what may have been applied is for the orchestrator to read first."""
        until, pause = time.monotonic() + within, AGAIN_FIRST
        while True:
            try:
                return await call(max(0.0, until - time.monotonic()))
            except ProviderError as problem:
                rest = pause * self._chance.uniform(0.5, 1.0)
                if problem.retry_after is None or time.monotonic() + rest >= until:
                    raise
                await asyncio.sleep(rest)
                pause = min(pause * 2, AGAIN_MOST)

    async def _ask_once(self, service: str, method: str, within: float, parameters: dict[str, Any]) -> Answer:
        lane, clients = self._ordinary
        await self._made(self._ordinary, service)

        def call() -> Answer:
            answer: Answer = getattr(clients.get(service), method)(**parameters)
            return answer

        try:
            return await lane.run(call, within=within)
        except Exception as problem:
            raise explained(_named(service, method), problem, is_effect=False) from problem

    async def _effect_once(
        self, service: str, method: str, fence: Fence, is_rollback: bool, parameters: dict[str, Any]
    ) -> Answer:
        lane, clients = way = self._rollback if is_rollback else self._ordinary
        await self._made(way, service)
        await fence()
        gate = Gate(fence)

        def call() -> Answer:
            stand_before(gate)
            answer: Answer = getattr(clients.get(service), method)(**parameters)
            return answer

        try:
            return await lane.run(call, within=WHOLE)
        except asyncio.CancelledError:
            gate.close()
            raise
        except Exception as problem:
            has_left = gate.close()
            if not is_error_of_a_call(problem):
                raise
            raise explained(_named(service, method), problem, is_effect=True, has_left=has_left) from problem

    async def _made(self, way: tuple[Lane, Clients], service: str) -> None:
        """The client, before the deadline of a call runs: it takes a tenth of a second, more on a busy machine."""
        lane, clients = way
        if clients.has(service):
            return
        try:
            await lane.run(partial(clients.get, service), within=WARM_WITHIN)
        except Exception as problem:
            raise explained(f"the client for {service}", problem, is_effect=False) from problem

    def warm_up(self, *services: str) -> None:
        """Begin `warm`, if an event loop runs, so that the first switch finds its clients made."""
        with contextlib.suppress(RuntimeError):
            self._warming = asyncio.get_running_loop().create_task(self.warm(*services), name="aws.warm")

    async def warm(self, *services: str) -> None:
        """Make the clients before they are needed; whether that works is for `ask` and `effect` to tell."""
        for way in (self._ordinary, self._rollback):
            for service in services:
                with contextlib.suppress(ProviderError):  # said to people by the first call that needs it
                    await self._made(way, service)

    def close(self) -> None:
        if self._warming is not None:
            self._warming.cancel()
        for _, clients in (self._ordinary, self._rollback):
            clients.close()


def _named(service: str, method: str) -> str:
    """ "elbv2 ModifyListener"."""
    return f"{service} {''.join(word.capitalize() for word in method.split('_'))}"
