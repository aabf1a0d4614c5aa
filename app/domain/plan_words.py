"""A plan's parts in words: what a field, an entry and a value are called where two plans are compared."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from app.domain.plan_parts import Node

SECTIONS: Mapping[str, str] = {
    "schema_version": "The plan itself",
    "key": "The plan itself",
    "title": "The plan itself",
    "organisation": "The plan itself",
    "mission": "The plan itself",
    "timezone": "The plan itself",
    "releases": "Releases",
    "positions": "Positions",
    "targets": "Where traffic is steered",
    "metrics": "Critical metrics",
    "triggers": "When to roll back",
    "checklists": "Checklists",
    "phases": "Phases",
    "incident_checks": "Incidents",
    "incident_decision_s": "Incidents",
    "contacts": "Contacts",
    "channels": "Channels",
    "rules": "Required of everybody",
    "avoid": "To be avoided",
}
RELEASES = "releases"
KEPT = "line"
"""What the entries of a list are called that is a section of its own."""
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")

_FIELDS: Mapping[str, str] = {
    "signoffs": "go/no-go",
    "blue": "BLUE",
    "green": "GREEN",
    "short": "short name",
    "every_s": "read every",
    "lifetime_s": "a vote stands for",
    "opens_before_s": "votes open before",
    "expires_after_s": "the gate expires after",
    "deputy_after_s": "the deputy is asked after",
    "leader_after_s": "the leader is asked after",
    "escalate_after_s": "everybody is told after",
    "duration_s": "planned duration",
    "dwell_s": "stays for",
    "at_s": "time",
    "switch_at_s": "planned moment of the switch",
    "capsule_s": "a capsule is good for",
    "sustained_s": "sustained for",
    "within_s": "to be reached within",
    "within_ms": "answers within",
    "not_undone": "what a rollback will not undo",
    "after": "afterwards",
    "key": "key",
    "timezone": "time zone",
    "schema_version": "version of the format",
}

_IDENTITIES: Mapping[str, tuple[str, ...]] = {
    "DecisionPoint": ("minute", "question"),
    "DecisionAnswer": ("answer", "when"),
    "StripStage": ("at_s", "title"),
    "StripCheck": ("check", "title"),
    "Criterion": ("check", "title"),
    "CanaryStep": ("percent",),
    "IncidentCheck": ("position", "text"),
    "TimelineMark": ("text", "at_s"),
}
"""What makes two entries the same one, the surest first; everything else has a key or goes by its place."""


def field_words(field: str) -> str:
    """`opens_before_s` → "votes open before"; one without words of its own reads as it is written."""
    return _FIELDS.get(field) or field.removesuffix("_s").replace("_", " ")


def identities(old: Sequence[Node], new: Sequence[Node]) -> list[Callable[[Any], Hashable]]:
    """How entries of such a list are recognised, the surest way first."""
    kind = type((*old, *new)[0])
    names = ("key",) if "key" in kind.model_fields else _IDENTITIES.get(kind.__name__, ())
    if not names:
        return [lambda _: True]
    return [attrgetter(name) for name in names]


def label(node: Node, field: str) -> str:
    """An entry of a list as people would point at it."""
    value: Any = node
    match type(node).__name__:
        case "DecisionPoint":
            return f"decision at minute {value.minute}"
        case "DecisionAnswer":
            return f"answer {value.answer}"
        case "StripStage":
            return f"strip at T{value.at_s:+d}"
        case "StripCheck" | "Criterion":
            return f"check {value.check}"
        case "CanaryStep":
            return f"canary at {value.percent} %"
        case "TimelineMark":
            return f"timeline “{value.text}”"
        case "ChecklistItem":
            return f"item “{value.text}”"
        case "Action":
            return f"step “{value.title}”"
        case "Question":
            return f"question “{value.text}”"
        case "SmokeTest":
            return f"smoke test “{value.title}”"
    named = getattr(node, "title", None) or getattr(node, "text", None)
    return str(named) if named else f"entry of {field_words(field)}"


def summary(node: Node) -> str:
    """A whole entry in one line: its values, and how many parts its lists have."""
    parts: list[str] = []
    for field in type(node).model_fields:
        value = getattr(node, field)
        if value in (None, "", ()):
            continue
        if isinstance(value, tuple):
            parts.append(f"{field_words(field)}: {_listed(field, value)}")
        elif isinstance(value, Node):
            parts.append(f"{field_words(field)}: {summary(value)}")
        else:
            parts.append(f"{field_words(field)}: {value_text(field, value)}")
    return "; ".join(parts)


def _listed(field: str, values: tuple[Any, ...]) -> str:
    if any(isinstance(value, Node) for value in values):
        return f"{len(values)} in all"
    return ", ".join(value_text(field, value) for value in values)


def value_text(field: str, value: Any) -> str:
    """A value as it reads; two values that differ read differently."""
    if value is None or value == "":
        return "nothing"
    if isinstance(value, float):
        value = int(value) if value.is_integer() else value
    unit = " s" if field.endswith("_s") else " ms" if field.endswith("_ms") else ""
    return f"{value}{unit}"
