"""What the runbook is drawn from. Frozen; texts are ready to read, domain parts are passed on as they are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from app.domain.plan import CanaryStep, Duties, Metric, SmokeTest, StripStage
from app.domain.plan_parts import Channel, Contact, Criterion


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    side: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class ItemRow:
    """A checklist item; `proof` is "By machine", "With evidence" or empty."""

    text: str
    owner: str
    proof: str


@dataclass(frozen=True, slots=True)
class ChecklistPart:
    title: str
    when: str
    items: tuple[ItemRow, ...]


@dataclass(frozen=True, slots=True)
class QuestionRow:
    position: str
    text: str


@dataclass(frozen=True, slots=True)
class GatePart:
    """`rule` says in a sentence when the gate opens, how long a vote stands and when the gate ends."""

    questions: tuple[QuestionRow, ...]
    rule: str


@dataclass(frozen=True, slots=True)
class MarkRow:
    """`at` is a time of day where the phase has one ("14:10"), else the time since its start ("+10 min")."""

    at: str
    text: str


@dataclass(frozen=True, slots=True)
class StepRow:
    title: str
    position: str
    daily: str
    command: str
    success: tuple[str, ...]
    failure: tuple[str, ...]
    on_failure: str


@dataclass(frozen=True, slots=True)
class AnswerRow:
    answer: str
    when: str
    text: str


@dataclass(frozen=True, slots=True)
class DecisionPart:
    """`silence` says whom the page asks when the position doesn't answer."""

    minute: int
    question: str
    position: str
    answers: tuple[AnswerRow, ...]
    silence: str


@dataclass(frozen=True, slots=True)
class PhaseView:
    key: str
    number: str
    title: str
    when: str
    duration: str
    lead: str
    is_current: bool
    advice: str = ""
    checklist: ChecklistPart | None = None
    gate: GatePart | None = None
    timeline: tuple[MarkRow, ...] = ()
    canary: tuple[CanaryStep, ...] = ()
    steps: tuple[StepRow, ...] = ()
    strip: tuple[StripStage, ...] = ()
    criteria: tuple[Criterion, ...] = ()
    criteria_within: str = ""
    decisions: tuple[DecisionPart, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TriggerRow:
    title: str
    rule: str
    effect: str


@dataclass(frozen=True, slots=True)
class RoleView:
    """`people` are those on the roster, deputies marked; `may` says the rights in words."""

    key: str
    title: str
    mission: str
    people: tuple[str, ...]
    seats: int
    is_you: bool
    may: tuple[str, ...]
    duties: Duties


@dataclass(frozen=True, slots=True)
class TargetPart:
    """A place where traffic is steered, and what it is bound to in this deployment (empty: nothing)."""

    key: str
    title: str
    identity: str
    bound_to: str
    smoke_tests: tuple[SmokeTest, ...]
    not_undone: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunbookView:
    title: str
    organisation: str
    mission: str
    mode: str
    plan_key: str
    plan_hash: str
    zone: str
    now: datetime
    releases: tuple[ReleaseRow, ...]
    targets: tuple[TargetPart, ...]
    phases: tuple[PhaseView, ...]
    metrics: tuple[Metric, ...]
    triggers: tuple[TriggerRow, ...]
    roles: tuple[RoleView, ...]
    rules: tuple[str, ...]
    avoid: tuple[str, ...]
    contacts: tuple[Contact, ...]
    channels: Mapping[str, tuple[Channel, ...]] = field(default_factory=dict)
    """By heading, in the plan's order."""

    @property
    def short_hash(self) -> str:
        return self.plan_hash[:12]
