"""Medians and spread, in words that fit a table."""

from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0…1) of the values do not exceed. `values` must not be empty."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1))]


def spread(values: Sequence[float], unit: str = "ms", *, digits: int = 0) -> str:
    """ "median 31, p90 40, p99 52, worst 52 ms (20)"."""
    if not values:
        return "nothing measured"
    figures = ", ".join(f"{name} {percentile(values, share):.{digits}f}" for name, share in _SHARES)
    return f"{figures}, worst {max(values):.{digits}f} {unit} ({len(values)})"


_SHARES = (("median", 0.5), ("p90", 0.9), ("p99", 0.99))
