"""The plan: a deployment day as data. Read from YAML by app/plans, frozen here, known by its hash.

Every field that a person writes into a plan is declared in this file and in plan_parts.py; its JSON Schema is what
editors get. Durations are seconds.
"""

import hashlib
import json
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from app.domain.plan_parts import (
    Channel,
    Contact,
    Criterion,
    Identity,
    IncidentCheck,
    Key,
    Line,
    Node,
    ProbeSpec,
    Seconds,
)

Text = Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True)]
KeyOrNone = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$|^$")]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
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
    "raise_alert",
    "ask_patch",
    "approve_patch",
    "observe",
    "administer",
]

Panel = Literal[
    "votes", "checklist", "traffic", "metrics", "customers", "team", "timeline", "strip", "reports", "brief"
]


class ReleaseSpec(Node):
    version: Line
    """How people call it."""
    digest: Digest
    """Of the artifact: `sha256:` and 64 hex digits."""


class Releases(Node):
    blue: ReleaseSpec
    """The old release, to which a rollback goes back."""
    green: ReleaseSpec
    """The new one."""


class SmokeTest(Node):
    key: Key
    title: Line
    method: Literal["GET", "HEAD"] = "GET"
    path: Annotated[str, StringConstraints(pattern=r"^/[!-~]*$", max_length=500)]
    """Asked through the public address."""
    status: Annotated[int, Field(ge=100, le=599)] = 200
    contains: str | None = None
    """Text that the body must hold."""
    within_ms: Annotated[int, Field(ge=1, le=600_000)] = 2000
    """The answer must be there by then."""


class TargetSpec(Node):
    """A place where traffic is steered. The site binds the key to a real balancer; the plan never names one."""

    key: Key
    """What site.yaml binds to a balancer."""
    title: Line
    identity: Identity
    probes: ProbeSpec = ProbeSpec()
    smoke_tests: tuple[SmokeTest, ...] = ()
    """Requests that must succeed after a switch and a rollback."""
    not_undone: tuple[Line, ...] = ()
    """What a rollback will not undo (point of no return)."""
    capsule_s: Seconds = 900
    """A worker's rollback capsule is good that long after it was last renewed."""


class RepeatedDuty(Node):
    """A duty that is due again and again while the deployment runs."""

    text: Line
    every_s: Annotated[float, Field(ge=30, le=86400)]
    """Due again that long after it was last done."""


class Duties(Node):
    before: tuple[Line, ...] = ()
    """Before the deployment."""
    during: tuple[Line, ...] = ()
    """While it runs."""
    after: tuple[Line, ...] = ()
    """When it is over."""
    repeated: tuple[RepeatedDuty, ...] = ()
    """While it runs, again and again."""


class Position(Node):
    """A seat of the team. `seats` people may hold it on the day, each with a seat number."""

    key: Key
    title: Line
    """As people are called on the day."""
    short: Annotated[str, StringConstraints(min_length=1, max_length=12)]
    """For small marks on the board."""
    mission: str = ""
    """What the position is for, in one line."""
    seats: Annotated[int, Field(ge=1, le=20)] = 1
    """How many people hold it on the day. All of them must be there, unless it may only observe."""
    capabilities: tuple[Capability, ...]
    """What it may do. The right to answer a question comes from the question."""
    duties: Duties = Duties()
    panels: tuple[Panel, ...] = ()
    """What its home page shows, in this order."""


class Question(Node):
    """A question of the go/no-go board; the position that answers it has the right `sign_off:<key>`."""

    key: Key
    position: Key
    """Who answers it; each question another position."""
    text: Line
    """As it stands on the board."""


class SignoffGate(Node):
    questions: tuple[Question, ...]
    """All must be GO."""
    lifetime_s: Seconds = 3600
    """A vote stands that long, unless what it was given for changes."""
    opens_before_s: Seconds = 1800
    """How long before the planned time votes can be cast."""
    expires_after_s: Seconds = 3600
    """A gate that waits this long after the planned start turns into a hold by itself."""


