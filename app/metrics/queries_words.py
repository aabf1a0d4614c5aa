"""The metrics page in sentences: what the worst reading is, and what to do about it. Pure."""

from collections.abc import Sequence

from app.domain.metrics import Verdict
from app.domain.plan import Metric
from app.domain.signoff_words import listed
from app.metrics.views import MetricRow, ReadingNow
from app.web.figures import quantity, within

Found = tuple[Metric, ReadingNow]


def headline_words(rows: Sequence[MetricRow], *, decides: bool = True) -> tuple[str, str]:
    """The h1 and the sentence under it: the worst first, GREEN before BLUE. `decides` is False where nothing is left
    to decide: traffic went back."""
    if not rows:
        return "The plan names no metrics", "Nothing is read, and nothing here counts as healthy."
    if bad := _having(rows, Verdict.CRITICAL):
        metric, reading = bad[0]
        asked = f" {metric.decision}" if decides else " Traffic went back to BLUE."
        text = f"Above {quantity(metric.critical, metric.unit)}.{asked}{_more(bad, 'critical')}"
        return f"CRITICAL: {_named(metric, reading)}", text
    if dark := _having(rows, Verdict.UNKNOWN):
        return _unknown(dark, len(dark) == 2 * len(rows))
    if watched := _having(rows, Verdict.WARNING):
        metric, reading = watched[0]
        limits = f"Above {quantity(metric.warning, metric.unit)}; critical is above"
        text = f"{limits} {quantity(metric.critical, metric.unit)}.{_more(watched, 'in warning')}"
        return f"Watch {_named(metric, reading)}", text
    idle = {reading.side.value for _, reading in _having(rows, Verdict.IDLE)}
    text = "Nothing to do."
    if idle:
        text = f"Nothing to do. Without customers not everything of {listed(sorted(idle))} is measured."
    return "Normal: every metric is within its limits", text


def _having(rows: Sequence[MetricRow], verdict: Verdict) -> list[Found]:
    sides = [[(row.metric, row.green) for row in rows], [(row.metric, row.blue) for row in rows]]
    return [(metric, reading) for side in sides for metric, reading in side if reading.verdict is verdict]


def _named(metric: Metric, reading: ReadingNow) -> str:
    return f"{reading.side} {within(metric.title)} {quantity(reading.figure, metric.unit)}"


def _more(found: Sequence[Found], what: str) -> str:
    return f" {len(found) - 1} more {what}." if len(found) > 1 else ""


def _unknown(dark: Sequence[Found], is_all: bool) -> tuple[str, str]:
    if is_all:
        return "UNKNOWN: no readings at all", "Nothing here counts as healthy. Look at what sends the readings."
    sides = listed(list(dict.fromkeys(reading.side.value for _, reading in dark)))
    titles = list(dict.fromkeys(within(metric.title) for metric, _ in dark))
    what = titles[0] if len(titles) == 1 else f"{len(titles)} metrics"
    named = f"{listed(titles)}: no" if len(titles) > 1 else "No"
    text = f"{named} reading to rely on, so nothing that counts as healthy. Look at what sends them."
    return f"UNKNOWN: {sides} {what}", text[:1].upper() + text[1:]
