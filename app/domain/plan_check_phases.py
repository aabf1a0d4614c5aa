"""Phases that make sense: what a switch needs, canary steps, times in their order, answers to decisions."""

import re
from collections.abc import Iterator
from datetime import date
from itertools import pairwise

from app.domain.observation import rate_to_tell
from app.domain.plan import CanaryLine, Phase, Plan, StripCheck, measured_by
from app.domain.plan_check_keys import did_you_mean, gate_lines, repeated
from app.domain.plan_parts import Criterion
from app.domain.plan_problems import Finding, Path

TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
YEARS = range(2000, 2200)
"""At the ends of the calendar no day can be counted on from."""
LIMITED_CRITERIA = ("error_rate", "response_time")

WITH_24_HOURS = 'Write it with 24 hours: "14:00".'


def one_switch_phase(plan: Plan) -> Iterator[Finding]:
    switching = [p for p, phase in enumerate(plan.phases) if phase.kind == "blue_green"]
    if not switching:
        message = "No phase switches production: none is of kind `blue_green`."
        yield Finding(("phases",), message, "Make one phase `kind: blue_green`.", ("phases",))
    for p in switching[1:]:
        message = f"The phase `{plan.phases[switching[0]].key}` switches production already."
        yield Finding(("phases", p, "kind"), message, "Keep one phase of kind `blue_green`.")


def switch_phases(plan: Plan) -> Iterator[Finding]:
    """A phase that switches production has all that a switch, its sign-offs and a rollback need."""
    for p, phase in enumerate(plan.phases):
        if phase.kind == "blue_green":
            yield from _needs_of_switch(("phases", p), phase)
        if phase.kind == "canary" and not phase.canary:
            message = f"The phase `{phase.key}` is a canary without steps."
            remedy = "Add `canary:` with percent and dwell_s."
            yield Finding(("phases", p), message, remedy, ("phases", p, "canary"))


def _needs_of_switch(path: Path, phase: Phase) -> Iterator[Finding]:
    needs = {"target": phase.target, "signoffs": phase.signoffs, "strip": phase.strip, "rollback": phase.rollback}
    for field, value in needs.items():
        if not value:
            message = f"The phase `{phase.key}` switches production but has no `{field}`."
            yield Finding(path, message, f"Add `{field}:` to it.", (*path, field))
    if phase.signoffs and not phase.signoffs.questions:
        message = "Nobody is asked before the switch."
        questions = (*path, "signoffs", "questions")
        yield Finding(questions, message, "Add at least one question.", questions)
    if phase.rollback and not phase.rollback.criteria:
        message = "Nothing tells whether a rollback succeeded."
        criteria = (*path, "rollback", "criteria")
        yield Finding(criteria, message, "Add at least one criterion.", criteria)


def questions_of_distinct_positions(plan: Plan) -> Iterator[Finding]:
    """Manual, 'GO/NO-GO decision': each question is answered by somebody else."""
    for p, phase in enumerate(plan.phases):
        asked: dict[str, str] = {}
        for q, question in enumerate(phase.signoffs.questions if phase.signoffs else ()):
            if question.position in asked:
                message = f"`{question.position}` answers `{asked[question.position]}` already."
                path = ("phases", p, "signoffs", "questions", q, "position")
                yield Finding(path, message, "Ask each position one question.")
            asked.setdefault(question.position, question.key)


def strip_in_order(plan: Plan) -> Iterator[Finding]:
    for p, phase in enumerate(plan.phases):
        path: Path = ("phases", p, "strip")
        for i, (before, after) in enumerate(pairwise(phase.strip), start=1):
            if after.at_s <= before.at_s:
                message = f"T{after.at_s:+d} s stands after T{before.at_s:+d} s."
                yield Finding((*path, i, "at_s"), message, "Order the stages by time.")
        seen: set[str] = set()
        for i, stage in enumerate(phase.strip):
            for c, line in enumerate(stage.checks):
                if line.check in seen:
                    message = f"`{line.check}` is answered by a line before."
                    yield Finding((*path, i, "checks", c, "check"), message, "Keep one line for each check.")
                seen.add(line.check)


