"""Rollback triggers: UNKNOWN neither satisfies nor resets (I8), one fire an attempt, countdowns keep their word."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.metrics import Observation
from app.domain.plan import Trigger
from app.domain.triggers import (
    BAD,
    GOOD,
    TRANSITIONS,
    Evidence,
    Finding,
    Ground,
    Judgement,
    Rule,
    Stage,
    decide,
    is_worth_telling,
)

NOW = datetime(2026, 3, 6, 19, 30, tzinfo=UTC)
EVERY_S = 2
SWITCHED = NOW - timedelta(hours=1)
GROUND = Ground(SWITCHED)
METRIC = Rule(Trigger(key="e", title="E", kind="metric", metric="e", above=2, sustained_s=120), EVERY_S, 5.0)
PROBE = Rule(Trigger(key="p", title="P", kind="probe", smoke_tests=("pay",), failing_checks=2), EVERY_S, 7.0)
ALERT = Rule(Trigger(key="a", title="A", kind="alert", failing_checks=1), EVERY_S, 7.0)
BUTTON = Rule(Trigger(key="b", title="B", kind="button"), EVERY_S, 7.0)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def row(*values: float | None, ends: datetime = NOW) -> tuple[Observation, ...]:
    first = ends - timedelta(seconds=EVERY_S * (len(values) - 1))
    return tuple(Observation(first + timedelta(seconds=EVERY_S * index), value) for index, value in enumerate(values))


def judge(
    rule: Rule,
    samples: tuple[Observation, ...] = (),
    now: datetime = NOW,
    *,
    stage: Stage = Stage.QUIET,
    ground: Ground = GROUND,
    alerts: tuple[datetime, ...] = (),
) -> Judgement:
    return decide(rule, stage, Evidence(samples, alerts), ground, now)


def test_every_stage_has_an_answer_to_every_finding() -> None:
    assert set(TRANSITIONS) == {(stage, finding) for stage in Stage for finding in Finding}


@pytest.mark.parametrize("finding", list(Finding))
def test_what_fired_stays_fired(finding: Finding) -> None:
    assert TRANSITIONS[Stage.FIRED, finding] is Stage.FIRED


def test_only_a_complete_breach_that_may_act_fires() -> None:
    leads_there = {key for key, stage in TRANSITIONS.items() if stage is Stage.FIRED and key[0] is not Stage.FIRED}
    assert {finding for _, finding in leads_there} == {Finding.ACT}


def test_a_breach_counts_down_and_fires_on_the_second() -> None:
    running = judge(METRIC, row(*[2.6] * 24))
    assert (running.stage, running.progress_s) == (Stage.BREACHING, 46)
    assert running.fires_at == after(74)
    done = judge(METRIC, row(*[2.6] * 61, ends=after(74)), after(74))
    assert (done.stage, done.complete_at) == (Stage.FIRED, after(74))
    assert judge(METRIC, row(*[2.6] * 60, ends=after(72)), after(73.9)).stage is Stage.BREACHING


def test_before_the_switch_there_is_nothing_to_judge() -> None:
    found = judge(METRIC, row(*[9.0] * 200), ground=Ground(None, "no switch yet"))
    assert (found.stage, found.why, found.fires_at) == (Stage.OFF, "no switch yet", None)


def test_samples_from_before_the_switch_do_not_count() -> None:
    found = judge(METRIC, row(*[9.0] * 200), ground=Ground(NOW - timedelta(seconds=20)))
    assert found.stage is Stage.BREACHING
    assert found.progress_s == 20


def test_a_dark_side_is_unknown_and_never_quiet() -> None:
    assert judge(METRIC).stage is Stage.UNKNOWN
    assert judge(METRIC, row(0.1, 0.1, ends=NOW - timedelta(seconds=30))).stage is Stage.UNKNOWN
    assert judge(PROBE, row(None, None)).stage is Stage.UNKNOWN
    assert judge(ALERT).stage is Stage.QUIET, "silence of alerts is no darkness"


def test_while_it_is_dark_no_clock_runs() -> None:
    seen = row(*[2.6] * 20)
    dark = judge(METRIC, seen, after(60), stage=Stage.BREACHING)
    assert (dark.stage, dark.is_dark, dark.fires_at) == (Stage.BREACHING, True, None)
    assert dark.progress_s < 120


def test_two_failing_checks_in_a_row_fire_and_one_does_not() -> None:
    assert judge(PROBE, row(GOOD, BAD)).stage is Stage.BREACHING
    assert judge(PROBE, row(BAD, GOOD, BAD)).stage is Stage.BREACHING
    done = judge(PROBE, row(GOOD, BAD, BAD))
    assert (done.stage, done.in_a_row, done.complete_at) == (Stage.FIRED, 2, NOW)
    assert judge(PROBE, row(BAD, None, None, BAD)).stage is Stage.FIRED, "a check that says nothing is passed over"


def test_an_alert_fires_and_one_from_before_the_switch_does_not() -> None:
    assert judge(ALERT, alerts=(NOW,)).stage is Stage.FIRED
    assert judge(ALERT, alerts=(SWITCHED - timedelta(seconds=1),)).stage is Stage.QUIET


def test_a_report_by_hand_completes_a_trigger_of_checks() -> None:
    assert judge(PROBE, row(GOOD, GOOD), alerts=(NOW,)).stage is Stage.FIRED
    assert judge(METRIC, row(GOOD, GOOD), alerts=(NOW,)).stage is Stage.QUIET


def test_the_button_is_never_judged() -> None:
    assert judge(BUTTON, row(BAD, BAD), alerts=(NOW,)).stage is Stage.OFF


def test_recommend_only_recommends() -> None:
    rule = Rule(METRIC.trigger.model_copy(update={"mode": "recommend"}), EVERY_S, 5.0)
    found = judge(rule, row(*[2.6] * 61))
    assert (found.stage, found.fires_at) == (Stage.RECOMMENDED, None)
    calm = judge(rule, row(*[0.1] * 61), stage=Stage.RECOMMENDED)
    assert calm.stage is Stage.RECOMMENDED, "it was right when it was given"


def test_an_unhealthy_blue_makes_it_recommend_until_blue_is_well() -> None:
    sick = Ground(SWITCHED, blue_trouble="unhealthy, 0 of 1 targets")
    found = judge(METRIC, row(*[2.6] * 61), ground=sick)
    assert (found.stage, found.fires_at) == (Stage.RECOMMENDED, None)
    assert "BLUE is unhealthy" in found.why
    assert judge(METRIC, row(*[2.6] * 61), stage=found.stage).stage is Stage.FIRED


def test_a_hold_stops_it_and_its_end_lets_it_fire_if_the_breach_still_stands() -> None:
    held = Ground(SWITCHED, held_until=after(300))
    found = judge(METRIC, row(*[2.6] * 61), ground=held)
    assert (found.stage, found.fires_at) == (Stage.HELD, after(300))
    still = judge(METRIC, row(*[2.6] * 61, ends=after(300)), after(300), stage=Stage.HELD, ground=held)
    assert still.stage is Stage.FIRED
    over = judge(METRIC, row(*[0.1] * 61, ends=after(300)), after(300), stage=Stage.HELD, ground=held)
    assert over.stage is Stage.QUIET


def test_one_bad_sample_is_not_told() -> None:
    assert not is_worth_telling(METRIC, judge(METRIC, row(0.1, 0.1, 2.6)), NOW)
    assert is_worth_telling(METRIC, judge(METRIC, row(0.1, 2.6, 2.6, 2.6)), NOW)
    assert not is_worth_telling(PROBE, judge(PROBE, row(GOOD, BAD)), NOW)
    assert is_worth_telling(PROBE, judge(PROBE, row(BAD, BAD)), NOW)


known = st.one_of(st.floats(0, 1.9), st.floats(2.1, 100))
series = st.lists(st.one_of(st.none(), known), min_size=1, max_size=150)
checks = st.lists(st.sampled_from([None, GOOD, BAD]), min_size=1, max_size=40)


@settings(deadline=None)
@given(values=series, blanks=st.lists(st.integers(0, 300), max_size=40), rule=st.sampled_from([METRIC, PROBE]))
def test_unknown_changes_nothing(values: list[float | None], blanks: list[int], rule: Rule) -> None:
    seen = row(*values)
    extra = tuple(Observation(NOW - timedelta(seconds=age), nothing) for age in blanks for nothing in (None, math.nan))
    assert judge(rule, (*seen, *extra)) == judge(rule, seen)


@settings(deadline=None)
@given(values=series, wait_s=st.floats(0, 3600), stage=st.sampled_from([Stage.BREACHING, Stage.HELD]))
def test_silence_never_ends_a_breach(values: list[float | None], wait_s: float, stage: Stage) -> None:
    before = judge(METRIC, row(*values), stage=stage)
    later = judge(METRIC, row(*values), after(wait_s), stage=before.stage)
    assert later.is_in_breach == before.is_in_breach
    assert later.progress_s >= before.progress_s
    if before.is_in_breach:
        assert later.stage in (Stage.BREACHING, Stage.FIRED)


@settings(deadline=None)
@given(values=checks, blanks=st.integers(0, 100))
def test_checks_that_say_nothing_never_complete_a_row(values: list[float | None], blanks: int) -> None:
    before = judge(PROBE, row(*values))
    after_blanks = judge(PROBE, row(*values, *[None] * blanks, ends=after(EVERY_S * blanks)), after(EVERY_S * blanks))
    assert after_blanks.in_a_row == before.in_a_row
    assert after_blanks.is_complete == before.is_complete


@settings(deadline=None)
@given(values=st.lists(known, min_size=1, max_size=200))
def test_a_flapping_metric_fires_at_most_once(values: list[float]) -> None:
    """As the judge runs it: a sample, a judgement, the stage carried on."""
    stage, fires = Stage.QUIET, 0
    seen: list[Observation] = []
    for index, value in enumerate(values):
        at = after(index * EVERY_S)
        seen.append(Observation(at, value))
        found = judge(METRIC, tuple(seen), at, stage=stage)
        fires += found.stage is Stage.FIRED and stage is not Stage.FIRED
        stage = found.stage
    assert fires <= 1


@settings(deadline=None)
@given(bad=st.integers(1, 59), later=st.integers(0, 59))
def test_the_countdown_keeps_its_word(bad: int, later: int) -> None:
    """Whoever reads "in 74 s" reads it again 10 s later as 64, and at zero it fires."""
    first = judge(METRIC, row(*[2.6] * bad))
    assert first.fires_at is not None
    steps = min(later, 59 - bad)
    at = after(EVERY_S * steps)
    second = judge(METRIC, row(*[2.6] * (bad + steps), ends=at), at)
    assert second.fires_at == first.fires_at
    end = first.fires_at
    whole = row(*[2.6] * 61, ends=end)
    assert judge(METRIC, whole, end).stage is Stage.FIRED
    assert judge(METRIC, whole[:-1], end - timedelta(milliseconds=1)).stage is Stage.BREACHING


@settings(deadline=None)
@given(values=series, trouble=st.sampled_from(["", "unhealthy"]), held=st.booleans())
def test_it_fires_only_when_complete_free_and_with_a_way_back(
    values: list[float | None], trouble: str, held: bool
) -> None:
    ground = Ground(SWITCHED, blue_trouble=trouble, held_until=after(1) if held else None)
    found = judge(METRIC, row(*values), ground=ground)
    over = sum(value is not None and value > 2 for value in values)
    if found.stage is Stage.FIRED:
        assert not trouble
        assert not held
        assert over >= 0.9 * 0.8 * 60
