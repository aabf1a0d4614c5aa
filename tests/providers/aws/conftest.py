"""One simulated AWS, and the balancer on it as a target."""

from collections.abc import AsyncIterator, Iterator, Mapping

import pytest

from app.domain.sides import Side
from app.providers.aws.balancer import AwsBalancer
from tests.providers.aws.simulated import DIGESTS, SimulatedAws, simulated_aws


@pytest.fixture(scope="session")
def session_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedAws]:
    """moto takes seconds to warm up: once for all tests."""
    with simulated_aws(tmp_path_factory.mktemp("aws")) as running:
        yield running


@pytest.fixture
def aws(session_aws: SimulatedAws) -> Iterator[SimulatedAws]:
    """Without faults, before and after each test; weights and epoch are as the test before left them."""
    session_aws.heal()
    yield session_aws
    session_aws.heal()


@pytest.fixture
def epochs(aws: SimulatedAws) -> Iterator[int]:
    return aws.epochs


@pytest.fixture
def digests() -> Mapping[Side, str]:
    return DIGESTS


@pytest.fixture
async def target(aws: SimulatedAws) -> AsyncIterator[AwsBalancer]:
    target = aws.balancer()
    await target._calls.warm("elbv2")
    yield target
    await target.aclose()
