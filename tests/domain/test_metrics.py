"""Verdicts on readings, the mission bar's word, and sustained breaches."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.metrics import (
    NO_BREACH,
    Breach,
    Observation,
    Verdict,
    health,
    judge,
    stale_after_s,
    sustained,
    worst,
)
from app.domain.plan import Metric

NOW = datetime(2026, 11, 27, 19, 10, tzinfo=UTC)

RESPONSE_TIME = Metric(
    key="response_time",
    title="API response time",
    unit="ms",
    statistic="p95",
    target=200,
    warning=300,
    critical=500,
    minimum_samples=5,
)
MEMORY = Metric(key="memory", title="Memory", unit="%", statistic="of limit", target=70, warning=80, critical=90)


def verdict(
    metric: Metric, value: float | None, *, samples: int = 40, age_s: float = 1, in_service: bool = True
) -> str:
    return judge(metric, value, samples, NOW - timedelta(seconds=age_s), NOW, is_in_service=in_service).value


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "OK"), (250, "OK"), (300, "OK"), (300.1, "WARNING"), (500, "WARNING"), (500.1, "CRITICAL"), (9e9, "CRITICAL")],
)
def test_only_what_is_above_a_limit_is_bad(value: float, expected: str) -> None:
    assert verdict(RESPONSE_TIME, value) == expected


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_is_no_figure_is_unknown(value: float | None) -> None:
    assert verdict(RESPONSE_TIME, value) == "UNKNOWN"
    assert verdict(MEMORY, value, in_service=False) == "UNKNOWN"


def test_too_few_samples_are_unknown_in_service_and_idle_without_customers() -> None:
    assert verdict(RESPONSE_TIME, 12, samples=4) == "UNKNOWN"
    assert verdict(RESPONSE_TIME, 12, samples=4, in_service=False) == "IDLE"
    assert verdict(RESPONSE_TIME, None, samples=0, in_service=False) == "IDLE"


def test_an_idle_side_that_was_asked_often_enough_is_judged_like_any_other() -> None:
    assert verdict(RESPONSE_TIME, 12, samples=20, in_service=False) == "OK"
    assert verdict(RESPONSE_TIME, 1240, samples=20, in_service=False) == "CRITICAL"


def test_an_idle_side_still_owes_its_memory() -> None:
    assert verdict(MEMORY, None, samples=0, in_service=False) == "UNKNOWN"


@pytest.mark.parametrize("in_service", [True, False])
def test_a_reading_is_stale_after_two_missed_periods(in_service: bool) -> None:
    assert stale_after_s(MEMORY) == 5
    assert verdict(MEMORY, 50, age_s=5, in_service=in_service) == "OK"
    assert verdict(MEMORY, 50, age_s=5.1, in_service=in_service) == "UNKNOWN"
    assert verdict(RESPONSE_TIME, None, samples=0, age_s=5.1, in_service=in_service) == "UNKNOWN"


def test_a_reading_from_a_clock_that_runs_ahead_is_unknown() -> None:
    assert verdict(MEMORY, 50, age_s=-4) == "OK"
    assert verdict(MEMORY, 50, age_s=-6) == "UNKNOWN"


def test_without_any_reading_a_metric_is_unknown() -> None:
    assert judge(MEMORY, None, 0, None, NOW, is_in_service=True) is Verdict.UNKNOWN


@given(
    value=st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)),
    samples=st.integers(0, 100),
    age_s=st.floats(-100, 100),
    in_service=st.booleans(),
)
def test_a_healthy_verdict_needs_a_fresh_figure_with_enough_behind_it(
    value: float | None, samples: int, age_s: float, in_service: bool
) -> None:
    if verdict(RESPONSE_TIME, value, samples=samples, age_s=age_s, in_service=in_service) in ("OK", "WARNING"):
        assert value is not None
        assert math.isfinite(value)
        assert samples >= RESPONSE_TIME.minimum_samples
        assert -5.001 <= age_s <= 5.001


@given(value=st.floats(0, 1000), samples=st.integers(0, 9), age_s=st.floats(0, 9))
def test_a_side_in_service_is_never_idle(value: float, samples: int, age_s: float) -> None:
    assert verdict(RESPONSE_TIME, value, samples=samples, age_s=age_s) != "IDLE"


def test_worst_and_the_word_for_the_mission_bar() -> None:
    ok, warn, unknown, crit, idle = (Verdict(name) for name in ("OK", "WARNING", "UNKNOWN", "CRITICAL", "IDLE"))
    assert worst([ok, warn, unknown]) is unknown
    assert worst([]) is unknown
    assert (health([ok, idle]).state, health([ok, idle]).word) == ("ok", "Normal")
    assert (health([ok, crit, unknown, warn]).state, health([ok, crit, unknown, warn]).word) == ("crit", "1 critical")
    assert (health([unknown, unknown, ok]).state, health([unknown, unknown, ok]).word) == ("unknown", "2 unknown")
    assert health([warn, ok]).word == "1 warning"
    assert health([warn, warn]).word == "2 warnings"
    assert health([unknown, unknown]).word == "No readings"
    assert health([]).state == "unknown"


# ── sustained ─────────────────────────────────────────────────────────────────────────────────────────────────────

EVERY_S = 2
LASTING_S = 120
EXPECTED = LASTING_S // EVERY_S


def row(*values: float | None, ends: datetime = NOW) -> list[Observation]:
    """One observation a period, the last of them at `ends`."""
    first = ends - timedelta(seconds=EVERY_S * (len(values) - 1))
    return [Observation(first + timedelta(seconds=EVERY_S * index), value) for index, value in enumerate(values)]


def breach(seen: list[Observation], now: datetime = NOW) -> Breach:
    return sustained(seen, above=2, lasting_s=LASTING_S, every_s=EVERY_S, coverage=0.8, breach_share=0.9, now=now)


def test_two_lucky_points_two_minutes_apart_prove_nothing() -> None:
    seen = [Observation(NOW - timedelta(seconds=120), 9.0), Observation(NOW, 9.0)]
    found = breach(seen)
    assert not found.fires
    assert found.progress_s == 5  # two periods of 2 s at a coverage of 80 %


def test_many_readings_of_one_period_count_once() -> None:
    seen = [Observation(NOW - timedelta(milliseconds=index), 9.0) for index in range(200)]
    assert breach(seen).progress_s <= EVERY_S / 0.8


def test_two_minutes_in_breach_fire_and_a_second_less_does_not() -> None:
    assert breach(row(*[2.6] * (EXPECTED + 1))).fires
    almost = breach(row(*[2.6] * EXPECTED))
    assert not almost.fires
    assert almost.progress_s == 118


def test_progress_is_what_the_page_counts_down() -> None:
    found = breach(row(*[0.1] * 30, *[2.6] * 24))
    assert found.progress_s == 46
    assert found.started_at == NOW - timedelta(seconds=46)
    assert LASTING_S - found.progress_s == 74


def test_80_percent_of_the_samples_are_enough() -> None:
    values: list[float | None] = [2.6, 2.6, 2.6, 2.6, None] * 12
    assert breach(row(*values, 2.6)).fires
    assert not breach(row(*([2.6, 2.6, None] * 20), 2.6)).fires


def test_one_in_ten_may_be_healthy() -> None:
    assert breach(row(*([2.6] * 9 + [0.1]) * 6, 2.6)).fires
    assert not breach(row(*([2.6] * 4 + [0.1]) * 12, 2.6)).fires


def test_healthy_samples_end_a_breach() -> None:
    assert breach(row(*[2.6] * 30, *[0.1] * 10)) == NO_BREACH
    assert breach(row(*[2.6] * 500, *[0.1] * 30)) == NO_BREACH


def test_a_dark_spell_stops_the_clock_and_does_not_turn_it_back() -> None:
    before = breach(row(*[2.6] * 20))
    later = NOW + timedelta(minutes=10)
    dark = [Observation(NOW + timedelta(seconds=2 * index), None) for index in range(1, 300)]
    during = breach([*row(*[2.6] * 20), *dark], later)
    assert not during.fires
    assert during.progress_s >= before.progress_s
    assert breach([*row(*[2.6] * 20), *row(*[2.6] * 28, ends=later)], later).fires


known = st.one_of(st.floats(0, 1.9), st.floats(2.1, 100))
series = st.lists(st.one_of(st.none(), known), min_size=1, max_size=90)


@given(values=series)
def test_a_breach_needs_its_coverage(values: list[float | None]) -> None:
    found = breach(row(*values))
    over = sum(value is not None and value > 2 for value in values[-EXPECTED - 2 :])
    if found.fires:
        assert over >= 0.9 * 0.8 * EXPECTED
    assert found.progress_s <= max(0, (len(values) - 1) * EVERY_S)


@given(values=series, unknown=st.lists(st.integers(0, 400), max_size=40))
def test_unknown_neither_satisfies_nor_resets(values: list[float | None], unknown: list[int]) -> None:
    seen = row(*values)
    extra = [Observation(NOW - timedelta(seconds=age_s), None) for age_s in unknown]
    nan = [Observation(NOW - timedelta(seconds=age_s), math.nan) for age_s in unknown]
    assert breach([*seen, *extra, *nan]) == breach(seen)


@given(values=series, wait_s=st.floats(0, 600))
def test_silence_never_turns_a_breach_back(values: list[float | None], wait_s: float) -> None:
    seen = row(*values)
    later = NOW + timedelta(seconds=wait_s)
    dark = [*seen, Observation(later, None)]
    assert breach(dark, later).progress_s >= breach(seen).progress_s


@given(values=st.lists(known, min_size=1, max_size=80))
def test_one_more_sample_in_breach_never_turns_it_back(values: list[float]) -> None:
    before = breach(row(*values))
    after = breach([*row(*values), *row(50.0, ends=NOW + timedelta(seconds=EVERY_S))], NOW + timedelta(seconds=EVERY_S))
    if before.started_at is not None:
        assert after.progress_s >= before.progress_s - 2 * EVERY_S
