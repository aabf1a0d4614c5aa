"""Percent of a side ↔ weights of its servers (0..256 each)."""

from app.domain.sides import Side, Weights

HEAVIEST = 256


def spread(percent: int, servers: int, scale: int) -> list[int]:
    """A weight for each of a side's servers; together exactly `percent` × `scale`. The first ones carry one more where
    it does not divide; where there is less than one for each, the last ones get none."""
    each, left = divmod(percent * scale, servers)
    return [each + 1] * left + [each] * (servers - left)


def scale_of(blue_servers: int, green_servers: int) -> int:
    """How much weight a percent is: as much as the side with fewer servers can carry at 100 %, so that a percent is
    the same on both sides."""
    return HEAVIEST * min(blue_servers, green_servers) // 100


def weights_of(totals: dict[Side, int]) -> Weights | None:
    """The shares that these sums of weights are, in whole percent; None when both are empty. A side that has any
    weight beside the other's is never rounded away, so that a reading of 100 means all."""
    whole = totals[Side.BLUE] + totals[Side.GREEN]
    if whole == 0:
        return None
    if 0 in totals.values():
        return Weights.all_to(Side.BLUE if totals[Side.BLUE] else Side.GREEN)
    green = min(99, max(1, round(100 * totals[Side.GREEN] / whole)))
    return Weights(100 - green, green)