class ChecklistItem(Node):
    key: Key
    text: Line
    owner: KeyOrNone = ""
    """The position that ticks it, or answers for the machine; none in a personal checklist."""
    evidence: Literal["required", "optional"] = "optional"
    """Whether it can be ticked without saying what shows it."""
    check: (
        Literal[
            "green_running",
            "blue_running",
            "monitoring_live",
            "team_present",
            "escalation_known",
            "contacts_known",
            "dashboards_reachable",
        ]
        | None
    ) = None
    """Named: the item is checked by machine and no person ticks it."""


class Checklist(Node):
    key: Key
    title: Line
    when: Line
    """In words: "1 hour before"."""
    kind: Literal["shared", "personal"] = "shared"
    """`shared`: one for all, each item ticked by its owner; `personal`: everybody on the roster ticks their own."""
    items: tuple[ChecklistItem, ...]


class Metric(Node):
    """A critical metric. Values above `warning` and `critical` are bad; `target` is where it should stand."""

    key: Key
    """As the metrics source calls it."""
    title: Line
    unit: Annotated[str, StringConstraints(max_length=12)]
    """ms, %, or empty for a count."""
    statistic: Line
    """In words: "p95", "of all requests"."""
    target: float
    """Where it should stand."""
    warning: float
    """Above it is a WARNING."""
    critical: float
    """Above it is CRITICAL."""
    decision: Line = "Continue or rollback?"
    """What to decide when it is critical."""
    every_s: Annotated[float, Field(ge=0.5, le=366 * 86400)] = 2
    """How often it is read."""
    minimum_samples: Annotated[int, Field(ge=0)] = 0
    """Fewer observations than this behind a value, and the reading is UNKNOWN."""


class Trigger(Node):
    key: Key
    title: Line
    kind: Literal["metric", "alert", "probe", "button"]
    """`metric`: a value above a limit; `probe`: failing smoke tests; `alert`: an alert arrives; `button`: a person
    presses the guard."""
    metric: Key | None = None
    """For kind `metric`."""
    above: float | None = None
    """For kind `metric`: the limit, in the metric's unit."""
    sustained_s: Annotated[float, Field(le=86400)] = 0
    """For kind `metric`: how long it must last."""
    coverage: Annotated[float, Field(gt=0, le=1)] = 0.8
    """So much of the expected samples must be there to call it sustained."""
    breach_share: Annotated[float, Field(gt=0, le=1)] = 0.9
    """So much of them must be in breach."""
    failing_checks: Annotated[int, Field(ge=1, le=1000)] = 2
    """Without `sustained_s`: so many failing checks in a row."""
    mode: Literal["automatic", "recommend"] = "automatic"
    """`automatic` rolls back after a visible countdown; `recommend` only says so."""
    smoke_tests: tuple[Key, ...] = ()
    """For kind `probe`: the smoke tests of a target that are repeated; one of them failing counts."""
    every_s: Annotated[float, Field(ge=0.5, le=60)] = 2
    """For kind `probe`: how often they are repeated."""
    categories: tuple[Key, ...] = ()
    """For kind `alert`: critical alerts of these categories count; of any category where it is left out."""
    raised_by: tuple[Key, ...] = ()
    """For kinds `alert` and `probe`: positions whose people may report it by hand; they need the right
    `raise_alert`."""


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
    """The line as it stands on the page."""
    metric: Key | None = None
    """For `response_normal` and `no_errors`: the metric; `response_time` and `error_rate` where it is left out."""


class StripStage(Node):
    at_s: Annotated[int, Field(ge=-86400, le=86400)]
    """Seconds from the switch; −5 is before it."""
    title: Line
    checks: tuple[StripCheck, ...]
    """In the order of the page."""


class RollbackSpec(Node):
    within_s: Seconds = 30
    """All criteria must be YES by then; each other one escalates."""
    criteria: tuple[Criterion, ...]
    """What tells that a rollback succeeded."""


class DecisionAnswer(Node):
    answer: Literal["continue", "watch", "escalate", "rollback"]
    when: Line
    """In which case to give it: "Minor warning?"."""
    text: Line
    """What it means: "Continue, but watch closely"."""


