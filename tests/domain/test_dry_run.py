"""What happens when, before anything happens: in order, in the plan's zone, also on the days when the clocks change."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.dry_run import DryRun, ahead, dry_run, gaps, planned_start, switch_at
from app.domain.plan import Plan
from tests.known_plans import ALAWAEL, HARBOUR

DAY = date(2026, 3, 6)


def run_of(plan: Plan, phase: str, today: date = DAY) -> DryRun:
    return dry_run(plan, phase, planned_start(plan, phase, today))


def times_of(run: DryRun, kind: str) -> list[str]:
    zone = ZoneInfo(run.zone)
    return [f"{run.moment(h).astimezone(zone):%d %H:%M}" for h in run.happenings if h.kind == kind]


def test_alawaels_production_is_as_the_manual_has_it() -> None:
    run = run_of(ALAWAEL, "production")
    assert run.start == datetime(2026, 3, 6, 19, 0, tzinfo=UTC), "14:00 in New York"
    assert times_of(run, "checklist") == ["06 13:00"]
    assert times_of(run, "votes") == ["06 13:30"]
    assert times_of(run, "switch") == ["06 14:10"]
    assert times_of(run, "decision") == ["06 14:15", "06 14:20", "06 14:25", "06 14:35", "06 14:40"]
    assert [h.at_s - 600 for h in run.happenings if h.kind in ("strip", "switch")] == [-5, 0, 1, 5, 30]
    assert (run.first_s, run.length_s) == (-3600, 6000)
    switch = next(h for h in run.happenings if h.kind == "switch")
    assert switch.who == "DevOps lead"


def test_a_canary_ends_with_its_phase() -> None:
    run = run_of(ALAWAEL, "staging")
    assert [h.at_s for h in run.happenings if h.kind == "canary"] == [1500, 1800, 2100, 2700]


def test_the_planned_switch_may_be_written_down() -> None:
    assert switch_at(ALAWAEL.production) == 600
    assert switch_at(HARBOUR.production) == 900
    run = run_of(HARBOUR, "change")
    assert times_of(run, "decision") == ["25 01:33", "25 01:55", "25 02:50"]


def test_daily_work_keeps_its_time_of_day_when_the_clocks_go_back() -> None:
    run = run_of(HARBOUR, "double_entry")
    assert run.start.astimezone(ZoneInfo("Europe/Amsterdam")).isoformat() == "2026-10-25T02:55:00+02:00"
    # 02:30 comes twice on the 25th; the first one is over when the phase starts.
    assert times_of(run, "daily") == ["25 18:00", "25 18:30", "26 02:30", "26 18:00", "26 18:30"]
    assert times_of(run, "end") == ["27 01:55"], "48 hours, of which one was shown twice"


def test_a_time_that_the_clocks_skip_comes_as_much_later() -> None:
    start = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    run = dry_run(HARBOUR, "double_entry", start)
    assert times_of(run, "daily")[2:3] == ["29 03:30"]


def test_a_rollback_is_taken_to_begin_with_the_switch() -> None:
    run = run_of(HARBOUR, "go_back")
    assert times_of(run, "start") == ["25 01:30"]
    assert run.happenings[-1].at_s == 60


def test_an_unknown_phase_is_none() -> None:
    with pytest.raises(KeyError):
        dry_run(ALAWAEL, "nothing", datetime(2026, 3, 6, tzinfo=UTC))
    with pytest.raises(KeyError):
        planned_start(ALAWAEL, "nothing", DAY)


@pytest.mark.parametrize(
    ("words", "seconds"),
    [("1 hour before", 3600), ("45 minutes before", 2700), ("2 days before", 172800), ("When all sit", 0)],
)
def test_when_a_checklist_is_due(words: str, seconds: float) -> None:
    assert ahead(words) == seconds


@given(st.sampled_from([(p, phase.key) for p in (ALAWAEL, HARBOUR) for phase in p.phases]), st.floats(1, 10_000))
@settings(deadline=None)
def test_time_never_goes_back_and_the_gaps_add_up(chosen: tuple[Plan, str], speed: float) -> None:
    run = run_of(*chosen)
    at = [h.at_s for h in run.happenings]
    assert at == sorted(at)
    waits = [wait for wait, _ in gaps(run, speed)]
    assert len(waits) == len(at)
    assert all(wait >= 0 for wait in waits)
    assert sum(waits) * speed == pytest.approx(run.length_s)


def test_at_once_means_no_waiting() -> None:
    assert {wait for wait, _ in gaps(run_of(ALAWAEL, "production"), float("inf"))} == {0.0}


def test_a_year_of_daily_work_is_cut_and_says_so() -> None:
    document = HARBOUR.model_dump(mode="json")
    phase = next(phase for phase in document["phases"] if phase["key"] == "double_entry")
    phase["duration_s"] = 366 * 86400
    phase["actions"] = [{**phase["actions"][0], "key": f"compare_{n}"} for n in range(500)]
    run = run_of(Plan.model_validate(document), "double_entry")
    assert run.is_cut
    assert len(run.happenings) == 2000
