"""The metrics port: where readings of a side come from."""

from dataclasses import dataclass
from typing import Protocol

from app.domain.sides import Side


@dataclass(frozen=True, slots=True)
class Sample:
    """One metric of one side at the moment of asking.

    `value` is in the unit the plan names for `metric` (ms, %, connections); None means that the source has
    no figure (no traffic in its window). `samples` is the number of observations behind the value.
    """

    metric: str
    value: float | None
    samples: int


class MetricsSource(Protocol):
    async def read(self, side: Side) -> tuple[Sample, ...]:
        """All metrics of a side. Raises `ProviderError` (ports.traffic) when the source does not answer in time."""
        ...

    async def aclose(self) -> None: ...
