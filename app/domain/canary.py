"""A canary: a share of traffic to GREEN, step by step, and the gate between two steps (manual, "Canary Rollout
Details" and "Phase 3 Go/No-Go Decision").

One table of states, one judgement of the gate, one way of counting the dwell time. A share grows only after a gate
that passed; UNKNOWN passes nothing and stops the dwell; what the plan names under `rollback_if` takes everything back
at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain import operations
from app.domain.errors import Rejected
from app.domain.metrics import Observation, is_figure, stale_after_s, sustained
from app.domain.plan import CanaryGate, CanaryLine, Metric, Phase, Plan

LOOKS_BACK = timedelta(minutes=10)
"""How far back readings are looked at."""
COVERED_S = 20.0
"""A proceeding line needs the plan's coverage of the last so many seconds, or of all since the step began."""
DARK_FOR = timedelta(seconds=5)
"""Silence that lasts this long pauses the canary in sight; the dwell does not grow in any silence."""
LOOK_COUNTS_FOR = timedelta(seconds=5)
"""A look at the balancer or at GREEN's health is good this long."""
FAILING_CHECKS = 3
"""So many failing health checks of GREEN in a row roll back, whatever the plan lists."""
LONGEST_GAP = timedelta(seconds=5)
"""Real time between two judgements that still counts as dwelling: nobody looked in a longer one."""


class State(StrEnum):
    WAITING = "waiting"
    """A shift was refused before anything was written: somebody must ask again."""
    SHIFTING = "shifting"
    DWELLING = "dwelling"
    INCONCLUSIVE = "inconclusive"
    """Paused: something cannot be told, and UNKNOWN satisfies no gate."""
    GATE = "gate"
    """The dwell time is over; the gate has to pass, and who goes on to go on."""
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    DONE = "done"


class Change(StrEnum):
    """What can happen to a canary. The value is the event's kind."""

    START = "canary.started"
    ARRIVE = "canary.arrived"
    REFUSE = "canary.refused"
    RETRY = "canary.retried"
    PAUSE = "canary.paused"
    GO_ON = "canary.resumed"
    DWELT = "canary.dwelt"
    ADVANCE = "canary.advanced"
    FINISH = "canary.completed"
    ROLL_BACK = "canary.rolled_back"
    """Asked for, by a person, the gate or a shift that did not arrive."""
    BACK = "canary.back"
    """Everything is on BLUE again."""


_OPEN = (State.WAITING, State.SHIFTING, State.DWELLING, State.INCONCLUSIVE, State.GATE)
TRANSITIONS: dict[tuple[State | None, Change], State] = {
    (None, Change.START): State.SHIFTING,
    (State.SHIFTING, Change.ARRIVE): State.DWELLING,
    (State.SHIFTING, Change.REFUSE): State.WAITING,
    (State.WAITING, Change.RETRY): State.SHIFTING,
    (State.DWELLING, Change.PAUSE): State.INCONCLUSIVE,
    (State.GATE, Change.PAUSE): State.INCONCLUSIVE,
    (State.INCONCLUSIVE, Change.GO_ON): State.DWELLING,
    (State.DWELLING, Change.DWELT): State.GATE,
    (State.GATE, Change.ADVANCE): State.SHIFTING,
    (State.GATE, Change.FINISH): State.DONE,
    **{(state, Change.ROLL_BACK): State.ROLLING_BACK for state in (*_OPEN, State.DONE)},
    (State.ROLLING_BACK, Change.BACK): State.ROLLED_BACK,
}
"""A run begins from nothing; one that was rolled back never goes on, the next one begins anew."""

OVER = (State.ROLLED_BACK, State.DONE)
JUDGED = (State.DWELLING, State.INCONCLUSIVE, State.GATE)
"""States in which the gate is asked. What takes a canary back is looked for wherever GREEN may have traffic."""


