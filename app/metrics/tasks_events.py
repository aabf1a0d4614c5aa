"""What the collector tells: readings to the stream, and to the log what lasted. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from app.domain.metrics import Verdict
from app.domain.plan import Plan
from app.domain.sides import Side
from app.eventlog.log import Entry, Severity
from app.metrics.views import ReadingNow
from app.web.figures import plain, quantity, within

ANNOUNCE_AFTER = 2
"""Readings in a row before CRITICAL or UNKNOWN becomes an event: design.md, "after two missed periods"."""
RECOVERED_AFTER = 5
"""Readings in a row before its end does, so that a value on the edge writes no novel."""
MESSAGE_BYTES = 7000
"""NOTIFY takes under 8,000."""

Grade = Literal["fine", "critical", "unknown"]
Key = tuple[str, Side]


@dataclass(frozen=True, slots=True)
class Standing:
    """What the collector knows from one turn to the next; replaced as a whole once a turn is committed.

    `announced` is the grade the log last told of, `grade` the one of the newest reading and `turns` for how many
    readings in a row. `verdicts` is what browsers last drew.
    """

    announced: Mapping[Key, Grade] = field(default_factory=dict)
    grade: Mapping[Key, Grade] = field(default_factory=dict)
    turns: Mapping[Key, int] = field(default_factory=dict)
    verdicts: Mapping[Key, Verdict] = field(default_factory=dict)
    drawn_at: datetime | None = None
    swept_at: datetime | None = None


def messages(deployment_id: int, readings: Sequence[ReadingNow]) -> list[dict[str, Any]]:
    """`data` messages for the stream, as many as it takes to keep each under the limit of NOTIFY."""
    made: list[list[dict[str, Any]]] = [[]]
    size = 0
    for reading in readings:
        row = {
            "metric": reading.metric,
            "side": reading.side.value,
            "value": reading.figure,
            "text": plain(reading.figure),
            "verdict": reading.verdict.value,
            "at": reading.at.isoformat(timespec="milliseconds") if reading.at else None,
        }
        length = len(json.dumps(row, separators=(",", ":"))) + 1
        if made[-1] and size + length > MESSAGE_BYTES:
            made.append([])
            size = 0
        made[-1].append(row)
        size += length
    return [{"kind": "data", "deployment": deployment_id, "readings": rows} for rows in made if rows]


KINDS: Mapping[Grade, str] = {
    "critical": "metrics.reading.critical",
    "unknown": "metrics.reading.unknown",
    "fine": "metrics.reading.recovered",
}
_SEVERITIES: Mapping[Grade, Severity] = {"critical": "crit", "unknown": "warn", "fine": "normal"}


def _grade(verdict: Verdict) -> Grade:
    match verdict:
        case Verdict.CRITICAL:
            return "critical"
        case Verdict.UNKNOWN:
            return "unknown"
        case _:
            return "fine"


def follow(
    standing: Standing, judged: Sequence[ReadingNow], plan: Plan, serving: frozenset[Side]
) -> tuple[Standing, list[Entry]]:
    """Count readings of the same grade and say which become events: one a side and grade, however many metrics.

    Sides without traffic tell nothing; what was said of them is forgotten when they leave service.
    """
    announced, grade, turns = dict(standing.announced), dict(standing.grade), dict(standing.turns)
    told: dict[tuple[Side, Grade], list[ReadingNow]] = {}
    for reading in judged:
        key = (reading.metric, reading.side)
        now = _grade(reading.verdict)
        turns[key] = turns.get(key, 0) + 1 if grade.get(key) == now else 1
        grade[key] = now
        if reading.side not in serving:
            announced.pop(key, None)
        elif now != announced.get(key, "fine") and turns[key] >= (RECOVERED_AFTER if now == "fine" else ANNOUNCE_AFTER):
            announced[key] = now
            told.setdefault((reading.side, now), []).append(reading)
    entries = [_entry(plan, side, grade_now, readings) for (side, grade_now), readings in told.items()]
    return replace(standing, announced=announced, grade=grade, turns=turns), entries


def _entry(plan: Plan, side: Side, grade: Grade, readings: Sequence[ReadingNow]) -> Entry:
    return Entry(
        KINDS[grade],
        _sentence(plan, side, grade, readings),
        ("metrics",),
        severity=_SEVERITIES[grade],
        payload={
            "side": side.value,
            "grade": grade,
            "metrics": [reading.metric for reading in readings],
            "values": {reading.metric: reading.figure for reading in readings},
        },
    )


def _sentence(plan: Plan, side: Side, grade: Grade, readings: Sequence[ReadingNow]) -> str:
    """ "CRITICAL on GREEN: error rate 2.6 % (above 1 %)"."""
    metrics = [plan.metric(reading.metric) for reading in readings]
    names = [within(metric.title) for metric in metrics]
    if grade == "unknown":
        return f"UNKNOWN on {side}: {', '.join(names)}; no reading to rely on for two periods"
    values = [quantity(each.figure, metric.unit) for each, metric in zip(readings, metrics, strict=True)]
    found = [f"{name} {value}" for name, value in zip(names, values, strict=True)]
    if grade == "fine":
        return f"No longer critical or unknown on {side}: {', '.join(found)}"
    limits = [f"(above {quantity(metric.critical, metric.unit)})" for metric in metrics]
    return f"CRITICAL on {side}: {', '.join(f'{value} {limit}' for value, limit in zip(found, limits, strict=True))}"
