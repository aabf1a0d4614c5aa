"""The balancer agent against the real range: the contract, and what happens when the agent misbehaves."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest

from app.domain.sides import Side, Weights
from app.ports.traffic import ProviderError
from app.providers.agent_balancer import AgentBalancer
from app.providers.side_address import SideAddress
from app.rehearsal.toys import RELEASES
from tests.providers.gateway import Gateway, gateway
from tests.providers.traffic_contract import FaultContract, TrafficContract, no_fence
from tests.rehearsal.running_range import RunningRange

pytestmark = pytest.mark.range


@pytest.fixture(scope="module")
def epochs() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
async def target(the_range: RunningRange) -> AsyncIterator[AgentBalancer]:
    target = the_range.target()
    yield target
    await target.aclose()


async def set_knobs(the_range: RunningRange, **balancer: object) -> None:
    async with the_range.api() as api:
        (await api.patch("/knobs", json={"balancer": balancer})).raise_for_status()


class TestContract(TrafficContract):
    @pytest.fixture
    def digests(self) -> Mapping[Side, str]:
        return {side: release.digest for side, release in RELEASES.items()}


class Knobs:
    """The faults that the range's balancer agent has."""

    def __init__(self, the_range: RunningRange) -> None:
        self._range = the_range

    async def strike(self, fault: str) -> None:
        await set_knobs(self._range, **{"refused": {"refuse": True}, "lost": {"drop_answer": True}}[fault])

    async def heal(self) -> None:
        await set_knobs(self._range, refuse=False, drop_answer=False)

    async def writes(self) -> int | None:
        return None


class TestFaults(FaultContract):
    FAULTS = ("refused", "lost")

    @pytest.fixture
    def faulty(self, the_range: RunningRange) -> Knobs:
        return Knobs(the_range)


async def test_flips_under_load_lose_no_request(
    the_range: RunningRange, target: AgentBalancer, epochs: Iterator[int]
) -> None:
    async with the_range.api() as api:
        (await api.patch("/knobs", json={"customers": {"per_second": 300}})).raise_for_status()
        before = (await api.get("/customers")).json()
        for turn in range(60):
            await target.write(
                Weights.all_to(Side.GREEN if turn % 2 else Side.BLUE), epoch=next(epochs), fence=no_fence
            )
            await asyncio.sleep(0.05)
        after = (await api.get("/customers")).json()
    assert after["failed"] == before["failed"], after["last_failure"]
    assert after["requests"] - before["requests"] > 600
    for side in ("BLUE", "GREEN"):
        assert after["by_side"][side] - before["by_side"][side] > 200


async def test_a_refusing_balancer_applied_nothing(
    the_range: RunningRange, target: AgentBalancer, epochs: Iterator[int]
) -> None:
    await target.write(Weights(100, 0), epoch=next(epochs), fence=no_fence)
    await set_knobs(the_range, refuse=True)
    with pytest.raises(ProviderError) as failed:
        await target.write(Weights(0, 100), epoch=next(epochs), fence=no_fence)
    assert not failed.value.unknown_outcome
    assert not failed.value.permanent
    assert (await target.read()).weights == Weights(100, 0)


async def test_a_lost_answer_is_an_unknown_outcome_and_reading_settles_it(
    the_range: RunningRange, target: AgentBalancer, epochs: Iterator[int]
) -> None:
    await target.write(Weights(100, 0), epoch=next(epochs), fence=no_fence)
    await set_knobs(the_range, drop_answer=True)
    with pytest.raises(ProviderError) as failed:
        await target.write(Weights(0, 100), epoch=next(epochs), fence=no_fence)
    assert failed.value.unknown_outcome
    assert (await target.read()).weights == Weights(0, 100)


