"""Epochs in blocks: break-glass wins within its arming, and loses to every later one."""

from hypothesis import given
from hypothesis import strategies as st

from app.domain.epochs import BLOCK, block_after, next_epoch, top_of

epochs = st.integers(0, 10**9)


@given(epochs)
def test_an_operation_gets_more_than_the_one_before_and_never_the_top(epoch: int) -> None:
    following = next_epoch(epoch)
    assert following > epoch
    assert following != top_of(following)


@given(epochs, st.integers(1, 2 * BLOCK))
def test_a_later_arming_is_above_whatever_break_glass_wrote_before(epoch: int, operations: int) -> None:
    armed = block_after(epoch)
    assert armed > top_of(epoch)
    newest = armed
    for _ in range(operations):
        newest = next_epoch(newest)
        assert top_of(newest) > newest
    assert block_after(newest) > top_of(armed)


def test_a_block_as_one_reads_it() -> None:
    assert block_after(0) == 1000
    assert next_epoch(1000) == 1001
    assert top_of(1001) == 1999
    assert next_epoch(1998) == 2000
    assert next_epoch(1999) == 2000
    assert block_after(1999) == 2000
