"""HAProxy, for real: the contract over one and over two instances, and what happens when it misbehaves."""

import asyncio
import itertools
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from app.domain.sides import Side, Weights
from app.ports.traffic import ProviderError, RouteOutcome, StaleEpoch
from app.providers.haproxy import HaproxyBalancer, Instance
from app.rehearsal.toys import RELEASES
from tests.providers.haproxies import Ground, Haproxy, ground, require_haproxy
from tests.providers.traffic_contract import TrafficContract, no_fence

pytestmark = pytest.mark.range


@pytest.fixture(scope="module")
def epochs() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture(scope="module")
def place() -> Iterator[Ground]:
    """A short folder: HAProxy's socket is in it."""
    require_haproxy()
    with tempfile.TemporaryDirectory(prefix="gonogo-hap-") as folder, ground(Path(folder)) as made:
        yield made


@pytest.fixture(scope="module")
def first(place: Ground) -> Haproxy:
    return place.haproxy("lb1")


@pytest.fixture(scope="module")
def second(place: Ground) -> Haproxy:
    return place.haproxy("lb2")


@pytest.fixture
async def target(place: Ground, first: Haproxy, second: Haproxy) -> AsyncIterator[HaproxyBalancer]:
    target = place.target(first, second)
    yield target
    await target.aclose()


class TestContract(TrafficContract):
    @pytest.fixture
    def digests(self) -> Mapping[Side, str]:
        return {side: release.digest for side, release in RELEASES.items()}


async def test_shares_arrive_as_written(first: Haproxy, target: HaproxyBalancer, epochs: Iterator[int]) -> None:
    """25 % over two and three servers, seen from outside: 400 requests, three standard deviations."""
    await target.write(Weights(75, 25), epoch=next(epochs), fence=no_fence)
    seen: Counter[str] = Counter()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{first.public}") as customer:
        for _ in range(400):
            seen[(await customer.get("/login")).headers["x-release-digest"]] += 1
    assert abs(seen[RELEASES[Side.GREEN].digest] - 100) < 26


async def test_flips_under_load_lose_no_request(first: Haproxy, target: HaproxyBalancer, epochs: Iterator[int]) -> None:
    going, statuses = True, Counter[int]()
    sides: Counter[str] = Counter()

    async def customer() -> None:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{first.public}") as client:
            while going:
                answer = await client.get("/")
                statuses[answer.status_code] += 1
                sides[answer.headers.get("x-release-digest", "")] += 1

    customers = [asyncio.create_task(customer()) for _ in range(4)]
    for turn in range(60):
        side = Side.GREEN if turn % 2 else Side.BLUE
        await target.write(Weights.all_to(side), epoch=next(epochs), fence=no_fence)
        await asyncio.sleep(0.03)
    going = False
    await asyncio.gather(*customers)
    assert set(statuses) == {200}
    assert all(sides[release.digest] > 20 for release in RELEASES.values())


async def test_a_newer_writer_of_another_host_is_seen(
    place: Ground, first: Haproxy, second: Haproxy, target: HaproxyBalancer, epochs: Iterator[int]
) -> None:
    """Another state folder is another host: only HAProxy itself carries the epoch between the two."""
    older, newer = next(epochs), next(epochs)
    elsewhere = place.target(first, second, state="another host")
    await elsewhere.write(Weights(100, 0), epoch=newer, fence=no_fence)
    with pytest.raises(StaleEpoch) as refused:
        await target.write(Weights(0, 100), epoch=older, fence=no_fence)
    assert (refused.value.epoch, refused.value.newest) == (older, newer)
    reading = await target.read()
    assert (reading.weights, reading.epoch) == (Weights(100, 0), newer)
    await elsewhere.aclose()


async def test_a_newer_writer_in_the_middle_of_a_write_stops_it(
    place: Ground, first: Haproxy, second: Haproxy, target: HaproxyBalancer, epochs: Iterator[int]
) -> None:
    older, newer = next(epochs), next(epochs)
    await target.write(Weights(100, 0), epoch=older, fence=no_fence)
    elsewhere = place.target(first, second, state="a third host")
    asked = 0

    async def overtaken() -> None:
        """The first question is before the claim; the others before the weights."""
        nonlocal asked
        asked += 1
        if asked == 2:
            await elsewhere.write(Weights(60, 40), epoch=newer, fence=no_fence)

    with pytest.raises(StaleEpoch):
        await target.write(Weights(0, 100), epoch=older, fence=overtaken)
    assert (await target.read()).weights == Weights(60, 40), "the newer one's weights were put back"
    await elsewhere.aclose()


