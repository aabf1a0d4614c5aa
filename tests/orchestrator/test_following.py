"""What follows the balancer converges, whatever happens to its changes, and is never anybody's obstacle."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.domain.sides import Side, Weights
from app.orchestrator.following import Following
from app.ports.follower import FollowerReading, Wanted
from app.ports.traffic import Fence, ProviderError, StaleEpoch
from tests.orchestrator.virtual_time import VirtualClock, run

BLUE, GREEN = Weights.all_to(Side.BLUE), Weights.all_to(Side.GREEN)


@dataclass
class Records:
    """ports.follower.Follower: a change arrives `lasts` seconds after it was sent. `faults` are met by one change
    each."""

    weights: Weights = BLUE
    lasts: float = 3.0
    takes: float = 0.05
    faults: list[ProviderError] = field(default_factory=list)
    changes: list[tuple[float, int, Weights]] = field(default_factory=list)
    until: float = 0.0

    async def set(self, weights: Weights, *, epoch: int, fence: Fence) -> None:
        await asyncio.sleep(self.takes)
        await fence()
        at = asyncio.get_running_loop().time()
        self.changes.append((at, epoch, weights))
        if self.faults:
            raise self.faults.pop(0)
        self.weights, self.until = weights, at + self.lasts

    async def read(self) -> FollowerReading:
        await asyncio.sleep(0.02)
        state = "pending" if asyncio.get_running_loop().time() < self.until else "in_sync"
        return FollowerReading(state, self.weights, "read")  # type: ignore[arg-type]

    async def aclose(self) -> None:
        return None


@dataclass
class MemoryDesk:
    """ports.follower.FollowerDesk. `epoch` is the newest accepted operation's."""

    weights: Weights | None = None
    written: int = 0
    epoch: int = 0
    recorded: tuple[int, str] = (0, "")
    told: list[tuple[float, str, int]] = field(default_factory=list)

    def operation(self, weights: Weights) -> None:
        self.epoch += 1
        self.weights, self.written = weights, self.epoch

    async def wanted(self) -> Wanted | None:
        await asyncio.sleep(0.002)
        return None if self.weights is None else Wanted(self.weights, self.written, *self.recorded)

    async def fence(self, epoch: int) -> None:
        await asyncio.sleep(0.002)
        if self.epoch > epoch:
            raise StaleEpoch(epoch, self.epoch)

    async def record(self, reading: FollowerReading, epoch: int) -> None:
        await asyncio.sleep(0.002)
        if (epoch, reading.state) != self.recorded:
            self.told.append((asyncio.get_running_loop().time(), reading.state, epoch))
        self.recorded = (epoch, reading.state)


Scene = Callable[[Records, MemoryDesk], Coroutine[Any, Any, None]]


def play(scene: Scene, records: Records | None = None, desk: MemoryDesk | None = None) -> tuple[Records, MemoryDesk]:
    records, desk = records or Records(), desk or MemoryDesk()

    async def main() -> None:
        following = asyncio.create_task(Following(records, desk, VirtualClock(), random.Random(1)).run())
        await scene(records, desk)
        following.cancel()

    run(main())
    return records, desk


def test_a_switch_is_followed_within_two_seconds_and_told_until_it_arrived() -> None:
    async def scene(records: Records, desk: MemoryDesk) -> None:
        await asyncio.sleep(2)
        desk.operation(GREEN)
        await asyncio.sleep(8)

    records, desk = play(scene)
    assert [(epoch, weights) for _, epoch, weights in records.changes] == [(1, GREEN)]
    assert [(state, epoch) for _, state, epoch in desk.told] == [("in_sync", 0), ("pending", 1), ("in_sync", 1)]
    assert desk.told[1][0] < 4, "pending is shown within 2 s of the write"
    assert desk.told[2][0] < 7


def test_a_slow_change_is_named_before_it_is_sent() -> None:
    async def scene(records: Records, desk: MemoryDesk) -> None:
        await asyncio.sleep(2)
        desk.operation(GREEN)
        await asyncio.sleep(2)

    records, desk = play(scene, Records(takes=10))
    assert records.changes == []
    assert [(state, epoch) for _, state, epoch in desk.told] == [("in_sync", 0), ("pending", 1)]


def test_before_any_operation_nothing_is_changed() -> None:
    async def scene(records: Records, desk: MemoryDesk) -> None:
        await asyncio.sleep(30)

    records, desk = play(scene, Records(weights=Weights(50, 50)))
    assert records.changes == []
    assert desk.recorded == (0, "in_sync")


def test_a_refused_change_is_tried_again_until_it_is_taken() -> None:
    async def scene(records: Records, desk: MemoryDesk) -> None:
        desk.operation(GREEN)
        await asyncio.sleep(40)

    records, desk = play(scene, Records(faults=[ProviderError("no permission", permanent=True) for _ in range(4)]))
    assert len(records.changes) == 5
    pauses = [after[0] - before[0] for before, after in zip(records.changes, records.changes[1:], strict=False)]
    assert pauses[0] < 2 < pauses[-1], "at once first, then with longer pauses"
    assert [state for _, state, _ in desk.told] == ["pending", "refused", "pending", "in_sync"]
    assert records.weights == GREEN


def test_a_lost_answer_is_asked_for_again() -> None:
    async def scene(records: Records, desk: MemoryDesk) -> None:
        desk.operation(GREEN)
        await asyncio.sleep(15)

    records, desk = play(scene, Records(faults=[ProviderError("cut", unknown_outcome=True)]))
    assert len(records.changes) == 2
    assert [state for _, state, _ in desk.told] == ["pending", "in_sync"]


def test_a_newer_operation_that_is_not_written_yet_holds_the_change_back() -> None:
    async def scene(records: Records, desk: MemoryDesk) -> None:
        desk.operation(GREEN)
        desk.epoch = 2
        await asyncio.sleep(5)
        assert records.changes == []
        desk.weights, desk.written = BLUE, 2
        await asyncio.sleep(5)

    records, _ = play(scene)
    assert [(epoch, weights) for _, epoch, weights in records.changes] == [(2, BLUE)]


@pytest.mark.parametrize(("recorded", "changes"), [((3, "in_sync"), 0), ((3, "pending"), 1), ((2, "in_sync"), 1)])
def test_another_worker_takes_over_where_the_record_says(recorded: tuple[int, str], changes: int) -> None:
    async def scene(records: Records, desk: MemoryDesk) -> None:
        await asyncio.sleep(8)

    desk = MemoryDesk(weights=GREEN, written=3, epoch=3, recorded=recorded)
    records, desk = play(scene, Records(weights=GREEN), desk)
    assert len(records.changes) == changes
    assert desk.recorded == (3, "in_sync")


def test_records_that_somebody_moved_are_moved_back() -> None:
    async def scene(records: Records, desk: MemoryDesk) -> None:
        desk.operation(GREEN)
        await asyncio.sleep(8)
        records.weights = BLUE
        await asyncio.sleep(12)

    records, desk = play(scene)
    assert len(records.changes) == 2
    assert (records.weights, desk.recorded) == (GREEN, (1, "in_sync"))


def test_a_silent_database_ends_nothing() -> None:
    class Away(MemoryDesk):
        async def wanted(self) -> Wanted | None:
            if asyncio.get_running_loop().time() < 5:
                raise OSError("the server closed the connection")
            return await super().wanted()

    async def scene(records: Records, desk: MemoryDesk) -> None:
        desk.operation(GREEN)
        await asyncio.sleep(12)

    records, _ = play(scene, desk=Away())
    assert records.weights == GREEN
