"""Numbers and times as people read them (ux, "Wording": unit after a space, 24-hour clock)."""

from datetime import UTC, datetime, timedelta

import pytest

from app.web import figures

NOON = datetime(2026, 3, 6, 12, 0, 0, 402_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "—"),
        (float("nan"), "—"),
        (0, "0"),
        (0.02, "0.02"),
        (0.5, "0.5"),
        (2.6, "2.6"),
        (131.4, "131"),
        (1240, "1,240"),
    ],
)
def test_plain(value: float | None, text: str) -> None:
    assert figures.plain(value) == text


def test_units_stand_after_a_space_that_does_not_break() -> None:
    assert figures.percent(2.6) == "2.6\u00a0%"
    assert figures.quantity(131, "ms") == "131\u00a0ms"
    assert figures.quantity(12) == "12"
    assert figures.quantity(None, "ms") == "—"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.94, "0.94 s"), (21.6, "21.6 s"), (125, "2 min 5 s"), (180, "3 min"), (None, "—")],
)
def test_took(seconds: float | None, text: str) -> None:
    assert figures.took(seconds).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"),
        (0.42, "0.4 s"),
        (9.97, "10 s"),
        (12.7, "12 s"),
        (119, "119 s"),
        (130, "2 min"),
        (3600, "1 h"),
        (86400, "1 day"),
        (3e5, "3 days"),
    ],
)
def test_age(seconds: float, text: str) -> None:
    assert figures.age(seconds).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0 s"), (74, "74 s"), (100, "1:40"), (1118, "18:38"), (7500, "2:05:00")]
)
def test_countdown(seconds: float, text: str) -> None:
    assert figures.countdown(seconds).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("offset", "text"),
    [(0, "T+00:00:00"), (7.9, "T+00:00:07"), (-0.5, "T−00:00:01"), (-1718, "T−00:28:38"), (90_000, "T+25:00:00")],
)
def test_t_clock(offset: float, text: str) -> None:
    assert figures.t_clock(NOON + timedelta(seconds=offset), NOON) == text


def test_the_clock_says_when_nobody_set_a_time() -> None:
    assert figures.t_clock(NOON, None) == "T—"


def test_times_stand_in_the_plans_zone() -> None:
    assert figures.hms(NOON, "America/New_York") == "07:00:00"
    assert figures.hm(NOON, "Asia/Riyadh") == "15:00"
    assert figures.hms_milli(NOON) == "12:00:00.402"
    assert figures.day(NOON) == "6 March 2026"
    assert figures.hms(None) == "—"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0.42, "0.4 s"),
        (5, "5 s"),
        (41.6, "42 s"),
        (125, "2 min 5 s"),
        (180, "3 min"),
        (1490, "25 min"),
        (6000, "1 h 40 min"),
        (604_800, "7 days"),
        (90_000, "1 day 1 h"),
    ],
)
def test_about(seconds: float, text: str) -> None:
    assert figures.about(seconds).replace("\u00a0", " ") == text
