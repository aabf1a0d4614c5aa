"""docs/plans.md and the schema for editors say what the code does."""

import re
from typing import get_args

from app.domain.plan import Capability, Plan
from app.providers.plan_yaml import plan_schema
from app.providers.plan_yaml.nodes import MAX_CHARACTERS, MAX_DEPTH, MAX_EVENTS
from app.providers.plan_yaml.reference import PAGE, SCHEMA, fields_text, schema_text, with_fields
from tests.plans.breaking import broken, problems_of

RENEW = "run `python -m app.providers.plan_yaml.reference`"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_reference_of_fields_is_that_of_the_schema() -> None:
    assert with_fields(TEXT) == TEXT, RENEW


def test_the_schema_for_editors_is_that_of_the_code() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema_text(), RENEW


def test_every_part_and_field_is_in_the_reference() -> None:
    schema = plan_schema()
    for name, part in {"Plan": schema, **schema["$defs"]}.items():
        section = fields_text().partition(f"### {name}\n")[2].partition("\n### ")[0]
        assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(part["properties"])


def test_capabilities_are_all_explained() -> None:
    table = TEXT.partition("## Capabilities")[2].partition("## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(get_args(Capability))


def test_the_bounds_are_those_of_the_reader() -> None:
    for bound in (f"{MAX_DEPTH} levels", f"{MAX_EVENTS:,} entries", f"{MAX_CHARACTERS:,}"):
        assert bound in TEXT


def test_the_example_of_problems_is_what_one_gets() -> None:
    text = broken("warning: 300", "warning: 100")
    text = broken("checklist: before", "checklist: befor", text)
    text = broken("key: healthy, position", "key: healthy, positon", text)
    shown = re.findall(r"^  (line .*)$", TEXT, re.MULTILINE)
    assert [str(problem) for problem in problems_of(text)] == shown


def test_a_plan_needs_nothing_that_the_reference_calls_optional() -> None:
    needed = {name for name, field in Plan.model_fields.items() if field.is_required()}
    section = fields_text().partition("### Plan\n")[2].partition("\n### ")[0]
    assert set(re.findall(r"^\| `(\w+)` \| [^\n]* \| needed \|", section, re.MULTILINE)) == needed
