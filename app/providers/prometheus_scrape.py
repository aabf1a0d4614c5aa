"""One reading of a Prometheus text page, and the figures that two of them give. Pure: no I/O, no clock."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client.parser import text_string_to_metric_families

Labels = Mapping[str, str]
Figure = tuple[float | None, int]
"""A value (None: no figure) and the number of observations behind it."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """All series of a page at `at` (monotonic seconds)."""

    at: float
    series: Mapping[str, tuple[tuple[Labels, float], ...]]

    @classmethod
    def parse(cls, text: str, at: float) -> "Scrape":
        """Raises ValueError when `text` is not in the Prometheus text format."""
        series: dict[str, list[tuple[Labels, float]]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                series.setdefault(sample.name, []).append((sample.labels, sample.value))
        return cls(at, {name: tuple(found) for name, found in series.items()})

    def total(self, name: str, label: str = "", starts: str = "") -> float | None:
        """The sum of a series; with `label`, of the ones whose label starts so. None: not there, or not a number."""
        found = self.series.get(name)
        if not found:
            return None
        value = sum(value for labels, value in found if not label or labels.get(label, "").startswith(starts))
        return None if math.isnan(value) else value

    def buckets(self, name: str) -> dict[float, float]:
        """A histogram's cumulative counts by upper bound, summed over its label sets."""
        counts: dict[float, float] = {}
        for labels, value in self.series.get(f"{name}_bucket", ()):
            bound = float(labels["le"])
            counts[bound] = counts.get(bound, 0.0) + value
        return dict(sorted(counts.items()))


class Formula(Protocol):
    def figure(self, old: Scrape, new: Scrape, /) -> Figure:
        """`old` and `new` are the ends of the window; the same scrape twice when there is only one."""
        ...


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile of a histogram within the window, interpolated inside its bucket as Prometheus does."""

    series: str
    quantile: float = 0.95
    scale: float = 1.0

    def figure(self, old: Scrape, new: Scrape, /) -> Figure:
        before = old.buckets(self.series)
        counts = {bound: count - before.get(bound, 0.0) for bound, count in new.buckets(self.series).items()}
        observed = counts.get(math.inf, 0.0)
        if observed <= 0:
            return None, 0
        return _interpolate(counts, observed * self.quantile) * self.scale, round(observed)


@dataclass(frozen=True, slots=True)
class Share:
    """The percentage of a counter's growth within the window whose label starts in a certain way."""

    series: str
    label: str
    starts: str

    def figure(self, old: Scrape, new: Scrape, /) -> Figure:
        everything = _growth(old.total(self.series), new.total(self.series))
        if not everything:
            return None, 0
        part = _growth(old.total(self.series, self.label, self.starts), new.total(self.series, self.label, self.starts))
        return (part or 0.0) / everything * 100, round(everything)


@dataclass(frozen=True, slots=True)
class Level:
    """A gauge as it stands; with `of`, as a percentage of another gauge."""

    series: str
    of: str = ""
    scale: float = 1.0

    def figure(self, _old: Scrape, new: Scrape, /) -> Figure:
        value = new.total(self.series)
        if value is None:
            return None, 0
        if not self.of:
            return value * self.scale, 1
        whole = new.total(self.of)
        return (value / whole * 100, 1) if whole else (None, 0)


@dataclass(frozen=True, slots=True)
class Rate:
    """A counter's growth a second within the window, as a percentage of a gauge: CPU seconds of a limit in cores."""

    series: str
    of: str

    def figure(self, old: Scrape, new: Scrape, /) -> Figure:
        seconds, whole = new.at - old.at, new.total(self.of)
        grown = _growth(old.total(self.series), new.total(self.series))
        if grown is None or seconds <= 0 or not whole:
            return None, 0
        return grown / seconds / whole * 100, 1


@dataclass(slots=True)
class Window:
    """The scrapes of the last `seconds`. A counter that fell (the process is a new one) starts the window anew."""

    seconds: float
    counter: str
    scrapes: list[Scrape] = field(default_factory=list)

    def add(self, scrape: Scrape) -> None:
        newest = self.scrapes[-1] if self.scrapes else scrape
        if (scrape.total(self.counter) or 0.0) < (newest.total(self.counter) or 0.0):
            self.scrapes.clear()
        self.scrapes.append(scrape)
        while len(self.scrapes) > 2 and self.scrapes[1].at <= scrape.at - self.seconds:
            self.scrapes.pop(0)

    def figure(self, formula: Formula) -> Figure:
        return formula.figure(self.scrapes[0], self.scrapes[-1])


def _growth(old: float | None, new: float | None) -> float | None:
    return None if old is None or new is None else new - old


def _interpolate(counts: Mapping[float, float], rank: float) -> float:
    lower, below = 0.0, 0.0
    for bound, count in counts.items():
        if count >= rank:
            inside = count - below
            if math.isinf(bound) or inside <= 0:
                return lower
            return lower + (bound - lower) * (rank - below) / inside
        lower, below = bound, count
    return lower
