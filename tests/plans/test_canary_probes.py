"""A canary whose shares nobody could tell is refused with its plan, not in the evening."""

import pytest

from app.domain.observation import HALF_WIDTH, SHARE_LOOK_BACK_S, SOME_ANSWERS, Share, rate_to_tell
from app.domain.plan_problems import PlanInvalid
from app.providers.plan_yaml import load_plan
from tests.conftest import PLAN_FILE

TEXT = PLAN_FILE.read_text(encoding="utf-8")
RATE = "operation_rate: 200"


def with_rate(rate: int) -> str:
    """ALAWAEL's plan with another rate of probes at staging, the second target."""
    before, _, after = TEXT.rpartition(RATE)
    assert before.endswith("probes:\n      ")
    return f"{before}operation_rate: {rate}{after}"


def test_too_few_probes_for_half_are_refused_at_their_place() -> None:
    least = rate_to_tell(50)
    load_plan(with_rate(least), "plan.yaml")
    with pytest.raises(PlanInvalid) as refused:
        load_plan(with_rate(least - 1), "plan.yaml")
    (problem,) = refused.value.problems
    assert problem.path == "targets[1].probes.operation_rate"
    assert f"With {least - 1} probes a second nobody can tell 50 %" in problem.message
    assert problem.remedy == f"Let it be {least} or more."
    assert "operation_rate" in with_rate(least - 1).splitlines()[problem.line - 1]


@pytest.mark.parametrize("percent", [1, 10, 25, 50, 75, 99])
def test_the_rate_is_just_enough(percent: int) -> None:
    total = rate_to_tell(percent) * SHARE_LOOK_BACK_S
    assert Share(round(total * percent / 100), total).half_width <= HALF_WIDTH
    assert total * min(percent, 100 - percent) / 100 >= SOME_ANSWERS
    fewer = (rate_to_tell(percent) - 1) * SHARE_LOOK_BACK_S
    is_wide = Share(round(fewer * percent / 100), fewer).half_width > HALF_WIDTH
    assert is_wide or fewer * min(percent, 100 - percent) / 100 < SOME_ANSWERS
