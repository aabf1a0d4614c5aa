from collections.abc import Iterator

import pytest

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
