"""A phase of a plan played through on a clock: what happens when, in order, before anything happens for real.

Pure. Times are seconds from the phase's planned start, negative before it; days and times of day are local to the
plan's zone, so that 08:00 stays 08:00 on a day when the clocks change.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

from app.domain.plan import DecisionPoint, Phase, Plan
from app.domain.schedule import local, planned_times

Kind = Literal["start", "votes", "checklist", "mark", "canary", "switch", "strip", "decision", "daily", "end"]

LONGEST = 2000
"""So many lines at most: a year of daily work would be a book, not a rehearsal."""
BEFORE = re.compile(r"(\d{1,4})\s*(min|minute|minutes|h|hour|hours|day|days)\s+before", re.IGNORECASE)
_UNITS = {"m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Happening:
    """One line: `at_s` from the phase's start, `who` are the positions' titles that act or answer, if any."""

    at_s: float
    kind: Kind
    text: str
    who: str = ""


@dataclass(frozen=True, slots=True)
class DryRun:
    """A phase from its planned `start` (UTC) on. `is_cut`: it goes on beyond LONGEST lines."""

    phase: Phase
    start: datetime
    zone: str
    happenings: tuple[Happening, ...]
    is_cut: bool = False

    def moment(self, happening: Happening) -> datetime:
        return self.start + timedelta(seconds=happening.at_s)

    @property
    def first_s(self) -> float:
        return self.happenings[0].at_s

    @property
    def length_s(self) -> float:
        """From the first line to the last."""
        return self.happenings[-1].at_s - self.first_s


def dry_run(plan: Plan, phase_key: str, start: datetime) -> DryRun:
    """What the plan wants in this phase, in the order of time. Raises KeyError for a phase that is not in the plan."""
    phase = next((phase for phase in plan.phases if phase.key == phase_key), None)
    if phase is None:
        raise KeyError(phase_key)
    found = [
        *_before(plan, phase),
        Happening(0, "start", f"Phase {phase.number} starts: {phase.title}", _titles(plan, phase.lead)),
        *(Happening(mark.at_s, "mark", mark.text) for mark in phase.timeline),
        *_canary(phase),
        *_switch(plan, phase),
        *_daily(plan, phase, start),
        *_rollback(plan, phase),
        Happening(phase.duration_s, "end", f"Phase {phase.number} ends as planned"),
    ]
    # A stable sort: what comes at the same second stays in the order above.
    found.sort(key=lambda happening: happening.at_s)
    return DryRun(phase, start, plan.timezone, tuple(found[:LONGEST]), is_cut=len(found) > LONGEST)


def planned_start(plan: Plan, phase_key: str, today: date) -> datetime:
    """When a phase is planned to start, in UTC: around production, which is on its day, or today where the plan leaves
    that open. A rollback, which nobody plans, is taken to begin with the switch. Raises KeyError."""
    production = plan.production
    day = date.fromisoformat(production.schedule.day) if production.schedule.day else today
    clock = time.fromisoformat(production.schedule.time) if production.schedule.time else time()
    start = local(day, clock, ZoneInfo(plan.timezone))
    planned = planned_times(plan, start)[phase_key]
    return planned if planned is not None else start + timedelta(seconds=switch_at(production))


def switch_at(phase: Phase) -> float:
    """Planned seconds from the start of the phase to the switch: as the plan has it, or such that the last decision
    point ends the phase."""
    if phase.switch_at_s is not None:
        return phase.switch_at_s
    last = max((point.minute for point in phase.decisions), default=0) * 60
    return max(0.0, phase.duration_s - last) if last else 0.0


def gaps(run: DryRun, speed: float) -> Iterator[tuple[float, Happening]]:
    """Each line with the real seconds to wait before it, at `speed` plan seconds a second; infinity never waits."""
    if not run.happenings:
        return
    yield 0.0, run.happenings[0]
    for before, after in pairwise(run.happenings):
        yield (after.at_s - before.at_s) / speed, after


def _titles(plan: Plan, keys: Sequence[str]) -> str:
    return ", ".join(plan.position(key).title for key in keys)


def _before(plan: Plan, phase: Phase) -> Iterator[Happening]:
    if phase.checklist:
        checklist = plan.checklist(phase.checklist)
        count = "1 item" if len(checklist.items) == 1 else f"{len(checklist.items)} items"
        owners = tuple(dict.fromkeys(item.owner for item in checklist.items))
        text = f"“{checklist.title}” is due, {checklist.when}: {count}"
        yield Happening(-ahead(checklist.when), "checklist", text, _titles(plan, owners))
    gate = phase.signoffs
    if gate:
        asked = [question.position for question in gate.questions]
        count = "1 question" if len(asked) == 1 else f"{len(asked)} questions"
        wait = _length(gate.expires_after_s)
        text = f"Votes open: {count}; a gate that still waits {wait} past the planned start turns into a hold"
        yield Happening(-gate.opens_before_s, "votes", text, _titles(plan, asked))


def ahead(words: str) -> float:
    """ "1 hour before" → 3600; 0 where the words name no such time: then it is due when the phase starts."""
    found = BEFORE.search(words)
    return int(found[1]) * _UNITS[found[2][0].lower()] if found else 0


def _canary(phase: Phase) -> Iterator[Happening]:
    """The shares one after the other, so that the last dwell ends the phase."""
    at = max(0.0, phase.duration_s - sum(step.dwell_s for step in phase.canary))
    for step in phase.canary:
        yield Happening(at, "canary", f"GREEN gets {step.percent} %, and keeps it for {_length(step.dwell_s)}")
        at += step.dwell_s


def _switch(plan: Plan, phase: Phase) -> Iterator[Happening]:
    if phase.kind != "blue_green":
        return
    at = switch_at(phase)
    by = [action.position for action in phase.actions if action.kind == "switch" and action.position]
    if not any(stage.at_s == 0 for stage in phase.strip):
        yield Happening(at, "switch", "The switch: all traffic to GREEN", _titles(plan, by))
    for stage in phase.strip:
        checks = "; ".join(check.title for check in stage.checks)
        clock = f"T{'+' if stage.at_s > 0 else '−'}{abs(stage.at_s)}"
        kind: Kind = "switch" if stage.at_s == 0 else "strip"
        text = f"{clock} {_closed(stage.title, ':')} {checks}"
        yield Happening(at + stage.at_s, kind, text, _titles(plan, by) if kind == "switch" else "")
    for point in phase.decisions:
        yield from _decision(plan, at, point)


def _decision(plan: Plan, switched: float, point: DecisionPoint) -> Iterator[Happening]:
    answers = "; ".join(answer.text for answer in point.answers)
    text = f"Minute {point.minute}: {_closed(point.question, '.')} Answers: {answers}"
    yield Happening(switched + point.minute * 60, "decision", text, plan.position(point.position).title)


def _daily(plan: Plan, phase: Phase, start: datetime) -> Iterator[Happening]:
    """A time that the clocks skip in spring comes as much later as they skip; one shown twice in autumn is the
    first."""
    zone = ZoneInfo(plan.timezone)
    actions = [action for action in phase.actions if action.daily]
    end = start + timedelta(seconds=phase.duration_s)
    day, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    left = LONGEST + 1
    while actions and day <= last and left > 0:
        for action in actions:
            moment = local(day, time.fromisoformat(action.daily), zone)
            if start <= moment < end:
                who = plan.position(action.position).title if action.position else ""
                yield Happening((moment - start).total_seconds(), "daily", action.title, who)
                left -= 1
        day += timedelta(days=1)


def _rollback(plan: Plan, phase: Phase) -> Iterator[Happening]:
    for action in phase.actions:
        if action.kind == "rollback" and phase.kind == "rollback":
            yield Happening(0, "switch", action.title, _titles(plan, [action.position] if action.position else []))


def _closed(text: str, mark: str) -> str:
    """A title with a mark at its end, where it has none of its own."""
    return text if text[-1] in ".?!:" else text + mark


def _length(seconds: float) -> str:
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
