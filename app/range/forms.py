"""What people send to the range. The bounds are docs/range.md's; the range checks them once more."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from app.domain.sides import Side
from app.range.queries_aws import faults_of
from app.web.form import PageForm

Load = Annotated[int, Field(ge=0, le=95)]
Milliseconds = Annotated[int, Field(ge=0, le=30_000)]


class KnobForm(PageForm):
    """A card of knobs. `part` is what the control API gets: all knobs of the card, so an unticked box is a no."""

    def part(self, group: str) -> dict[str, Any]:
        return {group: self.model_dump(exclude={"key"})}


class ReleaseForm(KnobForm):
    latency_ms: Annotated[int, Field(ge=0, le=10_000)]
    failure_percent: Annotated[int, Field(ge=0, le=100)]
    memory_percent: Load
    cpu_percent: Load
    db_connections: Annotated[int, Field(ge=0, le=110)]
    dead: bool = False
    unavailable: bool = False
    payment_fails: bool = False


class BalancerForm(KnobForm):
    slow_ms: Milliseconds
    late_ms: Milliseconds
    refuse: bool = False
    drop_answer: bool = False


class CustomersForm(KnobForm):
    per_second: Annotated[int, Field(ge=0, le=1000)]
    streams: Annotated[int, Field(ge=0, le=50)]


class AwsForm(KnobForm):
    slow_ms: Milliseconds
    throttled_percent: Annotated[int, Field(ge=0, le=100)]
    dropped: bool = False
    dns_refused: bool = False

    def part(self, group: str) -> dict[str, Any]:
        return {group: {"faults": faults_of(**self.model_dump(exclude={"key"}))}}


class RefusingForm(KnobForm):
    """Of a stand-in that can be made to refuse changes."""

    refuse: bool = False


Group = Literal["blue", "green", "balancer", "customers", "aws", "github", "slotbook"]

FORMS: dict[Group, type[KnobForm]] = {
    "blue": ReleaseForm,
    "green": ReleaseForm,
    "balancer": BalancerForm,
    "customers": CustomersForm,
    "aws": AwsForm,
    "github": RefusingForm,
    "slotbook": RefusingForm,
}


class PresetForm(PageForm):
    preset: Literal[
        "green_slow", "green_failing", "green_dead", "payment_failing", "balancer_refuses", "github_refuses", "all_well"
    ]


class RestartForm(PageForm):
    side: Side


class SentOnce(PageForm):
    """A form without fields of its own."""


class RehearsalForm(SentOnce):
    """`plan` is the hash of a plan version; empty for the plan of the deployment that asks."""

    plan: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")] = ""
