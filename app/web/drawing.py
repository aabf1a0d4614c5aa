"""Geometry of the product's small graphics: numbers in, SVG attribute values out. Pure; a Jinja global named `draw`.

Horizontal positions are percent of the graphic's width, as text with at most two digits, so that an <svg> without
a viewBox stretches and its letters don't. Time runs left to right in every language.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

Point = tuple[float, float | None]

TARGET_AT, WARNING_AT, CRITICAL_AT = 46.0, 64.0, 82.0
"""Where every indicator has its ticks: the same place in each row, so that a normal wall is one quiet column."""


def number(value: float) -> str:
    """An SVG attribute: at most two digits, no trailing zeros."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value == value else "0"


def at(unix_s: float) -> datetime:
    """The moment of a chart's point."""
    return datetime.fromtimestamp(unix_s, UTC)


def clamp(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def share(done: float, total: float) -> str:
    """Percent of `total`, 0…100."""
    return number(clamp(done / total * 100, 0, 100) if total > 0 else 0)


# ── work that runs, against what is expected ──────────────────────────────────────────────────────────────────────

WORK_END = 95.0
"""Percent of the bar's width that the longer of the two takes, what is expected and what has passed: whatever runs
never looks as if it were done."""


@dataclass(frozen=True, slots=True)
class Work:
    """A bar of work: `fill` is what has passed within what is expected, `over` what goes beyond it, from `mark` on,
    where the expected end stands. Percent as text."""

    fill: str
    mark: str
    over: str


def work(elapsed: float, expected: float) -> Work:
    """One scale for both, growing with whichever is longer: overdue work pushes its expected end back."""
    longest = max(elapsed, expected, 1e-9)
    mark = max(expected, 0) / longest * WORK_END
    done = clamp(elapsed, 0, longest) / longest * WORK_END
    return Work(number(min(done, mark)), number(mark), number(max(done - mark, 0)))


# ── the operation axis ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class AxisMark:
    """One moment of an operation: `x` of its dot, `label_x` of its words (pushed apart so that none overlap)."""

    name: str
    seconds: float | None
    x: str
    label_x: str
    anchor: str


@dataclass(frozen=True, slots=True)
class AxisTick:
    text: str
    x: str


@dataclass(frozen=True, slots=True)
class Axis:
    marks: tuple[AxisMark, ...]
    ticks: tuple[AxisTick, ...]
    done_x: str


AXIS_START, AXIS_END, LABEL_GAP, AXIS_BEND_S = 4.0, 96.0, 12.5, 0.08


def axis(marks: Iterable[tuple[str, float | None]], end_s: float = 5.0) -> Axis:
    """Click → accepted → observed, on a scale that gives the first second about 60 % of the width.

    Marks not reached yet have None and only stand in the list that phones get. The end grows with what happened.
    """
    rows = list(marks)
    reached = [(name, seconds) for name, seconds in rows if seconds is not None]
    end = _axis_end(max([end_s, *(seconds for _, seconds in reached)]))
    places = [_axis_x(seconds, end) for _, seconds in reached]
    labels = spread(places, LABEL_GAP, AXIS_START, AXIS_END)
    drawn = iter(zip(places, labels, strict=True))
    return Axis(
        marks=tuple(
            _axis_mark(name, seconds, *(next(drawn) if seconds is not None else (0.0, 0.0))) for name, seconds in rows
        ),
        ticks=tuple(AxisTick(f"{tick:g}\u00a0s", number(_axis_x(tick, end))) for tick in _axis_ticks(end)),
        done_x=number(max(places, default=AXIS_START)),
    )


def _axis_mark(name: str, seconds: float | None, x: float, label_x: float) -> AxisMark:
    anchor = "start" if label_x <= AXIS_START + 4 else "end" if label_x >= AXIS_END - 4 else "middle"
    return AxisMark(name, seconds, number(x), number(label_x), anchor)


def _axis_end(end: float) -> float:
    return next((step for step in (5.0, 10.0, 20.0, 30.0, 60.0) if end <= step), end)


def _axis_ticks(end: float) -> list[float]:
    return [tick for tick in (0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0) if tick < end * 0.75 or tick == end] + (
        [] if end in (5.0, 10.0, 30.0, 60.0) else [end]
    )


def _axis_x(seconds: float, end: float) -> float:
    reach = math.log1p(max(seconds, 0) / AXIS_BEND_S) / math.log1p(end / AXIS_BEND_S)
    return AXIS_START + (AXIS_END - AXIS_START) * reach


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move ascending positions as little as needed so that neighbours are `gap` apart and all stay within the edges.

    Where they cannot all have the gap, they share the width evenly.
    """
    count = len(places)
    if count < 2:
        return [clamp(place, low, high) for place in places]
    gap = min(gap, (high - low) / (count - 1))
    # Without the gaps the task is to find the nearest ascending positions: neighbours that cross share their mean.
    blocks: list[tuple[float, int]] = []
    for index, place in enumerate(places):
        mean, size = place - index * gap, 1
        while blocks and blocks[-1][0] > mean:
            before, members = blocks.pop()
            mean, size = (before * members + mean * size) / (members + size), members + size
        blocks.append((mean, size))
    means = [clamp(mean, low, high - (count - 1) * gap) for mean, size in blocks for _ in range(size)]
    return [mean + index * gap for index, mean in enumerate(means)]


# ── the indicator ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Band:
    x: str
    width: str
    state: str
    """"" (normal ground), warn or crit: coloured only while a marker stands in it."""


@dataclass(frozen=True, slots=True)
class Indicator:
    bands: tuple[Band, ...]
    ticks: tuple[tuple[str, str], ...]
    """(x, text) of target, warning and critical."""
    blue: str | None
    green: str | None


def indicator(blue: float | None, green: float | None, target: float, warning: float, critical: float) -> Indicator:
    """One scale for both sides. Above `critical` it is compressed, so that 1,240 ms still stands on it."""
    values = [value for value in (blue, green) if value is not None and value == value]
    in_warn = any(warning < value <= critical for value in values)
    in_crit = any(value > critical for value in values)
    edges = (0.0, TARGET_AT, WARNING_AT, CRITICAL_AT, 100.0)
    states = ("", "", "warn" if in_warn else "", "crit" if in_crit else "")
    bands = tuple(
        Band(number(start), number(end - start), state)
        for start, end, state in zip(edges, edges[1:], states, strict=False)
    )
    ticks = tuple(
        (number(place), f"{value:g}")
        for place, value in ((TARGET_AT, target), (WARNING_AT, warning), (CRITICAL_AT, critical))
    )
    return Indicator(bands, ticks, *(_marker(value, target, warning, critical) for value in (blue, green)))


def _marker(value: float | None, target: float, warning: float, critical: float) -> str | None:
    if value is None or value != value:
        return None
    return number(clamp(scale(value, target, warning, critical), 2.5, 97.5))


def scale(value: float, target: float, warning: float, critical: float) -> float:
    """Percent of the indicator's width; linear between the ticks, towards 100 above critical."""
    if value > critical:
        return CRITICAL_AT + (100 - CRITICAL_AT) * (1 - critical / value)
    stops = ((0.0, 0.0), (target, TARGET_AT), (warning, WARNING_AT), (critical, CRITICAL_AT))
    for (low, low_at), (high, high_at) in pairwise(stops):
        if value <= high:
            return low_at + (high_at - low_at) * (max(value, low) - low) / (high - low) if high > low else high_at
    return CRITICAL_AT


# ── the trend ─────────────────────────────────────────────────────────────────────────────────────────────────────

TREND_HEIGHT = 100.0
TREND_TOP = 6.0


@dataclass(frozen=True, slots=True)
class Trend:
    """Paths in a 100 × 100 box that is stretched; ends are (x, y) in percent for the letters B and G."""

    blue: str
    green: str
    limits: tuple[str, ...]
    zero_x: str | None
    gaps: tuple[tuple[str, str], ...]
    """(x, width) of the spans in which neither side had a value."""
    blue_end: tuple[str, str] | None
    green_end: tuple[str, str] | None


def trend(
    blue: Sequence[Point], green: Sequence[Point], limits: Sequence[float], span_s: float, zero_s: float | None = None
) -> Trend:
    """`blue` and `green` are (seconds before now, value or None), oldest first; `zero_s` is seconds since T−0."""
    values = [value for _, value in (*blue, *green) if value is not None]
    top = max([*values, *([limits[0] * 1.25] if limits else []), 1e-9]) * 1.06
    ends = _separate([_end(points, span_s, top) for points in (blue, green)])
    return Trend(
        blue=_path(blue, span_s, top),
        green=_path(green, span_s, top),
        limits=tuple(number(_y(limit, top)) for limit in limits if limit <= top),
        zero_x=number(_x(zero_s, span_s)) if zero_s is not None and 0 <= zero_s <= span_s else None,
        gaps=_gaps(blue, green, span_s),
        blue_end=ends[0],
        green_end=ends[1],
    )


def _x(seconds_ago: float, span_s: float) -> float:
    return clamp((1 - seconds_ago / span_s) * 100, 0, 100)


def _y(value: float, top: float) -> float:
    return TREND_HEIGHT - clamp(value / top, 0, 1) * (TREND_HEIGHT - TREND_TOP)


def _path(points: Sequence[Point], span_s: float, top: float) -> str:
    """Move at the start and after each gap, line otherwise."""
    steps: list[str] = []
    pen_down = False
    for seconds_ago, value in points:
        if seconds_ago > span_s:
            continue
        if value is None:
            pen_down = False
            continue
        steps.append(f"{'L' if pen_down else 'M'}{number(_x(seconds_ago, span_s))} {number(_y(value, top))}")
        pen_down = True
    return "".join(steps)


def _gaps(blue: Sequence[Point], green: Sequence[Point], span_s: float) -> tuple[tuple[str, str], ...]:
    """Spans in which a sample was due and neither side gave a value."""
    answered: dict[float, bool] = {}
    for seconds_ago, value in (*blue, *green):
        if seconds_ago <= span_s:
            answered[seconds_ago] = answered.get(seconds_ago, False) or value is not None
    found: list[tuple[float, float]] = []
    start: float | None = None
    last = 0.0
    for seconds_ago in sorted(answered, reverse=True):
        last = _x(seconds_ago, span_s)
        if not answered[seconds_ago]:
            start = last if start is None else start
        elif start is not None:
            found.append((start, last))
            start = None
    if start is not None:
        found.append((start, 100.0))
    return tuple((number(begin), number(end - begin)) for begin, end in found if end > begin)


def _end(points: Sequence[Point], span_s: float, top: float) -> tuple[float, float] | None:
    for seconds_ago, value in reversed(points):
        if value is not None:
            return _x(seconds_ago, span_s), _y(value, top)
    return None


END_GAP = 24.0


def _separate(ends: list[tuple[float, float] | None]) -> list[tuple[str, str] | None]:
    """Keep the letters at the two line ends from lying on each other."""
    placed = sorted((end[1], index) for index, end in enumerate(ends) if end is not None)
    crowding = max(0.0, END_GAP - (placed[-1][0] - placed[0][0])) / 2 if len(placed) == 2 else 0.0
    heights = spread([y + (2 * rank - 1) * crowding for rank, (y, _) in enumerate(placed)], END_GAP, 12, 88)
    result: list[tuple[str, str] | None] = [None for _ in ends]
    for (_, index), height in zip(placed, heights, strict=True):
        end = ends[index]
        assert end is not None
        result[index] = (number(end[0]), number(height))
    return result
