"""The reference of a plan's fields, made from the schema: `python -m app.providers.plan_yaml.reference` renews it.

It stands in docs/plans.md between two marks, and as a JSON Schema for editors in plans/plan.schema.json; a test
keeps both true.
"""

import json
import re
from pathlib import Path
from typing import Any

from app.providers.plan_yaml import plan_schema

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "plans.md"
SCHEMA = ROOT / "plans" / "plan.schema.json"
BEGIN, END = "<!-- fields: begin -->", "<!-- fields: end -->"


def schema_text() -> str:
    return json.dumps(plan_schema(), indent=2, ensure_ascii=False) + "\n"


def fields_text() -> str:
    """Markdown: a heading and a table for the plan and each kind of part, in the order they are met."""
    schema = plan_schema()
    parts: dict[str, dict[str, Any]] = {"Plan": schema}
    for name in (queue := ["Plan"]):
        for reference in re.findall(r'"#/\$defs/(\w+)"', json.dumps(parts[name]["properties"])):
            if reference not in parts:
                parts[reference] = schema["$defs"][reference]
                queue.append(reference)
    return "\n".join(_section(name, part) for name, part in parts.items())


def with_fields(page: str) -> str:
    """The page with its reference renewed."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{fields_text()}\n{END}{tail}"


def _section(name: str, part: dict[str, Any]) -> str:
    required = part.get("required", [])
    rows = [
        f"| `{field}` | {_kind(spec)} | {_need(field, spec, required)} | {_cell(spec.get('description', ''))} |"
        for field, spec in part["properties"].items()
    ]
    about = _cell(part.get("description", "")) if name != "Plan" else "The whole file."
    table = ["| field | what | | |", "|---|---|---|---|", *rows]
    return "\n".join([f"### {name}", "", *([about, ""] if about else []), *table, ""])


def _kind(spec: dict[str, Any]) -> str:
    if reference := spec.get("$ref"):
        name = reference.rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if options := spec.get("anyOf"):
        return _kind(next(option for option in options if option.get("type") != "null"))
    if "const" in spec:
        return f"`{spec['const']}`"
    if words := spec.get("enum"):
        return " ".join(f"`{word}`" for word in words)
    if spec.get("type") == "array":
        return f"list of {_kind(spec['items'])}"
    return _simple_kind(spec)


def _simple_kind(spec: dict[str, Any]) -> str:
    kinds = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    limits = [
        f"{words} {spec[name]:,g}" if isinstance(spec[name], float) else f"{words} {spec[name]:,}"
        for name, words in (
            ("exclusiveMinimum", "more than"),
            ("minimum", "from"),
            ("maximum", "to"),
            ("maxLength", "up to"),
        )
        if name in spec
    ]
    if spec.get("pattern", "").startswith("^[a-z]"):
        return "key"
    if "pattern" in spec:
        limits.append(f"like `{spec['pattern']}`")
    return ", ".join([kinds[spec["type"]], *limits])


def _need(field: str, spec: dict[str, Any], required: list[str]) -> str:
    if field in required:
        return "needed"
    default = spec.get("default")
    if default in (None, "", [], {}) or isinstance(default, dict):
        return ""
    return f"else `{json.dumps(default, ensure_ascii=False)}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(with_fields(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    SCHEMA.write_text(schema_text(), encoding="utf-8")
