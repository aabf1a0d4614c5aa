"""What Pydantic says of a field, in the words of somebody who writes a plan."""

import types
from difflib import get_close_matches
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from app.domain.plan import Plan
from app.domain.plan_problems import Path

PATTERNS = {
    r"^[a-z][a-z0-9_]{0,47}$": "Use small letters, digits and `_`, a letter first, at most 48.",
    r"^[a-z][a-z0-9_]{0,47}$|^$": "Use small letters, digits and `_`, a letter first, at most 48.",
    r"^sha256:[0-9a-f]{64}$": "Write `sha256:` and the 64 hex digits of the artifact.",
    r"^/[!-~]*$": "Begin with `/`; no spaces and no letters beyond ASCII.",
    r"^\d{1,2}[A-Z]?$": 'Write one or two digits and perhaps a capital letter, in quotes: "4" or "4B".',
}

KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def wording(path: Path, detail: Any) -> tuple[str, str]:
    """Message and remedy for one error of Pydantic (`ErrorDetails`) at `path`."""
    kind: str = detail["type"]
    name = f"`{path[-1]}`" if path else "The plan"
    context: dict[str, Any] = detail.get("ctx") or {}
    if kind == "missing":
        return f"{name} is missing.", _remedy_for_missing(path)
    if kind == "extra_forbidden":
        return _unknown_field(path)
    if kind in KINDS:
        return _wrong_kind(name, KINDS[kind], detail["input"])
    if kind == "literal_error":
        return _wrong_word(name, detail["input"], context)
    if kind == "string_pattern_mismatch":
        return f"{name} is {_shown(detail['input'])}.", PATTERNS.get(
            context["pattern"], f"Write it as {context['pattern']}."
        )
    if kind == "string_too_short":
        return f"{name} is empty.", "Write it, or leave the line out if it is not needed."
    if kind == "string_too_long":
        limit = context["max_length"]
        return f"{name} has {len(detail['input'])} characters; the limit is {limit}.", f"Shorten it to {limit}."
    bounds = {"greater_than": "more than", "greater_than_equal": "at least", "less_than": "less than"}
    bounds |= {"less_than_equal": "at most"}
    if kind in bounds:
        limit = next(iter(context.values()))
        return f"{name} is {_shown(detail['input'])}.", f"Write a number of {bounds[kind]} {limit:g}."
    return f"{name}: {detail['msg']}.", "Compare with docs/plans.md."


def _shown(value: Any) -> str:
    text = "empty" if value is None else f"`{value}`" if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _wrong_kind(name: str, wanted: str, value: Any) -> tuple[str, str]:
    if value is None:
        return f"{name} is empty; it needs {wanted}.", "Write it, or leave the line out if it is not needed."
    if wanted == "text" and isinstance(value, int | float):
        return f"{name} is read as {value!r}, not as text.".replace("True", "true").replace("False", "false"), (
            f'Put it in quotes, as you want it to read: "{value}".'
        )
    given = "a list" if isinstance(value, list) else "a mapping" if isinstance(value, dict) else _shown(value)
    remedies = {
        "a list": "Begin each entry on a line of its own with `- `.",
        "a mapping": "Write `key: value` lines, indented.",
        "a whole number": "Write digits only, without quotes or unit.",
        "a number": "Write it without quotes or unit.",
        "true or false": "Write true or false, without quotes.",
    }
    return f"{name} is {given}; it needs {wanted}.", remedies.get(wanted, "Write one line of text.")


def _wrong_word(name: str, value: Any, context: dict[str, Any]) -> tuple[str, str]:
    expected = str(context["expected"]).replace(" or ", ", ").replace("'", "").split(", ")
    close = get_close_matches(str(value), expected, n=1)
    hint = f"Did you mean `{close[0]}`? " if close else ""
    return f"{name} is {_shown(value)}.", f"{hint}Write one of: {', '.join(expected)}."


def _unknown_field(path: Path) -> tuple[str, str]:
    close = close_field(path)
    hint = f"Did you mean `{close}`? " if close else "Remove it. "
    return f"`{path[-1]}` is not a field here.", f"{hint}The fields here are: {', '.join(_fields_at(path[:-1]))}."


def close_field(path: Path) -> str | None:
    """The field that an author may have meant with the unknown one at `path`."""
    return next(iter(get_close_matches(str(path[-1]), _fields_at(path[:-1]), n=1)), None)


def _fields_at(path: Path) -> list[str]:
    model = _model_at(path)
    return list(model.model_fields) if model else []


def _remedy_for_missing(path: Path) -> str:
    model = _model_at(path[:-1])
    field = model.model_fields.get(str(path[-1])) if model else None
    if field is None:
        return "Add it."
    inner = _inner(field.annotation)
    if get_origin(field.annotation) is tuple:
        return f"Add `{path[-1]}:` with a list under it."
    if inner is not None:
        return f"Add `{path[-1]}:` with {', '.join(inner.model_fields)} under it."
    return f"Add a line `{path[-1]}: …`."


def _model_at(path: Path) -> type[BaseModel] | None:
    model: type[BaseModel] | None = Plan
    for part in path:
        if isinstance(part, int) or model is None:
            continue
        field = model.model_fields.get(part)
        model = _inner(field.annotation) if field else None
    return model


def _inner(annotation: Any) -> type[BaseModel] | None:
    """The model in `X`, `X | None` or `tuple[X, ...]`."""
    if get_origin(annotation) in (tuple, Union, types.UnionType):
        return next((found for part in get_args(annotation) if (found := _inner(part))), None)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
