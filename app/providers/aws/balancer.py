"""ports.traffic on Application Load Balancers: a target is any number of listeners' default actions and rules, on one
or several balancers, that forward to the target groups BLUE and GREEN by weight.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from app.domain.sides import Side, Weights
from app.ports.traffic import (
    Fence,
    Finding,
    HandStep,
    ProviderError,
    RouteOutcome,
    RouteWeights,
    SideHealth,
    StaleEpoch,
    TargetReading,
)
from app.providers.aws import by_hand, preflight
from app.providers.aws.actions import Groups, NotSteerable, is_written, rewritten, sticky_for, weights_of
from app.providers.aws.calls import WHOLE, Answer, Calls
from app.providers.aws.health import SidesHealth
from app.providers.aws.routes import (
    CONFIGURATION_TAG,
    EPOCH_TAG,
    OWNER_TAG,
    STICKY_TAG,
    Found,
    Route,
    configuration_of,
    describe,
    epoch_in,
    listeners_of,
    of_listener,
    of_rule,
    parts,
    problem_of,
    tags,
)
from app.providers.side_address import SideAddress

log = structlog.get_logger()

READ_COUNTS_FOR = 1.5
"""Seconds for which a write that raises GREEN may begin from a reading of this process: the one that its operation has
just compared (T−5's), instead of a second one a moment later. A reading is used for one write."""

REMEMBERED_IS_ENOUGH_AFTER = 0.5
"""Seconds that a rollback waits for a fresh reading of the other actions before it takes the ones it remembers."""

MARK_WITHIN = 0.5
"""Seconds that a rollback waits for its mark after its routes are written."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """`at` is when it was asked for, on this process's clock."""

    at: float
    found: Mapping[str, Found]
    epoch: int


class AwsBalancer:
    """`owner` is what this installation calls itself in the listeners' tags."""

    def __init__(
        self,
        name: str,
        calls: Calls,
        routes: Sequence[Route],
        groups: Groups,
        sides: Mapping[Side, SideAddress],
        owner: str = "gonogo",
    ) -> None:
        if not routes:
            raise ValueError("a target without a route")
        self._name = name
        self._calls = calls
        self._routes = tuple(routes)
        self._listeners = listeners_of(routes)
        self._groups = groups
        self._owner = owner
        self._health = SidesHealth(calls, groups, sides)
        self._known: dict[str, Found] = {}
        """Each route as last seen, by ARN."""
        self._newest = 0
        self._just_read: _Reading | None = None
        self._wrote_at = float("-inf")
        self._marking: set[asyncio.Task[RouteOutcome]] = set()

    @property
    def name(self) -> str:
        return self._name

    async def read(self) -> TargetReading:
        asked_at = time.monotonic()
        found, tagged = await asyncio.gather(
            describe(self._calls, self._routes, within=WHOLE), tags(self._calls, self._listeners, within=WHOLE)
        )
        self._remember(found)
        lines: list[RouteWeights] = []
        for route in self._routes:
            try:
                lines.append(RouteWeights(route.name, weights_of(found[route.arn].actions, self._groups)))
            except NotSteerable as reason:
                raise problem_of(route, reason) from reason
        epoch = epoch_in(tagged)
        self._just_read = _Reading(asked_at, found, epoch)
        return TargetReading(tuple(lines), epoch, configuration_of(self._routes, found, self._groups))

    # ── writing ─────────────────────────────────────────────────────────────

    async def write(self, weights: Weights, *, epoch: int, fence: Fence) -> tuple[RouteOutcome, ...]:
        """Routes that are as wanted already are left alone; the others go out in parallel. Within one call both groups
        change at once, so no order is needed between the sides.

        All to BLUE is a rollback: it has a lane of its own, does with the actions it remembers when AWS does not tell
        them in time, and is not held up by tags.
        """
        self._enter(epoch)
        is_rollback = weights == Weights.all_to(Side.BLUE)

        async def newest() -> None:
            self._enter(epoch)
            await fence()

        fresh, marked = await self._ground(is_rollback)
        if marked is not None and marked > epoch:
            raise StaleEpoch(epoch, marked)
        if marked != epoch and not is_rollback:
            await self._mark_first(epoch, newest, configuration_of(self._routes, fresh, self._groups))
        elif marked != epoch:
            self._mark_beside(epoch, newest)
        work = [self._write_route(route, weights, newest, is_rollback, fresh) for route in self._routes]
        outcomes = await asyncio.gather(*work, return_exceptions=True)
        self._wrote_at = time.monotonic()
        if self._marking:
            await asyncio.wait(self._marking, timeout=MARK_WITHIN)
        return self._told(outcomes)

    def _enter(self, epoch: int) -> None:
        """Of the writes of this process the newest epoch wins at once, also over those that are under way."""
        if epoch < self._newest:
            raise StaleEpoch(epoch, self._newest)
        self._newest = epoch

    async def _ground(self, is_rollback: bool) -> tuple[Mapping[str, Found], int | None]:
        """What the routes are now, and the epoch on the target."""
        read, self._just_read = self._just_read, None
        is_newest = read is not None and read.at > self._wrote_at
        if read is not None and is_newest and not is_rollback and time.monotonic() - read.at <= READ_COUNTS_FOR:
            return read.found, read.epoch
        return await asyncio.gather(self._actions(is_rollback), self._epoch(is_rollback))

    async def _actions(self, is_rollback: bool) -> dict[str, Found]:
        """What AWS says of the routes now. A rollback takes what is told in time, and remembers the rest."""
        if not is_rollback or any(route.arn not in self._known for route in self._routes):
            found = await describe(self._calls, self._routes, within=WHOLE)
        else:
            found = {}
            within = REMEMBERED_IS_ENOUGH_AFTER
            asked = parts(self._calls, self._routes, within=within)
            for part in await asyncio.gather(*asked, return_exceptions=True):
                if not isinstance(part, BaseException):
                    found.update(part)
        self._remember(found)
        return found

    async def _epoch(self, is_rollback: bool) -> int | None:
        """The epoch on the target; None if it is not told in time and the way is back to BLUE: then the fence alone
        decides, since no older operation than the newest may stop the way back."""
        try:
            within = REMEMBERED_IS_ENOUGH_AFTER if is_rollback else WHOLE
            found = epoch_in(await tags(self._calls, self._listeners, within=within))
        except ProviderError:
            if is_rollback:
                return None
            raise
        return found

    async def _mark(self, epoch: int, fence: Fence, *, is_rollback: bool, configuration: str = "") -> RouteOutcome:
        wanted = [{"Key": EPOCH_TAG, "Value": str(epoch)}, {"Key": OWNER_TAG, "Value": self._owner}]
        if configuration:
            wanted.append({"Key": CONFIGURATION_TAG, "Value": configuration})
        await self._effect("add_tags", fence, is_rollback, ResourceArns=list(self._listeners), Tags=wanted)
        return RouteOutcome("epoch", "applied")

    def _mark_beside(self, epoch: int, fence: Fence) -> None:
        """A rollback hardly waits for its mark: without it the routes are as good, only worse protected against who
        has no database."""
        marking = asyncio.create_task(self._mark(epoch, fence, is_rollback=True), name="aws.mark")
        self._marking.add(marking)
        marking.add_done_callback(self._marked)

    def _marked(self, marking: "asyncio.Task[RouteOutcome]") -> None:
        self._marking.discard(marking)
        if not marking.cancelled() and (problem := marking.exception()) is not None:
            log.warning("aws.epoch.not_written", target=self._name, error=str(problem)[:300])

    async def _mark_first(self, epoch: int, fence: Fence, configuration: str) -> None:
        """Raising GREEN: the epoch stands on the target before any route moves, so that nobody older moves it back."""
        try:
            await self._mark(epoch, fence, is_rollback=False, configuration=configuration)
        except ProviderError as problem:
            raise ProviderError(
                f"The epoch could not be written, so no route was: {problem.message}",
                permanent=problem.permanent,
                retry_after=problem.retry_after,
                routes=tuple(RouteOutcome(route.name, "refused", "not tried") for route in self._routes),
            ) from problem

    async def _write_route(
        self, route: Route, weights: Weights, fence: Fence, is_rollback: bool, fresh: Mapping[str, Found]
    ) -> RouteOutcome:
        actions = self._known[route.arn].actions
        try:
            wanted = rewritten(actions, self._groups, weights)
            sticky = sticky_for(actions)
        except NotSteerable as reason:
            raise problem_of(route, reason) from reason
        if route.arn in fresh and is_written(actions, wanted):
            return RouteOutcome(route.name, "applied", "it was set already")
        if sticky and not is_rollback:
            await self._note_stickiness(route, sticky, fence)
        if route.is_rule:
            answer = await self._effect("modify_rule", fence, is_rollback, RuleArn=route.arn, Actions=wanted)
            self._remember({line["RuleArn"]: of_rule(line) for line in answer.get("Rules", ())})
        else:
            answer = await self._effect(
                "modify_listener", fence, is_rollback, ListenerArn=route.arn, DefaultActions=wanted
            )
            self._remember({line["ListenerArn"]: of_listener(line) for line in answer.get("Listeners", ())})
        return RouteOutcome(route.name, "applied", str(weights))

    async def _effect(self, method: str, fence: Fence, is_rollback: bool, **parameters: object) -> Answer:
        return await self._calls.effect("elbv2", method, fence=fence, is_rollback=is_rollback, **parameters)

    async def _note_stickiness(self, route: Route, seconds: int, fence: Fence) -> None:
        """So that it can be put on again once BLUE is retired. The duration stays in the actions too, so a note that
        cannot be written holds nothing up."""
        note = [{"Key": STICKY_TAG, "Value": str(seconds)}]
        with contextlib.suppress(ProviderError):
            await self._effect("add_tags", fence, is_rollback=False, ResourceArns=[route.arn], Tags=note)

    def _told(self, outcomes: Sequence[RouteOutcome | BaseException]) -> tuple[RouteOutcome, ...]:
        """All applied, or the error that names what became of each route."""
        lines: list[RouteOutcome] = []
        problems: list[ProviderError] = []
        for route, outcome in zip(self._routes, outcomes, strict=True):
            if isinstance(outcome, RouteOutcome):
                lines.append(outcome)
            elif isinstance(outcome, ProviderError):
                problems.append(outcome)
                lines.append(
                    RouteOutcome(route.name, "unknown" if outcome.unknown_outcome else "refused", outcome.message)
                )
            else:
                raise outcome
        if not problems:
            return tuple(lines)
        moved = any(line.outcome in ("applied", "unknown") for line in lines)
        raise ProviderError(
            f"{len(problems)} of {len(lines)} routes not written: {problems[0].message}",
            permanent=all(problem.permanent for problem in problems),
            retry_after=max((problem.retry_after or 0.0 for problem in problems), default=0.0) or None,
            # One route that moved makes the whole something that has to be read.
            unknown_outcome=moved,
            routes=tuple(lines),
        )

    def _remember(self, found: Mapping[str, Found]) -> None:
        self._known.update(found)

    # ── the rest ────────────────────────────────────────────────────────────

    async def preflight(self) -> tuple[Finding, ...]:
        ground = preflight.Ground(self._calls, self._routes, self._listeners, self._groups, self._owner)
        healths = {side: self._health.counted(side) for side in Side}
        return await preflight.findings(ground, healths)

    def by_hand(self, weights: Weights, *, epoch: int) -> tuple[HandStep, ...]:
        actions = {arn: found.actions for arn, found in self._known.items()}
        return by_hand.steps(self._calls.access, self._routes, self._groups, actions, weights, epoch, self._owner)

    async def health(self, side: Side) -> SideHealth:
        return await self._health.of(side)

    async def aclose(self) -> None:
        await asyncio.gather(*self._marking, return_exceptions=True)
        await self._health.aclose()
        self._calls.close()
