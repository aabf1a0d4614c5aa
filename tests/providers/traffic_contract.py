"""The contract of ports.traffic.TrafficTarget. Each kind of balancer runs it: subclass, and give the fixtures.

`target` is a target whose two sides are up and that is not written to by anybody else; `epochs` gives epochs that only
grow; `digests` are what the two sides run.
"""

import asyncio
from collections.abc import Iterator, Mapping

import pytest

from app.domain.sides import Side, Weights
from app.ports.traffic import StaleEpoch, TrafficTarget


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
