"""What a reading is worth: verdicts, the worst of many, and whether a breach was sustained (design.md, "Metrics").

No figure, NaN, stale or too little traffic is UNKNOWN: it never satisfies a gate, never counts as healthy, and
never resets a breach that is running.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from app.domain.plan import Metric
from app.domain.sides import Side

STALE_PERIODS = 2
"""A reading may miss two periods (plan's `every_s`) and the tolerance, then it is too old to say anything."""
STALE_TOLERANCE_S = 1.0
AHEAD_LIMIT_S = 5.0
"""A reading from further in the future than this comes from a wrong clock and says nothing either."""

_EPSILON_S = 1e-6


class Verdict(StrEnum):
    """IDLE is a side without customers, measured only as far as the product's own requests reach."""

    OK = "OK"
    IDLE = "IDLE"
    WARNING = "WARNING"
    UNKNOWN = "UNKNOWN"
    CRITICAL = "CRITICAL"


_GRAVITY = {Verdict.OK: 0, Verdict.IDLE: 1, Verdict.WARNING: 2, Verdict.UNKNOWN: 3, Verdict.CRITICAL: 4}

HealthState = Literal["ok", "warn", "crit", "unknown"]


@dataclass(frozen=True, slots=True)
class Health:
    """The worst thing there is and how many of it, in words ("1 critical"); "Normal" when all is well."""

    state: HealthState
    word: str


def is_figure(value: float | None) -> bool:
    """True for a number that can be compared: there, not NaN, not infinite."""
    return value is not None and math.isfinite(value)


def measures_traffic(metric: Metric) -> bool:
    """True for a metric of requests, which is silent on a side that nobody asks anything. The plan marks those
    by the number of samples they need."""
    return metric.minimum_samples > 0


def stale_after_s(metric: Metric) -> float:
    """The age in seconds from which a reading of this metric is UNKNOWN."""
    return STALE_PERIODS * metric.every_s + STALE_TOLERANCE_S


def is_stale(metric: Metric, at: datetime, now: datetime) -> bool:
    age_s = (now - at).total_seconds()
    return age_s > stale_after_s(metric) or age_s < -AHEAD_LIMIT_S


def judge(
    metric: Metric, value: float | None, samples: int, at: datetime | None, now: datetime, *, is_in_service: bool
) -> Verdict:
    """The verdict on one reading; `at` None means that there never was one. The plan's limits are still allowed:
    only what is *above* them is bad (manual, "Monitor These Metrics")."""
    if at is None or is_stale(metric, at, now):
        return Verdict.UNKNOWN
    if value is None or not is_figure(value) or samples < metric.minimum_samples:
        is_quiet = not is_in_service and measures_traffic(metric) and samples < metric.minimum_samples
        return Verdict.IDLE if is_quiet else Verdict.UNKNOWN
    if value > metric.critical:
        return Verdict.CRITICAL
    return Verdict.WARNING if value > metric.warning else Verdict.OK


def without_false_idle(
    metrics: Iterable[Metric], verdicts: Mapping[tuple[str, Side], Verdict]
) -> dict[tuple[str, Side], Verdict]:
    """The same verdicts, but a side of which nothing at all is known is not idle: it is dark, so UNKNOWN."""
    own = [metric.key for metric in metrics if not measures_traffic(metric)]
    dark = {
        side
        for side in Side
        if own and all(verdicts.get((key, side), Verdict.UNKNOWN) is Verdict.UNKNOWN for key in own)
    }
    return {
        key: Verdict.UNKNOWN if verdict is Verdict.IDLE and key[1] in dark else verdict
        for key, verdict in verdicts.items()
    }


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The gravest of them; UNKNOWN is graver than WARNING, and nothing at all is UNKNOWN."""
    return max(verdicts, key=_GRAVITY.__getitem__, default=Verdict.UNKNOWN)


def health(verdicts: Iterable[Verdict]) -> Health:
    """The mission bar's word for all readings of both sides."""
    found = list(verdicts)
    if not found:
        return Health("unknown", "No metrics")
    gravest = worst(found)
    count = found.count(gravest)
    match gravest:
        case Verdict.CRITICAL:
            return Health("crit", f"{count} critical")
        case Verdict.UNKNOWN:
            return Health("unknown", "No readings" if count == len(found) else f"{count} unknown")
        case Verdict.WARNING:
            return Health("warn", f"{count} warning" if count == 1 else f"{count} warnings")
        case _:
            return Health("ok", "Normal")


# ── sustained breaches ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Observation:
    """A value at a time; None where the reading was UNKNOWN."""

    at: datetime
    value: float | None


@dataclass(frozen=True, slots=True)
class Breach:
    """How far a breach has come: `progress_s` of the seconds it has to last. `started_at` is None without one."""

    progress_s: float
    fires: bool
    started_at: datetime | None = None


NO_BREACH = Breach(0.0, fires=False)

_SPARE_PERIODS = 2
"""Readings drift against the periods they are counted in: only so the oldest of a full row is old enough."""


def sustained(
    observations: Iterable[Observation],
    *,
    above: float,
    lasting_s: float,
    every_s: float,
    coverage: float,
    breach_share: float,
    now: datetime,
) -> Breach:
    """Whether values have stood above `above` for `lasting_s` seconds, measured by sample coverage.

    Each period of `every_s` counts once, however many readings fell into it, so that two lucky points prove
    nothing. The breach is the longest row of known periods that ends with the newest one, begins in breach, and is
    in breach for at least `breach_share` of them. Its progress is the time since it began, but never more than its
    known periods are worth at a coverage of `coverage`: unknown periods stop the clock, and only healthy ones
    turn it back. What lies further back than `lasting_s` of known periods no longer counts.
    """
    known = _periods(observations, every_s, now)[-math.ceil(lasting_s / every_s) - _SPARE_PERIODS :]
    start, bad = None, 0
    for index in range(len(known) - 1, -1, -1):
        is_bad = known[index][1] > above
        bad += is_bad
        if is_bad and bad >= breach_share * (len(known) - index) - 1e-9:
            start = index
    if start is None:
        return NO_BREACH
    started_at = known[start][0]
    elapsed_s = (now - started_at).total_seconds()
    progress_s = min(elapsed_s, (len(known) - start) * every_s / coverage, lasting_s)
    return Breach(progress_s, progress_s >= lasting_s - _EPSILON_S, started_at)


def _periods(observations: Iterable[Observation], every_s: float, now: datetime) -> list[tuple[datetime, float]]:
    """The last known value of each period, oldest first, with the moment the period began to be known."""
    period = timedelta(seconds=every_s)
    found: dict[int, tuple[datetime, float]] = {}
    for seen in sorted(observations, key=lambda each: each.at):
        if seen.value is None or not is_figure(seen.value) or seen.at > now:
            continue
        slot = (seen.at - datetime.min.replace(tzinfo=seen.at.tzinfo)) // period
        first = found.get(slot, (seen.at, 0.0))[0]
        found[slot] = (first, seen.value)
    return [found[slot] for slot in sorted(found)]
