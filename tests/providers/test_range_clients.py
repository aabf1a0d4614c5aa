"""The clients of the range's control API: customers' counts, and knobs for the Range page."""

import asyncio

import pytest

from app.domain.sides import Side
from app.ports.traffic import ProviderError
from app.providers.range_control import KnobRefused, RangeControl
from app.providers.range_customers import RangeCustomers
from tests.rehearsal.running_range import RunningRange

pytestmark = pytest.mark.range


async def test_customers_are_counted(the_range: RunningRange) -> None:
    customers = RangeCustomers(the_range.control_url, the_range.control_token)
    before = await customers.count()
    await asyncio.sleep(0.5)
    after = await customers.count()
    await customers.aclose()
    assert after.requests > before.requests
    assert after.failed == before.failed


async def test_knobs(the_range: RunningRange) -> None:
    control = RangeControl(the_range.control_url, the_range.control_token)
    knobs = await control.set_knobs({"green": {"latency_ms": 20}, "customers": {"per_second": 30}})
    assert (knobs["green"]["latency_ms"], knobs["customers"]["per_second"]) == (20, 30)
    assert await control.knobs() == knobs
    assert (await control.status())["knobs"] == knobs
    with pytest.raises(KnobRefused) as refused:
        await control.set_knobs({"green": {"failure_percent": 101}})
    assert refused.value.field == "green.failure_percent"
    assert await control.knobs() == knobs
    assert (await control.reset_knobs())["green"]["latency_ms"] == 0
    await control.aclose()


async def test_a_dead_release_comes_back(the_range: RunningRange) -> None:
    control = RangeControl(the_range.control_url, the_range.control_token)
    await control.set_knobs({"green": {"dead": True}})
    status = await control.status()
    assert [release["running"] for release in status["releases"]] == [True, False]
    assert (await control.restart_release(Side.GREEN))["side"] == "GREEN"
    status = await control.status()
    assert [release["running"] for release in status["releases"]] == [True, True]
    assert status["knobs"]["green"]["dead"] is False
    await control.aclose()


async def test_nobody_there(the_range: RunningRange) -> None:
    customers = RangeCustomers("http://127.0.0.1:9", the_range.control_token)
    with pytest.raises(ProviderError):
        await customers.count()
    await customers.aclose()
