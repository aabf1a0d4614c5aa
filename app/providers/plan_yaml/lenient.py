"""Nodes → Plan, going on past broken fields so that one reading tells everything that is wrong.

What doesn't fit the schema is told once, then left out; the rest is validated again until it fits. The
cross-checks of `domain.plan_check` then run on what is left.
"""

import json
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from zoneinfo import available_timezones

from pydantic import ValidationError

from app.domain.plan import Plan
from app.domain.plan_check import check_plan
from app.domain.plan_problems import Finding, Path, Problem, path_text
from app.providers.plan_yaml.nodes import Broken, Mapping, Node, Scalar, Sequence, walk
from app.providers.plan_yaml.wording import close_field, wording

ZONES = frozenset(available_timezones())
MAX_TOLD = 200
"""So many broken fields, and so many findings of sense, are told; each costs a search for what was meant."""
MAX_ROUNDS = 12
"""A plan is about 8 deep, so leaving out from the leaves to the root takes no more rounds."""

STAND_INS: dict[str, Any] = {
    "key": "plan",
    "title": "Plan",
    "organisation": "Organisation",
    "timezone": "UTC",
    "releases": {
        "blue": {"version": "0", "digest": "sha256:" + "0" * 64},
        "green": {"version": "1", "digest": "sha256:" + "1" * 64},
    },
    "positions": [],
    "targets": [],
    "metrics": [],
    "phases": [],
}
"""What stands for a part that every plan needs where it was left out, while the rest is checked."""


@dataclass(slots=True)
class _Left:
    """What was left out: the places, and the keys of entries by the part of the plan they stood in."""

    paths: list[Path] = field(default_factory=list)
    keys: set[tuple[str | int, str]] = field(default_factory=set)

    def note(self, node: Node) -> None:
        self.paths.append(node.path)
        for inner in walk(node):
            if isinstance(inner, Mapping) and (entry := inner.entries.get("key")) and isinstance(entry.value, Scalar):
                self.keys.add((node.path[0], str(entry.value.value)))

    def echoes(self, finding: Finding, absent: Path) -> bool:
        """True if the finding may only come from something that was left out at, under or around `absent`."""
        for path in self.paths:
            if absent[: len(path)] == path:
                return True
            if path[: len(absent)] == absent:
                was_sought = path[-1] == "key" or (absent[0], finding.sought) in self.keys
                if was_sought or not finding.sought:
                    return True
        return False


def validate_nodes(root: Node) -> tuple[Plan | None, list[Problem]]:
    """The plan, if it could be made, and all problems of fields and of sense. Where there are none, and nothing
    was refused before, the plan is whole."""
    if not isinstance(root, Mapping):
        message = "The plan is not a mapping."
        return None, [Problem(root.line, root.column, "", message, "Begin with `key: value` lines.")]
    left = _Left()
    broken = [node.path for node in walk(root) if isinstance(node, Broken)]
    for path in broken:
        _leave_out(root, path, left)
    plan, details, stand_ins = _attempt(root, set())
    if len(details) > MAX_TOLD:
        return None, [_problem(root, _told_path(root, detail["loc"]), detail) for detail in details[:MAX_TOLD]]
    told = [(_told_path(root, detail["loc"]), detail) for detail in details]
    problems = [_problem(root, path, detail) for path, detail in told if _is_news(path, detail, broken, told)]
    for _ in range(MAX_ROUNDS):
        if plan is not None:
            break
        for path, detail in [(_told_path(root, detail["loc"]), detail) for detail in details]:
            _leave_out_failed(root, path, detail["type"], left, stand_ins)
        plan, details, stand_ins = _attempt(root, stand_ins)
    return plan, problems + ([] if plan is None else _sense_problems(root, plan, left))


def _attempt(root: Mapping, stand_ins: set[str]) -> tuple[Plan | None, list[Any], set[str]]:
    try:
        return Plan.model_validate_json(json.dumps(_as_json(root, stand_ins)), strict=True), [], stand_ins
    except ValidationError as error:
        return None, list(error.errors(include_url=False)), stand_ins


