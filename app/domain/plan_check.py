"""Does a plan make sense as a whole? Cross-checks of what the schema can't say field by field.

Pure: a plan in, findings out, each with a path into the plan, what is wrong and the remedy. All are reported.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from difflib import get_close_matches
from itertools import pairwise

from app.domain.plan import Action, Capability, Checklist, Metric, Phase, Plan, Position, TargetSpec, Trigger
from app.domain.plan_problems import Collection, Finding, Path

TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")
NEEDED_CAPABILITIES: tuple[Capability, ...] = ("proceed", "arm", "switch", "rollback", "hold", "decide")


def check_plan(plan: Plan, time_zones: frozenset[str]) -> tuple[Finding, ...]:
    """All findings; none means that the plan can be used. `time_zones` are the names this machine knows."""
    return (*(finding for check in CHECKS for finding in check(plan)), *known_time_zone(plan, time_zones))


def _keyed(plan: Plan) -> dict[Collection, Sequence[Position | TargetSpec | Metric | Checklist | Phase | Trigger]]:
    return {
        "positions": plan.positions,
        "targets": plan.targets,
        "metrics": plan.metrics,
        "checklists": plan.checklists,
        "phases": plan.phases,
        "triggers": plan.triggers,
    }


def unique_keys(plan: Plan) -> Iterator[Finding]:
    for name, entries in _keyed(plan).items():
        yield from _repeated((name,), [entry.key for entry in entries], "key")
    yield from _repeated(("contacts",), [contact.key for contact in plan.contacts], "key")
    yield from _repeated(("channels",), [channel.key for channel in plan.channels], "key")
    yield from _repeated(("phases",), [phase.number for phase in plan.phases], "number")
    for index, checklist in enumerate(plan.checklists):
        yield from _repeated(("checklists", index, "items"), [item.key for item in checklist.items], "key")
    for index, target in enumerate(plan.targets):
        yield from _repeated(("targets", index, "smoke_tests"), [test.key for test in target.smoke_tests], "key")
    actions = [(("phases", p, "actions", a, "key"), x.key) for p, a, x in _actions(plan)]
    seen: set[str] = set()
    for path, key in actions:
        if key in seen:
            yield Finding(path, f"`{key}` names a second action.", "Give each action of the plan a key of its own.")
        seen.add(key)
    for index, phase in enumerate(plan.phases):
        if phase.signoffs:
            keys = [question.key for question in phase.signoffs.questions]
            yield from _repeated(("phases", index, "signoffs", "questions"), keys, "key")


def _repeated(path: Path, values: list[str], field: str) -> Iterator[Finding]:
    for index, value in enumerate(values):
        if value in values[:index]:
            first = values.index(value)
            message = f"`{value}` is the {field} of entry {first + 1} already."
            yield Finding((*path, index, field), message, "Give each entry one of its own.")


def references(plan: Plan) -> Iterator[Finding]:
    """Every key that is named somewhere is declared."""
    for path, collection, key in _references(plan):
        known = [entry.key for entry in _keyed(plan)[collection]]
        if key not in known:
            one = collection.removesuffix("s")
            message = f"There is no {one} `{key}`."
            yield Finding(path, message, _did_you_mean(key, known, f"declare it under `{collection}`"), collection, key)


def _references(plan: Plan) -> Iterator[tuple[Path, Collection, str]]:
    for c, checklist in enumerate(plan.checklists):
        for i, item in enumerate(checklist.items):
            yield ("checklists", c, "items", i, "owner"), "positions", item.owner
    for t, trigger in enumerate(plan.triggers):
        if trigger.metric:
            yield ("triggers", t, "metric"), "metrics", trigger.metric
    for p, phase in enumerate(plan.phases):
        for path, collection, key in _phase_references(phase):
            yield ("phases", p, *path), collection, key


def _phase_references(phase: Phase) -> Iterator[tuple[Path, Collection, str]]:
    for i, lead in enumerate(phase.lead):
        yield ("lead", i), "positions", lead
    if phase.checklist:
        yield ("checklist",), "checklists", phase.checklist
    if phase.target:
        yield ("target",), "targets", phase.target
    for i, question in enumerate(phase.signoffs.questions if phase.signoffs else ()):
        yield ("signoffs", "questions", i, "position"), "positions", question.position
    for i, point in enumerate(phase.decisions):
        yield ("decisions", i, "position"), "positions", point.position
    for i, action in enumerate(phase.actions):
        if action.position:
            yield ("actions", i, "position"), "positions", action.position


def _did_you_mean(key: str, known: Iterable[str], otherwise: str) -> str:
    close = get_close_matches(key, list(known), n=1)
    return f"Did you mean `{close[0]}`? If not, {otherwise}." if close else f"{otherwise[0].upper()}{otherwise[1:]}."


def two_releases(plan: Plan) -> Iterator[Finding]:
    """Design, 'Rulings': a plan needs two different releases, in version and in digest."""
    blue, green = plan.releases.blue, plan.releases.green
    if blue.version == green.version:
        message = f"BLUE and GREEN both have version {green.version}."
        yield Finding(("releases", "green", "version"), message, "Name the version that goes live.", "releases")
    if blue.digest == green.digest:
        message = "BLUE and GREEN have the same digest: they are the same release."
        yield Finding(("releases", "green", "digest"), message, "Write the digest of the new artifact.", "releases")


def switch_phases(plan: Plan) -> Iterator[Finding]:
    """A phase that switches production has all that a switch, its sign-offs and a rollback need."""
    if sum(phase.kind == "blue_green" for phase in plan.phases) != 1:
        message = "A plan has exactly one phase of kind `blue_green`."
        yield Finding(("phases",), message, "Keep one; other phases are steps, canary, monitoring, …", "phases")
    for p, phase in enumerate(plan.phases):
        if phase.kind == "blue_green" and not phase.target:
            message = f"The phase `{phase.key}` moves traffic but has no target."
            yield Finding(("phases", p), message, "Add `target:` with a target's key.", "phases", phase.key)
        if phase.kind == "blue_green":
            yield from _switch_phase(("phases", p), phase)
        if phase.kind == "canary" and not phase.canary:
            message = f"The phase `{phase.key}` is a canary without steps."
            yield Finding(("phases", p), message, "Add `canary:` with percent and dwell_s.", "phases", phase.key)


def _switch_phase(path: Path, phase: Phase) -> Iterator[Finding]:
    needs = {"signoffs": phase.signoffs, "rollback": phase.rollback, "strip": phase.strip}
    for field, value in needs.items():
        if not value:
            message = f"The phase `{phase.key}` switches production but has no `{field}`."
            yield Finding(path, message, f"Add `{field}:` to it.", "phases", phase.key)
    if phase.signoffs and not phase.signoffs.questions:
        message = "Nobody is asked before the switch."
        yield Finding((*path, "signoffs", "questions"), message, "Add at least one question.", "phases", phase.key)
    times = [stage.at_s for stage in phase.strip]
    for i, (before, after) in enumerate(pairwise(times), start=1):
        if after <= before:
            message = f"T{after:+d} s stands after T{before:+d} s."
            yield Finding((*path, "strip", i, "at_s"), message, "Order the stages by time.")


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


def threshold_order(plan: Plan) -> Iterator[Finding]:
    for m, metric in enumerate(plan.metrics):
        if metric.warning < metric.target:
            message = f"The warning ({metric.warning:g}) lies below the target ({metric.target:g})."
            yield Finding(("metrics", m, "warning"), message, "Order them: target, warning, critical.")
        if metric.critical < metric.warning:
            message = f"The critical limit ({metric.critical:g}) lies below the warning ({metric.warning:g})."
            yield Finding(("metrics", m, "critical"), message, "Order them: target, warning, critical.")


def trigger_fields(plan: Plan) -> Iterator[Finding]:
    for t, trigger in enumerate(plan.triggers):
        path: Path = ("triggers", t)
        if trigger.kind == "metric":
            for field, value in (("metric", trigger.metric), ("above", trigger.above)):
                if value is None:
                    message = f"The trigger `{trigger.key}` watches a metric but has no `{field}`."
                    yield Finding(path, message, f"Add `{field}:`.", "triggers", trigger.key)
            continue
        for field, value in (("metric", trigger.metric), ("above", trigger.above)):
            if value is not None:
                message = f"A trigger of kind `{trigger.kind}` takes no `{field}`."
                yield Finding((*path, field), message, "Remove it, or make the kind `metric`.")
        if trigger.kind == "button" and trigger.sustained_s:
            yield Finding((*path, "sustained_s"), "A button is pressed, not sustained.", "Remove it.")
    if plan.triggers and not any(trigger.kind == "button" for trigger in plan.triggers):
        message = "No trigger is the decision of a person."
        yield Finding(("triggers",), message, "Add one of kind `button`: the rollback guard.", "triggers")


def one_rollback_script(plan: Plan) -> Iterator[Finding]:
    """Design, 'Rulings': the manual names two scripts for one rollback; a plan that does is refused."""
    named: tuple[str, ...] | None = None
    for p, a, action in _actions(plan):
        if action.kind == "script" and not action.command:
            message = f"The script `{action.key}` has no command."
            yield Finding(("phases", p, "actions", a), message, "Add `command:`, a list of arguments.")
        if action.kind != "rollback" or not action.command:
            continue
        if named is not None:
            message = f"`{' '.join(action.command)}` is a second rollback script; the first is `{' '.join(named)}`."
            remedy = "Keep one: in an emergency nobody should have to choose."
            yield Finding(("phases", p, "actions", a, "command"), message, remedy)
        named = named or action.command


def growing_canary(plan: Plan) -> Iterator[Finding]:
    for p, phase in enumerate(plan.phases):
        percents = [step.percent for step in phase.canary]
        for i, (before, after) in enumerate(pairwise(percents), start=1):
            if after <= before:
                message = f"{after} % does not grow on {before} %."
                yield Finding(("phases", p, "canary", i, "percent"), message, "Let each step grow.")
        if percents and percents[-1] != 100:
            path: Path = ("phases", p, "canary", len(percents) - 1, "percent")
            yield Finding(path, f"The last step ends at {percents[-1]} %.", "Let the last step be 100.")


def rising_times(plan: Plan) -> Iterator[Finding]:
    """Decision points and timeline marks come in their order."""
    for p, phase in enumerate(plan.phases):
        for i, (before, after) in enumerate(pairwise(phase.decisions), start=1):
            if after.minute <= before.minute:
                message = f"Minute {after.minute} stands after minute {before.minute}."
                yield Finding(("phases", p, "decisions", i, "minute"), message, "Order the decision points by minute.")
        for i, (mark, next_mark) in enumerate(pairwise(phase.timeline), start=1):
            if next_mark.at_s < mark.at_s:
                message = f"{next_mark.at_s:g} s stands after {mark.at_s:g} s."
                yield Finding(("phases", p, "timeline", i, "at_s"), message, "Order the marks by time.")
        if phase.timeline and phase.timeline[-1].at_s > phase.duration_s:
            message = f"The mark at {phase.timeline[-1].at_s:g} s lies beyond the phase's {phase.duration_s:g} s."
            path: Path = ("phases", p, "timeline", len(phase.timeline) - 1, "at_s")
            yield Finding(path, message, "Lengthen `duration_s` or move the mark.")


def decision_answers(plan: Plan) -> Iterator[Finding]:
    for p, phase in enumerate(plan.phases):
        for d, point in enumerate(phase.decisions):
            path: Path = ("phases", p, "decisions", d, "answers")
            offered = [answer.answer for answer in point.answers]
            yield from (
                Finding((*path, i, "answer"), f"`{answer}` is offered twice.", "Offer each answer once.")
                for i, answer in enumerate(offered)
                if answer in offered[:i]
            )
            if not offered:
                yield Finding(path, f"Minute {point.minute} offers no answer.", "Add some: continue, watch, …")


def capabilities_covered(plan: Plan) -> Iterator[Finding]:
    """Somebody can do each thing the day needs; who is asked to decide may decide, who owns items may tick them."""
    held = {capability for position in plan.positions for capability in position.capabilities}
    for capability in NEEDED_CAPABILITIES:
        if capability == "decide" and not any(phase.decisions for phase in plan.phases):
            continue
        if capability not in held:
            message = f"No position has the capability `{capability}`."
            remedy = f"Add `{capability}` to the capabilities of a position."
            yield Finding(("positions",), message, remedy, "positions")
    rights = {position.key: position.capabilities for position in plan.positions}
    for p, phase in enumerate(plan.phases):
        for d, point in enumerate(phase.decisions):
            yield from _needs_right(rights, point.position, "decide", ("phases", p, "decisions", d, "position"))
    for c, checklist in enumerate(plan.checklists):
        for i, item in enumerate(checklist.items):
            if item.check is None:
                yield from _needs_right(rights, item.owner, "check", ("checklists", c, "items", i, "owner"))


def _needs_right(
    rights: dict[str, tuple[Capability, ...]], key: str, capability: Capability, path: Path
) -> Iterator[Finding]:
    if key in rights and capability not in rights[key]:
        message = f"`{key}` is named here but lacks the capability `{capability}`."
        yield Finding(path, message, f"Add `{capability}` to the position, or name another.", "positions", key)


def release_identity(plan: Plan) -> Iterator[Finding]:
    for t, target in enumerate(plan.targets):
        identity = target.identity
        path: Path = ("targets", t, "identity")
        if (identity.header is None) == (identity.field is None):
            message = "A release says who it is in one way: a response header, or a field of a JSON answer."
            yield Finding(path, message, "Set either `header` or `field` (with `path`).")
        if identity.header is not None and not HEADER.fullmatch(identity.header):
            message = f"`{identity.header}` can't be the name of a header."
            yield Finding((*path, "header"), message, "Use letters, digits and `-`.")


def known_time_zone(plan: Plan, time_zones: frozenset[str]) -> Iterator[Finding]:
    if plan.timezone not in time_zones:
        message = f"There is no time zone `{plan.timezone}`."
        remedy = _did_you_mean(plan.timezone, sorted(time_zones), "use a name like America/New_York")
        yield Finding(("timezone",), message, remedy)


def dates_and_times(plan: Plan) -> Iterator[Finding]:
    for p, phase in enumerate(plan.phases):
        day, time = phase.schedule.day, phase.schedule.time
        if day and not _is_date(day):
            remedy = "Write it as 2026-02-27, in quotes, or leave it empty."
            yield Finding(("phases", p, "schedule", "day"), f"`{day}` is not a date.", remedy)
        if time and not TIME.fullmatch(time):
            remedy = 'Write it with 24 hours, in quotes: "14:00".'
            yield Finding(("phases", p, "schedule", "time"), f"`{time}` is not a time of day.", remedy)


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _actions(plan: Plan) -> Iterator[tuple[int, int, Action]]:
    for p, phase in enumerate(plan.phases):
        for a, action in enumerate(phase.actions):
            yield p, a, action


CHECKS: tuple[Callable[[Plan], Iterator[Finding]], ...] = (
    unique_keys,
    references,
    two_releases,
    switch_phases,
    questions_of_distinct_positions,
    threshold_order,
    trigger_fields,
    one_rollback_script,
    growing_canary,
    rising_times,
    decision_answers,
    capabilities_covered,
    release_identity,
    dates_and_times,
)
