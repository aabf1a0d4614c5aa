"""Probes through the real balancer: they say who answered, at little cost, and never raise."""

import asyncio
import math
import time
from collections.abc import AsyncIterator

import pytest

from app.domain.plan_parts import Identity
from app.domain.sides import Side, Weights
from app.ports.traffic import ProviderError
from app.providers.http_probe import HttpProber
from app.rehearsal.toys import SIDE_OF_DIGEST
from app.rehearsal.weights_file import WeightsFile
from tests.rehearsal.running_range import RunningRange

pytestmark = pytest.mark.range


@pytest.fixture
async def prober(the_range: RunningRange) -> AsyncIterator[HttpProber]:
    prober = the_range.prober()
    yield prober
    await prober.aclose()


def set_weights(the_range: RunningRange, green: int) -> None:
    file = WeightsFile(the_range.folder)
    file.write(Weights(100 - green, green), file.read_epoch())


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("side", list(Side))
async def test_probes_see_the_side(the_range: RunningRange, prober: HttpProber, side: Side, fresh: bool) -> None:
    set_weights(the_range, 100 if side is Side.GREEN else 0)
    results = [await prober.probe(fresh_connection=fresh) for _ in range(50)]
    assert {(result.ok, result.side) for result in results} == {(True, side)}


async def test_kept_connections_see_a_change_at_once(the_range: RunningRange, prober: HttpProber) -> None:
    for turn in range(20):
        side = Side.GREEN if turn % 2 else Side.BLUE
        set_weights(the_range, 100 if side is Side.GREEN else 0)
        assert (await prober.probe(fresh_connection=False)).side is side


@pytest.mark.parametrize("green", [5, 50])
async def test_shares_lie_within_sampling_error(the_range: RunningRange, prober: HttpProber, green: int) -> None:
    set_weights(the_range, green)
    count = 600
    results = [await prober.probe(fresh_connection=number % 4 == 0) for number in range(count)]
    seen = sum(result.side is Side.GREEN for result in results)
    share = green / 100
    assert abs(seen - count * share) <= 4 * math.sqrt(count * share * (1 - share))


async def test_two_hundred_a_second_are_cheap(prober: HttpProber) -> None:
    for _ in range(20):
        await prober.probe(fresh_connection=False)
    began, cpu = time.monotonic(), time.process_time()
    for number in range(200):
        await prober.probe(fresh_connection=number % 2 == 0)
        await asyncio.sleep(max(0.0, began + number / 200 - time.monotonic()))
    assert time.process_time() - cpu < 0.25, "httpx would take about 0.27 s for these"


async def test_a_dead_side_is_a_result(the_range: RunningRange, prober: HttpProber) -> None:
    set_weights(the_range, 100)
    async with the_range.api() as api:
        (await api.patch("/knobs", json={"green": {"dead": True}})).raise_for_status()
        result = await prober.probe(fresh_connection=True)
    assert (result.ok, result.side, result.detail) == (False, None, "status 502")


async def test_nobody_there_is_a_result() -> None:
    prober = HttpProber("http://127.0.0.1:9", Identity(header="X-Release-Digest"), SIDE_OF_DIGEST)
    result = await prober.probe(fresh_connection=False)
    assert (result.ok, result.side) == (False, None)
    assert result.detail
    with pytest.raises(ProviderError):
        await prober.fetch("GET", "/")


async def test_an_unknown_release_is_nobodys_side(the_range: RunningRange) -> None:
    set_weights(the_range, 100)
    prober = HttpProber(the_range.public_url, Identity(header="X-Release-Digest"), {"sha256:0": Side.BLUE})
    result = await prober.probe(fresh_connection=True)
    assert (result.ok, result.side) == (True, None)
    assert "unknown release sha256:" in result.detail
    await prober.aclose()


@pytest.mark.parametrize("field", ["digest", None])
async def test_a_release_may_say_who_it_is_in_json(the_range: RunningRange, field: str | None) -> None:
    set_weights(the_range, 100)
    prober = HttpProber(the_range.public_url, Identity(path="/health", field=field), SIDE_OF_DIGEST)
    assert (await prober.probe(fresh_connection=False)).side is Side.GREEN
    await prober.aclose()


async def test_smoke_requests(the_range: RunningRange, prober: HttpProber) -> None:
    set_weights(the_range, 100)
    answer = await prober.fetch("GET", "/")
    assert answer.status == 200
    assert "ALAWAEL 1.0.0" in answer.body
    assert 0 < answer.seconds < 2
    assert (await prober.fetch("GET", "/_knobs")).status == 404
    assert (await prober.fetch("HEAD", "/api/orders")).body == ""
