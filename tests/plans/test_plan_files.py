"""Plans in files: what is no UTF-8, is missing or far too big is told like any other problem."""

from pathlib import Path

import pytest

from app.domain.plan import plan_hash
from app.domain.plan_problems import PlanInvalid, Problem
from app.providers.plan_yaml import load_plan, read_plan
from tests.plans.breaking import MINIMAL


def problem_of(path: Path) -> Problem:
    with pytest.raises(PlanInvalid) as caught:
        read_plan(path)
    assert caught.value.source == str(path)
    return caught.value.problems[0]


def test_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text("\ufeff" + MINIMAL.replace("Shop", "Café العويل"))
    assert read_plan(file).title == "Café العويل"


def test_a_missing_file(tmp_path: Path) -> None:
    assert "can't be read: No such file" in problem_of(tmp_path / "none.yaml").message


def test_not_utf8(tmp_path: Path) -> None:
    file = tmp_path / "latin.yaml"
    file.write_bytes(b"key: shop\ntitle: Caf\xe9\n")
    problem = problem_of(file)
    assert (problem.line, problem.column) == (2, 11)
    assert problem.message == "The file is not UTF-8 from here on."


@pytest.mark.parametrize("letter", ["a", "é", "ع"])
def test_far_too_big(tmp_path: Path, letter: str) -> None:
    file = tmp_path / "big.yaml"
    file.write_text(letter * 3_000_000)
    assert "the limit is 262,144" in problem_of(file).message


@pytest.mark.parametrize("ending", ["\r\n", "\r"])
def test_other_line_endings_make_the_same_plan(ending: str) -> None:
    same = load_plan(MINIMAL.replace("\n", ending), "shop.yaml")
    assert plan_hash(same) == plan_hash(load_plan(MINIMAL, "shop.yaml"))
