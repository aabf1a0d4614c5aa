"""A range with a simulated AWS: a switch there moves real customers, its faults are knobs, a restart keeps its ids."""

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.bindings import AwsTarget
from app.domain.plan import Plan
from app.domain.sides import Side, Weights
from app.ports.traffic import ProviderError
from app.rehearsal.aws.estate import Estate
from app.rehearsal.site_file import write_site
from app.rehearsal.toys import RELEASES
from app.wiring import BoundTarget, Ports, binding_of, read_site
from tests.providers.traffic_contract import no_fence
from tests.rehearsal.running_range import RunningRange, running_range

pytestmark = pytest.mark.range

BLUE, GREEN = Weights.all_to(Side.BLUE), Weights.all_to(Side.GREEN)


@pytest.fixture(scope="module")
def aws_range(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRange]:
    with running_range(tmp_path_factory.mktemp("range on aws"), with_aws=True) as running:
        yield running


@pytest.fixture(scope="module")
def epochs() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
async def bound(aws_range: RunningRange, plan: Plan, tmp_path: Path) -> AsyncIterator[BoundTarget]:
    """The target as wiring binds it from the range's own site.yaml."""
    aws_range.call("POST", "/knobs/reset")
    file = tmp_path / "site.yaml"
    write_site(file, aws_range.ports, aws_range.folder, "aws")
    bound = Ports(read_site(file)).bind(plan, "production", RELEASES)
    yield bound
    aws_range.call("POST", "/knobs/reset")
    await bound.aclose()


async def seen(bound: BoundTarget) -> set[Side | None]:
    return {(await bound.prober.probe(fresh_connection=True)).side for _ in range(20)}


async def test_a_switch_on_aws_moves_real_customers(bound: BoundTarget, epochs: Iterator[int]) -> None:
    for weights, sides in ((BLUE, {Side.BLUE}), (GREEN, {Side.GREEN}), (BLUE, {Side.BLUE})):
        await bound.traffic.write(weights, epoch=next(epochs), fence=no_fence)
        assert (await bound.traffic.read()).agrees(weights)
        assert await seen(bound) == sides
    findings = await bound.traffic.preflight()
    assert [finding for finding in findings if finding.is_ok is not True] == []


async def test_health_is_the_releases_own(aws_range: RunningRange, bound: BoundTarget) -> None:
    health = await bound.traffic.health(Side.GREEN)
    assert (health.is_healthy, health.digest) == (True, RELEASES[Side.GREEN].digest)
    aws_range.call("PATCH", "/knobs", '{"green": {"unavailable": true}}')
    assert not (await bound.traffic.health(Side.GREEN)).is_healthy


async def test_faults_are_knobs(aws_range: RunningRange, bound: BoundTarget, epochs: Iterator[int]) -> None:
    await bound.traffic.write(BLUE, epoch=next(epochs), fence=no_fence)
    fault = '{"kind": "dropped", "operation": "ModifyListener", "times": 1}'
    aws_range.call("PATCH", "/knobs", f'{{"aws": {{"faults": [{fault}]}}}}')
    with pytest.raises(ProviderError) as lost:
        await bound.traffic.write(GREEN, epoch=next(epochs), fence=no_fence)
    assert lost.value.unknown_outcome
    assert await seen(bound) == {Side.GREEN}, "applied, whatever the caller heard"
    with pytest.raises(OSError, match="422"):
        aws_range.call("PATCH", "/knobs", '{"aws": {"faults": [{"kind": "nonsense"}]}}')


async def test_dns_follows_and_is_pending_first(bound: BoundTarget) -> None:
    assert bound.follower is not None
    await bound.follower.set(GREEN, epoch=1, fence=no_fence)
    reading = await bound.follower.read()
    assert (reading.state, reading.weights) == ("pending", GREEN)
    await bound.follower.set(BLUE, epoch=2, fence=no_fence)


async def test_a_killed_aws_comes_back_as_it_was(
    aws_range: RunningRange, bound: BoundTarget, epochs: Iterator[int]
) -> None:
    epoch = next(epochs)
    await bound.traffic.write(GREEN, epoch=epoch, fence=no_fence)
    before, estate = await bound.traffic.read(), Estate.load(aws_range.folder)
    (pid,) = await asyncio.to_thread(_aws_processes, aws_range)
    os.kill(pid, signal.SIGKILL)
    for _ in range(300):
        await asyncio.sleep(0.1)
        try:
            reading = await bound.traffic.read()
            break
        except ProviderError:
            continue
    assert reading == before
    assert reading.epoch == epoch
    assert Estate.load(aws_range.folder) == estate


def _aws_processes(running: RunningRange) -> list[int]:
    """By the folder in their command line: nobody else's."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        words = path.read_bytes().split(b"\0")
        if b"app.rehearsal.aws" in words and str(running.folder).encode() in words and b"setpriv" not in words[0]:
            found.append(int(path.parent.name))
    return found


def test_what_signoffs_are_bound_to_names_the_resources_and_no_credentials(
    aws_range: RunningRange, tmp_path: Path
) -> None:
    file = tmp_path / "site.yaml"
    write_site(file, aws_range.ports, aws_range.folder, "aws")
    site = read_site(file)
    target = site.targets["production"]
    assert isinstance(target, AwsTarget)
    binding = binding_of(site, "production")
    assert set(binding["routes"]) == {"listener :80", "rule /api/*", "rule /pay"}
    assert binding["dns"] == "app.alawael.example"
    assert "credentials" not in str(binding)


async def test_a_range_without_aws_says_so(the_range: RunningRange) -> None:
    async with the_range.api() as api:
        answer = await api.patch("/knobs", json={"aws": {"faults": [{"kind": "reset"}]}})
    assert answer.status_code == 502
    assert "no simulated AWS" in answer.json()["detail"]
