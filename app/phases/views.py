"""What the pages of the phases show. Moments of the plan (`planned`, `started`, `finished`, marks) are plan time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.domain.phases import Condition
from app.scripts.views import Script
from app.steps.views import AfterView, StepsView
from app.web.progress import ProgressView

Mark = Literal["wait", "run", "hold", "ok", "withdrawn", "nogo"]
MarkState = Literal["past", "next", "ahead", "now"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A wish to skip a phase that stands until `ends_at` (real time). `agree` and `withdraw` are addresses, empty for
    who may not; `why_not` says why this person cannot be the second one. `version` is the phase's."""

    by: str
    reason: str
    asked_at: datetime
    ends_at: datetime
    version: int
    agree: str = ""
    withdraw: str = ""
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """Planned and actual time of a phase in words of the plan's clock: "Fri 6 Mar, 14:00 to 14:40". `late` is how much
    later than planned it began or should have begun, `over` what it runs or ran longer than planned ("12 min"); empty
    where there is nothing to say. `progress` is how far it is against what is expected, while it runs."""

    planned: str
    actual: str
    planned_for: str
    took: str = ""
    late: str = ""
    over: str = ""
    progress: ProgressView | None = None


@dataclass(frozen=True, slots=True)
class PhaseLine:
    """A phase in the list of the day."""

    key: str
    url: str
    number: str
    title: str
    lead: str
    mark: Mark
    word: str
    span: Span
    note: str = ""
    """What this state is about: the reason of a hold, the deployment's own state."""
    held_since: datetime | None = None
    """Real time; a phase on hold ages in sight."""
    conditions: tuple[Condition, ...] = ()
    """Of the phase that comes next; the others wait for it anyway."""
    steps: tuple[int, int] | None = None
    """Steps done, and all of them, once it has begun."""
    asked: Asked | None = None
    is_next: bool = False
    is_led_by_you: bool = False


@dataclass(frozen=True, slots=True)
class Jump:
    """The next mark of the plan: what it is, and when."""

    title: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ClockView:
    """The plan clock of a rehearsal. `can_set`: this person may; `next` is None where the plan has no mark ahead."""

    url: str
    deployment_id: int
    plan_now: datetime
    speed: int
    speeds: tuple[int, ...]
    is_real: bool
    can_set: bool
    next: Jump | None
    zone: str
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class DayView:
    """The whole day. `ticks` is how often its panel draws itself anew in seconds, 0 while nothing passes."""

    url: str
    headline: str
    advice: str
    lines: tuple[PhaseLine, ...]
    zone: str
    now: datetime
    plan_now: datetime
    versions: Mapping[str, int]
    ticks: int = 0


@dataclass(frozen=True, slots=True)
class Control:
    """A press on a phase. `closed` are the reasons why it cannot be pressed now. `needs` names what is asked with it:
    a reason, and a new time."""

    key: str
    title: str
    url: str
    kind: str = ""
    needs_reason: bool = False
    needs_time: bool = False
    closed: str = ""
    says: str = ""
    """What it does, in a sentence; stands in the form that asks for a reason."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a control's form was refused, and what had been typed."""

    control: str
    field: str
    text: str
    reason: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True)
class PhaseView:
    """One phase: where it stands, what must hold, and what this person can do about it."""

    url: str
    key: str
    number: str
    headline: str
    advice: str
    mark: Mark
    word: str
    lead: str
    span: Span
    version: int
    conditions: tuple[Condition, ...]
    exits: tuple[Condition, ...]
    controls: tuple[Control, ...]
    asked: Asked | None
    reason: str
    by: str
    held_since: datetime | None
    zone: str
    now: datetime
    plan_now: datetime
    versions: Mapping[str, int]
    checklist: tuple[str, str] | None = None
    """Title and address of the checklist that comes before it."""
    is_by_course: bool = False
    """It follows the deployment: what must hold is shown, and the sign-offs decide."""
    links: tuple[tuple[str, str], ...] = ()
    """Where a phase is run that follows the deployment's course: rows of (title, address)."""
    schedule_advice: str = ""
    ended_scripts: str = ""
    """What became of the scripts that ran when it was aborted or skipped, in a sentence."""
    ticks: int = 0

    @property
    def is_running(self) -> bool:
        return self.mark == "run"


@dataclass(frozen=True, slots=True)
class MarkLine:
    """A mark of the phase's timeline. `planned` by the plan's schedule; `due` by its actual start, once it began.
    The state `now` is the line of the present moment."""

    state: MarkState
    offset: str
    text: str
    planned: datetime | None = None
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class MarksView:
    url: str
    lines: tuple[MarkLine, ...]
    has_started: bool
    zone: str
    versions: Mapping[str, int]
    ticks: int = 0


@dataclass(frozen=True)
class PhasePage:
    """A phase's whole page: each panel's view model."""

    phase: PhaseView
    steps: StepsView
    scripts: tuple[Script, ...]
    after: AfterView
    marks: MarksView

    @property
    def parts(self) -> dict[str, object]:
        """Each panel's view model under the name that its fragment reads it by."""
        return {
            "phase": self.phase,
            "steps": self.steps,
            "scripts": self.scripts,
            "after": self.after,
            "marks": self.marks,
        }
