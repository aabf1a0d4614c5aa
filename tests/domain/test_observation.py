"""Where traffic is, from probes: windows of 95, 99 and 100 %, and what may never be concluded from too few."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.observation import Arrival, Seen, Shares, arrival, shares
from app.domain.sides import Side

ZERO = datetime(2026, 3, 6, 19, 10, tzinfo=UTC)
WINDOW, SPAN_S = 100, 0.5


def at(milliseconds: float) -> datetime:
    return ZERO + timedelta(milliseconds=milliseconds)


def probes(text: str, every_ms: float = 5.0) -> list[Seen]:
    """b and g answered by that side, ? by nobody we know, x failed."""
    sides = {"b": Side.BLUE, "g": Side.GREEN, "?": None, "x": Side.GREEN}
    return [Seen(at(number * every_ms), sides[letter], letter != "x") for number, letter in enumerate(text)]


def judged(text: str, wanted: Side = Side.GREEN, *, every_ms: float = 5.0, since: datetime = ZERO) -> Arrival:
    return arrival(probes(text, every_ms), wanted, since=since, window=WINDOW, span_s=SPAN_S)


def test_a_clean_switch_is_seen_from_its_first_probe_on() -> None:
    found = judged("b" * 40 + "g" * 120)
    assert found.first_at == found.at_100 == at(200)
    assert (found.agreeing, found.total) == (120, 160)


def test_one_stray_answer_moves_100_but_not_99() -> None:
    found = judged("b" * 20 + "g" * 50 + "b" + "g" * 150)
    assert found.at_99 is not None
    assert found.at_100 is not None
    assert found.at_99 == at(100)
    assert found.at_100 == at(71 * 5)


@pytest.mark.parametrize("stray", ["b", "?", "x"])
def test_99_of_100_is_not_100(stray: str) -> None:
    text = ("g" * 99 + stray) * 3
    found = judged(text)
    assert found.at_99 is not None
    assert found.at_100 is None


def test_95_comes_before_99_before_100() -> None:
    text = "b" * 30 + ("b" + "g" * 24) * 4 + ("b" + "g" * 99) + "g" * 200
    found = judged(text)
    assert found.at_95 is not None
    assert found.at_99 is not None
    assert found.at_100 is not None
    assert found.at_95 <= found.at_99 <= found.at_100


def test_fewer_than_a_window_prove_nothing() -> None:
    found = judged("g" * (WINDOW - 1), every_ms=20)
    assert found == Arrival(first_at=ZERO, agreeing=WINDOW - 1, total=WINDOW - 1)


def test_a_burst_shorter_than_half_a_second_proves_nothing() -> None:
    assert judged("g" * 300, every_ms=1).at_100 is None


def test_a_slow_prober_needs_a_whole_window_all_the_same() -> None:
    assert judged("g" * 99, every_ms=50).at_100 is None
    assert judged("g" * 100, every_ms=50).at_100 == ZERO


def test_probes_from_before_do_not_count() -> None:
    found = judged("g" * 90 + "b" * 10 + "g" * 100, since=at(100 * 5))
    assert found.first_at == at(100 * 5)
    assert found.total == 100
    assert found.at_100 is None, "100 probes of 5 ms span 0.495 s"


def test_no_probe_at_all() -> None:
    assert arrival([], Side.BLUE, since=ZERO, window=WINDOW, span_s=SPAN_S) == Arrival()


def test_nobody_of_the_wanted_side() -> None:
    assert judged("b" * 500) == Arrival(total=500)


@given(st.text("bg?x", max_size=400), st.sampled_from([1.0, 5.0, 7.5]), st.sampled_from(list(Side)))
def test_what_is_claimed_is_there(text: str, every_ms: float, wanted: Side) -> None:
    """Each claim has a window that bears it, and no earlier start at the wanted side would have."""
    seen = probes(text, every_ms)
    found = arrival(seen, wanted, since=ZERO, window=20, span_s=0.1)
    hits = [probe.side is wanted and probe.ok for probe in seen]
    assert found.total == len(seen)
    assert found.agreeing == sum(hits)
    for share, claimed in ((95, found.at_95), (99, found.at_99), (100, found.at_100)):
        assert claimed == _first_window(seen, hits, share, size=20, span_s=0.1)


def _first_window(seen: list[Seen], hits: list[bool], share: int, *, size: int, span_s: float) -> datetime | None:
    """The definition of design.md, word by word and slowly."""
    for start in range(len(seen)):
        for end in range(start + size, len(seen) + 1):
            if (seen[end - 1].at - seen[start].at).total_seconds() >= span_s:
                if hits[start] and sum(hits[start:end]) * 100 >= share * (end - start):
                    return seen[start].at
                break
    return None


def test_shares_leave_out_who_did_not_say() -> None:
    assert shares(probes("bbbg?x")) == Shares(75, 25, 1, 6)


def test_shares_of_nothing_are_unknown() -> None:
    assert shares([]) == Shares(None, None, 0, 0)
    assert shares(probes("??x")) == Shares(None, None, 1, 3)


@given(st.text("bg", min_size=1, max_size=300))
def test_shares_add_up(text: str) -> None:
    found = shares(probes(text))
    assert found.blue is not None
    assert found.green is not None
    assert found.blue + found.green == 100