@dataclass(frozen=True, slots=True)
class Run:
    """How far a canary is. `step` counts from 0; `dwelt_s` is plan time that counted in this step; `counted_at` the
    plan time up to which it was counted."""

    state: State | None = None
    step: int = 0
    dwelt_s: float = 0.0
    counted_at: datetime | None = None
    looked_at: datetime | None = None
    """Real time of that count."""
    dark_since: datetime | None = None
    version: int = 0


def follow(run: Run, change: Change) -> Run:
    """The canary after a change. Raises Rejected, a conflict, where it does not follow."""
    after = TRANSITIONS.get((run.state, change))
    if after is None:
        said = run.state.value.replace("_", " ") if run.state else "not begun"
        raise Rejected(
            f"This does not follow: the canary is {said}. Nothing was done twice.", conflict=True, code="state"
        )
    step = run.step + 1 if change is Change.ADVANCE else run.step
    is_new = change in (Change.START, Change.ADVANCE, Change.ARRIVE)
    return Run(
        state=after,
        step=step,
        dwelt_s=0.0 if is_new else run.dwelt_s,
        counted_at=None if is_new else run.counted_at,
        looked_at=None if is_new else run.looked_at,
        dark_since=None if is_new or change is Change.GO_ON else run.dark_since,
        version=run.version + 1,
    )


# ── the gate ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Verdict(StrEnum):
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
    newest, dark = _newest(metric, evidence, since, now)
    if newest is None or newest.value is None or dark:
        return Line(
            _key(line), line.title, Met.UNKNOWN, dark, words, newest.samples if newest else 0, _age(newest, now)
        )
    met, found = (Met.YES if newest.value < limit else Met.NO), _figure(newest.value, metric)
    covered = _coverage(metric, evidence, since, now)
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
    known = [
        Observation(each.at, each.value) for each in _since(metric, evidence, since, now) if _is_known(each, metric)
    ]
    breach = sustained(
        known,
        above=limit,
        lasting_s=max(line.sustained_s, metric.every_s),
        every_s=metric.every_s,
        coverage=line.coverage,
        breach_share=line.breach_share,
        now=now,
    )
    newest, dark = _newest(metric, evidence, since, now)
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
        newest, dark = _newest(metric, evidence, since, now)
        if metric.key in automatic or dark or newest is None or newest.value is None:
            continue
        if newest.value > metric.critical:
            found.append(f"{metric.title} is critical ({_figure(newest.value, metric)}): {metric.decision}")
    return tuple(found)


# ── what is known ─────────────────────────────────────────────────────────────────────────────────────────────────


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


def _since(metric: Metric, evidence: Evidence, since: datetime, now: datetime) -> list[Reading]:
    return [each for each in evidence.readings.get(metric.key, ()) if since <= each.at <= now]


def _is_known(reading: Reading, metric: Metric) -> bool:
    return is_figure(reading.value) and reading.samples >= metric.minimum_samples


def _newest(metric: Metric, evidence: Evidence, since: datetime, now: datetime) -> tuple[Reading | None, str]:
    """The newest reading, and why it says nothing; empty if it does."""
    newest = max(_since(metric, evidence, since, now), key=lambda each: each.at, default=None)
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


