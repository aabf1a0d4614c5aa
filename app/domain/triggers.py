"""Automatic rollback triggers: what the evidence says of each, and the one table of what follows (manual, "When to
Rollback"; design.md, "Metrics: rules").

A trigger is judged on the side in service after the switch. UNKNOWN neither completes a breach nor ends one; a fired
trigger stays fired for its attempt, so that a flapping metric rolls back once; an unhealthy BLUE makes an automatic
trigger recommend only; two people may hold it for a while.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.metrics import NO_BREACH, Breach, Observation, is_figure, stale_after_s, sustained
from app.domain.plan import Plan, Trigger

HOLD_FOR = timedelta(minutes=5)
"""How long two people can hold an automatic trigger (design.md, "More rulings")."""
ASK_STANDS_FOR = timedelta(minutes=2)
"""How long the first one's wish to hold waits for the second."""
ANNOUNCE_AFTER_S = 4.0
"""A breach that lasts this long is told to everybody; a single bad sample is not."""

BAD, GOOD = 1.0, 0.0
"""The values of a check as an observation: failed, passed. None: it says nothing about the side in service."""


class Stage(StrEnum):
    OFF = "off"
    """Nothing to judge: no switch yet, or the rollback has happened; `Judgement.why` says which."""
    UNKNOWN = "unknown"
    """Armed, and there is no sample to rely on."""
    QUIET = "quiet"
    BREACHING = "breaching"
    HELD = "held"
    """In breach, and two people hold it."""
    RECOMMENDED = "recommended"
    """The breach is complete; a person has to press."""
    FIRED = "fired"
    """It asked for the rollback of this attempt. Nothing changes that any more."""


class Finding(StrEnum):
    """What the evidence and the surroundings say together, now."""

    NOTHING = "nothing"
    DARK = "dark"
    CALM = "calm"
    RUNNING = "running"
    STOPPED = "stopped"
    """In breach, running or complete, while it is held."""
    ADVISE = "advise"
    """Complete, but it may only recommend."""
    ACT = "act"


_OPEN = (Stage.OFF, Stage.UNKNOWN, Stage.QUIET, Stage.BREACHING, Stage.HELD, Stage.RECOMMENDED)

TRANSITIONS: dict[tuple[Stage, Finding], Stage] = {
    **{(stage, Finding.NOTHING): Stage.OFF for stage in _OPEN},
    **{(stage, Finding.DARK): Stage.UNKNOWN for stage in _OPEN},
    **{(stage, Finding.CALM): Stage.QUIET for stage in _OPEN},
    **{(stage, Finding.RUNNING): Stage.BREACHING for stage in _OPEN},
    **{(stage, Finding.STOPPED): Stage.HELD for stage in _OPEN},
    **{(stage, Finding.ADVISE): Stage.RECOMMENDED for stage in _OPEN},
    **{(stage, Finding.ACT): Stage.FIRED for stage in _OPEN},
    # Silence ends nothing that runs.
    (Stage.BREACHING, Finding.DARK): Stage.BREACHING,
    (Stage.HELD, Finding.DARK): Stage.HELD,
    # A recommendation stands until somebody rolls back: it was right when it was given.
    **{(Stage.RECOMMENDED, found): Stage.RECOMMENDED for found in (Finding.DARK, Finding.CALM, Finding.RUNNING)},
    (Stage.RECOMMENDED, Finding.STOPPED): Stage.RECOMMENDED,
    **{(Stage.FIRED, found): Stage.FIRED for found in Finding},
}


@dataclass(frozen=True, slots=True)
class Rule:
    """A trigger of a plan with what its evidence looks like. Durations are seconds.

    `every_s` is how often a sample is due, `stale_after_s` the age from which the newest says nothing any more.
    """

    trigger: Trigger
    every_s: float
    stale_after_s: float
    minimum_samples: int = 0

    @property
    def key(self) -> str:
        return self.trigger.key

    @property
    def is_automatic(self) -> bool:
        return self.trigger.mode == "automatic"

    @property
    def is_sustained(self) -> bool:
        return self.trigger.sustained_s > 0

    @property
    def has_samples(self) -> bool:
        """False for alerts and the button: there silence means that nobody said anything."""
        return self.trigger.kind in ("metric", "probe")

    @property
    def above(self) -> float:
        """The limit of the samples' values; a check is in breach where it failed."""
        return self.trigger.above if self.trigger.above is not None else (BAD + GOOD) / 2


