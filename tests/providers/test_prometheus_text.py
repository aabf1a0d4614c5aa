"""Figures from Prometheus pages: the arithmetic by hand, then the real releases."""

import asyncio
import math

import httpx
import pytest

from app.domain.sides import Side
from app.ports.metrics import Sample
from app.ports.traffic import ProviderError
from app.providers.prometheus_scrape import Level, Quantile, Rate, Scrape, Share, Window
from app.providers.prometheus_text import PrometheusText
from tests.rehearsal.running_range import RunningRange

PAGE = """
# TYPE took histogram
took_bucket{{le="0.1"}} {fast}
took_bucket{{le="0.2"}} {middle}
took_bucket{{le="+Inf"}} {all}
took_count {all}
# TYPE http_requests counter
http_requests_total{{status="2xx"}} {good}
http_requests_total{{status="5xx"}} {bad}
# TYPE gauges gauge
memory {memory}
limit 200
cpu_seconds {cpu}
"""


def page(at: float, **values: float) -> Scrape:
    zero = {"fast": 0, "middle": 0, "all": 0, "good": 0, "bad": 0, "memory": 50, "cpu": 0}
    return Scrape.parse(PAGE.format(**{**zero, **values}), at)


def test_a_quantile_is_of_the_window_only() -> None:
    old = page(0, fast=1000, middle=1000, all=1000)
    new = page(10, fast=1050, middle=1100, all=1100)
    assert Quantile("took", 0.5, scale=1000).figure(old, new) == (pytest.approx(100), 100)
    assert Quantile("took", 0.95, scale=1000).figure(old, new) == (pytest.approx(190), 100)


def test_beyond_the_last_bound_the_quantile_is_that_bound() -> None:
    assert Quantile("took", 0.95).figure(page(0), page(10, all=10)) == (0.2, 10)


def test_a_share_is_of_what_came_in_the_window() -> None:
    share = Share("http_requests_total", "status", "5")
    assert share.figure(page(0, good=100, bad=100), page(10, good=295, bad=105)) == (2.5, 200)


def test_no_traffic_is_no_figure() -> None:
    same = page(0, fast=7, middle=7, all=7, good=7)
    for formula in (Quantile("took"), Share("http_requests_total", "status", "5"), Quantile("absent")):
        assert formula.figure(same, same) == (None, 0)


def test_levels() -> None:
    assert Level("memory").figure(page(0), page(1, memory=80)) == (80, 1)
    assert Level("memory", of="limit").figure(page(0), page(1, memory=80)) == (40, 1)
    assert Level("absent").figure(page(0), page(1)) == (None, 0)
    assert Level("memory").figure(page(0), page(1, memory=math.nan)) == (None, 0)


def test_a_rate_needs_time() -> None:
    rate = Rate("cpu_seconds", of="limit")
    assert rate.figure(page(0, cpu=1), page(10, cpu=21)) == (pytest.approx(1.0), 1)
    assert rate.figure(page(0, cpu=1), page(0, cpu=1)) == (None, 0)


def test_the_window_moves_and_starts_anew_with_a_new_process() -> None:
    window = Window(10, "cpu_seconds")
    for second in range(0, 40, 2):
        window.add(page(second, cpu=second))
    assert window.scrapes[-1].at - window.scrapes[0].at == 10
    window.add(page(40, cpu=1))
    assert [scrape.at for scrape in window.scrapes] == [40]


async def read(source: PrometheusText, side: Side) -> dict[str, Sample]:
    return {sample.metric: sample for sample in await source.read(side)}


def pages(the_range: RunningRange) -> dict[Side, str]:
    return {side: f"{the_range.url_of(side)}/metrics" for side in Side}


@pytest.mark.range
async def test_readings_of_the_real_releases(the_range: RunningRange) -> None:
    source = PrometheusText(pages(the_range), window_s=3)
    async with httpx.AsyncClient() as client:
        first = await read(source, Side.BLUE)
        assert first["response_time"] == Sample("response_time", None, 0)
        for _ in range(40):
            await client.get(the_range.url_of(Side.BLUE) + "/api/orders")
        busy = await read(source, Side.BLUE)
    await source.aclose()
    value = busy["response_time"].value
    assert value is not None
    assert 2 < value < 100
    assert busy["response_time"].samples >= 40
    assert busy["error_rate"].value == 0
    for metric in ("memory", "cpu", "db_connections"):
        assert 0 < (busy[metric].value or 0) < 100


@pytest.mark.range
async def test_knobs_show_in_the_readings(the_range: RunningRange) -> None:
    source = PrometheusText(pages(the_range), window_s=1)
    knobs = {"latency_ms": 400, "failure_percent": 100, "memory_percent": 85, "cpu_percent": 80, "db_connections": 100}
    async with the_range.api() as api, httpx.AsyncClient(timeout=30) as client:
        (await api.patch("/knobs", json={"green": knobs})).raise_for_status()
        await read(source, Side.GREEN)
        url = the_range.url_of(Side.GREEN)
        for _ in range(20):  # on a busy machine the release has to fight for its CPU
            await asyncio.gather(*(client.get(url + "/pay") for _ in range(20)), asyncio.sleep(1.2))
            found = {metric: sample.value or 0 for metric, sample in (await read(source, Side.GREEN)).items()}
            if found["cpu"] > 50:
                break
    await source.aclose()
    assert 400 < found["response_time"] < 2000
    assert found["error_rate"] == 100
    assert found["db_connections"] >= 100
    assert 80 < found["memory"] < 95
    assert found["cpu"] > 50


@pytest.mark.range
async def test_an_idle_side_is_asked(the_range: RunningRange) -> None:
    urls = pages(the_range)
    source = PrometheusText(urls, idle_urls={side: the_range.url_of(side) + "/" for side in Side})
    await read(source, Side.GREEN)
    await asyncio.sleep(0.3)
    assert (await read(source, Side.GREEN))["response_time"].samples == 5
    await source.aclose()


@pytest.mark.range
async def test_a_dark_side_is_an_error(the_range: RunningRange) -> None:
    source = PrometheusText({**pages(the_range), Side.BLUE: the_range.url_of(Side.BLUE) + "/"})
    async with the_range.api() as api:
        (await api.patch("/knobs", json={"green": {"dead": True}})).raise_for_status()
        with pytest.raises(ProviderError):
            await source.read(Side.GREEN)
    with pytest.raises(ProviderError, match="something else"):
        await source.read(Side.BLUE)
    await source.aclose()
