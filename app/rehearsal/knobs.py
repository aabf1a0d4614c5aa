"""The knobs of the range, and the bounds of each. docs/range.md explains them to people."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from app.rehearsal.aws.faults import Fault

Milliseconds = Annotated[int, Field(ge=0, le=30_000)]
Load = Annotated[int, Field(ge=0, le=95)]


class Knobset(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReleaseKnobs(Knobset):
    latency_ms: Annotated[int, Field(ge=0, le=10_000)] = 0
    failure_percent: Annotated[int, Field(ge=0, le=100)] = 0
    dead: bool = False
    """The process is killed: connections are refused."""
    unavailable: bool = False
    """It answers 503 to everything, its health check too."""
    payment_fails: bool = False
    """`/pay` answers 500; everything else goes on."""
    memory_percent: Load = 0
    cpu_percent: Load = 0
    db_connections: Annotated[int, Field(ge=0, le=110)] = 0


class BalancerKnobs(Knobset):
    slow_ms: Milliseconds = 0
    refuse: bool = False
    drop_answer: bool = False
    """A write is applied and then the connection is cut without an answer."""
    late_ms: Milliseconds = 0
    """A write is answered at once and applied so much later."""


class CustomerKnobs(Knobset):
    per_second: Annotated[int, Field(ge=0, le=1000)] = 60
    streams: Annotated[int, Field(ge=0, le=50)] = 3
    """Customers who each hold one long answer, on top of the requests."""


class AwsKnobs(Knobset):
    """Only in a range with a simulated AWS."""

    faults: tuple[Fault, ...] = ()


class GithubKnobs(Knobset):
    refuse: bool = False
    """The stand-in for GitHub answers 403 to every change."""


class SlotbookKnobs(Knobset):
    refuse: bool = False
    """The stand-in for a port's slot book answers 423 to every change."""


class Knobs(Knobset):
    blue: ReleaseKnobs = ReleaseKnobs()
    green: ReleaseKnobs = ReleaseKnobs()
    balancer: BalancerKnobs = BalancerKnobs()
    customers: CustomerKnobs = CustomerKnobs()
    aws: AwsKnobs = AwsKnobs()
    github: GithubKnobs = GithubKnobs()
    slotbook: SlotbookKnobs = SlotbookKnobs()

    def changed_by(self, part: Mapping[str, JsonValue]) -> "Knobs":
        """These knobs with `part` (any part of the same shape) laid over. Raises pydantic.ValidationError."""
        whole = self.model_dump()
        for group, values in part.items():
            if isinstance(values, Mapping) and group in whole:
                whole[group] = {**whole[group], **values}
            else:
                whole[group] = values
        return Knobs.model_validate(whole)
