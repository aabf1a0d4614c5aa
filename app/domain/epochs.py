"""Epochs of a target: a number that grows with each operation, handed out in blocks, one block an arming.

A capsule may be used while the target carries an epoch of its own block or an older one. Break-glass writes with the
block's highest number, which no operation is ever given, so that it wins against whatever is still in flight; a later
arming begins a higher block, so that the target itself refuses an older capsule (docs/adr/0012).
"""

BLOCK = 1000


def block_after(epoch: int) -> int:
    """The first number of the next block: what arming raises a target's epoch to."""
    return (epoch // BLOCK + 1) * BLOCK


def top_of(epoch: int) -> int:
    """The highest number of the block that holds `epoch`; only break-glass writes with it."""
    return epoch // BLOCK * BLOCK + BLOCK - 1


def next_epoch(epoch: int) -> int:
    """What the next operation gets: one more, but never a block's highest number."""
    following = epoch + 1
    return following + 1 if following == top_of(following) else following