class DecisionPoint(Node):
    minute: Annotated[int, Field(ge=0, le=366 * 24 * 60)]
    """Minutes after the switch."""
    question: Line
    """What is asked."""
    answers: tuple[DecisionAnswer, ...]
    """What can be answered."""
    position: Key
    """Who must answer."""
    deputy_after_s: Seconds = 60
    """Silence that long asks the deputy."""
    leader_after_s: Seconds = 60
    """Then that long, the leader."""
    escalate_after_s: Seconds = 60
    """Then that long, everybody sees whom to call."""


class CanaryStep(Node):
    percent: Annotated[int, Field(ge=1, le=100)]
    """Share of GREEN."""
    dwell_s: Seconds
    """How long it stays there."""


class CanaryLine(Node):
    """A line of the canary's gate, judged on GREEN since the step began."""

    title: Line
    """The line as it stands on the page."""
    kind: Literal["metric", "alert", "approval", "report"]
    """`metric`: a value against a limit; `alert`: security alerts and the like; `approval` and `report`: what people of
    `positions` press."""
    metric: Key | None = None
    """For kind `metric`."""
    below: Annotated[float, Field(ge=0)] | None = None
    """To proceed: it is met while the value is below."""
    above: Annotated[float, Field(ge=0)] | None = None
    """To roll back: it is met while the value is above."""
    sustained_s: Annotated[float, Field(ge=0, le=3600)] = 0
    """To roll back: how long it must stay above, measured by coverage."""
    coverage: Annotated[float, Field(gt=0, le=1)] = 0.8
    """So much of the expected samples must be there to be told."""
    breach_share: Annotated[float, Field(gt=0, le=1)] = 0.9
    """So much of them must be in breach."""
    categories: tuple[Key, ...] = ()
    """For kind `alert`: alerts of these categories; of any where it is left out."""
    positions: tuple[Key, ...] = ()
    """For kinds `approval` and `report`: whose people may press it."""


class CanaryGate(Node):
    """What stands between a step of the canary and the next one. UNKNOWN satisfies none of it."""

    proceed_if: tuple[CanaryLine, ...] = ()
    """All must be met."""
    rollback_if: tuple[CanaryLine, ...] = ()
    """Each by itself takes all traffic back, at once and without asking."""
    advance: Literal["lead", "automatic"] = "lead"
    """Who goes on once it passed: whoever leads the phase, at a press, or the product."""


class TimelineMark(Node):
    at_s: Annotated[float, Field(ge=0)]
    """From the start of the phase."""
    text: Line


class Schedule(Node):
    """When a phase is planned, in the plan's time zone. `day` is an ISO date or empty (a date to be set)."""

    day: str = ""
    """ISO date, or empty for a day to be set."""
    time: str = ""
    """Time of day with 24 hours: "14:00"."""
    advice: str = ""
    """In words: "best on a Friday"."""


class Action(Node):
    """A piece of work in a phase: a script a worker runs, or a task a person does."""

    key: Key
    title: Line
    kind: Literal["script", "task", "switch", "rollback", "canary"] = "task"
    """`script`: a worker runs it; `task`: a person does it; the others move traffic."""
    command: tuple[str, ...] = ()
    """A list of arguments, never a shell line."""
    position: Key | None = None
    """Who does it or answers for it."""
    daily: str = ""
    """For what is done every day of the phase: the time of day, in the plan's zone: "08:00"."""
    success_signals: tuple[Line, ...] = ()
    """What its output holds when all is well."""
    failure_signals: tuple[Line, ...] = ()
    """What its output holds when it failed."""
    on_failure: str = ""
    """What to do then."""
    planned_s: Seconds | None = None
    """How long it is planned to take; what runs is shown against it."""
    timeout_s: Annotated[float, Field(gt=0, le=86400)] = 3600
    """A script that runs longer is ended, and failed."""
    idempotent: bool = False
    """The script may simply be run again: when its worker dies, another one does so, once. Else only people decide."""

    @property
    def dated_title(self) -> str:
        """ "Daily 08:00: Review the report"; the title alone of what is done once."""
        return f"Daily {self.daily}: {self.title}" if self.daily else self.title


