"""The geometry of the small graphics."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.web import drawing

places = st.lists(st.floats(0, 100), max_size=8).map(sorted)
limits = st.tuples(st.floats(1, 100), st.floats(1, 100), st.floats(1, 100)).map(
    lambda steps: (steps[0], steps[0] + steps[1], steps[0] + steps[1] + steps[2])
)


@given(places, st.floats(1, 30))
def test_spread_keeps_order_edges_and_gaps(ascending: list[float], gap: float) -> None:
    moved = drawing.spread(ascending, gap, 0, 100)
    assert len(moved) == len(ascending)
    assert all(-1e-6 <= place <= 100 + 1e-6 for place in moved)
    wanted = min(gap, 100 / (len(moved) - 1)) if len(moved) > 1 else 0
    assert all(right - left >= wanted - 1e-6 for left, right in pairwise(moved))


@given(places)
def test_spread_leaves_alone_what_already_has_room(ascending: list[float]) -> None:
    roomy = [index * 20 + place / 100 for index, place in enumerate(ascending[:5])]
    assert drawing.spread(roomy, 10, 0, 100) == roomy


@given(limits, st.floats(0, 1e6), st.floats(0, 1e6))
def test_the_scale_of_an_indicator_only_rises(steps: tuple[float, float, float], one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert drawing.scale(low, *steps) <= drawing.scale(high, *steps) + 1e-9
    assert 0 <= drawing.scale(high, *steps) <= 100


@given(limits)
def test_thresholds_stand_at_the_same_places_in_every_row(steps: tuple[float, float, float]) -> None:
    assert [round(drawing.scale(value, *steps), 6) for value in steps] == [46, 64, 82]


def test_a_band_is_coloured_only_while_a_marker_stands_in_it() -> None:
    def states(blue: float | None, green: float | None) -> list[str]:
        return [band.state for band in drawing.indicator(blue, green, 0.1, 0.5, 1).bands]

    assert states(0.02, 0.1) == ["", "", "", ""]
    assert states(0.02, 0.3) == ["", "", "", ""]
    assert states(0.6, 0.02) == ["", "", "warn", ""]
    assert states(0.6, 2.6) == ["", "", "warn", "crit"]
    assert states(None, None) == ["", "", "", ""]


def test_unknown_has_no_marker() -> None:
    drawn = drawing.indicator(None, float("nan"), 1, 2, 3)
    assert (drawn.blue, drawn.green) == (None, None)


def test_marks_of_an_axis_that_are_to_come_are_only_named() -> None:
    drawn = drawing.axis([("click", 0.0), ("accepted", 0.2), ("100 % observed", None)])
    assert [mark.seconds for mark in drawn.marks] == [0.0, 0.2, None]
    assert drawn.done_x == drawn.marks[1].x


def test_an_axis_grows_with_what_happened_and_its_ticks_are_named() -> None:
    assert [tick.text for tick in drawing.axis([("click", 0.0)]).ticks][-1] == "5\u00a0s"
    assert [tick.text for tick in drawing.axis([("click", 0.0), ("accepted", 12)]).ticks][-1] == "20\u00a0s"


def test_a_line_breaks_where_a_value_is_missing_and_the_gap_is_marked() -> None:
    points = [(30.0, 1.0), (20.0, None), (10.0, 1.0), (0.0, 1.0)]
    drawn = drawing.trend(points, points, [2.0], 30)
    assert drawn.blue.count("M") == 2
    assert drawn.gaps == (("33.33", "33.33"),)


def test_one_dark_side_is_a_break_but_no_gap() -> None:
    drawn = drawing.trend([(10.0, 1.0), (0.0, 1.0)], [(10.0, None), (0.0, None)], [], 10)
    assert drawn.gaps == ()
    assert drawn.green == ""
    assert drawn.green_end is None


def test_letters_at_the_line_ends_do_not_lie_on_each_other() -> None:
    same = [(10.0, 5.0), (0.0, 5.0)]
    drawn = drawing.trend(same, same, [10.0], 10)
    assert drawn.blue_end is not None
    assert drawn.green_end is not None
    assert abs(float(drawn.blue_end[1]) - float(drawn.green_end[1])) >= drawing.END_GAP - 0.01


def test_share_of_nothing_is_nothing() -> None:
    assert (drawing.share(1, 0), drawing.share(5, 10), drawing.share(20, 10)) == ("0", "50", "100")


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_work_that_runs_never_looks_done(elapsed: float, expected: float) -> None:
    shape = drawing.work(elapsed, expected)
    fill, mark, over = float(shape.fill), float(shape.mark), float(shape.over)
    assert 0 <= fill <= mark + 0.01
    assert fill + over <= drawing.WORK_END + 0.02
    assert mark <= drawing.WORK_END
    if elapsed > expected * 1.01 and elapsed > 1:
        assert over > 0


def test_overdue_work_pushes_its_expected_end_back() -> None:
    assert drawing.work(20, 40) == drawing.Work("47.5", "95", "0")
    assert drawing.work(40, 40) == drawing.Work("95", "95", "0")
    assert drawing.work(80, 40) == drawing.Work("47.5", "47.5", "47.5")
