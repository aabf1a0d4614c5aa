"""What the list of deployments and the home pages show."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.checklists.views import ChecklistView, DutiesView, PersonalView, ProgressView
from app.domain.deployments import State
from app.domain.operations import Kind
from app.domain.operations import State as Progress
from app.domain.plan import Plan
from app.domain.plan_parts import Channel, Contact
from app.domain.signoffs import Gate
from app.incidents.views import ReportsPanel
from app.metrics.views import MetricsPanel
from app.overview.views_brief import BriefView, Tone
from app.phases.queries_waiting import Waiting
from app.roster.views import HandView, SeatRow
from app.signoffs.views import GateView, VotesView
from app.timeline.views import Line
from app.traffic.views import CriteriaView, StripView
from app.web.mission import HealthView, TrafficView

Goal = Literal[
    "vote",
    "checklist",
    "gate",
    "switch",
    "wall",
    "timeline",
    "plan",
    "list",
    "proceed",
    "arm",
    "phase",
    "decisions",
    "incidents",
    "triggers",
    "hand",
    "freeze",
    "personal",
    "arrive",
]
"""Where a move leads. `proceed`, `arm` and `arrive` are pressed right there; the others are links."""

NORMAL = HealthView("ok", "Normal")
POSTED: frozenset[Goal] = frozenset({"proceed", "arm", "arrive"})
FRESH_SIGN_IN: frozenset[Goal] = frozenset({"proceed", "arm"})
"""Of these, what asks for a sign-in of the last 5 min."""
ASKING = frozenset({"votes", "checklist"})
TELLING = frozenset({"team", "timeline"})
TOLD = frozenset({"customers", "reports"})
OWN = frozenset({"personal", "hand", "duties", "progress"})


@dataclass(frozen=True, slots=True)
class OperationNow:
    """The newest operation of the present attempt, as far as it decides what people do."""

    kind: Kind
    state: Progress
    reason: str = ""
    is_escalated: bool = False
    is_written: bool = False
    is_observed: bool = False
    is_running: bool = False


@dataclass(frozen=True, slots=True)
class AskedNow:
    """An open decision point or incident: `title` in words, who is asked, and whether this person may answer. `until`
    is the time of day when the next one is asked, empty where everybody sees whom to call. `check` is what this
    person's position checks of an incident and has not answered yet ("checks the logs")."""

    title: str
    question: str
    asked: str
    is_yours: bool
    until: str
    check: str = ""


@dataclass(frozen=True, slots=True)
class TriggerNow:
    """The most urgent trigger in breach: what it found, and the time of day when it rolls back by itself (empty: it
    does not, or not yet)."""

    found: str
    fires_at: str
    is_held: bool = False
    is_recommended: bool = False


@dataclass(frozen=True, slots=True)
class FreezeNow:
    """A change freeze in force until a time of day. `patches`: what waits for this person's approval, in the words of
    who asked ("Backend lead: raise the limit")."""

    until: str
    reason: str
    patches: tuple[str, ...] = ()


@dataclass(frozen=True)
class NowFacts:
    """Everything that "What do I do now?" is answered from, for one person.

    `own` are the keys of the questions this person answers, `position` the key of the first seat (empty without one).
    `open_items` and `failed_items` are the texts of this person's own checklist items, `unmet` those that machines
    could not confirm, `absent` names of people, `alarms` sentences that say what is critical.
    """

    plan: Plan
    state: State
    gate: Gate
    own: frozenset[str]
    rights: frozenset[str]
    blue: str
    green: str
    planned_at: datetime
    now: datetime
    position: str = ""
    open_items: tuple[str, ...] = ()
    failed_items: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    operation: OperationNow | None = None
    health: HealthView = NORMAL
    alarms: tuple[str, ...] = ()
    reason: str = ""
    held_by: str = ""
    switched_at: datetime | None = None
    waiting: Waiting | None = None
    """What of the day's phases waits for this person."""
    trigger: TriggerNow | None = None
    decision: AskedNow | None = None
    incident: AskedNow | None = None
    call: str = ""
    """Whom to call, from the plan's contacts."""
    offered_by: str = ""
    """Who offers this person the hand on the rollback, by name."""
    freeze: FreezeNow | None = None
    own_open: tuple[str, ...] = ()
    """What this person has not ticked for themselves."""
    is_expected: bool = False
    """This person has a seat and has not said "I am here" in this attempt."""


@dataclass(frozen=True, slots=True)
class Move:
    """The next move: its button's words, and where it leads. `url` is filled in for the page it stands on."""

    title: str
    goal: Goal
    url: str = ""

    @property
    def is_posted(self) -> bool:
        return self.goal in POSTED


@dataclass(frozen=True, slots=True)
class NowView:
    """The answer: a sentence that names the state and the next move, one more of why, and at most two moves."""

    headline: str
    advice: str
    moves: tuple[Move, ...] = ()
    tone: Tone = "calm"
    also: tuple["Also", ...] = ()
    """What waits for this person besides."""


