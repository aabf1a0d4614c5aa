"""Where traffic really is, from probes that carry the release's identity (design.md, "100 % observed")."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.domain.sides import Side


@dataclass(frozen=True, slots=True)
class Seen:
    """One probe: when it was sent, and the side that answered (None: no answer, or no release we know)."""

    at: datetime
    side: Side | None
    ok: bool = True


@dataclass(frozen=True, slots=True)
class Arrival:
    """When the wanted side was first seen, and when windows of probes agreed. None: not yet.

    Each `at_*` is the time of the first probe of the first window that reached that share.
    """

    first_at: datetime | None = None
    at_95: datetime | None = None
    at_99: datetime | None = None
    at_100: datetime | None = None
    agreeing: int = 0
    total: int = 0


def arrival(probes: Sequence[Seen], wanted: Side, *, since: datetime, window: int, span_s: float) -> Arrival:
    """Judge the probes sent at or after `since`, in order of sending.

    A window is at least `window` consecutive probes that span at least `span_s`; it starts at a probe of the wanted
    side, so that a share can't be reached before the first such answer.
    """
    counted = [probe for probe in probes if probe.at >= since]
    hits = [probe.side is wanted and probe.ok for probe in counted]
    sums = [0]
    for hit in hits:
        sums.append(sums[-1] + hit)
    first = next((probe.at for probe, hit in zip(counted, hits, strict=True) if hit), None)
    if first is None:
        return Arrival(total=len(counted))
    found: dict[int, datetime] = {}
    for share in (95, 99, 100):
        start = _window_start(counted, hits, sums, share, window, span_s)
        if start is not None:
            found[share] = counted[start].at
    return Arrival(first, found.get(95), found.get(99), found.get(100), sums[-1], len(counted))


def _window_start(
    probes: Sequence[Seen], hits: Sequence[bool], sums: Sequence[int], share: int, window: int, span_s: float
) -> int | None:
    end = 0
    for start, hit in enumerate(hits):
        end = max(end, start + window)
        while end <= len(probes) and (probes[end - 1].at - probes[start].at).total_seconds() < span_s:
            end += 1
        if end > len(probes):
            return None
        if hit and (sums[end] - sums[start]) * 100 >= share * (end - start):
            return start
    return None


CONFIDENCE_Z = 1.959964
"""Standard deviations that hold 95 %."""
HALF_WIDTH = 3.0
"""A share has arrived when its 95 % interval is no wider than this many points on either side of its middle."""
SHARE_LOOK_BACK_S = 15
"""Probes that a share is told from are at most this old: a balancer may apply what it accepted seconds later."""
SOME_ANSWERS = 5
"""Of the lesser side, expected in that time: none at all would then be no chance."""


@dataclass(frozen=True, slots=True)
class Share:
    """How many of `total` probes that named a side GREEN answered: its share in percent, with what chance may have done
    to it (Wilson's 95 % interval)."""

    green: int
    total: int

    @property
    def percent(self) -> float | None:
        return 100 * self.green / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float]:
        """In percent; everything is possible while nothing was seen."""
        if not self.total:
            return 0.0, 100.0
        n, p, z2 = self.total, self.green / self.total, CONFIDENCE_Z**2
        middle = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = CONFIDENCE_Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
        return 100 * max(0.0, middle - half), 100 * min(1.0, middle + half)

    @property
    def half_width(self) -> float:
        """In points."""
        low, high = self.interval
        return (high - low) / 2

    def is_at(self, wanted: int, *, at_least: int) -> bool:
        """Whether probes say that GREEN gets `wanted` percent: enough of them, and no further from it than chance
        explains. A share of both sides needs an answer of each: chance explains that nobody sees one in a hundred, and
        so would a balancer that sends nobody there."""
        low, high = self.interval
        is_both = 0 < self.green < self.total or wanted in (0, 100)
        return self.total >= at_least and self.half_width <= HALF_WIDTH and low <= wanted <= high and is_both

    def __str__(self) -> str:
        if self.percent is None:
            return "no probe answered"
        return f"{self.percent:.1f} % ± {self.half_width:.1f} ({self.total} probes)"


def rate_to_tell(percent: int) -> int:
    """The least probes a second at which a share can be told within the time that is looked back: narrow enough, and
    with some answers of the side that has less."""
    narrow = next(n for n in range(10, 2000) if Share(round(n * percent / 100), n).half_width <= HALF_WIDTH)
    some = SOME_ANSWERS * 100 / min(percent, 100 - percent)
    return math.ceil(max(narrow, some) / SHARE_LOOK_BACK_S)


def share_of(probes: Sequence[Seen]) -> Share:
    """GREEN's share of the probes that a known side answered well."""
    named = [probe for probe in probes if probe.ok and probe.side is not None]
    return Share(sum(probe.side is Side.GREEN for probe in named), len(named))


def is_steady(probes: Sequence[Seen], wanted: int) -> bool:
    """Whether each half of them may be of that share by itself: all to one side and then all to the other is half on
    the average too."""
    middle = len(probes) // 2
    intervals = [share_of(half).interval for half in (probes[:middle], probes[middle:])]
    return all(low <= wanted <= high for low, high in intervals)


@dataclass(frozen=True, slots=True)
class Shares:
    """What the last probes saw, in percent of those that named a side; None without any."""

    blue: int | None
    green: int | None
    failed: int
    total: int


def shares(probes: Sequence[Seen]) -> Shares:
    named = [probe for probe in probes if probe.ok and probe.side is not None]
    failed = sum(not probe.ok for probe in probes)
    if not named:
        return Shares(None, None, failed, len(probes))
    green = round(100 * sum(probe.side is Side.GREEN for probe in named) / len(named))
    return Shares(100 - green, green, failed, len(probes))
