"""Probe summaries, minute by minute."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from app.timeline.queries_probes import MINUTE, QUIET_RUN, Run, runs, sentence

from .test_timeline import whats

START = datetime(2026, 3, 6, 19, 10, tzinfo=UTC)
ZONE = ZoneInfo("America/New_York")


def run(minute: int, blue: int = 0, green: int = 0, unknown: int = 0, failed: int = 0) -> Run:
    at = START + minute * MINUTE
    return Run(at, at, blue, green, unknown, failed, 20.0 + minute)


def test_the_sentence_of_a_minute() -> None:
    assert sentence(run(0, green=240), ZONE) == "Probes 14:10: 240 of 240 on GREEN, 0 failed"
    assert (
        sentence(run(1, blue=1000, green=1200, failed=3), ZONE)
        == "Probes 14:11: 1,200 of 2,203 on GREEN, 1,000 on BLUE, 3 failed"
    )
    assert (
        sentence(run(2, blue=238, unknown=2), ZONE)
        == "Probes 14:12: 238 of 240 on BLUE, 2 from an unknown release, 0 failed"
    )
    assert sentence(run(3, failed=240), ZONE) == "Probes 14:13: 0 of 240 answered, 240 failed"
    whole = run(0, blue=240).joined(run(1, blue=240))
    assert sentence(whole, ZONE) == "Probes 14:10 to 14:11: 480 of 480 on BLUE, 0 failed"


def test_failures_are_marked() -> None:
    assert [run(0, green=9).state, run(0, green=9, failed=1).state, run(0, failed=9).state] == ["", "warn", "crit"]
    assert run(0, blue=4, unknown=1).state == "warn"


def test_a_quiet_stretch_is_one_line_and_trouble_never_hides_in_it() -> None:
    quiet = [run(n, blue=240) for n in range(QUIET_RUN)]
    told = runs([*quiet, run(QUIET_RUN, blue=239, failed=1), run(QUIET_RUN + 1, green=240)], [])
    assert [each.total for each in told] == [240 * QUIET_RUN, 240, 240]
    assert told[0].last == START + (QUIET_RUN - 1) * MINUTE
    assert len(runs(quiet[1:], [])) == QUIET_RUN - 1


def test_an_event_parts_a_stretch() -> None:
    quiet = [run(n, blue=240) for n in range(2 * QUIET_RUN)]
    told = runs(quiet, [START + QUIET_RUN * MINUTE + timedelta(seconds=31)])
    assert [each.first for each in told] == [START, START + QUIET_RUN * MINUTE]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 2), st.integers(0, 2)), max_size=60),
    st.lists(st.integers(0, 60), max_size=5),
)
def test_no_probe_is_lost_or_counted_twice(counts: list[tuple[int, int, int, int]], events: list[int]) -> None:
    found = [run(n, *count) for n, count in enumerate(counts)]
    told = runs(found, [START + n * MINUTE for n in events])
    assert sum(each.total for each in told) == sum(each.total for each in found)
    assert sum(each.failed for each in told) == sum(each.failed for each in found)
    assert [each.first for each in told] == sorted(each.first for each in told)
    assert all(each.failed == 0 for each in told if each.first != each.last)


async def test_minutes_stand_among_the_lines_when_asked_for(web: Any, log: Any, probes: Any, now: Any) -> None:
    from sqlalchemy import update

    from app.db.tables import Deployment

    minute = now.replace(second=0, microsecond=0)
    created = minute - 5 * MINUTE
    await web.database.run(lambda s: s.execute(update(Deployment).values(created_at=created)))
    await probes(minute - 3 * MINUTE, [(4, 0, 0, 0)] * 60 + [(0, 4, 0, 0)] * 59 + [(0, 3, 0, 1)])
    await log("traffic.arrived", "All on GREEN")
    client = await web.client_as("operations")
    url = f"/d/{web.deployment.id}/timeline"
    assert not any("failed" in what for what in whats((await client.get(url)).text))
    page = (await client.get(f"{url}?probes=1")).text
    found = whats(page)
    assert found[0] == "All on GREEN"
    assert [what.split(": ", 1)[1] for what in found if " failed" in what] == [
        "239 of 240 on GREEN, 1 failed",
        "240 of 240 on BLUE, 0 failed",
    ]
    assert "slowest answer 131 ms" in page
    assert "(shown)" in page
