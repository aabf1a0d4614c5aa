"""The readiness light: what puts it out, and that no missing answer ever counts as a yes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.readiness import MAY_STAY_OPEN, Capsule, Evidence, Finding, judge

NOW = datetime(2026, 3, 6, 19, 0, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


FINDING = Finding("agent", "The agent answers", True, "1 route")
FRESH = Capsule("worker-1", 1999, ago(2), ago(1))
WELL = Evidence(
    blue_is_healthy=True,
    blue_found="healthy, 2 of 2 targets",
    blue_at=ago(1),
    read_error="",
    read_at=ago(1),
    configuration="c1",
    expected_configuration="c1",
    findings=(FINDING,),
    findings_at=ago(4),
    capsules=(FRESH, replace(FRESH, worker="worker-2", written_at=ago(3))),
    armed_at=ago(60),
    epoch=1999,
)


def test_all_well() -> None:
    light = judge(WELL, NOW)
    assert light.is_ready
    assert light.proof_age_s == 4
    assert light.lines[-1].found == "fresh on all 2 workers, none older than 3 s"
    assert judge(replace(WELL, capsules=(FRESH,)), NOW).lines[-1].found.startswith("fresh on the one worker")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"blue_is_healthy": False, "blue_found": "unhealthy, 0 of 2"}, "BLUE's health and release: unhealthy, 0 of 2"),
        ({"blue_is_healthy": None}, "BLUE's health and release"),
        ({"blue_at": ago(16)}, "not answered in the last 15 s"),
        ({"blue_at": None}, "not asked yet"),
        ({"read_at": ago(16)}, "not answered in the last 15 s"),
        ({"read_error": "connection refused"}, "answer and set-up: connection refused"),
        ({"configuration": "c2"}, "set up as c2, voted on c1"),
        ({"findings_at": ago(46)}, "Pre-flight: not answered in the last 45 s"),
        ({"findings": ()}, "had nothing to say"),
        ({"findings": (replace(FINDING, is_ok=False, found="no permission"),)}, "The agent answers: no permission"),
        ({"findings": (replace(FINDING, is_ok=None, found="throttled"),)}, "The agent answers: throttled"),
        ({"capsules": ()}, "no worker reports one"),
        ({"capsules": (replace(FRESH, reported_at=ago(11)),)}, "no worker reports one"),
        ({"capsules": (FRESH, replace(FRESH, worker="w2", written_at=ago(31)))}, "w2: not renewed"),
        ({"capsules": (FRESH, replace(FRESH, worker="w2", written_at=None))}, "w2: not renewed"),
        ({"capsules": (FRESH, replace(FRESH, worker="w2", epoch=999))}, "w2: from an earlier arming"),
        ({"capsules": (FRESH, replace(FRESH, worker="w2", problem="disk full"))}, "w2: disk full"),
    ],
)
def test_what_puts_it_out_is_named(changed: dict[str, object], says: str) -> None:
    light = judge(replace(WELL, **changed), NOW)
    assert not light.is_ready
    assert any(says in reason for reason in light.reasons), light.reasons


def test_a_worker_that_is_gone_does_not_count_while_another_holds_the_capsule() -> None:
    assert judge(replace(WELL, capsules=(FRESH, replace(FRESH, worker="w2", reported_at=ago(11)))), NOW).is_ready


def test_before_arming_capsules_are_no_question() -> None:
    assert judge(replace(WELL, armed_at=None, capsules=()), NOW).is_ready


def test_right_after_arming_a_missing_capsule_is_not_known_rather_than_bad() -> None:
    """The light is out, and a press is not refused for it."""
    early = judge(replace(WELL, armed_at=ago(2), capsules=()), NOW)
    assert not early.is_ready
    assert early.plain_noes == ()
    assert judge(replace(WELL, armed_at=ago(11), capsules=()), NOW).plain_noes == (
        "Rollback capsules: no worker reports one",
    )
    full = replace(WELL, armed_at=ago(2), capsules=(replace(FRESH, problem="No space left on device"),))
    assert judge(full, NOW).plain_noes == ("Rollback capsules: worker-1: No space left on device",)


def test_a_sick_blue_puts_the_light_out_and_does_not_refuse_to_leave_it() -> None:
    light = judge(replace(WELL, blue_is_healthy=False), NOW)
    assert light.reasons
    assert light.plain_noes == ()


@given(st.sampled_from(sorted(MAY_STAY_OPEN)), st.sampled_from([True, False, None]))
def test_an_open_question_beside_the_way_back_may_stay_open_and_a_no_never(key: str, is_ok: bool | None) -> None:
    beside = Finding(key, "Beside", is_ok, "found")
    assert judge(replace(WELL, findings=(FINDING, beside)), NOW).is_ready is (is_ok is not False)
