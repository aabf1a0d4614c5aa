"""docs/coverage.md names for each part of the team's manual where it lives: every place exists, no part is left out."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.domain.plan import Plan
from app.main import FEATURES
from tests.architecture.test_policy import doors_of
from tests.known_plans import ALAWAEL as PLAN

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "coverage.md"
DOCUMENT = PLAN.model_dump(mode="json")
NAMES = ("key", "check", "minute", "percent", "at_s", "answer")
"""What an entry of a list is called by: the first of these that it has."""


def rows_of(text: str) -> list[tuple[str, str, str]]:
    """(what, where, how) of every line of every table."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [(row[0], row[1], row[2]) for row in cells if row[0] != "what the manual asks"]


ROWS = rows_of(PAGE.read_text(encoding="utf-8"))
PLACES = sorted({place for _, where, _ in ROWS for place in re.findall(r"`([^`]+)`", where)})


def pages() -> set[str]:
    """The paths of all GET routes, the deployment's number as {id}."""
    doors = [door for feature in ("core", *FEATURES) for door in doors_of(feature)]
    return {door.path.replace("{deployment_id}", "{id}") for door in doors if door.method == "GET"}


def found_in(node: Any, path: list[str]) -> Any:
    """What a path of the page leads to. Raises LookupError where it leads nowhere."""
    for part in path:
        if isinstance(node, dict):
            # A checklist is its items: `checklists.before_production.caffeine`.
            holder = node if part in node or "items" not in node else node["items"]
            node = holder[part] if isinstance(holder, dict) else entry(holder, part)
        else:
            node = entry(node, part)
    if node is None or node == "":
        raise LookupError(path)
    return node


def entry(entries: Any, part: str) -> Any:
    """An entry of a list: what is called `part`, or else the entry of that number, counted from 1."""
    for candidate in entries:
        if str(called(candidate)) == part:
            return candidate
    number = int(part) - 1 if part.isdigit() else -1
    if not 0 <= number < len(entries) or (isinstance(entries[number], dict) and "key" in entries[number]):
        raise LookupError(part)
    return entries[number]


def called(candidate: Any) -> Any:
    return next((candidate[name] for name in NAMES if name in candidate), "") if isinstance(candidate, dict) else ""


def is_there(place: str) -> bool:
    kind, _, where = place.partition(": ")
    if kind == "plan":
        try:
            found_in(DOCUMENT, where.split("."))
        except (LookupError, TypeError):
            return False
        return True
    if kind == "page":
        return where in pages()
    return re.match(r"(?:app|docs)/", place) is not None and (ROOT / place).exists()


def test_every_place_exists() -> None:
    assert [place for place in PLACES if not is_there(place)] == []


def test_what_has_no_place_says_why() -> None:
    for what, where, how in ROWS:
        assert what, "a line without words"
        assert "`" in where or where in ("not yet", "no"), f"{what}: {where}"
        assert "`" in where or how, f"{what} has no place and no reason"


def parts_of(plan: Plan) -> Iterator[str]:
    """Every part of the plan that the manual asks for, as the page names it."""
    for checklist in plan.checklists:
        yield from (f"checklists.{checklist.key}.{item.key}" for item in checklist.items)
    for position in plan.positions:
        yield f"positions.{position.key}"
        for stage, lines in position.duties:
            yield from (f"positions.{position.key}.duties.{stage}.{n}" for n in range(1, len(lines) + 1))
    for name in ("rules", "avoid", "incident_checks"):
        yield from (f"{name}.{n}" for n in range(1, len(getattr(plan, name)) + 1))
    for name in ("contacts", "channels", "triggers"):
        yield from (f"{name}.{part.key}" for part in getattr(plan, name))
    for metric in plan.metrics:
        yield from (f"metrics.{metric.key}.{limit}" for limit in ("target", "warning", "critical", "decision"))
    for phase in plan.phases:
        at = f"phases.{phase.key}"
        yield f"{at}.schedule"
        yield from (f"{at}.timeline.{n}" for n in range(1, len(phase.timeline) + 1))
        yield from (f"{at}.after.{n}" for n in range(1, len(phase.after) + 1))
        yield from (f"{at}.canary.{step.percent}" for step in phase.canary)
        yield from (f"{at}.strip.{stage.at_s}.checks.{line.check}" for stage in phase.strip for line in stage.checks)
        yield from (f"{at}.decisions.{p.minute}.answers.{a.answer}" for p in phase.decisions for a in p.answers)
        yield from (f"{at}.rollback.criteria.{c.check}" for c in (phase.rollback.criteria if phase.rollback else ()))
        yield from (f"{at}.signoffs.questions.{q.key}" for q in (phase.signoffs.questions if phase.signoffs else ()))
        for action in phase.actions:
            yield f"{at}.actions.{action.key}"
            for signals in ("success_signals", "failure_signals"):
                yield from (
                    f"{at}.actions.{action.key}.{signals}.{n + 1}" for n in range(len(getattr(action, signals)))
                )


def test_no_part_of_the_plan_is_left_out() -> None:
    named = {place.removeprefix("plan: ") for place in PLACES if place.startswith("plan: ")}
    assert sorted(set(parts_of(PLAN)) - named) == []


@pytest.mark.parametrize(
    "place",
    [
        "plan: checklists.before_production.tea",
        "plan: phases.production.decisions.7",
        "plan: phases.github.after.99",
        "plan: title.tea",
        "page: /d/{id}/tea",
        "app/tea",
        "tests/plans",
        "tea",
    ],
)
def test_a_place_that_is_not_there_is_noticed(place: str) -> None:
    assert not is_there(place)
