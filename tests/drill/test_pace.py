"""How fast a whole day is drilled: from mark to mark, at a factor, and what is refused as nonsense."""

import json
from typing import Any

import pytest

from app.config import ROOT
from app.domain.plan_clock import FASTEST
from app.drill import run_drill
from app.drill.pace import NoPace, Pace, fastest, length_s, read_pace
from app.providers.plan_yaml import read_plan

ALAWAEL = read_plan(ROOT / "plans" / "alawael.yaml")
HARBOUR = read_plan(ROOT / "plans" / "harbour.yaml")


def test_max_goes_from_mark_to_mark_and_a_number_is_a_factor() -> None:
    assert read_pace("max", ALAWAEL) == Pace(None)
    assert read_pace("60", ALAWAEL) == Pace(60)
    assert read_pace("1", ALAWAEL) == Pace(1)
    assert (read_pace("max", ALAWAEL).told, read_pace("60", ALAWAEL).told) == ("max", 60)


@pytest.mark.parametrize(
    "text", ["", "0", "-60", "1.5", "1e3", "fast", "060", "60x", "٦٠", " 60", "999999999999", "MAX"]
)
def test_nonsense_is_refused_and_the_message_says_what_would_do(text: str) -> None:
    with pytest.raises(NoPace, match=r"no speed for this plan: `max`.*from 1 \(real time\) to 100"):
        read_pace(text, ALAWAEL)


def test_the_fastest_factor_leaves_time_to_answer_each_decision_point() -> None:
    assert fastest(ALAWAEL) == 100, "five minutes in three seconds"
    assert read_pace("100", ALAWAEL).factor == 100
    with pytest.raises(NoPace):
        read_pace("101", ALAWAEL)
    assert fastest(HARBOUR) == 440, "22 minutes"
    phases = tuple(phase.model_copy(update={"decisions": ()}) for phase in ALAWAEL.phases)
    assert fastest(ALAWAEL.model_copy(update={"phases": phases})) == FASTEST


def test_a_drill_at_a_factor_is_given_the_time_that_the_plan_takes() -> None:
    assert length_s(ALAWAEL) == 2700 + 3000 + 2400 + 604_800 + 7200
    assert Pace(60).within_s(ALAWAEL) > length_s(ALAWAEL) / 60
    assert Pace(1).within_s(ALAWAEL) > length_s(ALAWAEL)
    assert Pace().within_s(ALAWAEL) == 900


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"phases": "all", "speed": "warp"}, "'warp' is no speed for this plan"),
        ({"speed": "60"}, "only the whole day has a speed: PHASES=all SPEED=60"),
        ({"phases": "all", "speed": "500", "plan": (HARBOUR, ROOT)}, "to 440 says"),
    ],
)
def test_a_drill_that_cannot_begin_says_so_in_its_one_line_and_starts_nothing(
    arguments: dict[str, Any], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_drill(**arguments) == 2
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["ok"] is False
    assert why in last["error"]