@pytest.fixture
async def behind(the_range: RunningRange) -> AsyncIterator[tuple[Gateway, AgentBalancer]]:
    """The agent behind a gateway."""
    with gateway(the_range.control_url, lambda method, _: method == "PUT") as between:
        sides = {side: SideAddress(the_range.url_of(side)) for side in Side}
        target = AgentBalancer("production", f"{between.url}/balancer", the_range.agent_token, sides)
        yield between, target
        await target.aclose()


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_a_gateway_that_fails_half_way_leaves_the_outcome_unknown(
    behind: tuple[Gateway, AgentBalancer], epochs: Iterator[int], status: int
) -> None:
    """It had passed the write on: only a reading tells."""
    between, target = behind
    await target.write(Weights(100, 0), epoch=next(epochs), fence=no_fence)
    between.status = status
    with pytest.raises(ProviderError) as failed:
        await target.write(Weights(0, 100), epoch=next(epochs), fence=no_fence)
    assert (failed.value.unknown_outcome, failed.value.permanent) == (True, False)
    assert between.writes == 2, "one attempt a write"
    assert (await target.read()).weights == Weights(0, 100)


async def test_a_gateway_that_passes_nothing_on_has_refused(
    behind: tuple[Gateway, AgentBalancer], epochs: Iterator[int]
) -> None:
    between, target = behind
    await target.write(Weights(100, 0), epoch=next(epochs), fence=no_fence)
    between.status = 503
    with pytest.raises(ProviderError) as failed:
        await target.write(Weights(0, 100), epoch=next(epochs), fence=no_fence)
    assert (failed.value.unknown_outcome, failed.value.permanent) == (False, False)
    assert (await target.read()).weights == Weights(100, 0)


async def test_a_slow_balancer_meets_the_deadline(
    the_range: RunningRange, target: AgentBalancer, epochs: Iterator[int]
) -> None:
    await target.write(Weights(100, 0), epoch=next(epochs), fence=no_fence)
    await set_knobs(the_range, slow_ms=2600)
    started = time.monotonic()
    with pytest.raises(ProviderError) as failed:
        await target.write(Weights(0, 100), epoch=next(epochs), fence=no_fence)
    assert failed.value.unknown_outcome
    assert 1.9 < time.monotonic() - started < 3.2
    assert (await target.read()).weights == Weights(100, 0)


async def test_a_late_write_does_not_overtake_a_newer_one(
    the_range: RunningRange, target: AgentBalancer, epochs: Iterator[int]
) -> None:
    await target.write(Weights(50, 50), epoch=next(epochs), fence=no_fence)
    await set_knobs(the_range, late_ms=300)
    await target.write(Weights(0, 100), epoch=next(epochs), fence=no_fence)
    assert (await target.read()).weights == Weights(50, 50)
    await set_knobs(the_range, late_ms=0)
    await target.write(Weights(100, 0), epoch=next(epochs), fence=no_fence)
    await asyncio.sleep(0.5)
    assert (await target.read()).weights == Weights(100, 0)


async def test_a_dead_side_is_unhealthy_and_nobodys_error(the_range: RunningRange, target: AgentBalancer) -> None:
    async with the_range.api() as api:
        (await api.patch("/knobs", json={"green": {"dead": True}})).raise_for_status()
        dead = await target.health(Side.GREEN)
        (await api.patch("/knobs", json={"green": {"dead": False, "unavailable": True}})).raise_for_status()
        unavailable = await target.health(Side.GREEN)
    assert (dead.is_healthy, dead.digest) == (False, "")
    assert "cannot be reached" in dead.detail
    assert (unavailable.is_healthy, unavailable.digest) == (False, RELEASES[Side.GREEN].digest)
    assert (await target.health(Side.BLUE)).is_healthy


async def test_a_wrong_token_is_permanent(the_range: RunningRange, tmp_path: Path) -> None:
    wrong = tmp_path / "token"
    wrong.write_text("wrong")
    for token in (wrong, tmp_path / "missing"):
        target = the_range.target(token)
        with pytest.raises(ProviderError) as failed:
            await target.read()
        assert failed.value.permanent
        await target.aclose()


async def test_nobody_there_is_an_error_that_sent_nothing(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t")
    target = AgentBalancer("production", "http://127.0.0.1:9/balancer", token, {Side.BLUE: SideAddress("http://x")})
    with pytest.raises(ProviderError) as failed:
        await target.write(Weights(0, 100), epoch=1, fence=no_fence)
    assert not failed.value.unknown_outcome
    await target.aclose()
