"""What is known of GREEN while a canary runs, and how much of it can be relied on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.domain.metrics import Observation, is_figure, stale_after_s
from app.domain.plan import Metric

LOOKS_BACK = timedelta(minutes=10)
"""How far back readings are looked at."""
COVERED_S = 20.0
"""A proceeding line needs the plan's coverage of the last so many seconds, or of all since the step began."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A value of GREEN as measured on the canary's target; None where the source had none."""

    at: datetime
    value: float | None
    samples: int


@dataclass(frozen=True, slots=True)
class AlertSeen:
    """An alert about the canary's target. `is_critical`: it was when it fired; `stands` is what its newest message
    says: firing, resolved or unknown."""

    at: datetime
    category: str
    is_critical: bool
    name: str
    stands: str = "firing"
    has_fired: bool = True


@dataclass(frozen=True, slots=True)
class Word:
    """What a person of the backend team said: approved, or that there is an issue."""

    by: str
    at: datetime
    text: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of GREEN since the canary began. `health`: 1 failed, 0 passed; `read_green` is the share that the
    balancer itself says, `read_at` when."""

    readings: Mapping[str, Sequence[Reading]] = field(default_factory=dict)
    health: Sequence[Observation] = ()
    alerts: Sequence[AlertSeen] = ()
    approved: Word | None = None
    reported: Word | None = None
    read_green: int | None = None
    read_at: datetime | None = None


def known_since(metric: Metric, evidence: Evidence, since: datetime, now: datetime) -> list[Reading]:
    """The readings that say something."""
    return [
        each
        for each in _readings(metric, evidence, since, now)
        if is_figure(each.value) and each.samples >= metric.minimum_samples
    ]


def _readings(metric: Metric, evidence: Evidence, since: datetime, now: datetime) -> list[Reading]:
    return [each for each in evidence.readings.get(metric.key, ()) if since <= each.at <= now]


def newest_of(metric: Metric, evidence: Evidence, since: datetime, now: datetime) -> tuple[Reading | None, str]:
    """The newest reading, and why it says nothing; empty if it does."""
    newest = max(_readings(metric, evidence, since, now), key=lambda each: each.at, default=None)
    if newest is None:
        return None, "no reading since the share arrived"
    age = (now - newest.at).total_seconds()
    if age > stale_after_s(metric):
        return newest, f"the newest reading is {age:.0f} s old"
    if not is_figure(newest.value):
        return newest, "the source gave no figure"
    if newest.samples < metric.minimum_samples:
        return newest, f"{newest.samples} samples, {metric.minimum_samples} are needed"
    return newest, ""


def coverage_of(metric: Metric, evidence: Evidence, since: datetime, now: datetime) -> float:
    """The share of periods of which something is known, over the last COVERED_S or since the step began. The period
    that runs is not owed yet."""
    length_s = min((now - since).total_seconds(), COVERED_S)
    first = now - timedelta(seconds=length_s)
    owed = int(length_s // metric.every_s)
    known = known_since(metric, evidence, first, now)
    seen = {int((each.at - first).total_seconds() // metric.every_s) for each in known}
    return min(1.0, len(seen) / owed) if owed else float(bool(seen))