def _is_news(path: Path, detail: Any, broken: list[Path], told: list[tuple[Path, Any]]) -> bool:
    """False for a field that is missing only because it was refused or misspelt: that has its own problem."""
    if detail["type"] != "missing":
        return True
    unknown = (other for other, given in told if given["type"] == "extra_forbidden" and other[:-1] == path[:-1])
    return path not in broken and all(close_field(other) != path[-1] for other in unknown)


def _sense_problems(root: Mapping, plan: Plan, left: _Left) -> list[Problem]:
    findings = (
        finding
        for finding in check_plan(plan, ZONES)
        if finding.absent is None or not left.echoes(finding, _told_path(root, finding.absent))
    )
    return [_finding_problem(root, finding) for finding in islice(findings, MAX_TOLD)]


def _as_json(node: Node, stand_ins: set[str]) -> Any:
    if isinstance(node, Mapping):
        values = {name: _as_json(entry.value, stand_ins) for name, entry in node.entries.items()}
        return values if node.path else values | {name: STAND_INS[name] for name in stand_ins}
    if isinstance(node, Sequence):
        return [_as_json(item, stand_ins) for item in node.items]
    return node.value if isinstance(node, Scalar) else None


def _told_path(root: Mapping, loc: tuple[int | str, ...]) -> Path:
    """The error's place as the author counts: items that were left out before still have their numbers."""
    node: Node | None = root
    path: list[int | str] = []
    for part in loc:
        node = _child(node, part, by_number=False)
        path.append(node.path[-1] if node is not None and node.path else part)
    return tuple(path)


def _child(node: Node | None, part: int | str, *, by_number: bool = True) -> Node | None:
    """The child of a node; a list's by the number it had in the text, or (not `by_number`) by where it stands now."""
    if isinstance(node, Mapping) and (entry := node.entries.get(str(part))):
        return entry.value
    if isinstance(node, Sequence) and isinstance(part, int):
        if not by_number:
            return node.items[part] if part < len(node.items) else None
        return next((item for item in node.items if item.path[-1] == part), None)
    return None


def _find(root: Mapping, path: Path) -> Node:
    """The node at `path`, or the nearest one above that exists."""
    node: Node = root
    for part in path:
        child = _child(node, part)
        if child is None:
            return node
        node = child
    return node


def _leave_out_failed(root: Mapping, path: Path, kind: str, left: _Left, stand_ins: set[str]) -> None:
    """A field that is missing spoils the mapping it should stand in; anything else spoils itself."""
    if kind != "missing":
        _leave_out(root, path, left)
    elif len(path) == 1:
        stand_ins.add(str(path[0]))
        left.paths.append(path)
    else:
        _leave_out(root, path[:-1], left)


def _leave_out(root: Mapping, path: Path, left: _Left) -> None:
    parent = _find(root, path[:-1])
    child = _child(parent, path[-1]) if path else None
    if child is None or parent.path != path[:-1]:
        return
    left.note(child)
    if isinstance(parent, Mapping):
        del parent.entries[str(path[-1])]
    elif isinstance(parent, Sequence):
        parent.items.remove(child)


def _problem(root: Mapping, path: Path, detail: Any) -> Problem:
    node = _find(root, path)
    line, column = node.line, node.column
    if detail["type"] == "extra_forbidden":
        parent = _find(root, path[:-1])
        if isinstance(parent, Mapping) and (entry := parent.entries.get(str(path[-1]))):
            line, column = entry.line, entry.column
    message, remedy = wording(path, detail)
    return Problem(line, column, path_text(path), message, remedy)


def _finding_problem(root: Mapping, finding: Finding) -> Problem:
    path = _told_path(root, finding.path)
    node = _find(root, path)
    return Problem(node.line, node.column, path_text(path), finding.message, finding.remedy)