async def test_two_hosts_at_once_leave_the_newest_and_never_nothing(
    place: Ground, first: Haproxy, second: Haproxy, epochs: Iterator[int]
) -> None:
    """No lock between them. Without the mark, some of these ended with both sides at weight 0."""
    hosts = [place.target(first, second, state=f"host {number}") for number in (1, 2)]
    for _ in range(100):
        older, newer = next(epochs), next(epochs)
        writes = [
            hosts[0].write(Weights(0, 100), epoch=older, fence=no_fence),
            hosts[1].write(Weights(100, 0), epoch=newer, fence=no_fence),
        ]
        results = await asyncio.gather(*writes, return_exceptions=True)
        assert isinstance(results[1], tuple), results[1]
        assert (await hosts[0].read()).weights == Weights(100, 0)
    for host in hosts:
        await host.aclose()


async def test_a_frozen_writer_does_not_hold_up_a_rollback(
    target: HaproxyBalancer, place: Ground, first: Haproxy, second: Haproxy, epochs: Iterator[int]
) -> None:
    await target.write(Weights(0, 100), epoch=next(epochs), fence=no_fence)
    frozen, released = asyncio.Event(), asyncio.Event()

    async def freeze() -> None:
        frozen.set()
        await released.wait()

    older = asyncio.create_task(target.write(Weights(0, 100), epoch=next(epochs), fence=freeze))
    await frozen.wait()
    other_process = place.target(first, second)
    began = time.monotonic()
    await other_process.write(Weights(100, 0), epoch=next(epochs), fence=no_fence)
    assert time.monotonic() - began < 4
    released.set()
    with pytest.raises(StaleEpoch):
        await older
    assert (await target.read()).weights == Weights(100, 0)
    await other_process.aclose()


async def test_a_restart_forgets_weights_but_not_the_epoch(place: Ground, epochs: Iterator[int]) -> None:
    alone = place.haproxy("lb-restarted")
    target = place.target(alone, state="restarted", name="restarted")
    older, newer = next(epochs), next(epochs)
    await target.write(Weights(0, 100), epoch=newer, fence=no_fence)
    before = await target.read()
    alone.child.stop()
    alone.child.start()
    after = await target.read()
    assert (before.weights, after.weights) == (Weights(0, 100), Weights(100, 0))
    assert (after.epoch, after.configuration) == (newer, before.configuration)
    with pytest.raises(StaleEpoch):
        await target.write(Weights(0, 100), epoch=older, fence=no_fence)
    await target.aclose()


async def test_one_of_two_gone_is_told_route_by_route(place: Ground, first: Haproxy, epochs: Iterator[int]) -> None:
    gone = Instance("gone", f"unix:{place.folder}/gone.sock")
    both, alone = place.steer([first.instance, gone], state="partial"), place.target(first, state="partial")
    await alone.write(Weights(50, 50), epoch=next(epochs), fence=no_fence)
    with pytest.raises(ProviderError) as no_switch:
        await both.write(Weights(0, 100), epoch=next(epochs), fence=no_fence)
    assert not no_switch.value.unknown_outcome
    assert {line.outcome for line in no_switch.value.routes} == {"refused"}
    assert (await alone.read()).weights == Weights(50, 50), "half a farm went to GREEN"
    with pytest.raises(ProviderError) as half_back:
        await both.write(Weights(100, 0), epoch=next(epochs), fence=no_fence)
    assert not half_back.value.unknown_outcome
    assert [(line.route, line.outcome) for line in half_back.value.routes] == [
        ("lb1/web", "applied"),
        ("gone/web", "refused"),
    ]
    assert "cannot be reached" in half_back.value.message
    assert (await alone.read()).weights == Weights(100, 0), "a rollback does what it can"
    with pytest.raises(ProviderError):
        await both.read()
    assert not (await both.health(Side.BLUE)).is_healthy
    await both.aclose()
    await alone.aclose()


