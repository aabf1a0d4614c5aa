"""Nodes → Plan, going on past broken fields so that one reading tells everything that is wrong.

What doesn't fit the schema is told once, then left out; the rest is validated again until it fits. The
cross-checks of `domain.plan_check` then run on what is left.
"""

import json
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import available_timezones

from pydantic import ValidationError

from app.domain.plan import Plan
from app.domain.plan_check import check_plan
from app.domain.plan_problems import Finding, Path, Problem, path_text
from app.providers.plan_yaml.nodes import Broken, Mapping, Node, Scalar, Sequence
from app.providers.plan_yaml.wording import wording

ZONES = frozenset(available_timezones())
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
    """What was left out: keys by the part of the plan they stood in, and parts that are gone altogether."""

    keys: set[tuple[str, str]] = field(default_factory=set)
    parts: set[str] = field(default_factory=set)

    def note(self, node: Node) -> None:
        path = node.path
        if not path:
            return
        part = str(path[0])
        self.parts.add(part)
        if isinstance(node, Mapping) and (entry := node.entries.get("key")) and isinstance(entry.value, Scalar):
            self.keys.add((part, str(entry.value.value)))
        for child in _children(node):
            self.note(child)

    def echoes(self, finding: Finding, plan: Plan) -> bool:
        """True if the finding may only come from something that was left out."""
        if finding.rests_on is None or finding.rests_on not in self.parts:
            return False
        gone = finding.rests_on == "releases" or not getattr(plan, finding.rests_on)
        return gone or not finding.sought or (finding.rests_on, finding.sought) in self.keys


def validate_nodes(root: Node) -> tuple[Plan | None, list[Problem]]:
    """The plan, if it could be made, and all problems of fields and of sense. A plan comes with no problems
    only if nothing was left out."""
    if not isinstance(root, Mapping):
        message = "The plan is not a mapping."
        return None, [Problem(root.line, root.column, "", message, "Begin with `key: value` lines.")]
    left = _Left()
    broken = {node.path for node in _walk(root) if isinstance(node, Broken)}
    for path in broken:
        _leave_out(root, path, left)
    problems: list[Problem] = []
    stand_ins: set[str] = set()
    for attempt in range(MAX_ROUNDS):
        try:
            plan = Plan.model_validate_json(json.dumps(_as_json(root, stand_ins)), strict=True)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                path = _told_path(root, detail["loc"])
                if attempt == 0 and not (detail["type"] == "missing" and path in broken):
                    problems.append(_problem(root, path, detail))
                _leave_out_failed(root, path, detail["type"], left, stand_ins)
        else:
            findings = [finding for finding in check_plan(plan, ZONES) if not left.echoes(finding, plan)]
            return plan, problems + [_finding_problem(root, finding) for finding in findings]
    return None, problems


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


def _children(node: Node) -> list[Node]:
    if isinstance(node, Mapping):
        return [entry.value for entry in node.entries.values()]
    return list(node.items) if isinstance(node, Sequence) else []


def _walk(node: Node) -> list[Node]:
    return [node, *(found for child in _children(node) for found in _walk(child))]


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
        left.parts.add(str(path[0]))
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
