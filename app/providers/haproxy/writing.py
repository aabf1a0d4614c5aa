"""One write to a farm: claim the epoch everywhere, then each route, the side that gains first."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from typing import Literal, TypeVar

from app.domain.sides import Weights
from app.ports.traffic import Fence, ProviderError, RouteOutcome, StaleEpoch
from app.providers.exchange import WHOLE
from app.providers.haproxy.farm import Farm, Instance, Route, gains
from app.providers.haproxy.mark import Mark
from app.providers.haproxy.state import InstanceState, ask_state, routes_of, set_weights

Answer = TypeVar("Answer")
NOT_WRITTEN = "not written"
ROUNDS = 5
"""How often a route is set again when others write to it at the same time."""


class Writing:
    """Keeps what became of each route so far, also when the time runs out in the middle."""

    def __init__(self, farm: Farm, weights: Weights, epoch: int, fence: Fence) -> None:
        self._farm = farm
        self._weights = weights
        self._epoch = epoch
        self._fence = fence
        self._lines = {route.name: RouteOutcome(route.name, "refused", NOT_WRITTEN) for route in farm.routes}
        self._problems: list[ProviderError] = []

    async def run(self) -> tuple[RouteOutcome, ...]:
        """A write that raises GREEN starts only when every instance answers and takes the mark: half a farm on GREEN is
        worse than none. One that is all to BLUE does what it can wherever it can."""
        try:
            async with asyncio.timeout(WHOLE):
                states = await self._asked(self._look(instance) for instance in self._farm.instances)
                if self._may_go_on(states):
                    states = await self._asked(self._claim(state) for state in states)
                if self._may_go_on(states):
                    await _all(self._set(route, state) for state in states for route in routes_of(self._farm, state))
        except TimeoutError:
            for route in self._farm.routes:
                if self._lines[route.name].detail == NOT_WRITTEN:
                    self._note(route, "refused", f"not written within {WHOLE:g} s")
        return self._settled()

    def _may_go_on(self, states: Sequence[InstanceState]) -> bool:
        return self._weights.green == 0 or len(states) == len(self._farm.instances)

    async def _asked(self, questions: Iterable[Awaitable[InstanceState | None]]) -> list[InstanceState]:
        """The states of those instances that answered. Raises StaleEpoch."""
        return [state for state in await _all(questions) if state is not None]

    async def _look(self, instance: Instance) -> InstanceState | None:
        try:
            state = await ask_state(self._farm, instance)
        except ProviderError as problem:
            self._fail(instance, problem)
            return None
        self._not_newer(state.mark)
        return state

    async def _claim(self, seen: InstanceState) -> InstanceState | None:
        """Leave our mark. Where that fails, nothing else was touched."""
        ours = seen.mark.followed_by(self._epoch, self._weights)
        try:
            state = await ask_state(self._farm, seen.instance, self._farm.leave(ours))
        except ProviderError as problem:
            self._fail(seen.instance, problem)
            return None
        self._not_newer(state.mark)
        if state.mark < ours:
            refusal = f"{seen.instance.name} did not take epoch {self._epoch}: its socket needs level admin"
            self._fail(seen.instance, ProviderError(refusal, permanent=True))
            return None
        return state

    async def _set(self, route: Route, state: InstanceState) -> None:
        """Until the route holds what its mark says: ours, or, when we were overtaken after our weights went out, those
        of whoever overtook us."""
        is_touched = False
        try:
            for _ in range(ROUNDS):
                is_ours = state.mark.epoch == self._epoch
                first = gains(state.weights(route.backend), state.mark.weights)
                if is_ours:
                    await self._fence()
                self._note(route, "unknown", "no answer in time")
                await set_weights(self._farm, route.instance, route.backend.commands(first, state.mark.weights))
                is_touched = True
                if is_ours:
                    await self._fence()
                # The side that gains once more, after the one that loses: whatever other writer's commands come
                # between these, they cannot leave both sides empty.
                both = [route.backend.commands(side, state.mark.weights) for side in (first.other, first)]
                state = await set_weights(self._farm, route.instance, "; ".join(both))
                if state.mark.epoch < self._epoch:
                    raise ProviderError("HAProxy forgot the epoch meanwhile: was it restarted?", unknown_outcome=True)
                if state.weights(route.backend) == state.mark.weights:
                    break
            self._not_newer(state.mark)
        except ProviderError as problem:
            # With one side written and the other not, the route is not as it was: somebody must read it.
            self._note(route, "unknown" if is_touched or problem.unknown_outcome else "refused", problem.message)
            self._problems.append(problem)
            return
        if state.weights(route.backend) == self._weights:
            self._note(route, "applied", str(self._weights))
        else:
            self._note(route, "unknown", f"others write at the same time: {state.weights(route.backend)}")

    def _not_newer(self, mark: Mark) -> None:
        if mark.epoch > self._epoch:
            raise StaleEpoch(self._epoch, mark.epoch)

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


async def _all(questions: Iterable[Awaitable[Answer]]) -> list[Answer]:
    """Wait for each of them, so that none is still under way when the first one's error is told."""
    results = await asyncio.gather(*questions, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
