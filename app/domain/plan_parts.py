"""The parts of a plan that a capsule carries along, by themselves: break-glass starts with these, and has no time for
the rest. Like app/domain/plan.py: what a person writes, durations in seconds.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Seconds = Annotated[float, Field(gt=0, le=366 * 86400)]


class Node(BaseModel):
    """Built at its first use."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, defer_build=True)


class Identity(Node):
    """How a release says who it is: a response header that carries its digest, or a path and a JSON field there."""

    header: str | None = None
    """Response header that carries the release's digest."""
    path: str = "/"
    """Where `field` is read."""
    field: str | None = None
    """Field of the JSON answer at `path` that carries the digest."""


class ProbeSpec(Node):
    """Requests a second through the public address, during an operation and at rest, and the proof of arrival."""

    operation_rate: Annotated[int, Field(ge=10, le=500)] = 200
    """Requests a second while traffic moves."""
    rest_rate: Annotated[int, Field(ge=1, le=50)] = 4
    """Requests a second otherwise."""
    window: Annotated[int, Field(ge=20, le=1000)] = 100
    """So many probes in a row from the wanted side prove that all traffic arrived."""
    span_s: Seconds = 0.5
    """The least time that these must span."""


class Criterion(Node):
    """A rollback success criterion, checked by machine within `RollbackSpec.within_s`."""

    check: Literal[
        "balancer_on_blue",
        "traffic_on_blue",
        "error_rate",
        "response_time",
        "health_passing",
        "no_critical_errors",
        "customers_served",
    ]
    title: Line
    """As a question: "Health checks pass?"."""
    below: float | None = None
    """The limit, for `error_rate` and `response_time`."""
    metric: Key | None = None
    """For these two: the metric; the one of the same name where it is left out."""


class Contact(Node):
    key: Key
    title: Line
    phone: str = ""
    """For click-to-call."""
    email: str = ""


class Channel(Node):
    key: Key
    title: Line
    kind: Literal["slack", "zoom", "status_page", "dashboard", "email", "place"]
    address: str = ""
    """A link with https://, or words."""


class IncidentCheck(Node):
    """Who checks what when an incident is raised."""

    position: Key
    """Who checks it, and says what was found."""
    text: Line
    """What they do, after the position's title: "checks the logs"."""