def rule_of(plan: Plan, trigger: Trigger) -> Rule:
    if trigger.kind == "metric":
        metric = plan.metric(trigger.metric or "")
        return Rule(trigger, metric.every_s, stale_after_s(metric), metric.minimum_samples)
    return Rule(trigger, trigger.every_s, 2 * trigger.every_s + 3.0)


@dataclass(frozen=True, slots=True)
class Ground:
    """What a trigger stands on. `armed_since` is when the switch was accepted, None where there is nothing to roll
    back (`why_off` says why); `blue_trouble` says in words why BLUE is no place to go back to, empty if it is."""

    armed_since: datetime | None
    why_off: str = ""
    blue_trouble: str = ""
    held_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Samples of the side in service since the switch, and the moments of critical alerts and reports of people."""

    samples: tuple[Observation, ...] = ()
    alerts: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """Where a trigger stands now.

    `progress_s` counts up to the plan's `sustained_s`; `in_a_row` up to its `failing_checks`. `fires_at` is the
    moment it rolls back by itself if nothing changes: None while no clock runs. `complete_at` is when the breach became
    complete. `coverage` is the share of the expected samples that were there since the breach began.
    """

    stage: Stage
    finding: Finding
    progress_s: float = 0.0
    in_a_row: int = 0
    started_at: datetime | None = None
    fires_at: datetime | None = None
    complete_at: datetime | None = None
    newest: Observation | None = None
    coverage: float | None = None
    is_dark: bool = False
    why: str = ""

    @property
    def is_in_breach(self) -> bool:
        return self.started_at is not None

    @property
    def is_complete(self) -> bool:
        return self.complete_at is not None


@dataclass(frozen=True, slots=True)
class _Run:
    """A breach as the evidence has it."""

    breach: Breach = NO_BREACH
    in_a_row: int = 0
    complete_at: datetime | None = None


def decide(rule: Rule, stage: Stage, evidence: Evidence, ground: Ground, now: datetime) -> Judgement:
    """Judge a trigger that stood at `stage`. Samples from before the switch or after `now` say nothing."""
    if ground.armed_since is None or rule.trigger.kind == "button":
        finding = Finding.NOTHING
        why = ground.why_off if ground.armed_since is None else ""
        return Judgement(TRANSITIONS[stage, finding], finding, why=why)
    since = ground.armed_since
    known = [
        each
        for each in evidence.samples
        if since <= each.at <= now and each.value is not None and is_figure(each.value)
    ]
    newest = max(known, key=lambda each: each.at, default=None)
    is_dark = rule.has_samples and (newest is None or (now - newest.at).total_seconds() > rule.stale_after_s)
    run = _run(rule, known, [at for at in evidence.alerts if since <= at <= now], now)
    is_held = rule.is_automatic and ground.held_until is not None and now < ground.held_until
    finding = _finding(rule, run, ground, is_held=is_held, is_dark=is_dark)
    return Judgement(
        stage=TRANSITIONS[stage, finding],
        finding=finding,
        progress_s=run.breach.progress_s,
        in_a_row=run.in_a_row,
        started_at=run.breach.started_at,
        fires_at=_fires_at(rule, run, ground, now, is_held=is_held, is_dark=is_dark),
        complete_at=run.complete_at,
        newest=newest,
        coverage=_coverage(rule, known, run.breach.started_at, now),
        is_dark=is_dark,
        why=_why(rule, ground, is_held=is_held),
    )


def _run(rule: Rule, known: list[Observation], alerts: list[datetime], now: datetime) -> _Run:
    """The samples' breach, or the alerts' where that one is complete."""
    needed = rule.trigger.failing_checks if rule.trigger.kind == "alert" else 1
    if len(alerts) >= needed and rule.trigger.kind in ("alert", "probe"):
        first, last = sorted(alerts)[0], sorted(alerts)[needed - 1]
        return _Run(Breach(0.0, fires=True, started_at=first), len(alerts), last)
    if rule.trigger.kind == "alert":
        started_at = min(alerts, default=None)
        return _Run(Breach(0.0, fires=False, started_at=started_at), len(alerts))
    if rule.is_sustained:
        return _sustained(rule, known, now)
    return _in_a_row(rule, known)


def _sustained(rule: Rule, known: list[Observation], now: datetime) -> _Run:
    trigger = rule.trigger
    breach = sustained(
        known,
        above=rule.above,
        lasting_s=trigger.sustained_s,
        every_s=rule.every_s,
        coverage=trigger.coverage,
        breach_share=trigger.breach_share,
        now=now,
    )
    if not breach.fires or breach.started_at is None:
        return _Run(breach)
    return _Run(breach, complete_at=breach.started_at + timedelta(seconds=trigger.sustained_s))


def _in_a_row(rule: Rule, known: list[Observation]) -> _Run:
    """Failing checks at the end, in a row of known ones: a check that says nothing is passed over."""
    row: list[Observation] = []
    for each in sorted(known, key=lambda seen: seen.at, reverse=True):
        if each.value is None or each.value <= rule.above:
            break
        row.append(each)
    row.reverse()
    if not row:
        return _Run()
    needed = rule.trigger.failing_checks
    complete_at = row[needed - 1].at if len(row) >= needed else None
    return _Run(Breach(0.0, fires=complete_at is not None, started_at=row[0].at), len(row), complete_at)


def _finding(rule: Rule, run: _Run, ground: Ground, *, is_held: bool, is_dark: bool) -> Finding:
    if run.breach.started_at is None:
        return Finding.DARK if is_dark else Finding.CALM
    if is_held:
        return Finding.STOPPED
    if run.complete_at is None:
        return Finding.RUNNING
    return Finding.ACT if rule.is_automatic and not ground.blue_trouble else Finding.ADVISE


def _fires_at(rule: Rule, run: _Run, ground: Ground, now: datetime, *, is_held: bool, is_dark: bool) -> datetime | None:
    """When a sustained breach that goes on like this is complete, and any hold over. While the side is dark no clock
    runs that anybody could count down."""
    if run.breach.started_at is None or not rule.is_automatic or ground.blue_trouble:
        return None
    held_until = ground.held_until if is_held else None
    if run.complete_at is not None:
        return held_until or run.complete_at
    if not rule.is_sustained or is_dark:
        return None
    left = timedelta(seconds=rule.trigger.sustained_s - run.breach.progress_s)
    complete = max(run.breach.started_at + timedelta(seconds=rule.trigger.sustained_s), now + left)
    return max(complete, held_until) if held_until else complete


def _coverage(rule: Rule, known: Iterable[Observation], started_at: datetime | None, now: datetime) -> float | None:
    """The share of the periods since the breach began in which something was known; None without a breach to cover."""
    if started_at is None or not rule.is_sustained:
        return None
    length_s = min((now - started_at).total_seconds(), rule.trigger.sustained_s)
    first = now - timedelta(seconds=length_s)
    expected = max(1, round(length_s / rule.every_s))
    seen = {int((each.at - first).total_seconds() // rule.every_s) for each in known if each.at >= first}
    return min(1.0, len(seen) / expected)


def _why(rule: Rule, ground: Ground, *, is_held: bool) -> str:
    if is_held:
        return "held"
    if rule.is_automatic and ground.blue_trouble:
        return f"BLUE is unhealthy: it only recommends ({ground.blue_trouble})"
    return ""


def is_worth_telling(rule: Rule, found: Judgement, now: datetime) -> bool:
    """Whether a breach is more than a bad sample: it has lasted, or it is complete."""
    if found.started_at is None:
        return False
    if found.is_complete:
        return True
    lasted_s = (now - found.started_at).total_seconds()
    return rule.is_sustained and min(lasted_s, found.progress_s) >= min(ANNOUNCE_AFTER_S, rule.trigger.sustained_s / 4)
