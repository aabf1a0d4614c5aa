"""What the API answers. Times are ISO 8601 in UTC with their zone, shares whole percent, durations milliseconds."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class ReleaseOut(Answer):
    """A version and the digest of its artifact (`sha256:` and 64 hex digits)."""

    version: str
    digest: str


class PlanOut(Answer):
    """The plan in force: its key and its hash (SHA-256, 64 hex digits)."""

    key: str
    hash: str
    timezone: str = Field(description="IANA name of the zone that the plan's times of day are in")


class HoldOut(Answer):
    reason: str
    by: str


class DeploymentOut(Answer):
    """One execution of a plan. BLUE holds the old release, GREEN the new one."""

    id: int
    title: str
    mode: Literal["live", "rehearsal"]
    phase: str
    state: str = Field(
        description="preparing, proceeded, armed, switching, switched, rolling_back, rolled_back, on_hold, completed "
        "or aborted"
    )
    state_since: datetime
    attempt: int = Field(description="Counts from 1; a new attempt needs new sign-offs")
    plan: PlanOut
    target: str = Field(description="Key of the target in the plan")
    blue: ReleaseOut
    green: ReleaseOut
    hold: HoldOut | None = Field(description="Why it is held, or null")
    planned_at: datetime
    armed_at: datetime | None
    switched_at: datetime | None
    finished_at: datetime | None
    created_at: datetime


class DeploymentsOut(Answer):
    """A page of deployments, newest first. `next_before` asks for the page after it; null on the last one."""

    items: list[DeploymentOut]
    next_before: int | None


class StepOut(Answer):
    """A step of a phase. Times are real; `by_hand` says that a person did what the plan has a machine for."""

    key: str
    title: str
    kind: Literal["script", "task", "switch", "rollback", "canary"]
    state: Literal["open", "running", "done", "failed", "skipped"]
    by_hand: bool
    by: str = Field(description="Who changed it last; empty while nobody has")
    evidence: str = Field(description="What shows it, what happened, or why it goes on without it")
    started_at: datetime | None
    finished_at: datetime | None


class PhaseOut(Answer):
    """A phase of the day. `planned_at`, `started_at` and `finished_at` are plan time: see `clock`."""

    key: str
    number: str = Field(description="As people call it: 4, 4B")
    title: str
    kind: Literal["steps", "canary", "blue_green", "rollback", "monitoring", "decommission"]
    state: Literal["planned", "running", "on_hold", "completed", "skipped", "aborted"]
    state_since: datetime = Field(description="Real time")
    reason: str = Field(description="Why it is on hold, skipped or aborted")
    changed_by: str
    lead: list[str] = Field(description="Keys of the positions that lead it")
    planned_at: datetime | None
    duration_s: float
    started_at: datetime | None
    finished_at: datetime | None
    steps: list[StepOut]


class ClockOut(Answer):
    """The plan's clock: the real one in live mode; a rehearsal may run it faster and set it ahead."""

    plan_now: datetime
    speed: int


class PhasesOut(Answer):
    """The phases in the order of the plan."""

    items: list[PhaseOut]
    clock: ClockOut
    at: datetime


class DifferenceOut(Answer):
    """A part of what the vote was given for, then and now; an empty text means that it was not there."""

    part: str
    before: str
    after: str


class QuestionOut(Answer):
    """One question of the go/no-go board and what has become of its vote."""

    key: str
    position: str
    text: str
    state: Literal["waiting", "go", "nogo", "outdated", "expired"]
    vote: Literal["GO", "NO_GO"] | None
    comment: str
    by: str = Field(description="Who voted; empty while nobody has")
    cast_at: datetime | None
    expires_at: datetime | None
    changed: list[DifferenceOut]


class SignoffsOut(Answer):
    """The gate of the switch. It has passed when every question has a GO that counts, by different people."""

    verdict: Literal["PENDING", "FAILED", "PASSED"]
    attempt: int
    questions: list[QuestionOut]
    missing: list[str] = Field(description="Keys of the questions that keep the gate from passing")
    voted_twice: list[str] = Field(description="Names of people who gave more than one of the votes")
    at: datetime


class SharesOut(Answer):
    """Shares of new requests in percent; `at` is when they were read or seen. null: not known."""

    blue: int | None
    green: int | None
    at: datetime | None


class SideHealthOut(Answer):
    """What the last health check of a side found. `is_healthy` null: nobody has looked."""

    is_healthy: bool | None
    found: str
    at: datetime | None


