"""The Range page's commands and reads against a real range: processes that die and come back."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from app.domain.sides import Side
from app.providers.range_control import RangeControl
from app.range.queries import status_of
from tests.conftest import Web
from tests.range.conftest import RangeWeb
from tests.range.control_stand_in import Stand
from tests.rehearsal.running_range import RunningRange, running_range

pytestmark = pytest.mark.range


@pytest.fixture(scope="module")
def module_range(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRange]:
    with running_range(tmp_path_factory.mktemp("range")) as running:
        yield running


@pytest.fixture
async def real(web: Web, module_range: RunningRange) -> AsyncIterator[RangeWeb]:
    module_range.call("POST", "/knobs/reset")
    control = RangeControl(module_range.control_url, module_range.control_token)
    web.app.state.range_control = control
    yield RangeWeb(web, Stand())
    await control.aclose()
    module_range.call("POST", "/knobs/reset")


async def test_a_killed_release_is_seen_dead_and_comes_back(real: RangeWeb, module_range: RunningRange) -> None:
    client = await real.client_as("devops_lead")
    page = (await client.get(real.url)).text
    assert "All is well in the range" in page
    assert page.count("Running") == 4
    assert (await client.post(f"{real.url}/preset", data={"preset": "green_dead"})).status_code == 303
    page = (await client.get(real.url)).text
    assert "GREEN: dead" in page
    assert "no process" in page
    async with httpx.AsyncClient() as outside:
        with pytest.raises(httpx.ConnectError):
            await outside.get(module_range.url_of(Side.GREEN))
        assert (await client.post(f"{real.url}/restart", data={"side": "GREEN"})).status_code == 303
        assert (await outside.get(module_range.url_of(Side.GREEN))).status_code == 200
    assert "All is well in the range" in (await client.get(real.url)).text


async def test_the_real_answers_have_the_shape_that_the_page_reads(real: RangeWeb) -> None:
    found = await status_of(real.web.app.state.range_control)
    assert {release.side for release in found.releases} == {"BLUE", "GREEN"}
    assert found.customers.count is not None
    client = await real.client_as("project_manager")
    knobs = {"per_second": "10", "streams": "1"}
    answer = await client.post(f"{real.url}/knobs/customers", data=knobs, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert 'value="10"' in answer.text
    after = await status_of(real.web.app.state.range_control)
    assert after.knobs["customers"] == {"per_second": 10, "streams": 1}
