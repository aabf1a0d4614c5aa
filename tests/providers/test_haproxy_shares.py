"""Percent ↔ HAProxy's weights, for any number of servers."""

from hypothesis import given
from hypothesis import strategies as st

from app.domain.sides import Side, Weights
from app.providers.haproxy.shares import HEAVIEST, scale_of, spread, weights_of

servers = st.integers(1, 40)


@given(green=st.integers(0, 100), blue_servers=servers, green_servers=servers)
def test_each_percent_reads_back_and_fits(green: int, blue_servers: int, green_servers: int) -> None:
    scale = scale_of(blue_servers, green_servers)
    blues, greens = spread(100 - green, blue_servers, scale), spread(green, green_servers, scale)
    assert (len(blues), len(greens)) == (blue_servers, green_servers)
    assert all(0 <= weight <= HEAVIEST for weight in [*blues, *greens])
    assert max(blues) - min(blues) <= 1
    assert sum(greens) * 100 == green * (sum(blues) + sum(greens)), "the share is exact, not rounded"
    assert weights_of({Side.BLUE: sum(blues), Side.GREEN: sum(greens)}) == Weights(100 - green, green)


@given(blue=st.integers(0, 10_240), green=st.integers(0, 10_240))
def test_a_trickle_is_never_rounded_away(blue: int, green: int) -> None:
    found = weights_of({Side.BLUE: blue, Side.GREEN: green})
    if blue + green == 0:
        assert found is None
    else:
        assert found is not None
        assert (found.green == 0) == (green == 0)
        assert (found.blue == 0) == (blue == 0)
