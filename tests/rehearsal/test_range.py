"""The range as a whole: its knobs do what they say, and its processes live and die together."""

import asyncio
import os
import signal
import time
from pathlib import Path

import httpx
import pytest

from app.domain.sides import Weights
from app.rehearsal.weights_file import WeightsFile
from tests.rehearsal.running_range import RunningRange, running_range

pytestmark = pytest.mark.range


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_status_tells_everything(the_range: RunningRange) -> None:
    async with the_range.api() as api:
        status = (await api.get("/status")).json()
    assert [(release["side"], release["version"]) for release in status["releases"]] == [
        ("BLUE", "0.9.4"),
        ("GREEN", "1.0.0"),
    ]
    assert all(release["running"] for release in status["releases"])
    assert status["balancer"]["routes"] == [{"route": "public", "blue": 100, "green": 0}]
    assert status["customers"]["count"]["failed"] == 0
    assert status["public_url"] == the_range.public_url


async def test_tokens_are_asked(the_range: RunningRange) -> None:
    async with httpx.AsyncClient(base_url=the_range.control_url) as stranger:
        for path in ("/status", "/knobs", "/customers", "/balancer"):
            answer = await stranger.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
        other = {"Authorization": f"Bearer {the_range.agent_token.read_text()}"}
        assert (await stranger.get("/status", headers=other)).status_code == 401
    for side in ("blue", "green"):
        port = getattr(the_range.ports, side)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as release:
            assert (await release.put("/_knobs", json={})).status_code == 401
    for token in (the_range.control_token, the_range.agent_token):
        assert token.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"blue": 50, "green": 51, "epoch": 1}, None),
        ({"blue": -1, "green": 101, "epoch": 1}, "blue"),
        ({"blue": 100, "green": 0, "epoch": -1}, "epoch"),
        ({"blue": "100", "green": 0, "epoch": 1}, "blue"),
        ({"blue": 100, "green": 0}, "epoch"),
    ],
)
async def test_impossible_weights_are_refused(
    the_range: RunningRange, body: dict[str, object], field: str | None
) -> None:
    headers = {"Authorization": f"Bearer {the_range.agent_token.read_text()}"}
    async with httpx.AsyncClient(base_url=the_range.control_url, headers=headers) as agent:
        before = (await agent.get("/balancer")).json()
        answer = await agent.put("/balancer", json=body)
        assert answer.status_code == 422
        assert answer.json().get("field") == field
        assert (await agent.get("/balancer")).json() == before


async def test_failing_customers_are_remembered(the_range: RunningRange) -> None:
    async with the_range.api() as api:
        before = (await api.get("/customers")).json()["failed"]
        (await api.patch("/knobs", json={"blue": {"failure_percent": 100}})).raise_for_status()
        await asyncio.sleep(0.5)
        (await api.patch("/knobs", json={"blue": {"failure_percent": 0}})).raise_for_status()
        after = (await api.get("/customers?failures=3")).json()
    assert after["failed"] - before >= 15
    assert len(after["failures"]) == 3
    newest = after["failures"][0]
    assert (newest["side"], newest["status"], newest["error"]) == ("BLUE", 500, "")
    assert "BLUE" in after["last_failure"]
    assert "status 500" in after["last_failure"]


async def test_the_customers_rate_is_kept(the_range: RunningRange) -> None:
    async with the_range.api() as api:
        (await api.patch("/knobs", json={"customers": {"per_second": 400}})).raise_for_status()
        before, began = (await api.get("/customers?failures=0")).json()["requests"], time.monotonic()
        await asyncio.sleep(2)
        after, seconds = (await api.get("/customers?failures=0")).json()["requests"], time.monotonic() - began
    assert 340 < (after - before) / seconds < 460


async def test_unavailable_answers_503_everywhere(the_range: RunningRange) -> None:
    async with the_range.api() as api, httpx.AsyncClient() as client:
        (await api.patch("/knobs", json={"green": {"unavailable": True}})).raise_for_status()
        for path in ("/health", "/", "/pay"):
            assert (await client.get(f"http://127.0.0.1:{the_range.ports.green}{path}")).status_code == 503


async def test_the_balancer_comes_back(the_range: RunningRange) -> None:
    async with the_range.api() as api, httpx.AsyncClient() as client:
        (await api.patch("/knobs", json={"customers": {"per_second": 0}})).raise_for_status()
        old = (await api.get("/status")).json()["balancer"]["pid"]
        os.kill(old, signal.SIGKILL)
        answer = await until_it_answers(client, the_range.public_url)
        status = (await api.get("/status")).json()["balancer"]
    assert answer.status_code == 200
    assert (status["running"], status["restarts"]) == (True, 1)
    assert status["pid"] != old


async def until_it_answers(client: httpx.AsyncClient, url: str) -> httpx.Response:
    async with asyncio.timeout(5):
        while True:
            try:
                return await client.get(url)
            except httpx.TransportError:
                await asyncio.sleep(0.05)


def test_weights_and_epoch_outlive_the_range_and_kill_9_ends_everything(tmp_path: Path) -> None:
    folder = tmp_path / "a range"
    with running_range(folder, base_port=21100) as first:
        WeightsFile(first.folder).write(Weights(0, 100), 7)
    with running_range(folder, base_port=21100) as second:
        assert (WeightsFile(second.folder).read().green, WeightsFile(second.folder).read_epoch()) == (100, 7)
        assert second.ports == first.ports
        status = second.call("GET", "/status")
        pids = [int(part.split(",")[0]) for part in status.split('"pid":')[1:]]
        assert len(pids) == 4
        assert all(is_alive(pid) for pid in pids)
        second.control.kill()
        deadline = time.monotonic() + 3
        while any(is_alive(pid) for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not any(is_alive(pid) for pid in pids)


async def test_held_customers_stay_until_they_are_drained(the_range: RunningRange) -> None:
    file = WeightsFile(the_range.folder)
    async with the_range.api() as api:
        (await api.patch("/knobs", json={"customers": {"streams": 5}})).raise_for_status()
        assert await held(api, blue=5, green=0)
        file.write(Weights(0, 100), file.read_epoch())
        await asyncio.sleep(1.2)
        assert await held(api, blue=5, green=0)
        before = (await api.get("/customers?failures=0")).json()["failed"]
        earlier = await broken_streams(api)
        assert (await api.post("/releases/BLUE/drain")).json() == {"side": "BLUE", "drained": 5}
        assert await held(api, blue=0, green=5)
        assert (await api.get("/customers?failures=0")).json()["failed"] == before
        (await api.patch("/knobs", json={"green": {"dead": True}})).raise_for_status()
        assert await held(api, blue=0, green=0)
        broken = [f for f in await broken_streams(api) if f not in earlier]
        assert {f["side"] for f in broken} == {"GREEN"}
        assert (await api.post("/releases/YELLOW/drain")).status_code == 404
    file.write(Weights(100, 0), file.read_epoch())


async def broken_streams(api: httpx.AsyncClient) -> list[dict[str, object]]:
    return [f for f in (await api.get("/customers")).json()["failures"] if f["connection"] == "stream"]


async def held(api: httpx.AsyncClient, *, blue: int, green: int) -> bool:
    for _ in range(300):
        count = (await api.get("/customers?failures=0")).json()
        if (count["held_blue"], count["held_green"]) == (blue, green):
            return True
        await asyncio.sleep(0.05)
    return False