def _coverage(metric: Metric, evidence: Evidence, since: datetime, now: datetime) -> float:
    """The share of periods of which something is known, over the last COVERED_S or since the step began. The period
    that runs is not owed yet."""
    length_s = min((now - since).total_seconds(), COVERED_S)
    first = now - timedelta(seconds=length_s)
    owed = int(length_s // metric.every_s)
    known = [each for each in _since(metric, evidence, first, now) if _is_known(each, metric)]
    seen = {int((each.at - first).total_seconds() // metric.every_s) for each in known}
    return min(1.0, len(seen) / owed) if owed else float(bool(seen))


def _age(reading: Reading | None, now: datetime) -> float | None:
    return (now - reading.at).total_seconds() if reading is not None else None


def _figure(value: float, metric: Metric) -> str:
    return f"{value:.3g} {metric.unit}".strip()


def _said(word: Word) -> str:
    return f"{word.by}: {word.text}" if word.text else word.by


# ── what follows ──────────────────────────────────────────────────────────────────────────────────────────────────


def counted(run: Run, judgement: Judgement, plan_now: datetime, now: datetime) -> Run:
    """The dwell time with the moment since the last look, if it counts: not while something is UNKNOWN, and not where
    nobody looked."""
    grew = 0.0
    is_known = judgement.verdict is not Verdict.INCONCLUSIVE
    if run.counted_at is not None and run.looked_at is not None and is_known and run.state is State.DWELLING:
        was_seen = now - run.looked_at <= LONGEST_GAP
        grew = max(0.0, (plan_now - run.counted_at).total_seconds()) if was_seen else 0.0
    dark_since = None if is_known else run.dark_since or now
    return Run(run.state, run.step, run.dwelt_s + grew, plan_now, now, dark_since, run.version)


def after_shift(shift: operations.State) -> Change | None:
    """What a shift upwards makes of its canary; None while it is on its way. Where anything may have moved and nobody
    can say that it arrived, all of it goes back."""
    match shift:
        case operations.State.DONE:
            return Change.ARRIVE
        case operations.State.REFUSED:
            return Change.REFUSE
    return Change.ROLL_BACK if shift in operations.ENDED else None


def seen(
    run: Run, phase: Phase, judgement: Judgement, plan_now: datetime | None, now: datetime
) -> tuple[Run, Change | None]:
    """The canary after a look at it, and what follows by itself. `plan_now` is None while the phase does not run: then
    the dwell stands still, and only the way back is open."""
    if plan_now is None:
        run = replace(run, counted_at=None, looked_at=None)
    elif run.state in JUDGED:
        run = counted(run, judgement, plan_now, now)
    change = next_change(run, phase, judgement, now)
    return run, (change if plan_now is not None or change is Change.ROLL_BACK else None)


def may_serve(run: Run) -> bool:
    """Whether GREEN may have traffic of this canary: also while a share is on its way, and while one that was refused
    leaves the share before it standing."""
    return run.state in (*JUDGED, State.SHIFTING) or (run.state is State.WAITING and run.step > 0)


def next_change(run: Run, phase: Phase, judgement: Judgement, now: datetime) -> Change | None:
    """What follows by itself from a judgement; None if nothing does. Never a greater share, unless the plan says that
    the product advances, and the gate passed."""
    if may_serve(run) and judgement.verdict is Verdict.FAILED:
        return Change.ROLL_BACK
    if run.state not in JUDGED:
        return None
    if judgement.verdict is Verdict.INCONCLUSIVE:
        is_long = run.dark_since is not None and now - run.dark_since >= DARK_FOR
        return Change.PAUSE if is_long and run.state is not State.INCONCLUSIVE else None
    if run.state is State.INCONCLUSIVE:
        return Change.GO_ON
    if run.state is State.DWELLING:
        return Change.DWELT if has_dwelt(run, phase) else None
    return _from_gate(run, phase, judgement)


def _from_gate(run: Run, phase: Phase, judgement: Judgement) -> Change | None:
    if judgement.verdict is not Verdict.PASSED:
        return None
    if run.step == len(phase.canary) - 1:
        return Change.FINISH
    is_automatic = phase.canary_gate is not None and phase.canary_gate.advance == "automatic"
    return Change.ADVANCE if is_automatic else None


def has_dwelt(run: Run, phase: Phase) -> bool:
    return run.dwelt_s >= phase.canary[run.step].dwell_s


def dwell_left_s(run: Run, phase: Phase) -> float:
    """Plan seconds that the step still has to dwell."""
    return max(0.0, phase.canary[run.step].dwell_s - run.dwelt_s)


def demand_passed(judgement: Judgement) -> None:
    """Raises Rejected with what holds the canary back."""
    if judgement.verdict is Verdict.PASSED:
        return
    raise Rejected(
        f"The gate is {judgement.verdict}. {judgement.why or 'The dwell time is not over'}. The share stays as it is.",
        remedy="The page shows each line; go on when all are met.",
        conflict=True,
        code="gate",
    )
