"""The mark on HAProxy: one number that only grows, whoever writes."""

from hypothesis import given
from hypothesis import strategies as st

from app.domain.sides import Weights
from app.providers.haproxy.mark import BY_HAND, Mark

marks = st.builds(Mark, st.integers(0, 10**9), st.integers(0, 999), st.integers(0, 100))


@given(marks)
def test_a_mark_reads_back_and_fits_a_variable(mark: Mark) -> None:
    assert Mark.of(int(mark)) == mark
    assert int(mark) < 2**63


@given(marks, marks)
def test_numbers_order_as_marks_do(one: Mark, other: Mark) -> None:
    assert (int(one) < int(other)) == (one < other)


@given(marks, st.integers(0, 10**9), st.integers(0, 100))
def test_the_next_write_is_taken_unless_it_is_older(mark: Mark, epoch: int, green: int) -> None:
    following = mark.followed_by(epoch, Weights(100 - green, green))
    assert (following.epoch, following.weights) == (epoch, Weights(100 - green, green))
    if epoch > mark.epoch or (epoch == mark.epoch and mark.step < 998):
        assert following > mark


def test_a_persons_write_counts_in_its_epoch() -> None:
    mine = Mark(7, 3, 100)
    by_hand = Mark(7, BY_HAND, 0)
    assert mine < by_hand < by_hand.followed_by(7, Weights(0, 100))