class Phase(Node):
    key: Key
    number: Annotated[str, StringConstraints(pattern=r"^\d{1,2}[A-Z]?$")]
    """As people call it: "4", "4B"."""
    title: Line
    short: Annotated[str, StringConstraints(max_length=14)] = ""
    """The word for the mission bar ("Production"); the title where it is left out."""
    kind: Literal["steps", "canary", "blue_green", "rollback", "monitoring", "decommission"]
    """`blue_green` is the one that switches production; a plan has exactly one."""
    duration_s: Seconds
    lead: tuple[Key, ...]
    """The positions that lead it."""
    schedule: Schedule = Schedule()
    checklist: Key | None = None
    """To be done before it."""
    signoffs: SignoffGate | None = None
    """The go/no-go board before its switch."""
    target: Key | None = None
    """Where it moves traffic."""
    switch_at_s: Annotated[float, Field(ge=0)] | None = None
    """Planned moment of the switch, from the start of the phase. Left out: so that the last decision point ends it."""
    strip: tuple[StripStage, ...] = ()
    """The switch, second by second."""
    rollback: RollbackSpec | None = None
    """What a rollback must reach."""
    decisions: tuple[DecisionPoint, ...] = ()
    """When somebody must decide after the switch."""
    canary: tuple[CanaryStep, ...] = ()
    """Shares of GREEN, growing to 100."""
    canary_gate: CanaryGate | None = None
    """What must hold before the next share."""
    timeline: tuple[TimelineMark, ...] = ()
    """What is planned when."""
    actions: tuple[Action, ...] = ()
    """The work, in order."""
    after: tuple[Line, ...] = ()
    """What is done when it is over."""


class Plan(Node):
    """One deployment day. `hash` is not part of it: it is computed from the canonical JSON of this model."""

    schema_version: Literal[1] = 1
    key: Key
    """Name of the plan, for files and hashes."""
    title: Line
    """What is deployed."""
    organisation: Line
    mission: str = ""
    """What the day is for, in one sentence."""
    timezone: Line
    """IANA name; all times of day are local to it."""
    releases: Releases
    positions: tuple[Position, ...]
    targets: tuple[TargetSpec, ...]
    """Places where traffic is steered."""
    metrics: tuple[Metric, ...]
    """The critical metrics, watched for BLUE and GREEN."""
    triggers: tuple[Trigger, ...] = ()
    """When to roll back; each by itself is enough."""
    checklists: tuple[Checklist, ...] = ()
    phases: tuple[Phase, ...]
    """In the order of the day."""
    contacts: tuple[Contact, ...] = ()
    channels: tuple[Channel, ...] = ()
    incident_checks: tuple[IncidentCheck, ...] = ()
    """Who checks what when somebody raises an incident."""
    incident_decision_s: Seconds = 120
    """An incident is to be decided on within that long; then silence escalates as at a decision point."""
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
        """The blue-green phase: the one whose switch needs the sign-offs."""
        return next(p for p in self.phases if p.kind == "blue_green")


MEASURED = {
    "response_normal": "response_time",
    "response_time": "response_time",
    "no_errors": "error_rate",
    "error_rate": "error_rate",
}
"""Checks that read a metric → the metric's key where the plan names none."""


def measured_by(check: StripCheck | Criterion) -> str | None:
    """The key of the metric that a line of the strip or a criterion reads; None for one that reads none."""
    usual = MEASURED.get(check.check)
    return (check.metric or usual) if usual else None


def plan_hash(plan: Plan) -> str:
    """The plan's name for good: SHA-256 (64 hex digits) over its canonical JSON.

    Fields at their default are left out, so that neither writing a default down nor a later field with a
    default renames a plan that sign-offs are bound to.
    """
    values = plan.model_dump(mode="json", exclude_defaults=True)
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
