"""The plan: a deployment day as data. Read from YAML by app/plans, frozen here, known by its hash.

Every field that a person writes into a plan is declared in this file; its JSON Schema is what editors get.
Durations are seconds.
"""

import hashlib
import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Seconds = Annotated[float, Field(gt=0, le=366 * 86400)]
Capability = Literal[
    "proceed",
    "arm",
    "switch",
    "rollback",
    "decide",
    "hold",
    "check",
    "communicate",
    "note",
    "observe",
    "administer",
]

Panel = Literal["votes", "checklist", "traffic", "metrics", "customers", "team", "timeline", "strip"]


class Node(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReleaseSpec(Node):
    version: Line
    digest: Digest


class Releases(Node):
    blue: ReleaseSpec
    green: ReleaseSpec


class Identity(Node):
    """How a release says who it is: a response header that carries its digest, or a path and a JSON field there."""

    header: str | None = None
    path: str = "/"
    field: str | None = None


class SmokeTest(Node):
    key: Key
    title: Line
    method: Literal["GET", "HEAD"] = "GET"
    path: Annotated[str, StringConstraints(pattern=r"^/[!-~]*$", max_length=500)]
    status: int = 200
    contains: str | None = None
    within_ms: int = 2000


class ProbeSpec(Node):
    """Requests a second through the public address, during an operation and at rest, and the proof of arrival."""

    operation_rate: Annotated[int, Field(ge=10, le=500)] = 200
    rest_rate: Annotated[int, Field(ge=1, le=50)] = 4
    window: Annotated[int, Field(ge=20, le=1000)] = 100
    span_s: Seconds = 0.5


class TargetSpec(Node):
    """A place where traffic is steered. The site binds the key to a real balancer; the plan never names one."""

    key: Key
    title: Line
    identity: Identity
    probes: ProbeSpec = ProbeSpec()
    smoke_tests: tuple[SmokeTest, ...] = ()
    not_undone: tuple[Line, ...] = ()
    """What a rollback will not undo (point of no return)."""


class Duties(Node):
    before: tuple[Line, ...] = ()
    during: tuple[Line, ...] = ()
    after: tuple[Line, ...] = ()


class Position(Node):
    """A seat of the team. `seats` people may hold it on the day, each with a seat number."""

    key: Key
    title: Line
    short: Annotated[str, StringConstraints(min_length=1, max_length=12)]
    mission: str = ""
    seats: Annotated[int, Field(ge=1, le=20)] = 1
    capabilities: tuple[Capability, ...]
    duties: Duties = Duties()
    panels: tuple[Panel, ...] = ()


class Question(Node):
    """A question of the go/no-go board; the position that answers it has the right `sign_off:<key>`."""

    key: Key
    position: Key
    text: Line


class SignoffGate(Node):
    questions: tuple[Question, ...]
    lifetime_s: Seconds = 3600
    opens_before_s: Seconds = 1800
    expires_after_s: Seconds = 3600
    """A gate that waits this long after the planned start turns into a hold by itself."""


class ChecklistItem(Node):
    key: Key
    text: Line
    owner: Key
    evidence: Literal["required", "optional"] = "optional"
    check: Literal["green_running", "blue_running", "monitoring_live", "team_present"] | None = None
    """Named: the item is checked by machine and no person ticks it."""


class Checklist(Node):
    key: Key
    title: Line
    when: Line
    items: tuple[ChecklistItem, ...]


class Metric(Node):
    """A critical metric. Values above `warning` and `critical` are bad; `target` is where it should stand."""

    key: Key
    title: Line
    unit: Annotated[str, StringConstraints(max_length=12)]
    statistic: Line
    target: float
    warning: float
    critical: float
    decision: Line = "Continue or rollback?"
    every_s: Seconds = 2
    minimum_samples: Annotated[int, Field(ge=0)] = 0
    """Fewer observations than this behind a value, and the reading is UNKNOWN."""


class Trigger(Node):
    key: Key
    title: Line
    kind: Literal["metric", "alert", "probe", "button"]
    metric: Key | None = None
    above: float | None = None
    sustained_s: float = 0
    coverage: Annotated[float, Field(gt=0, le=1)] = 0.8
    breach_share: Annotated[float, Field(gt=0, le=1)] = 0.9
    failing_checks: Annotated[int, Field(ge=1)] = 2
    mode: Literal["automatic", "recommend"] = "automatic"
    smoke_tests: tuple[Key, ...] = ()
    """For kind `probe`: the smoke tests of a target that are repeated; one of them failing counts."""


class StripCheck(Node):
    """A line of the switch strip. `check` names what the machine does to answer it."""

    check: Literal[
        "green_healthy",
        "balancer_ready",
        "monitoring_live",
        "team_present",
        "weights_written",
        "read_back",
        "first_answer",
        "all_observed",
        "response_normal",
        "application_reachable",
        "health_passing",
        "no_errors",
        "smoke_tests",
        "still_normal",
        "no_customer_failures",
        "ready_to_watch",
    ]
    title: Line


class StripStage(Node):
    at_s: int
    title: Line
    checks: tuple[StripCheck, ...]


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
    below: float | None = None


class RollbackSpec(Node):
    within_s: Seconds = 30
    criteria: tuple[Criterion, ...]


class DecisionAnswer(Node):
    answer: Literal["continue", "watch", "escalate", "rollback"]
    when: Line
    text: Line


class DecisionPoint(Node):
    minute: Annotated[int, Field(ge=0)]
    question: Line
    answers: tuple[DecisionAnswer, ...]
    position: Key
    deputy_after_s: Seconds = 60
    leader_after_s: Seconds = 60
    escalate_after_s: Seconds = 60


class CanaryStep(Node):
    percent: Annotated[int, Field(ge=1, le=100)]
    dwell_s: Seconds


class TimelineMark(Node):
    at_s: Annotated[float, Field(ge=0)]
    text: Line


class Schedule(Node):
    """When a phase is planned, in the plan's time zone. `day` is an ISO date or empty (a date to be set)."""

    day: str = ""
    time: str = ""
    advice: str = ""


class Action(Node):
    """A piece of work in a phase: a script a worker runs, or a task a person does."""

    key: Key
    title: Line
    kind: Literal["script", "task", "switch", "rollback", "canary"] = "task"
    command: tuple[str, ...] = ()
    position: Key | None = None
    success_signals: tuple[Line, ...] = ()
    failure_signals: tuple[Line, ...] = ()
    on_failure: str = ""


class Phase(Node):
    key: Key
    number: Annotated[str, StringConstraints(pattern=r"^\d{1,2}[A-Z]?$")]
    title: Line
    kind: Literal["steps", "canary", "blue_green", "rollback", "monitoring", "decommission"]
    duration_s: Seconds
    lead: tuple[Key, ...]
    schedule: Schedule = Schedule()
    checklist: Key | None = None
    signoffs: SignoffGate | None = None
    target: Key | None = None
    strip: tuple[StripStage, ...] = ()
    rollback: RollbackSpec | None = None
    decisions: tuple[DecisionPoint, ...] = ()
    canary: tuple[CanaryStep, ...] = ()
    timeline: tuple[TimelineMark, ...] = ()
    actions: tuple[Action, ...] = ()
    after: tuple[Line, ...] = ()


class Contact(Node):
    key: Key
    title: Line
    phone: str = ""
    email: str = ""


class Channel(Node):
    key: Key
    title: Line
    kind: Literal["slack", "zoom", "status_page", "dashboard", "email", "place"]
    address: str = ""


class Plan(Node):
    """One deployment day. `hash` is not part of it: it is computed from the canonical JSON of this model."""

    schema_version: Literal[1] = 1
    key: Key
    title: Line
    organisation: Line
    mission: str = ""
    timezone: Line
    releases: Releases
    positions: tuple[Position, ...]
    targets: tuple[TargetSpec, ...]
    metrics: tuple[Metric, ...]
    triggers: tuple[Trigger, ...] = ()
    checklists: tuple[Checklist, ...] = ()
    phases: tuple[Phase, ...]
    contacts: tuple[Contact, ...] = ()
    channels: tuple[Channel, ...] = ()
    rules: tuple[Line, ...] = ()
    """What everybody sees to on the day (readiness of all team members)."""
    avoid: tuple[Line, ...] = ()
    """What nobody does on the day."""

    def position(self, key: str) -> Position:
        return next(p for p in self.positions if p.key == key)

    def phase(self, key: str) -> Phase:
        return next(p for p in self.phases if p.key == key)

    def target(self, key: str) -> TargetSpec:
        return next(t for t in self.targets if t.key == key)

    def checklist(self, key: str) -> Checklist:
        return next(c for c in self.checklists if c.key == key)

    def metric(self, key: str) -> Metric:
        return next(m for m in self.metrics if m.key == key)

    @property
    def production(self) -> Phase:
        """The blue-green phase: the one whose switch needs the five sign-offs."""
        return next(p for p in self.phases if p.kind == "blue_green")


def plan_hash(plan: Plan) -> str:
    """The plan's name for good: SHA-256 (64 hex digits) over its canonical JSON.

    Fields at their default are left out, so that neither writing a default down nor a later field with a
    default renames a plan that sign-offs are bound to.
    """
    values = plan.model_dump(mode="json", exclude_defaults=True)
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
