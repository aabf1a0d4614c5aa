from collections.abc import Iterator

import pytest

from tests.providers.simulated_aws import SimulatedAws, simulated_aws
from tests.rehearsal.running_range import RunningRange, running_range


@pytest.fixture(scope="module")
def module_range(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRange]:
    with running_range(tmp_path_factory.mktemp("range of a module")) as running:
        yield running


@pytest.fixture
def the_range(module_range: RunningRange) -> Iterator[RunningRange]:
    """One range a module; its knobs as at the start, before and after each test."""
    module_range.call("POST", "/knobs/reset")
    yield module_range
    module_range.call("POST", "/knobs/reset")


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
