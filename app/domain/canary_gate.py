"""The gate of a canary (manual, "Phase 3 Go/No-Go Decision"): one judgement of all its lines. UNKNOWN passes nothing,
and what the plan names under `rollback_if` fails it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.canary_evidence import AlertSeen, Evidence, Reading, Word, coverage_of, known_since, newest_of
from app.domain.metrics import Observation, sustained
from app.domain.plan import CanaryGate, CanaryLine, Metric, Phase, Plan

LOOK_COUNTS_FOR = timedelta(seconds=5)
"""A look at the balancer or at GREEN's health is good this long."""
FAILING_CHECKS = 3
"""So many failing health checks of GREEN in a row roll back, whatever the plan lists."""


class Verdict(StrEnum):
    """PENDING: not met yet. INCONCLUSIVE: something cannot be told, so nothing is passed and the dwell stands still."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    PENDING = "PENDING"
    INCONCLUSIVE = "INCONCLUSIVE"


class Met(StrEnum):
    """Whether a line holds. For a line of `rollback_if`, YES is the bad news."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the gate as it stands: `found` is the value in words, `limit` what it is measured against."""

    key: str
    title: str
    met: Met
    found: str
    limit: str = ""
    samples: int | None = None
    age_s: float | None = None
    waits_for: tuple[str, ...] = ()
    """Positions whose word is missing."""


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict
    proceed: tuple[Line, ...]
    rollback: tuple[Line, ...]
    asks: tuple[str, ...] = ()
    """What whoever leads the phase must decide on: "Memory usage is critical (93 %): Scale up or rollback?"."""
    why: str = ""


def judge(
    plan: Plan,
    phase: Phase,
    percent: int,
    since: datetime,
    evidence: Evidence,
    now: datetime,
    *,
    has_dwelt: bool,
    begun: datetime | None = None,
) -> Judgement:
    """The gate of a step whose share arrived at `since`. What lets it proceed must have been seen since then; what
    takes it back counts since the canary has `begun`: a new share does not reset a breach that runs."""
    gate = phase.canary_gate or CanaryGate()
    first = begun or since
    built_in = (_share(percent, evidence, now), _health_known(evidence, now))
    proceed = (*(_proceeds(plan, line, since, evidence, now) for line in gate.proceed_if), *built_in)
    back = (*(_rolls_back(plan, line, first, evidence, now) for line in gate.rollback_if), _health_failing(evidence))
    asks = _asks(plan, gate, evidence, since, now)
    bad = [line for line in back if line.met is Met.YES]
    dark = [line for line in (*proceed, *back) if line.met is Met.UNKNOWN]
    unmet = [line for line in proceed if line.met is Met.NO]
    if bad:
        return Judgement(Verdict.FAILED, proceed, back, asks, _listed(bad))
    if dark:
        return Judgement(Verdict.INCONCLUSIVE, proceed, back, asks, _listed(dark))
    if unmet or asks or not has_dwelt:
        return Judgement(Verdict.PENDING, proceed, back, asks, asks[0] if asks else _listed(unmet))
    return Judgement(Verdict.PASSED, proceed, back)


def _listed(lines: Sequence[Line]) -> str:
    named = dict.fromkeys(f"{line.title}: {line.found}" for line in lines)
    return "; ".join(list(named)[:3])


def _key(line: CanaryLine) -> str:
    return line.metric or line.kind


def _proceeds(plan: Plan, line: CanaryLine, since: datetime, evidence: Evidence, now: datetime) -> Line:
    match line.kind:
        case "alert":
            return _no_alert(line, evidence)
        case "approval":
            word = evidence.approved
            if word is None or word.at < since:
                # What was said of another share is no word on this one.
                return Line(_key(line), line.title, Met.NO, "not yet", waits_for=line.positions)
            return Line(_key(line), line.title, Met.YES, _said(word))
        case "report":
            word = evidence.reported
            return Line(_key(line), line.title, Met.YES if word is None else Met.NO, _said(word) if word else "none")
        case "metric":
            return _below(plan, line, since, evidence, now)


def _no_alert(line: CanaryLine, evidence: Evidence) -> Line:
    """Any alert of the kind, critical or not: nobody proceeds into one that fires, or of which nothing can be told."""
    seen = _alerts(line, evidence)
    for stands, met in (("firing", Met.NO), ("unknown", Met.UNKNOWN)):
        names = [alert.name for alert in seen if alert.stands == stands]
        if names:
            found = names[-1] if met is Met.NO else f"{names[-1]}: its source cannot tell"
            return Line(_key(line), line.title, met, found)
    return Line(_key(line), line.title, Met.YES, "none fires any more" if seen else "none")


def _below(plan: Plan, line: CanaryLine, since: datetime, evidence: Evidence, now: datetime) -> Line:
    """Met while the newest value is below the limit and enough is known of the time before it."""
    metric = plan.metric(line.metric or "")
    limit = line.below if line.below is not None else metric.warning
    words = f"below {_figure(limit, metric)}"
    newest, dark = newest_of(metric, evidence, since, now)
    if newest is None or newest.value is None or dark:
        return Line(
            _key(line), line.title, Met.UNKNOWN, dark, words, newest.samples if newest else 0, _age(newest, now)
        )
    met, found = (Met.YES if newest.value < limit else Met.NO), _figure(newest.value, metric)
    covered = coverage_of(metric, evidence, since, now)
    if met is Met.YES and covered < line.coverage:
        met, found = Met.UNKNOWN, f"{found}, but only {covered:.0%} of the readings are there"
    return Line(_key(line), line.title, met, found, words, newest.samples, _age(newest, now))


