"""The range with a real HAProxy: real customers, gonogo's own provider as the only way to its weights."""

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.domain.plan import Plan
from app.domain.sides import Side, Weights
from app.rehearsal.haproxy import NoHaproxy, socket_of
from app.rehearsal.site_file import write_site
from app.rehearsal.toys import RELEASES
from app.wiring import BoundTarget, Ports, read_site
from tests.providers.haproxies import require_haproxy
from tests.providers.traffic_contract import no_fence
from tests.rehearsal.running_range import RunningRange, running_range

pytestmark = pytest.mark.range


@pytest.fixture(scope="module")
def haproxy_range() -> Iterator[RunningRange]:
    require_haproxy()
    with (
        tempfile.TemporaryDirectory(prefix="gonogo-range-") as folder,
        running_range(Path(folder), base_port=21300, haproxy=True) as running,
    ):
        yield running


def bound(running: RunningRange, plan: Plan) -> BoundTarget:
    """As the product binds it: by the site file that the supervisor writes."""
    site_file = running.folder.parent / "site.yaml"
    write_site(site_file, running.ports, running.folder, "haproxy")
    return Ports(read_site(site_file)).bind(plan, "production", RELEASES)


async def test_switches_under_customers_lose_no_request(haproxy_range: RunningRange, plan: Plan) -> None:
    target = bound(haproxy_range, plan)
    async with haproxy_range.api() as api:
        before = (await api.get("/customers")).json()
        for turn in range(40):
            side = Side.GREEN if turn % 2 else Side.BLUE
            await target.traffic.write(Weights.all_to(side), epoch=turn + 1, fence=no_fence)
            await asyncio.sleep(0.1)
        after = (await api.get("/customers")).json()
        told = (await api.get("/status")).json()["balancer"]
    assert after["failed"] == before["failed"], after["last_failure"]
    assert after["requests"] - before["requests"] > 100
    assert all(after["by_side"][side] > before["by_side"][side] for side in Side)
    assert told["routes"] == [{"route": "public", "blue": 0, "green": 100}]
    await target.aclose()


async def test_the_preflight_of_the_range_is_clean(haproxy_range: RunningRange, plan: Plan) -> None:
    target = bound(haproxy_range, plan)
    assert [finding for finding in await target.traffic.preflight() if finding.is_ok is not True] == []
    assert (await target.traffic.health(Side.GREEN)).digest == RELEASES[Side.GREEN].digest
    await target.aclose()


async def test_faults_of_an_agent_that_is_not_there_are_refused(haproxy_range: RunningRange) -> None:
    async with haproxy_range.api() as api:
        refused = await api.patch("/knobs", json={"balancer": {"refuse": True}})
        assert refused.status_code == 502
        assert "without one" in refused.json()["detail"]
        assert (await api.get("/knobs")).json()["balancer"]["refuse"] is False
        assert (await api.get("/balancer")).status_code == 404


async def test_a_killed_haproxy_comes_back_all_on_blue(haproxy_range: RunningRange, plan: Plan) -> None:
    """It forgets its weights: drift, which the watch shows. The epoch outlives it."""
    target = bound(haproxy_range, plan)
    async with haproxy_range.api() as api, httpx.AsyncClient() as client:
        await target.traffic.write(Weights(0, 100), epoch=1000, fence=no_fence)
        os.kill((await api.get("/status")).json()["balancer"]["pid"], signal.SIGKILL)
        await until_restarted(api)
        await until_serving(client, haproxy_range.public_url)
    reading = await target.traffic.read()
    assert (reading.weights, reading.epoch) == (Weights(100, 0), 1000)
    await target.aclose()


async def until_restarted(api: httpx.AsyncClient) -> None:
    async with asyncio.timeout(10):
        while (await api.get("/status")).json()["balancer"]["restarts"] != 1:
            await asyncio.sleep(0.05)


async def until_serving(client: httpx.AsyncClient, url: str) -> None:
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get(url)).status_code == 200:
                    return
            await asyncio.sleep(0.05)


def test_a_folder_too_long_for_a_socket_is_refused_in_words() -> None:
    with pytest.raises(NoHaproxy, match="shorter data folder"):
        socket_of(Path("/") / ("x" * 120))
