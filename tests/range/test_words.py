"""Turned knobs in words."""

import pytest

from app.range.queries_cards import PRESETS, cards_of, presets_of
from app.range.queries_words import turned, wrong
from app.rehearsal.knobs import Knobs

WELL = Knobs().model_dump()


def after(part: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    return Knobs().changed_by(part).model_dump()  # type: ignore[arg-type]  # JSON values, told by their use


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"green": {"latency_ms": 800}}, "made GREEN slow: +800 ms"),
        ({"blue": {"latency_ms": 1500}}, "made BLUE slow: +1,500 ms"),
        ({"green": {"failure_percent": 5}}, "made GREEN fail 5 % of requests"),
        ({"green": {"dead": True}}, "killed GREEN"),
        ({"balancer": {"refuse": True}}, "made the balancer refuse writes"),
        ({"customers": {"per_second": 200}}, "set the customers to 200 requests a second"),
        ({"customers": {"per_second": 0}}, "sent the customers home"),
        ({"aws": {"faults": [{"kind": "reset"}, {"kind": "dropped"}]}}, "let the simulated AWS fail in 2 ways"),
    ],
)
def test_a_turned_knob_is_a_sentence_and_turning_it_back_another(part: dict[str, dict[str, object]], said: str) -> None:
    changed = after(part)
    assert turned(WELL, changed) == (said,)
    back = turned(changed, WELL)
    assert len(back) == 1
    assert back != (said,)


def test_every_knob_has_its_words_and_its_field() -> None:
    for group, own in WELL.items():
        for name, value in own.items():
            others: dict[type, object] = {bool: not value, tuple: [{"kind": "reset"}]}
            other = others.get(type(value), 1)
            changed = after({group: {name: other}})
            assert turned(WELL, changed), f"{group}.{name}"
            assert group == "customers" or wrong(group, changed[group]), f"{group}.{name}"
    assert {card.group for card in cards_of(WELL, has_aws=True)} == set(WELL)
    for card in cards_of(WELL):
        assert {knob.name for knob in (*card.numbers, *card.ticks)} == set(WELL[card.group])


def test_nothing_turned_says_nothing() -> None:
    assert turned(WELL, WELL) == ()
    assert all(wrong(group, own) == "" for group, own in WELL.items())


def test_a_preset_is_on_while_all_of_it_is_in_force() -> None:
    assert not any(preset.is_on for preset in presets_of(WELL))
    for key, part in PRESETS.items():
        assert [preset.key for preset in presets_of(after(part)) if preset.is_on] == [key]