async def test_instances_that_disagree_are_a_split_target(
    first: Haproxy, target: HaproxyBalancer, epochs: Iterator[int]
) -> None:
    await target.write(Weights(100, 0), epoch=next(epochs), fence=no_fence)
    await first.say("set server web/green-1 weight 100")
    reading = await target.read()
    assert reading.weights is None
    assert not reading.agrees(Weights(100, 0))


async def test_a_hand_moves_it_with_the_commands_on_the_card(
    first: Haproxy, second: Haproxy, target: HaproxyBalancer, epochs: Iterator[int]
) -> None:
    await target.write(Weights(0, 100), epoch=next(epochs), fence=no_fence)
    epoch = next(epochs)
    steps = target.by_hand(Weights(100, 0), epoch=epoch)
    assert [step.text.split(" to ")[0] for step in steps[2:]] == ["Set BLUE", "Set BLUE", "Set GREEN", "Set GREEN"]
    for step in steps:
        if shutil.which("socat"):
            process = await asyncio.create_subprocess_shell(step.command, stdout=asyncio.subprocess.PIPE)
            assert (await process.communicate())[0].strip() == b""
        else:
            commands, _, socket = step.command.partition(" | socat stdio UNIX-CONNECT:")
            sayer = first if "lb1" in socket else second
            assert (await sayer.say(commands.removeprefix("echo ").strip("'"))).strip() == ""
    reading = await target.read()
    assert (reading.weights, reading.epoch) == (Weights(100, 0), epoch)


class TestWrongAnswers:
    """Something else than HAProxy answers on the socket, or it answers badly."""

    async def served(self, place: Ground, answer: bytes, *, hang: bool = False) -> AsyncIterator[HaproxyBalancer]:
        path = place.folder / "odd.sock"

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(answer)
            await writer.drain()
            if hang:
                await asyncio.sleep(10)
            writer.close()

        server = await asyncio.start_unix_server(handle, path)
        target = place.steer([Instance("odd", f"unix:{path}")], state="odd", name="odd")
        yield target
        await target.aclose()
        server.close()
        path.unlink(missing_ok=True)

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"\n",
            b"Unknown command. Please enter one of the following commands only:\n",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"proc.gonogo_odd: type=sint value=<3>\n1\n# be_id be_name\n",
            b"\xff\x00\xfe\n",
            b"proc.gonogo_odd: type=str value=<many>\n",
        ],
    )
    async def test_is_no_reading_and_no_write(self, place: Ground, answer: bytes) -> None:
        async for target in self.served(place, answer):
            with pytest.raises(ProviderError):
                await target.read()
            with pytest.raises(ProviderError) as failed:
                await target.write(Weights(100, 0), epoch=1, fence=no_fence)
            assert [(line.route, line.outcome) for line in failed.value.routes] == [("odd/web", "refused")]
            findings = await target.preflight()
            assert [finding.is_ok for finding in findings if finding.key == "runtime"] != [True]

    async def test_silence_ends_at_the_deadline(self, place: Ground) -> None:
        async for target in self.served(place, b"proc", hang=True):
            began = time.monotonic()
            with pytest.raises(ProviderError):
                await target.read()
            assert 1.9 < time.monotonic() - began < 4


async def test_silence_after_the_claim_is_an_unknown_outcome(
    place: Ground, first: Haproxy, epochs: Iterator[int]
) -> None:
    """A proxy before the socket that swallows the answers to weights, after HAProxy applied them."""
    path, real = place.folder / "quiet.sock", first.instance.address.removeprefix("unix:")

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        inner, outer = await asyncio.open_unix_connection(real)
        outer.write(line)
        answer = await inner.read(-1)
        if b"weight" not in line:
            writer.write(answer)
        writer.close()
        outer.close()

    server = await asyncio.start_unix_server(handle, path)
    quiet = place.steer([Instance("lb1", f"unix:{path}")], state="quiet")
    alone = place.target(first, state="quiet")
    await alone.write(Weights(100, 0), epoch=next(epochs), fence=no_fence)
    with pytest.raises(ProviderError) as failed:
        await quiet.write(Weights(0, 100), epoch=next(epochs), fence=no_fence)
    assert failed.value.unknown_outcome
    assert failed.value.routes == (RouteOutcome("lb1/web", "unknown", failed.value.routes[0].detail),)
    reading = await alone.read()
    assert reading.weights == Weights(50, 50), "the side that gains was raised; the other one was never lowered"
    server.close()
    await quiet.aclose()
    await alone.aclose()