def rollback_criteria(plan: Plan) -> Iterator[Finding]:
    for p, phase in enumerate(plan.phases):
        criteria = phase.rollback.criteria if phase.rollback else ()
        path: Path = ("phases", p, "rollback", "criteria")
        yield from repeated(path, [criterion.check for criterion in criteria], "check")
        for i, criterion in enumerate(criteria):
            if criterion.check in LIMITED_CRITERIA and criterion.below is None:
                message = f"`{criterion.check}` has no limit."
                yield Finding((*path, i), message, "Add `below:` with a number.", (*path, i, "below"))
            if criterion.check not in LIMITED_CRITERIA and criterion.below is not None:
                message = f"`{criterion.check}` is answered yes or no; it takes no `below`."
                yield Finding((*path, i, "below"), message, "Remove it.")


def measured_lines(plan: Plan) -> Iterator[Finding]:
    """Lines of the strip and criteria that read a metric: it must be there, or they could never be YES."""
    known = [metric.key for metric in plan.metrics]
    for path, line in _lines(plan):
        key = measured_by(line)
        if key is None and line.metric is not None:
            yield Finding((*path, "metric"), f"`{line.check}` reads no metric.", "Remove it.")
        elif key is not None and key not in known:
            message = f"There is no metric `{key}`, which `{line.check}` reads."
            remedy = did_you_mean(key, known, "name one of the plan's under `metric`")
            where = (*path, "metric") if line.metric else path
            yield Finding(where, message, remedy, ("metrics",), key)


def _lines(plan: Plan) -> Iterator[tuple[Path, StripCheck | Criterion]]:
    for p, phase in enumerate(plan.phases):
        for s, stage in enumerate(phase.strip):
            for c, line in enumerate(stage.checks):
                yield ("phases", p, "strip", s, "checks", c), line
        for c, criterion in enumerate(phase.rollback.criteria if phase.rollback else ()):
            yield ("phases", p, "rollback", "criteria", c), criterion


def growing_canary(plan: Plan) -> Iterator[Finding]:
    for p, phase in enumerate(plan.phases):
        path: Path = ("phases", p, "canary")
        for i, (before, after) in enumerate(pairwise(phase.canary), start=1):
            if after.percent <= before.percent:
                message = f"{after.percent} % is not more than the {before.percent} % before it."
                yield Finding((*path, i, "percent"), message, "Let each step grow.")
        if phase.canary and phase.canary[-1].percent != 100:
            message = f"The last step ends at {phase.canary[-1].percent} %."
            yield Finding((*path, len(phase.canary) - 1, "percent"), message, "Let the last step be 100.", path)


def shares_can_be_told(plan: Plan) -> Iterator[Finding]:
    """Enough probes a second to tell each share from a greater one; a canary that cannot is taken back each time."""
    targets = {target.key: (t, target) for t, target in enumerate(plan.targets)}
    for phase in plan.phases:
        if not phase.canary or phase.target not in targets:
            continue
        t, target = targets[phase.target]
        partial = [step.percent for step in phase.canary if step.percent < 100]
        worst = min(partial, key=lambda percent: abs(percent - 50), default=None)
        if worst is not None and target.probes.operation_rate < (least := rate_to_tell(worst)):
            path: Path = ("targets", t, "probes", "operation_rate")
            message = (
                f"With {target.probes.operation_rate} probes a second nobody can tell {worst} % from more or less."
            )
            yield Finding(path, message, f"Let it be {least} or more.")


_LINE_FIELDS = {
    ("metric", "proceed_if"): ("metric", "below"),
    ("metric", "rollback_if"): ("metric", "above"),
    ("approval", "proceed_if"): ("positions",),
    ("report", "rollback_if"): ("positions",),
}
"""What a line of a canary's gate needs, by its kind and list; an alert needs nothing."""
_ONLY_IN = {"approval": "proceed_if", "report": "rollback_if"}


def canary_gates(plan: Plan) -> Iterator[Finding]:
    """A gate belongs to a canary, its lines can be judged, and production is switched and never shifted."""
    for p, phase in enumerate(plan.phases):
        path: Path = ("phases", p, "canary_gate")
        if phase.canary_gate and not (phase.canary and phase.target):
            message = f"The phase `{phase.key}` has a gate but no canary with a target."
            yield Finding(path, message, "Add `canary:` and `target:`, or remove the gate.")
        for name, lines in gate_lines(phase):
            for i, line in enumerate(lines):
                yield from _gate_line((*path, name, i), name, line)
        switched = {other.target for other in plan.phases if other.kind == "blue_green"}
        if phase.canary and phase.target and phase.target in switched:
            message = f"`{phase.target}` is switched by another phase; a canary shifts a target of its own."
            yield Finding(("phases", p, "target"), message, "Declare another target for it.")