@dataclass(frozen=True, slots=True)
class Also:
    """One more thing that waits, less pressing than the headline: a sentence, and where it is done."""

    text: str
    move: Move


@dataclass(frozen=True, slots=True)
class NowPanel:
    """NowView on a home page. `step_up_url` is set where a pressed move needs a fresh sign-in first."""

    url: str
    eyebrow: str
    now: NowView
    step_up_url: str
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class TrafficPanel:
    """Where traffic is and what last moved it: rows of (term, value)."""

    url: str
    traffic: TrafficView
    rows: tuple[tuple[str, str], ...]
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class StripPanel:
    """The switch second by second, or the criteria of a rollback; one of the two is None."""

    url: str
    strip: StripView | None
    criteria: CriteriaView | None
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class CustomersPanel:
    """Customers' requests and those that failed; None where nobody counts (no customers' counter, or it was lost).

    `recent_failed` of `recent_requests` in the last 5 min; `since_failed` of `since_requests` since `since_word`.
    """

    url: str
    requests: int | None
    failed: int | None
    recent_requests: int | None
    recent_failed: int | None
    since_word: str
    since_requests: int | None
    since_failed: int | None
    probes: int
    probes_failed: int
    at: datetime | None
    now: datetime
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class TeamPanel:
    url: str
    roster_url: str
    rows: tuple[SeatRow, ...]
    now: datetime
    versions: Mapping[str, int]
    hand_id: int | None = None
    """Whose hand is on the rollback."""
    arrive_url: str = ""
    """Where this person says "I am here"; empty once it was said, or without a seat."""
    zone: str = "UTC"

    @property
    def here(self) -> int:
        return sum(row.is_here for row in self.rows)


@dataclass(frozen=True, slots=True)
class LatestPanel:
    """The newest lines of the timeline."""

    url: str
    lines: tuple[Line, ...]
    zone: str
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ReachPanel:
    """Who to call and where to talk and look, from the plan."""

    contacts: tuple[Contact, ...]
    talk: tuple[Channel, ...]
    look: tuple[Channel, ...]


@dataclass(frozen=True)
class HomeView:
    """A position's home: what to do now, then its panels. `main`, `lead` and `rest` name panels in reading order:
    `lead`, `facts` and `yours` stand beside the main column on a wide screen. A small one shows `lead`, `work`,
    `facts`, `yours`, `watched`, `others`: what asks for a press comes before what is only read."""

    url: str
    now: NowPanel
    main: tuple[str, ...]
    lead: tuple[str, ...]
    rest: tuple[str, ...]
    versions: Mapping[str, int]
    votes: VotesView | None = None
    gate: GateView | None = None
    checklist: ChecklistView | None = None
    progress: ProgressView | None = None
    metrics: MetricsPanel | None = None
    strip: StripPanel | None = None
    traffic: TrafficPanel | None = None
    customers: CustomersPanel | None = None
    reports: ReportsPanel | None = None
    team: TeamPanel | None = None
    latest: LatestPanel | None = None
    hand: HandView | None = None
    personal: PersonalView | None = None
    duties: DutiesView | None = None
    reach: ReachPanel | None = None
    brief: BriefView | None = None

    @property
    def is_before(self) -> bool:
        """Whether votes, items or own lines still wait: the time before the switch."""
        return bool(self.votes or self.checklist or self.personal)

    @property
    def work(self) -> tuple[str, ...]:
        """What is worked at now: votes and items before the switch, from then on what is watched second by second."""
        return tuple(name for name in self.main if (name in ASKING if self.is_before else name not in TELLING))

    @property
    def watched(self) -> tuple[str, ...]:
        return tuple(name for name in self.main if name not in self.work)

    @property
    def yours(self) -> tuple[str, ...]:
        """What asks this person alone, lines to tick and the hand on the rollback, and for whoever leads how far the
        others are."""
        return tuple(name for name in self.rest if name in OWN)

    @property
    def facts(self) -> tuple[str, ...]:
        """Customers and what they report, once traffic moves; traffic itself is in the bar."""
        return () if self.is_before else tuple(name for name in self.rest if name in TOLD)

    @property
    def others(self) -> tuple[str, ...]:
        return tuple(name for name in self.rest if name not in (*self.yours, *self.facts))


@dataclass(frozen=True, slots=True)
class DeploymentRow:
    """A line of the list. `is_open` is false once nothing more is to come; `seat` is this person's, or empty."""

    id: int
    title: str
    mode: Literal["live", "rehearsal"]
    blue_version: str
    green_version: str
    state: str
    tone: Tone
    seat: str
    planned_at: datetime
    zone: str
    zone_label: str
    now: NowView
    is_open: bool
    attempt: int

    @property
    def url(self) -> str:
        return f"/d/{self.id}"


@dataclass(frozen=True, slots=True)
class ListView:
    """All deployments of a person. `rehearse` is where the button "New rehearsal" posts to, empty without the right;
    `why_not` is why it is closed, empty when it is open."""

    rows: tuple[DeploymentRow, ...]
    more: int
    is_range: bool
    is_admin: bool
    rehearse: str = ""
    why_not: str = ""
