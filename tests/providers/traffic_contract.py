"""The contract of ports.traffic.TrafficTarget. Each kind of balancer runs it: subclass, and give the fixtures.

`target` is a target whose two sides are up and that is not written to by anybody else; `epochs` gives epochs that only
grow; `digests` are what the two sides run.
"""

import asyncio
from collections.abc import Iterator, Mapping
from typing import ClassVar, Protocol

import pytest

from app.domain.sides import Side, Weights
from app.ports.traffic import ProviderError, StaleEpoch, TrafficTarget


async def no_fence() -> None:
    return None


class Closed(Exception):
    """What a fence raises in these tests."""


class TrafficContract:
    @pytest.mark.parametrize("green", [0, 1, 5, 10, 25, 33, 50, 66, 99, 100])
    async def test_reads_back_what_was_written(self, target: TrafficTarget, epochs: Iterator[int], green: int) -> None:
        epoch = next(epochs)
        await target.write(Weights(100 - green, green), epoch=epoch, fence=no_fence)
        reading = await target.read()
        assert reading.weights == Weights(100 - green, green)
        assert reading.agrees(Weights(100 - green, green))
        assert reading.epoch in (0, epoch)

    async def test_a_write_tells_of_every_route(self, target: TrafficTarget, epochs: Iterator[int]) -> None:
        outcomes = await target.write(Weights(40, 60), epoch=next(epochs), fence=no_fence)
        reading = await target.read()
        assert {line.route for line in outcomes} == {route.route for route in reading.routes}
        assert {line.outcome for line in outcomes} == {"applied"}

    async def test_a_preflight_finds_nothing_wrong_and_changes_nothing(
        self, target: TrafficTarget, epochs: Iterator[int]
    ) -> None:
        await target.write(Weights(100, 0), epoch=next(epochs), fence=no_fence)
        before = await target.read()
        findings = await target.preflight()
        assert findings
        assert [finding for finding in findings if finding.is_ok is not True] == []
        assert await target.read() == before

    async def test_the_way_by_hand_names_each_step(self, target: TrafficTarget) -> None:
        steps = target.by_hand(Weights.all_to(Side.BLUE), epoch=7)
        assert steps
        assert all(step.text for step in steps)

    async def test_writing_what_is_set_changes_nothing(self, target: TrafficTarget, epochs: Iterator[int]) -> None:
        epoch = next(epochs)
        await target.write(Weights(75, 25), epoch=epoch, fence=no_fence)
        before = await target.read()
        await target.write(Weights(75, 25), epoch=epoch, fence=no_fence)
        assert await target.read() == before

    async def test_an_operation_may_write_several_steps(self, target: TrafficTarget, epochs: Iterator[int]) -> None:
        epoch = next(epochs)
        for green in (10, 25, 50, 100):
            await target.write(Weights(100 - green, green), epoch=epoch, fence=no_fence)
            assert (await target.read()).weights == Weights(100 - green, green)

    async def test_an_older_epoch_writes_nothing(self, target: TrafficTarget, epochs: Iterator[int]) -> None:
        older, newer = next(epochs), next(epochs)
        await target.write(Weights(100, 0), epoch=newer, fence=no_fence)
        with pytest.raises(StaleEpoch) as refused:
            await target.write(Weights(0, 100), epoch=older, fence=no_fence)
        assert (refused.value.epoch, refused.value.newest) == (older, newer)
        assert (await target.read()).weights == Weights(100, 0)

    async def test_a_closed_fence_stops_the_write(self, target: TrafficTarget, epochs: Iterator[int]) -> None:
        epoch = next(epochs)
        await target.write(Weights(100, 0), epoch=epoch, fence=no_fence)

        async def closed() -> None:
            raise Closed

        with pytest.raises(Closed):
            await target.write(Weights(0, 100), epoch=epoch, fence=closed)
        assert (await target.read()).weights == Weights(100, 0)

    async def test_the_fence_is_asked_before_the_effect(self, target: TrafficTarget, epochs: Iterator[int]) -> None:
        epoch = next(epochs)
        await target.write(Weights(100, 0), epoch=epoch, fence=no_fence)
        seen: list[Weights | None] = []

        async def look() -> None:
            seen.append((await target.read()).weights)

        await target.write(Weights(0, 100), epoch=epoch, fence=look)
        assert seen
        assert seen[0] == Weights(100, 0)

    async def test_of_writes_at_once_the_newest_epoch_stands(
        self, target: TrafficTarget, epochs: Iterator[int]
    ) -> None:
        wanted = [(next(epochs), Weights(100 - green, green)) for green in range(20)]
        writes = [target.write(weights, epoch=epoch, fence=no_fence) for epoch, weights in reversed(wanted)]
        results = await asyncio.gather(*writes, return_exceptions=True)
        assert {type(result) for result in results} <= {tuple, StaleEpoch}
        assert (await target.read()).weights == wanted[-1][1]

    async def test_weights_are_not_part_of_the_configuration(
        self, target: TrafficTarget, epochs: Iterator[int]
    ) -> None:
        epoch = next(epochs)
        found = set()
        for green in (0, 50, 100):
            await target.write(Weights(100 - green, green), epoch=epoch, fence=no_fence)
            found.add((await target.read()).configuration)
        assert len(found) == 1
        assert found != {""}

    @pytest.mark.parametrize("side", list(Side))
    async def test_health_tells_the_digest_of_the_side(
        self, target: TrafficTarget, digests: Mapping[Side, str], side: Side
    ) -> None:
        health = await target.health(side)
        assert health.is_healthy
        assert health.digest == digests[side]


