"""Keys of a plan: each is declared once, and each that is named somewhere is declared."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from app.domain.plan import Action, CanaryLine, Phase, Plan
from app.domain.plan_problems import Collection, Finding, Path

ONE_OF: dict[Collection, str] = {
    "positions": "position",
    "targets": "target",
    "metrics": "metric",
    "checklists": "checklist",
    "phases": "phase",
    "triggers": "trigger",
}


def declared_keys(plan: Plan) -> Mapping[Collection, list[str]]:
    return {
        "positions": [position.key for position in plan.positions],
        "targets": [target.key for target in plan.targets],
        "metrics": [metric.key for metric in plan.metrics],
        "checklists": [checklist.key for checklist in plan.checklists],
        "phases": [phase.key for phase in plan.phases],
        "triggers": [trigger.key for trigger in plan.triggers],
    }


def actions_of(plan: Plan) -> Iterator[tuple[Path, Action]]:
    """Every action of every phase, with its path."""
    for p, phase in enumerate(plan.phases):
        for a, action in enumerate(phase.actions):
            yield ("phases", p, "actions", a), action


def unique_keys(plan: Plan) -> Iterator[Finding]:
    lists: list[tuple[Path, list[str]]] = [((name,), keys) for name, keys in declared_keys(plan).items()]
    lists.append((("contacts",), [contact.key for contact in plan.contacts]))
    lists.append((("channels",), [channel.key for channel in plan.channels]))
    for c, checklist in enumerate(plan.checklists):
        lists.append((("checklists", c, "items"), [item.key for item in checklist.items]))
    for t, target in enumerate(plan.targets):
        lists.append((("targets", t, "smoke_tests"), [test.key for test in target.smoke_tests]))
    for p, phase in enumerate(plan.phases):
        questions = phase.signoffs.questions if phase.signoffs else ()
        lists.append((("phases", p, "signoffs", "questions"), [question.key for question in questions]))
    for path, keys in lists:
        yield from repeated(path, keys, "key")
    yield from repeated(("phases",), [phase.number for phase in plan.phases], "number")
    yield from _action_keys(plan)


def _action_keys(plan: Plan) -> Iterator[Finding]:
    seen: set[str] = set()
    for path, action in actions_of(plan):
        if action.key in seen:
            message = f"`{action.key}` names another action already."
            yield Finding((*path, "key"), message, "Give each action of the plan a key of its own.")
        seen.add(action.key)


def repeated(path: Path, values: list[str], field: str) -> Iterator[Finding]:
    """A finding for each entry of the list at `path` whose `field` an earlier entry has."""
    first: dict[str, int] = {}
    for index, value in enumerate(values):
        if value in first:
            message = f"`{value}` is the {field} of entry {first[value] + 1} already."
            yield Finding((*path, index, field), message, "Give each entry one of its own.")
        first.setdefault(value, index)


def references(plan: Plan) -> Iterator[Finding]:
    declared = declared_keys(plan)
    known = {collection: set(keys) for collection, keys in declared.items()}
    for path, collection, key in _references(plan):
        if key not in known[collection]:
            message = f"There is no {ONE_OF[collection]} `{key}`."
            remedy = did_you_mean(key, declared[collection], f"declare it under `{collection}`")
            yield Finding(path, message, remedy, (collection,), key)
    tests = [test.key for target in plan.targets for test in target.smoke_tests]
    for t, trigger in enumerate(plan.triggers):
        for s, key in enumerate(trigger.smoke_tests):
            if key not in tests:
                remedy = did_you_mean(key, tests, "declare it under `smoke_tests` of a target")
                path = ("triggers", t, "smoke_tests", s)
                yield Finding(path, f"There is no smoke test `{key}`.", remedy, ("targets",), key)


def _references(plan: Plan) -> Iterator[tuple[Path, Collection, str]]:
    for c, checklist in enumerate(plan.checklists):
        for i, item in enumerate(checklist.items if checklist.kind == "shared" else ()):
            yield ("checklists", c, "items", i, "owner"), "positions", item.owner
    for t, trigger in enumerate(plan.triggers):
        if trigger.metric:
            yield ("triggers", t, "metric"), "metrics", trigger.metric
        for r, position in enumerate(trigger.raised_by):
            yield ("triggers", t, "raised_by", r), "positions", position
    for i, check in enumerate(plan.incident_checks):
        yield ("incident_checks", i, "position"), "positions", check.position
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
    for name, lines in gate_lines(phase):
        for i, line in enumerate(lines):
            if line.metric:
                yield ("canary_gate", name, i, "metric"), "metrics", line.metric
            for k, position in enumerate(line.positions):
                yield ("canary_gate", name, i, "positions", k), "positions", position
    for i, action in enumerate(phase.actions):
        if action.position:
            yield ("actions", i, "position"), "positions", action.position


def gate_lines(phase: Phase) -> tuple[tuple[str, tuple[CanaryLine, ...]], ...]:
    """The two lists of a canary's gate by their names; none without a gate."""
    gate = phase.canary_gate
    return (("proceed_if", gate.proceed_if), ("rollback_if", gate.rollback_if)) if gate else ()


def did_you_mean(key: str, known: Iterable[str], otherwise: str) -> str:
    """A remedy: the known key that looks most like this one (of the first thousand), or else `otherwise`."""
    close = get_close_matches(key, list(known)[:1000], n=1)
    return f"Did you mean `{close[0]}`? If not, {otherwise}." if close else f"{otherwise[0].upper()}{otherwise[1:]}."