@pytest.mark.parametrize(
    ("options", "key", "word"),
    [
        ({"level": "operator"}, "rights", "admin"),
        ({"balance": "source"}, "algorithm", "roundrobin"),
        ({"more": "cookie SRV insert", "cookie": "cookie x"}, "cookie", "cookie"),
        ({"more": "stick-table type ip size 1k expire 1m\n  stick on src"}, "stick_table", "stick on"),
        ({"check": ""}, "checks", "httpchk"),
        ({"more": "server stranger 127.0.0.1:9 weight 1"}, "sides", "stranger"),
        ({"cookie": "disabled"}, "maintenance", "state ready"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isidentifier() else "",
)
async def test_a_preflight_names_what_would_hold_customers_back(
    place: Ground, options: dict[str, str], key: str, word: str
) -> None:
    odd = place.haproxy(f"odd-{key}", **options)
    target = place.target(odd, state=key)
    findings = await target.preflight()
    wrong = [finding for finding in findings if finding.is_ok is not True]
    assert key in {finding.key for finding in wrong}
    finding = next(finding for finding in wrong if finding.key == key)
    assert finding.is_ok is False
    assert word in finding.remedy + finding.found
    assert finding.remedy
    await target.aclose()


async def test_too_few_rights_refuse_and_change_nothing(place: Ground, epochs: Iterator[int]) -> None:
    meek = place.haproxy("lb-meek", level="operator")
    target = place.target(meek, state="meek")
    before = await target.read()
    with pytest.raises(ProviderError) as failed:
        await target.write(Weights(0, 100), epoch=next(epochs), fence=no_fence)
    assert failed.value.permanent
    assert not failed.value.unknown_outcome
    assert (await target.read()).routes == before.routes
    await target.aclose()


async def test_a_static_algorithm_refuses_in_words(place: Ground, epochs: Iterator[int]) -> None:
    fixed = place.haproxy("lb-static", balance="static-rr")
    target = place.target(fixed, state="static")
    with pytest.raises(ProviderError) as failed:
        await target.write(Weights(50, 50), epoch=next(epochs), fence=no_fence)
    assert failed.value.permanent
    assert "static LB algorithm" in failed.value.message
    await target.aclose()


async def test_a_side_that_does_not_answer_is_unhealthy(place: Ground, first: Haproxy) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{place.sides[Side.GREEN]}") as green:
        target = place.target(first, state="health")
        knobs, token = {"unavailable": True}, {"Authorization": "Bearer token"}
        (await green.put("/_knobs", json=knobs, headers=token)).raise_for_status()
        await asyncio.sleep(0.4)
        sick = await target.health(Side.GREEN)
        (await green.put("/_knobs", json={}, headers=token)).raise_for_status()
        await asyncio.sleep(0.4)
        well = await target.health(Side.GREEN)
    assert (sick.healthy, sick.is_healthy, sick.digest) == (0, False, RELEASES[Side.GREEN].digest)
    assert "DOWN" in sick.detail
    assert (well.healthy, well.is_healthy) == (3, True)
    await target.aclose()


async def test_over_tcp_too(place: Ground, epochs: Iterator[int]) -> None:
    port = place.reservation.take(22200)
    over_tcp = place.haproxy("lb-tcp", level=f"admin\n  stats socket ipv4@127.0.0.1:{port} level admin")
    target = place.steer([Instance("lb-tcp", f"127.0.0.1:{port}")], state="tcp")
    await target.write(Weights(10, 90), epoch=next(epochs), fence=no_fence)
    assert (await target.read()).weights == Weights(10, 90)
    assert over_tcp.child.is_running
    assert "TCP:127.0.0.1" in target.by_hand(Weights(100, 0), epoch=9)[0].command
    await target.aclose()
