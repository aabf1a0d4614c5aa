"""Break-glass against a balancer with faults, in virtual time: it brings traffic back, or says why not, and records
each effect before it is issued."""

import asyncio
import random
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from app.domain.capsule import Order, ReleasePart
from app.domain.plan_parts import Criterion, Identity, ProbeSpec
from app.domain.sides import Side, Weights
from app.domain.spool import What
from app.orchestrator.break_glass import BreakGlass, Ending, Tools
from tests.orchestrator.virtual_time import START, VirtualClock, run
from tests.orchestrator.world import RELEASES, SimulatedBalancer, SimulatedProber, World

GREEN = Weights.all_to(Side.GREEN)
BLUE = Weights.all_to(Side.BLUE)


def order(**changed: Any) -> Order:
    well: dict[str, Any] = {
        "deployment_id": 1,
        "attempt": 1,
        "title": "ALAWAEL",
        "mode": "rehearsal",
        "zone": "America/New_York",
        "plan_key": "alawael",
        "plan_hash": "p" * 64,
        "target": "production",
        "target_title": "Production",
        "binding": {"provider": "agent"},
        "configuration": "c1",
        "identity": Identity(header="X-Release-Digest"),
        "probes": ProbeSpec(),
        "criteria": (
            Criterion(check="traffic_on_blue", title="100 % of traffic on BLUE?"),
            Criterion(check="health_passing", title="Health checks pass?"),
            Criterion(check="response_time", title="Response time below 200 ms?", below=200),
        ),
        "blue": ReleasePart(version="0.9.4", digest=RELEASES[Side.BLUE].digest),
        "green": ReleasePart(version="1.0.0", digest=RELEASES[Side.GREEN].digest),
        "block": 1000,
        "issued_at": START,
        "expires_at": START + timedelta(minutes=15),
    }
    return Order(**{**well, **changed})


@dataclass
class PaperSpool:
    """ports.spool.Spool in memory; `world` tells how many writes had reached the balancer when a line was kept."""

    world: World
    is_full: bool = False
    lines: list[tuple[What, str, dict[str, Any], int]] = field(default_factory=list)

    @property
    def is_kept(self) -> bool:
        return not self.is_full

    def write(self, what: What, text: str, **detail: Any) -> bool:
        if not self.is_full:
            self.lines.append((what, text, detail, len(self.world.calls)))
        return not self.is_full

    def kinds(self) -> list[str]:
        return [line[0] for line in self.lines]


@dataclass
class Result:
    ending: Ending
    spool: PaperSpool
    said: list[str]
    took_s: float


def use(world: World, *, although: bool = False, guard: bool = False, full: bool = False, **changed: Any) -> Result:
    spool, said = PaperSpool(world, is_full=full), list[str]()

    async def main() -> Result:
        tools = Tools(
            SimulatedBalancer(world), SimulatedProber(world), VirtualClock(), spool, said.append, random.Random(1)
        )
        glass = BreakGlass(order(**changed), tools, although_unhealthy=although)
        ending = await glass.run(who="dana", host="worker-1", reason="all is dark")
        took = asyncio.get_running_loop().time()
        if guard:
            await glass.guard()
        await glass.close()
        return Result(ending, spool, said, took)

    return run(main())


def on_green(**changed: Any) -> World:
    return World(weights=GREEN, epoch=1001, **changed)


def test_it_brings_all_traffic_back_within_seconds() -> None:
    world = on_green()
    result = use(world)
    assert result.ending is Ending.ON_BLUE
    assert (world.weights, world.epoch) == (BLUE, 1999)
    assert result.took_s < 2
    assert result.spool.kinds()[:6] == ["begin", "read", "check", "intent", "applied", "read"]
    assert result.spool.kinds()[-1] == "end"
    yes = {line[2]["check"]: line[2]["yes"] for line in result.spool.lines if line[0] == "check"}
    assert yes == {"health_passing": True, "traffic_on_blue": True, "response_time": True}


