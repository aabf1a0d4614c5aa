"""Sample phases and steps of /_components, each in each state. Read by no other page."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from app.web.progress import ProgressView

_NOW = datetime(2026, 3, 6, 19, 10, 7, 400_000, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class GallerySpan:
    """As phases.views.Span."""

    planned: str = "Fri 6 Mar, 10:00 to 10:45"
    actual: str = ""
    planned_for: str = "45 min"
    late: str = ""
    over: str = ""
    progress: ProgressView | None = None


@dataclass(frozen=True, slots=True)
class GalleryCondition:
    """As domain.phases.Condition."""

    is_met: bool
    text: str


@dataclass(frozen=True, slots=True)
class GalleryAsked:
    """As phases.views.Asked."""

    by: str = "Dana Ortiz, DevOps lead"
    reason: str = "The organisation was set up last week"
    asked_at: datetime = _NOW - timedelta(minutes=3)
    ends_at: datetime = _NOW + timedelta(minutes=7)
    version: int = 0
    agree: str = ""
    withdraw: str = ""
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class GalleryPhase:
    """As phases.views.PhaseLine."""

    key: str
    number: str
    title: str
    mark: str
    word: str
    url: str = "#"
    lead: str = "DevOps lead"
    span: GallerySpan = GallerySpan()
    note: str = ""
    held_since: datetime | None = None
    conditions: tuple[GalleryCondition, ...] = ()
    steps: tuple[int, int] | None = None
    asked: GalleryAsked | None = None
    is_next: bool = False
    is_led_by_you: bool = False


CONDITIONS = (
    GalleryCondition(True, "Phase 2 is complete"),
    GalleryCondition(False, "Before phase 3: 4 of 6 items done; open: Database backup created"),
)
PHASES = (
    GalleryPhase(
        "done", "2", "GitHub organisation setup", "ok", "Complete", steps=(7, 7),
        span=GallerySpan(actual="Fri 6 Mar, 10:04 to 10:51, 47 min", late="4 min", over="2 min"),
    ),
    GalleryPhase(
        "running", "3", "Staging deployment", "run", "RUNNING", steps=(2, 5), is_next=True, is_led_by_you=True,
        span=GallerySpan(
            actual="since Fri 6 Mar, 14:00, 10 min so far",
            progress=ProgressView("Usually 46 min (2 runs), planned 50 min", _NOW - timedelta(minutes=10),
                                  _NOW + timedelta(minutes=36)),
        ),
    ),
    GalleryPhase(
        "overdue", "3", "Staging deployment", "run", "RUNNING", steps=(4, 5), is_next=True,
        span=GallerySpan(
            actual="since Fri 6 Mar, 14:00, 1 h 2 min so far", over="12 min",
            progress=ProgressView("Planned 50 min", _NOW - timedelta(minutes=62), _NOW - timedelta(minutes=12),
                                  "12 min longer than planned"),
        ),
    ),
    GalleryPhase(
        "held", "3", "Staging deployment", "hold", "ON HOLD", note="The smoke tests fail on the payment page",
        held_since=_NOW - timedelta(minutes=5), steps=(3, 5),
        span=GallerySpan(actual="since Fri 6 Mar, 14:00, 25 min so far"),
    ),
    GalleryPhase("waiting", "3", "Staging deployment", "wait", "Planned", conditions=CONDITIONS, is_next=True),
    GalleryPhase("asked", "2", "GitHub organisation setup", "wait", "Planned",
                 asked=GalleryAsked(agree="#", withdraw="#")),
    GalleryPhase("mine", "2", "GitHub organisation setup", "wait", "Planned",
                 asked=GalleryAsked(withdraw="#", why_not="You asked to skip it yourself.")),
    GalleryPhase("skipped", "2", "GitHub organisation setup", "withdrawn", "Skipped", note="It was set up last week"),
    GalleryPhase("aborted", "3", "Staging deployment", "nogo", "ABORTED", note="The region is down"),
    GalleryPhase("rollback", "4B", "Emergency rollback", "wait", "Stands ready", span=GallerySpan(planned="")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GalleryMark:
    """As phases.views.MarkLine."""

    state: str
    offset: str
    text: str
    planned: datetime | None = None
    due: datetime | None = None


PHASE_MARKS = (
    GalleryMark("past", "0 min", "The script runs", _NOW - timedelta(minutes=50), _NOW - timedelta(minutes=42)),
    GalleryMark("now", "+42 min", "Now", None, _NOW),
    GalleryMark("next", "+45 min", "Final confirmation", _NOW - timedelta(minutes=5), _NOW + timedelta(minutes=3)),
    GalleryMark("ahead", "+1:00 h", "The window closes", _NOW + timedelta(minutes=10), _NOW + timedelta(minutes=18)),
)


@dataclass(frozen=True, slots=True)
class GalleryControl:
    """As phases.views.Control."""

    key: str
    title: str
    url: str = "#"
    kind: str = ""
    needs_reason: bool = False
    needs_time: bool = False
    closed: str = ""
    says: str = ""


CONTROLS = (
    GalleryControl("start", "Start the phase", closed="Before phase 2: 4 of 6 items done"),
    GalleryControl("resume", "Resume the phase", kind="primary"),
    GalleryControl("reschedule", "Reschedule", needs_reason=True, needs_time=True, says="The new start."),
    GalleryControl("abort", "Abort the phase", kind="nogo", needs_reason=True, says="For good."),
)


@dataclass(frozen=True, slots=True)
class GalleryPiece:
    """As checklists.views.Piece."""

    text: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class GalleryMove:
    """As steps.views.StepMove."""

    key: str
    button: str
    label: str = ""
    kind: str = ""
    is_first: bool = False
    error: str = ""
    url: str = "#"
    version: int = 0
    field: str = "text"
    hint: str = ""
    required: bool = False
    typed: str = ""
    target: str = ""
    size: str = ""
    fold: str = ""


@dataclass(frozen=True, slots=True)
class GalleryStep:
    """As steps.views.StepCard."""

    key: str
    title: str
    mark: str
    word: str
    owner: str = "DevOps lead"
    is_yours: bool = True
    note: str = ""
    command: str = ""
    signals: tuple[str, ...] = ()
    trouble_signals: tuple[str, ...] = ()
    proof: tuple[GalleryPiece, ...] = ()
    who: str = ""
    since: datetime | None = None
    progress: ProgressView | None = None
    at: datetime | None = None
    took: str = ""
    tries: int = 0
    advice: str = ""
    link: tuple[str, str] | None = None
    moves: tuple[GalleryMove, ...] = ()


_SCRIPT = GalleryStep(
    "open", "Set up the GitHub organisation", "wait", "Open",
    note="By hand, in place of the script, with what shows it",
    command="bash alawael-phase2-github-config.sh",
    signals=("6 teams configured (48 members)",), trouble_signals=("HTTP 403 Forbidden",),
    moves=(GalleryMove("start", "Start", kind="primary", is_first=True),),
)  # fmt: skip
STEPS = (
    _SCRIPT,
    replace(
        _SCRIPT, key="running", mark="run", word="RUNNING", who="Dana Ortiz, DevOps lead", tries=2,
        since=_NOW - timedelta(minutes=4),
        progress=ProgressView("Usually 12 min (5 runs), planned 15 min", _NOW - timedelta(minutes=4),
                              _NOW + timedelta(minutes=8)),
        moves=(
            GalleryMove("finish", "It is done", "What shows it", "primary", True, "What shows it is missing."),
            GalleryMove("fail", "It failed", "What happened", "nogo"),
            GalleryMove("undo", "Take it back"),
        ),
    ),
    replace(
        _SCRIPT, key="overdue", mark="run", word="RUNNING", who="Dana Ortiz, DevOps lead", tries=1, moves=(),
        since=_NOW - timedelta(minutes=17),
        progress=ProgressView("Planned 15 min", _NOW - timedelta(minutes=17), _NOW - timedelta(minutes=2),
                              "2 min longer than planned"),
    ),
    replace(
        _SCRIPT, key="failed", mark="crit", word="FAILED", who="Dana Ortiz, DevOps lead", at=_NOW, took="4 min 2 s",
        proof=(GalleryPiece("HTTP 403 Forbidden"),),
        advice="Stop, document the error, take the manual set-up path.",
        moves=(
            GalleryMove("retry", "Try again", kind="primary", is_first=True),
            GalleryMove("bypass", "Take the manual path", "How it is done without this step"),
            GalleryMove("stop", "Stop: put phase 2 on hold", "Why it stops"),
        ),
    ),
    GalleryStep(
        "done", "Confirm that all 6 teams are created", "ok", "Done", is_yours=False, who="Dana Ortiz, DevOps lead",
        at=_NOW, took="31.0 s", proof=(GalleryPiece("6 teams, 48 members"),),
    ),
    GalleryStep("bypassed", "Verify the organisation", "withdrawn", "Passed over", proof=(GalleryPiece("by eye"),)),
    GalleryStep("switch", "Switch all traffic", "wait", "Open", note="Done by traffic",
                link=("Open the Switch page", "#")),
)  # fmt: skip
