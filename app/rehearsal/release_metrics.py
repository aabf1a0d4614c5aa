"""What a toy release measures of itself, in the Prometheus text format."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from app.rehearsal.load import CPU_LIMIT, MEMORY_LIMIT

BUCKETS = (
    *(0.002, 0.003, 0.004, 0.005, 0.006, 0.008, 0.01, 0.012, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25),
    *(0.3, 0.4, 0.5, 0.6, 0.75, 0.85, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0),
)
"""Seconds; close together where the plan's thresholds are (200, 300, 500, 1,000 ms)."""


class ReleaseMetrics:
    """Own registry; process figures are read when asked for."""

    def __init__(self, db_connections: Callable[[], int], resident: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._durations = Histogram(
            "http_request_duration_seconds",
            "Time a customer's request took",
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._requests = Counter(
            "http_requests", "Customers' requests by status class", ["status"], registry=self._registry
        )
        for status in ("2xx", "3xx", "4xx", "5xx"):
            self._requests.labels(status)
        self._gauge("db_connections_active", "Most active at once in the last 5 s", db_connections)
        self._gauge("process_resident_memory_bytes", "Resident memory", resident)
        self._gauge("process_memory_limit_bytes", "What the release may use", lambda: MEMORY_LIMIT)
        self._gauge("process_cpu_seconds_total", "CPU time used, user and system", time.process_time)
        self._gauge("process_cpu_limit_cores", "What the release may use", lambda: CPU_LIMIT)

    def observe(self, status: int, seconds: float) -> None:
        self._durations.observe(seconds)
        self._requests.labels(f"{status // 100}xx").inc()

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def _gauge(self, name: str, about: str, read: Callable[[], float]) -> None:
        Gauge(name, about, registry=self._registry).set_function(read)
