"""domain.canary_alerts: each alert once, as it stands; only what the plan names does anything."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.canary_alerts import AlertMessage, canary_targets, effect_of, stand_of
from app.domain.canary_evidence import AlertSeen
from app.domain.plan import CanaryGate, CanaryLine, Plan

NOW = datetime(2026, 3, 5, 15, 0, tzinfo=UTC)
LINE = CanaryLine(title="No security alerts", kind="alert", categories=("security",))
GATE = CanaryGate(proceed_if=(LINE,), rollback_if=(LINE,))
STATES = st.sampled_from(["firing", "resolved", "unknown"])


def message(second: int, state: str, *, name: str = "Port scan", is_critical: bool = True) -> AlertMessage:
    return AlertMessage(NOW + timedelta(seconds=second), "pager", name, state, "security", is_critical)


@given(st.lists(st.tuples(st.sampled_from("ab"), STATES, st.booleans()), max_size=20))
def test_each_alert_is_there_once_as_its_newest_message_has_it(sent: list[tuple[str, str, bool]]) -> None:
    messages = [message(n, state, name=name, is_critical=crit) for n, (name, state, crit) in enumerate(sent)]
    found = {alert.name: alert for alert in stand_of(messages)}
    assert len(found) == len({name for name, _, _ in sent})
    for name, alert in found.items():
        mine = [each for each in messages if each.name == name]
        assert (alert.stands, alert.at) == (mine[-1].state, mine[-1].at)
        fired = [each for each in mine if each.state == "firing"]
        assert alert.has_fired == bool(fired)
        assert alert.is_critical == any(each.is_critical for each in fired)


@pytest.mark.parametrize(
    ("states", "is_critical", "effect"),
    [
        (("firing",), True, "back"),
        (("firing", "resolved"), True, "back"),
        (("firing",), False, "holds"),
        (("firing", "resolved"), False, "over"),
        (("firing", "unknown"), False, "unknown"),
        (("unknown",), True, "unknown"),
        (("resolved",), True, "over"),
    ],
)
def test_what_an_alert_does(states: tuple[str, ...], is_critical: bool, effect: str) -> None:
    (found,) = stand_of(message(n, state, is_critical=is_critical) for n, state in enumerate(states))
    assert effect_of(GATE, found) == effect
    assert effect_of(CanaryGate(), found) == "none"
    other = CanaryLine(title="No other", kind="alert", categories=("capacity",))
    assert effect_of(CanaryGate(proceed_if=(other,), rollback_if=(other,)), found) == "none"


def test_a_line_without_categories_names_all() -> None:
    anything = CanaryLine(title="No alerts", kind="alert")
    alert = AlertSeen(NOW, "", is_critical=True, name="Something")
    assert effect_of(CanaryGate(rollback_if=(anything,)), alert) == "back"


def test_targets_of_canaries(plan: Plan) -> None:
    assert canary_targets(plan) == {"staging"}
