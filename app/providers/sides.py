"""Where a side of a target is reached directly, not through the public address. Comes from site.yaml."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SideAddress:
    """`url` is the side's own address; `health` and `metrics` are paths there; `required` is how many of its
    instances must be healthy (a single address counts as one)."""

    url: str
    health: str = "/health"
    required: int = 1
    metrics: str = "/metrics"
