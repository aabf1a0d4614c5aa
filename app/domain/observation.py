"""Where traffic really is, from probes that carry the release's identity (design.md, "100 % observed")."""

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
