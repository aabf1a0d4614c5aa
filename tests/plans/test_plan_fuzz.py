"""Whatever the text is, the answer is a plan or `PlanInvalid` with places inside the text."""

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.plan_problems import PlanInvalid, Problem
from app.providers.plan_yaml import load_plan
from tests.plans.breaking import MINIMAL

PIECES = st.one_of(
    st.sampled_from(
        ["- ", ": ", "\n", "  ", "{", "}", "[", "]", "&a ", "*a", "!t ", "? ", "|\n", ">-\n", "'", '"', "#", "%"]
    ),
    st.sampled_from(
        ["---\n", "...\n", "<<: ", "null", "\t", "\x85", "\u2028", "\ufeff", "\x00", "9e99", ".inf", "0x1"]
    ),
    st.text(max_size=4),
)


def problems_of(text: str) -> tuple[Problem, ...]:
    """What is wrong with the text; nothing, if it is a plan. Any other exception fails the test."""
    try:
        load_plan(text, "fuzz.yaml")
    except PlanInvalid as invalid:
        return invalid.problems
    return ()


def check(text: str) -> None:
    lines = len(text.splitlines()) + 1
    for problem in problems_of(text):
        assert 1 <= problem.line <= lines + 1
        assert problem.column >= 1
        assert problem.message
        assert problem.remedy


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_text(text: str) -> None:
    check(text)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(MINIMAL)), st.integers(0, 30), PIECES)
def test_a_plan_with_one_slip(at: int, cut: int, piece: str) -> None:
    check(MINIMAL[:at] + piece + MINIMAL[at + cut :])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, MINIMAL.count("\n") - 1), min_size=1, max_size=6, unique=True))
def test_lines_left_out(lines: list[int]) -> None:
    kept = [line for number, line in enumerate(MINIMAL.splitlines()) if number not in lines]
    check("\n".join(kept))