def _rolls_back(plan: Plan, line: CanaryLine, since: datetime, evidence: Evidence, now: datetime) -> Line:
    match line.kind:
        case "alert":
            seen = [alert for alert in _alerts(line, evidence) if alert.is_critical and alert.has_fired]
            return Line(_key(line), line.title, Met.YES if seen else Met.NO, seen[-1].name if seen else "none critical")
        case "report" | "approval":
            word = evidence.reported
            found = _said(word) if word else "none"
            return Line(_key(line), line.title, Met.YES if word else Met.NO, found, waits_for=line.positions)
        case "metric":
            return _above(plan, line, since, evidence, now)


def _above(plan: Plan, line: CanaryLine, since: datetime, evidence: Evidence, now: datetime) -> Line:
    """Sustained by coverage, as a trigger's breach is: unknown periods stop its clock and never turn it back."""
    metric = plan.metric(line.metric or "")
    limit = line.above if line.above is not None else metric.critical
    words = f"above {_figure(limit, metric)}" + (f" for {line.sustained_s:g} s" if line.sustained_s else "")
    known = [Observation(each.at, each.value) for each in known_since(metric, evidence, since, now)]
    breach = sustained(
        known,
        above=limit,
        lasting_s=max(line.sustained_s, metric.every_s),
        every_s=metric.every_s,
        coverage=line.coverage,
        breach_share=line.breach_share,
        now=now,
    )
    newest, dark = newest_of(metric, evidence, since, now)
    samples, age = (newest.samples if newest else 0), _age(newest, now)
    if breach.fires:
        found = dark or (_figure(newest.value, metric) if newest and newest.value is not None else "")
        return Line(_key(line), line.title, Met.YES, found, words, samples, age)
    if newest is None or newest.value is None or dark:
        return Line(_key(line), line.title, Met.UNKNOWN, dark, words, samples, age)
    found = _figure(newest.value, metric)
    if breach.started_at is not None:
        found += f", for {breach.progress_s:.0f} s"
    return Line(_key(line), line.title, Met.NO, found, words, samples, age)


def _alerts(line: CanaryLine, evidence: Evidence) -> list[AlertSeen]:
    return [alert for alert in evidence.alerts if not line.categories or alert.category in line.categories]


def _asks(plan: Plan, gate: CanaryGate, evidence: Evidence, since: datetime, now: datetime) -> tuple[str, ...]:
    """Metrics that are critical and roll back nothing by themselves: the manual asks somebody."""
    automatic = {line.metric for line in gate.rollback_if if line.kind == "metric"}
    found: list[str] = []
    for metric in plan.metrics:
        newest, dark = newest_of(metric, evidence, since, now)
        if metric.key in automatic or dark or newest is None or newest.value is None:
            continue
        if newest.value > metric.critical:
            found.append(f"{metric.title} is critical ({_figure(newest.value, metric)}): {metric.decision}")
    return tuple(found)


# ── what stands in every gate ─────────────────────────────────────────────────────────────────────────────────────────


def _share(percent: int, evidence: Evidence, now: datetime) -> Line:
    """The balancer says that it still gives GREEN what was asked for."""
    title = f"Balancer reads back {percent} % on GREEN"
    if evidence.read_at is None or now - evidence.read_at > LOOK_COUNTS_FOR:
        return Line("read_back", title, Met.UNKNOWN, "no answer from the balancer")
    age = (now - evidence.read_at).total_seconds()
    if evidence.read_green != percent:
        found = "its routes disagree" if evidence.read_green is None else f"it says {evidence.read_green} %"
        return Line("read_back", title, Met.UNKNOWN, found, age_s=age)
    return Line("read_back", title, Met.YES, f"{percent} %", age_s=age)


HEALTH_TITLE = "GREEN passes its health check"


def _health_known(evidence: Evidence, now: datetime) -> Line:
    newest = max(evidence.health, key=lambda seen: seen.at, default=None)
    if newest is None or newest.value is None or now - newest.at > LOOK_COUNTS_FOR:
        return Line("green_health", HEALTH_TITLE, Met.UNKNOWN, "not asked lately")
    age = (now - newest.at).total_seconds()
    is_well = newest.value == 0
    return Line(
        "green_health", HEALTH_TITLE, Met.YES if is_well else Met.NO, "passes" if is_well else "fails", age_s=age
    )


def _health_failing(evidence: Evidence) -> Line:
    in_a_row = 0
    for seen in sorted(evidence.health, key=lambda each: each.at, reverse=True):
        if seen.value == 0:
            break
        in_a_row += seen.value is not None
    title = "GREEN fails its health check"
    found = f"{in_a_row} in a row" if in_a_row else "passes" if evidence.health else "not asked yet"
    met = Met.YES if in_a_row >= FAILING_CHECKS else Met.NO
    return Line("green_failing", title, met, found, f"{FAILING_CHECKS} in a row")


# ── in words ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _age(reading: Reading | None, now: datetime) -> float | None:
    return (now - reading.at).total_seconds() if reading is not None else None


def _figure(value: float, metric: Metric) -> str:
    return f"{value:.3g} {metric.unit}".strip()


def _said(word: Word) -> str:
    return f"{word.by}: {word.text}" if word.text else word.by
