"""One write to a farm: claim the epoch everywhere, then each route, the side that gains first."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Literal

from app.domain.sides import Weights
from app.ports.traffic import Fence, ProviderError, RouteOutcome, StaleEpoch
from app.providers.exchange import WHOLE
from app.providers.haproxy import answers
from app.providers.haproxy.farm import Farm, Instance, Route, gains
from app.providers.haproxy.runtime import ask
from app.providers.haproxy.state import InstanceState, ask_state, routes_of


class Writing:
    """Keeps what became of each route so far, also when the time runs out in the middle."""

    def __init__(self, farm: Farm, weights: Weights, epoch: int, fence: Fence) -> None:
        self._farm = farm
        self._weights = weights
        self._epoch = epoch
        self._fence = fence
        self._lines = {route.name: RouteOutcome(route.name, "refused", "not written") for route in farm.routes}
        self._problems: list[ProviderError] = []

    async def run(self) -> tuple[RouteOutcome, ...]:
        """A write that raises GREEN starts only when every instance was claimed: half a farm on GREEN is worse than
        none. One that is all to BLUE does what it can wherever it can."""
        try:
            async with asyncio.timeout(WHOLE):
                states = await self._claim()
                if self._weights.green == 0 or len(states) == len(self._farm.instances):
                    await _all(self._set(route, state) for state in states for route in routes_of(self._farm, state))
        except TimeoutError:
            self._problems.append(ProviderError(f"not done within {WHOLE:g} s", unknown_outcome=True))
        return self._settled()

    async def _claim(self) -> list[InstanceState]:
        """Those instances that carry our epoch now. Raises StaleEpoch if one carries a newer one. Where it fails, it
        does not matter whether the epoch was raised: no weight was touched."""
        asked = [ask_state(self._farm, instance, claiming=self._epoch) for instance in self._farm.instances]
        found = await asyncio.gather(*asked, return_exceptions=True)
        claimed: list[InstanceState] = []
        for instance, result in zip(self._farm.instances, found, strict=True):
            if isinstance(result, ProviderError):
                self._fail(instance, result)
            elif isinstance(result, BaseException):
                raise result
            elif result.epoch > self._epoch:
                raise StaleEpoch(self._epoch, result.epoch)
            elif result.epoch < self._epoch:
                refusal = f"{instance.name} did not take epoch {self._epoch}: its socket needs level admin"
                self._fail(instance, ProviderError(refusal, permanent=True))
            else:
                claimed.append(result)
        return claimed

    async def _set(self, route: Route, state: InstanceState) -> None:
        first = gains(state.weights(route.backend), self._weights)
        for side in (first, first.other):
            await self._fence()
            self._note(route, "unknown", "no answer in time")
            try:
                await self._send(route, route.backend.commands(side, self._weights.of(side)))
            except ProviderError as problem:
                # With one side written and the other not, the route is not as it was: somebody must read it.
                is_as_it_was = side is first and not problem.unknown_outcome
                self._note(route, "refused" if is_as_it_was else "unknown", problem.message)
                self._problems.append(problem)
                return
        self._note(route, "applied", str(self._weights))

    async def _send(self, route: Route, commands: str) -> None:
        """Raises ProviderError, and StaleEpoch: the epoch is asked after the weights, since a newer writer of another
        host may have come between."""
        variable = self._farm.variable
        answer = await ask(route.instance.address, f"{commands}; {self._farm.ask_epoch}", changes=True)
        newest = answers.epoch(answer, variable)
        if newest > self._epoch:
            raise StaleEpoch(self._epoch, newest)
        rest = "\n".join(line for line in answer.splitlines() if not line.startswith(f"{variable}:"))
        if said := answers.refusal(rest):
            raise ProviderError(said, permanent=answers.is_for_good(said))

    def _note(self, route: Route, outcome: Literal["applied", "refused", "unknown"], detail: str) -> None:
        self._lines[route.name] = RouteOutcome(route.name, outcome, detail)

    def _fail(self, instance: Instance, problem: ProviderError) -> None:
        self._problems.append(problem)
        for route in self._farm.routes:
            if route.instance is instance:
                self._note(route, "refused", problem.message)

    def _settled(self) -> tuple[RouteOutcome, ...]:
        """The lines, all applied. Raises ProviderError with them if one is not."""
        lines = tuple(self._lines.values())
        missed = [line for line in lines if line.outcome != "applied"]
        if not missed:
            return lines
        raise ProviderError(
            "; ".join(f"{line.route}: {line.detail}" for line in missed),
            permanent=any(problem.permanent for problem in self._problems),
            unknown_outcome=any(line.outcome == "unknown" for line in missed),
            routes=lines,
        )


async def _all(sets: Iterable[Awaitable[None]]) -> None:
    """Wait for each of them, so that none is still writing when the first one's error is told."""
    for result in await asyncio.gather(*sets, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
