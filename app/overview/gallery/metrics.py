"""Metrics side by side, and their trends."""

import math
from collections.abc import Mapping
from typing import Any

from app.overview.gallery.moment import NOW

METRICS: tuple[Mapping[str, Any], ...] = (
    {"title": "Response time", "statistic": "p95", "unit": "ms", "blue": 127, "green": 131, "limits": (200, 300, 500)},
    {
        "title": "Error rate",
        "statistic": "of all requests",
        "unit": "%",
        "blue": 0.02,
        "green": 2.6,
        "limits": (0.1, 0.5, 1),
    },
    {
        "title": "DB connections",
        "statistic": "active",
        "unit": "",
        "blue": None,
        "green": None,
        "limits": (50, 75, 100),
    },
    {"title": "Memory", "statistic": "of limit", "unit": "%", "blue": 48, "green": 83, "limits": (70, 80, 90)},
    {"title": "CPU", "statistic": "of limit", "unit": "%", "blue": 9, "green": 44, "limits": (60, 75, 85)},
)


def verdict(value: float | None, limits: tuple[float, float, float]) -> str:
    if value is None:
        return "UNKNOWN"
    return "CRITICAL" if value > limits[2] else "WARNING" if value > limits[1] else "OK"


def wave(
    base: float, swing: float, gap: range = range(0), step_at: int = 0, raised: float = 0
) -> list[tuple[float, float | None]]:
    """90 samples over 15 minutes, oldest first; none in `gap`; `raised` more from sample `step_at` on."""
    return [
        (
            (89 - index) * 10.0,
            None
            if index in gap
            else base + swing * math.sin(index / 3) + (raised if step_at and index >= step_at else 0),
        )
        for index in range(90)
    ]


TRENDS = {
    "normal": (wave(127, 6), wave(131, 8), (200, 300, 500)),
    "critical": (wave(0.02, 0.01), wave(0.03, 0.01, step_at=74, raised=2.5), (0.1, 0.5, 1)),
    "gap": (wave(12, 1, range(50, 66)), wave(31, 3, range(50, 66)), (50, 75, 100)),
}

CHART_POINTS = [
    [NOW.timestamp() - seconds, blue, green]
    for (seconds, blue), (_, green) in zip(
        wave(127, 9, range(40, 48)), wave(140, 18, range(40, 48), 70, 90), strict=True
    )
]
