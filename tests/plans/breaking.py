"""A small whole plan, and ways to break it and to say where."""

from pathlib import Path

import pytest

from app.domain.plan_problems import PlanInvalid, Problem
from app.providers.plan_yaml import load_plan

MINIMAL = (Path(__file__).parent / "minimal.yaml").read_text()


def problems_of(text: str) -> tuple[Problem, ...]:
    with pytest.raises(PlanInvalid) as caught:
        load_plan(text, "shop.yaml")
    return caught.value.problems


def broken(old: str, new: str, text: str = MINIMAL) -> str:
    """The minimal plan with `old`, which must stand there, replaced once by `new`."""
    assert old in text, f"the plan has no {old!r}"
    return text.replace(old, new, 1)


def marked(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Text without its `«` marks, and the line and column (from 1) of the character after each mark."""
    places: list[tuple[int, int]] = []
    while (index := text.find("«")) >= 0:
        places.append((text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)))
        text = text.replace("«", "", 1)
    return text, places
