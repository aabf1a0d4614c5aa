"""ports.metrics by scraping each side's own /metrics and comparing it with how it was some seconds ago."""

import asyncio
import contextlib
import time
from collections.abc import Mapping

import httpx

from app.domain.sides import Side
from app.ports.metrics import Sample
from app.ports.traffic import ProviderError
from app.providers.exchange import TIMEOUT, exchange, refusal
from app.providers.prometheus_scrape import Formula, Level, Quantile, Rate, Scrape, Share, Window

FORMULAS: Mapping[str, Formula] = {
    "response_time": Quantile("http_request_duration_seconds", 0.95, scale=1000),
    "error_rate": Share("http_requests_total", "status", "5"),
    "db_connections": Level("db_connections_active"),
    "memory": Level("process_resident_memory_bytes", of="process_memory_limit_bytes"),
    "cpu": Rate("process_cpu_seconds_total", of="process_cpu_limit_cores"),
}
"""Metric key to how it is computed; the names are those of the toy releases and of many exporters."""


class PrometheusText:
    """`urls` gives the page to scrape for each side.

    Windows start at the first `read` of a side: until the second one, rates and quantiles have no figure.

    `idle_urls`, if given, are asked `idle_requests` times after a scrape (the side's own address), whenever the side
    had no more requests than that since the scrape before: an idle side has no customers to measure.
    """

    def __init__(
        self,
        urls: Mapping[Side, str],
        *,
        window_s: float = 10.0,
        formulas: Mapping[str, Formula] = FORMULAS,
        restart_counter: str = "process_cpu_seconds_total",
        traffic_counter: str = "http_request_duration_seconds_count",
        idle_urls: Mapping[Side, str] | None = None,
        idle_requests: int = 5,
    ) -> None:
        self._urls = urls
        self._formulas = formulas
        self._windows = {side: Window(window_s, restart_counter) for side in urls}
        self._traffic_counter = traffic_counter
        self._idle_urls = idle_urls or {}
        self._idle_requests = idle_requests
        self._asking: set[asyncio.Task[None]] = set()
        self._client = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)

    async def read(self, side: Side) -> tuple[Sample, ...]:
        response = await exchange(self._client, "GET", self._urls[side])
        if not response.is_success:
            raise refusal(response)
        try:
            scrape = Scrape.parse(response.text, time.monotonic())
        except ValueError as problem:
            raise ProviderError(f"{side} answered something else than Prometheus text: {problem}") from problem
        window = self._windows[side]
        window.add(scrape)
        if side in self._idle_urls and self._is_idle(side):
            self._ask_idle(self._idle_urls[side])
        return tuple(Sample(key, *window.figure(formula)) for key, formula in self._formulas.items())

    async def aclose(self) -> None:
        for asking in self._asking:
            asking.cancel()
        await self._client.aclose()

    def _is_idle(self, side: Side) -> bool:
        """True before there is a window, too: the first figures should not have to wait for customers."""
        scrapes = self._windows[side].scrapes
        if len(scrapes) < 2:
            return True
        old, new = scrapes[-2].total(self._traffic_counter), scrapes[-1].total(self._traffic_counter)
        return old is None or new is None or new - old <= self._idle_requests

    def _ask_idle(self, url: str) -> None:
        """In the background, so that a slow side does not delay its own readings; what they find is in the next ones.
        What fails here shows in the side's own figures, or in the next scrape."""
        for _ in range(self._idle_requests - len(self._asking)):
            asking = asyncio.create_task(self._ask(url))
            self._asking.add(asking)
            asking.add_done_callback(self._asking.discard)

    async def _ask(self, url: str) -> None:
        with contextlib.suppress(ProviderError):
            await exchange(self._client, "GET", url)