def test_every_write_is_on_disk_before_it_is_issued_and_its_outcome_after() -> None:
    world = on_green(faults=_faults("refused", "vanished", "lost"))
    result = use(world)
    assert result.ending is Ending.ON_BLUE
    calls = [
        (what, calls) for what, _, _, calls in result.spool.lines if what in ("intent", "applied", "refused", "unknown")
    ]
    assert calls == [("intent", 0), ("refused", 1), ("intent", 1), ("unknown", 2), ("intent", 2), ("unknown", 3)]
    # The third one was applied and its answer lost: read back, not written again.
    assert len(world.calls) == 3


def test_nobody_writes_after_a_later_arming() -> None:
    world = World(weights=GREEN, epoch=2000)
    result = use(world)
    assert result.ending is Ending.NEWER_EPOCH
    assert world.calls == []
    assert world.weights == GREEN


def test_the_target_refuses_also_where_it_cannot_be_read_first() -> None:
    world = World(weights=GREEN, epoch=2000, is_silent=True)
    result = use(world)
    assert result.ending is Ending.NEWER_EPOCH
    assert (world.calls, world.weights) == ([], GREEN)


def test_a_switch_in_flight_comes_too_late() -> None:
    """Its worker was frozen before the write: it wakes up after break-glass, with the epoch of its operation."""
    world = on_green(faults=_faults("late:2.5"))
    world.apply(GREEN, 1001)
    result = use(world, guard=True)
    world.apply(GREEN, 1002)
    assert result.ending is Ending.ON_BLUE
    assert world.weights == BLUE


@pytest.mark.parametrize("sick", [True, False])
def test_an_unhealthy_blue_is_refused_aloud_and_has_a_named_override(sick: bool) -> None:
    world = on_green()
    if sick:
        world.sick.add(Side.BLUE)
    else:
        world.digests[Side.BLUE] = "sha256:" + "0" * 64
    result = use(world)
    assert result.ending is Ending.BLUE_UNHEALTHY
    assert (world.calls, world.weights) == ([], GREEN)
    assert "--although-blue-is-unhealthy" in result.said[-1]
    if not sick:
        assert use(world, although=True).ending is Ending.ON_BLUE
    else:
        # Where BLUE does not answer nobody sees traffic there: set, and not claimed to have arrived.
        assert use(world, although=True).ending is Ending.NOT_OBSERVED
    assert world.weights == BLUE


def test_a_balancer_that_takes_nothing_ends_it_after_its_own_deadline() -> None:
    world = on_green(always="refused")
    result = use(world)
    assert result.ending is Ending.NOT_WRITTEN
    assert 120 <= result.took_s < 130
    assert "card" in result.said[-1]
    assert result.spool.kinds()[-1] == "end"


def test_a_silent_balancer_that_accepts_is_followed_by_the_probes() -> None:
    result = use(on_green(is_silent=True))
    assert result.ending is Ending.ON_BLUE


def test_the_guard_writes_again_when_somebody_moves_it_back() -> None:
    world = on_green(keeps_epoch=False)

    async def main() -> list[str]:
        said: list[str] = []
        tools = Tools(
            SimulatedBalancer(world),
            SimulatedProber(world),
            VirtualClock(),
            PaperSpool(world),
            said.append,
            random.Random(1),
        )
        glass = BreakGlass(order(), tools, although_unhealthy=False)
        await glass.run(who="dana", host="worker-1", reason="")
        # A call of a dead worker that lands late, on a balancer that keeps no epoch.
        asyncio.get_running_loop().call_later(3, world.apply, GREEN, 1001)
        await glass.guard()
        await glass.close()
        return said

    said = run(main())
    assert world.weights == BLUE
    assert any("moved again" in line for line in said)


def test_a_full_disk_does_not_stop_it() -> None:
    world = on_green()
    result = use(world, full=True)
    assert result.ending is Ending.NOT_RECORDED
    assert world.weights == BLUE
    assert all("NOT RECORDED" in line for line in result.said)


def _faults(*names: str) -> deque[str]:
    return deque(names)