class FaultyTarget(Protocol):
    """What a fault part needs of a kind of balancer's surroundings."""

    async def strike(self, fault: str) -> None:
        """From now on every write meets it: "refused" (not applied, and said so), "lost" (applied, no answer),
        "vanished" (not applied, no answer), "late" (no answer, applied 0.5 s later)."""
        ...

    async def heal(self) -> None: ...

    async def writes(self) -> int | None:
        """How many writes were applied so far; None where nobody counts them."""
        ...


class FaultContract:
    """The same for a balancer that fails: `faulty` is the surroundings of `target`."""

    FAULTS: ClassVar[tuple[str, ...]] = ("refused", "lost", "vanished", "late")

    async def _failed_write(
        self, target: TrafficTarget, faulty: FaultyTarget, fault: str, epochs: Iterator[int]
    ) -> tuple[ProviderError, int]:
        if fault not in self.FAULTS:
            pytest.skip(f"this balancer has no fault {fault!r}")
        epoch = next(epochs)
        await target.write(Weights(100, 0), epoch=epoch, fence=no_fence)
        await faulty.strike(fault)
        with pytest.raises(ProviderError) as failed:
            await target.write(Weights(0, 100), epoch=epoch, fence=no_fence)
        await faulty.heal()
        return failed.value, epoch

    @pytest.mark.parametrize(
        ("fault", "is_unknown", "green"),
        [("refused", False, 0), ("lost", True, 100), ("vanished", True, 0), ("late", True, 0)],
    )
    async def test_a_fault_is_named_as_what_it_is_and_reading_tells_the_truth(
        self,
        target: TrafficTarget,
        faulty: FaultyTarget,
        epochs: Iterator[int],
        fault: str,
        is_unknown: bool,
        green: int,
    ) -> None:
        problem, _ = await self._failed_write(target, faulty, fault, epochs)
        assert problem.unknown_outcome is is_unknown
        assert not problem.permanent
        assert (await target.read()).weights == Weights(100 - green, green)
        if fault == "late":
            await asyncio.sleep(0.8)
            assert (await target.read()).weights == Weights(0, 100)

    @pytest.mark.parametrize("fault", ["refused", "lost", "vanished"])
    async def test_reading_before_trying_again_makes_one_effect(
        self, target: TrafficTarget, faulty: FaultyTarget, epochs: Iterator[int], fault: str
    ) -> None:
        routes = len((await target.read()).routes)
        await target.write(Weights(0, 100), epoch=next(epochs), fence=no_fence)
        before = await faulty.writes()
        _, epoch = await self._failed_write(target, faulty, fault, epochs)
        if not (await target.read()).agrees(Weights(0, 100)):
            await target.write(Weights(0, 100), epoch=epoch, fence=no_fence)
        assert (await target.read()).weights == Weights(0, 100)
        after = await faulty.writes()
        if before is not None and after is not None:
            assert after - before == 2 * routes, "one to BLUE and one to GREEN for each route"

    async def test_what_is_late_is_found_by_the_next_reading(
        self, target: TrafficTarget, faulty: FaultyTarget, epochs: Iterator[int]
    ) -> None:
        """What the guard of a rollback is for."""
        await self._failed_write(target, faulty, "late", epochs)
        newer = next(epochs)
        await target.write(Weights(100, 0), epoch=newer, fence=no_fence)
        await asyncio.sleep(0.8)
        reading = await target.read()
        if not reading.agrees(Weights(100, 0)):
            await target.write(Weights(100, 0), epoch=newer, fence=no_fence)
        assert (await target.read()).agrees(Weights(100, 0))