class OperationOut(Answer):
    """One attempt to move traffic. Durations count from the press, in milliseconds; null: not reached."""

    id: int
    kind: Literal["switch", "rollback", "shift"]
    state: str = Field(
        description="accepted, checking, writing, observing, verifying; done, refused, failed, superseded or escalated"
    )
    reason: str
    epoch: int
    want_blue: int = Field(description="Percent")
    want_green: int = Field(description="Percent")
    requested_by: str
    cause: str
    clicked_at: datetime
    accepted_ms: int | None = Field(description="The balancer accepted the write")
    observed_95_ms: int | None
    observed_99_ms: int | None
    observed_100_ms: int | None
    verified_ms: int | None
    finished_at: datetime | None
    customers_requests: int | None = Field(description="Customers' requests while it ran")
    customers_failed: int | None


class TrafficOut(Answer):
    """Where the target's traffic goes: `set` as the balancer reads back, `observed` as probes saw it arrive."""

    target: str
    epoch: int
    set: SharesOut
    observed: SharesOut
    blue: SideHealthOut
    green: SideHealthOut
    operation: OperationOut | None = Field(description="This deployment's newest operation, or null")
    at: datetime


class EventOut(Answer):
    """One line of the append-only log. `hash` continues the chain of the line before it (SHA-256, hex)."""

    seq: int
    at: datetime
    kind: str
    actor: str
    cause: str
    text: str
    severity: Literal["normal", "warn", "crit"]
    hash: str


class TimelineOut(Answer):
    """Events in the order they happened. Ask again with `after_seq` = `next_after_seq`; `has_more` says whether
    there is more at once."""

    items: list[EventOut]
    next_after_seq: int
    has_more: bool


class FigureOut(Answer):
    """A metric of a side at the opening. `value` is null where nothing could be relied on."""

    value: float | None
    verdict: Literal["OK", "IDLE", "WARNING", "UNKNOWN", "CRITICAL"]
    samples: int
    age_ms: int | None


class FrozenMetricOut(Answer):
    key: str
    unit: str
    blue: FigureOut
    green: FigureOut


class SnapshotOut(Answer):
    """What was known when the point opened. Shares are as the probes saw them; customers since the switch."""

    at: datetime
    metrics: list[FrozenMetricOut]
    probes_blue: int | None
    probes_green: int | None
    customers_requests: int | None
    customers_failed: int | None
    triggers: list[str] = Field(description="Keys of triggers in breach")
    customer_reports: int = Field(description="Reports that nobody had explained or fixed")
    customer_reports_since_switch: int | None = Field(description="Reports that support took in since the switch")
    customers_reported_since_switch: int | None = Field(description="Of how many customers these were")
    incidents: int


class PointOut(Answer):
    """A decision point of the plan in the present attempt."""

    minute: int
    question: str
    position: str = Field(description="Key of the position that is asked first")
    state: Literal["to_come", "open", "answered", "folded", "void"]
    due_at: datetime | None
    opened_at: datetime | None
    asked: Literal["position", "deputy", "leader", "everybody"] | None = Field(
        description="How far silence has come, while it is open"
    )
    next_asked_at: datetime | None
    answer: Literal["continue", "watch", "rollback"] | None
    reason: str
    by: str
    escalated_by: str
    closed_at: datetime | None
    snapshot: SnapshotOut | None


class DecisionsOut(Answer):
    attempt: int
    is_watched: bool
    points: list[PointOut]
    at: datetime


class FindingOut(Answer):
    """What one of the plan's checks found; `found` is empty until its position has said it."""

    position: str
    text: str
    found: str
    by: str
    at: datetime | None


class IncidentOut(Answer):
    id: int
    title: str
    severity: Literal["warning", "critical"]
    raised_by: str
    raised_at: datetime
    asked: Literal["position", "deputy", "leader", "everybody"] | None
    next_asked_at: datetime | None
    checks: list[FindingOut]
    outcome: Literal["no_action", "watch", "rollback"] | None
    reason: str
    decided_by: str
    escalated_by: str
    closed_at: datetime | None


class IncidentsOut(Answer):
    """All incidents of a deployment, newest first."""

    items: list[IncidentOut]
    next_before: int | None
    at: datetime


class StoredOut(Answer):
    """How many readings were stored: all of them, or the answer is a problem and none was."""

    stored: int


class AlertsOut(Answer):
    """How many alerts of the delivery were recorded; 0 for a confirmed subscription."""

    recorded: int


class ProblemOut(Answer):
    """RFC 9457. `code` is stable; `detail` says what happened and what to do."""

    type: str
    title: str
    status: int
    detail: str
    code: str