def _gate_line(path: Path, name: str, line: CanaryLine) -> Iterator[Finding]:
    if _ONLY_IN.get(line.kind, name) != name:
        remedy = f"Move it to `{_ONLY_IN[line.kind]}`."
        yield Finding((*path, "kind"), f"A line of kind `{line.kind}` has no place here.", remedy)
    for field in _LINE_FIELDS.get((line.kind, name), ()):
        if getattr(line, field) in (None, ()):
            message = f"A line of kind `{line.kind}` needs `{field}` here."
            yield Finding(path, message, f"Add `{field}:`.", (*path, field))


def rising_times(plan: Plan) -> Iterator[Finding]:
    """Decision points and timeline marks come in their order, within the phase."""
    for p, phase in enumerate(plan.phases):
        for i, (point, next_point) in enumerate(pairwise(phase.decisions), start=1):
            if next_point.minute <= point.minute:
                message = f"Minute {next_point.minute} stands after minute {point.minute}."
                yield Finding(("phases", p, "decisions", i, "minute"), message, "Order them by minute.")
        for i, (mark, next_mark) in enumerate(pairwise(phase.timeline), start=1):
            if next_mark.at_s < mark.at_s:
                message = f"{next_mark.at_s:g} s stands after {mark.at_s:g} s."
                yield Finding(("phases", p, "timeline", i, "at_s"), message, "Order the marks by time.")
        for i, mark in enumerate(phase.timeline):
            if mark.at_s > phase.duration_s:
                message = f"{mark.at_s:g} s lies beyond the phase's {phase.duration_s:g} s."
                remedy = "Lengthen `duration_s` or move the mark."
                yield Finding(("phases", p, "timeline", i, "at_s"), message, remedy)


def decision_answers(plan: Plan) -> Iterator[Finding]:
    for p, phase in enumerate(plan.phases):
        for d, point in enumerate(phase.decisions):
            path: Path = ("phases", p, "decisions", d, "answers")
            yield from repeated(path, [answer.answer for answer in point.answers], "answer")
            if not point.answers:
                message = f"Minute {point.minute} offers no answer."
                yield Finding(path, message, "Add some: continue, watch, escalate, rollback.", path)


def dates_and_times(plan: Plan) -> Iterator[Finding]:
    for p, phase in enumerate(plan.phases):
        day, time = phase.schedule.day, phase.schedule.time
        if day and not _is_date(day):
            remedy = "Write it as 2026-02-27, or leave it empty."
            yield Finding(("phases", p, "schedule", "day"), f"`{day[:60]}` is not a date.", remedy)
        if time and not TIME.fullmatch(time):
            yield Finding(("phases", p, "schedule", "time"), f"`{time[:60]}` is not a time of day.", WITH_24_HOURS)
        for a, action in enumerate(phase.actions):
            if action.daily and not TIME.fullmatch(action.daily):
                message = f"`{action.daily[:60]}` is not a time of day."
                yield Finding(("phases", p, "actions", a, "daily"), message, WITH_24_HOURS)


def switch_moment(plan: Plan) -> Iterator[Finding]:
    """The planned moment of the switch lies in the phase that switches, and its decisions end within it."""
    for p, phase in enumerate(plan.phases):
        path: Path = ("phases", p, "switch_at_s")
        if phase.switch_at_s is None:
            continue
        if phase.kind != "blue_green":
            yield Finding(path, f"A phase of kind `{phase.kind}` does not switch.", "Remove it.")
        elif phase.switch_at_s > phase.duration_s:
            message = f"{phase.switch_at_s:g} s lies beyond the phase's {phase.duration_s:g} s."
            yield Finding(path, message, "Lengthen `duration_s` or switch earlier.")


def _is_date(text: str) -> bool:
    try:
        day = date.fromisoformat(text)
        return day.isoformat() == text and day.year in YEARS
    except ValueError:
        return False
