"""A phase in each of its states; its marks, presses and conditions."""

from dataclasses import replace
from datetime import timedelta

from app.domain.phases import Condition
from app.overview.gallery.moment import NOW
from app.phases.views import Asked, Control, MarkLine, PhaseLine, Span
from app.web.progress import ProgressView

_SPAN = Span("Fri 6 Mar, 10:00 to 10:45", "", "45 min")
_SETUP = PhaseLine("waiting", "#", "2", "GitHub organisation setup", "DevOps lead", "wait", "Planned", _SPAN)
_STAGING = replace(_SETUP, number="3", title="Staging deployment")
_ASKED = Asked(
    "Dana Ortiz, DevOps lead",
    "The organisation was set up last week",
    NOW - timedelta(minutes=3),
    NOW + timedelta(minutes=7),
    0,
    agree="#",
    withdraw="#",
)
CONDITIONS = (
    Condition("phase", True, "Phase 2 is complete"),
    Condition("checklist", False, "Before phase 3: 4 of 6 items done; open: Database backup created"),
)
PHASES = (
    replace(
        _SETUP,
        key="done",
        mark="ok",
        word="Complete",
        steps=(7, 7),
        span=replace(_SPAN, actual="Fri 6 Mar, 10:04 to 10:51, 47 min", late="4 min", over="2 min"),
    ),
    replace(
        _STAGING,
        key="running",
        mark="run",
        word="RUNNING",
        steps=(2, 5),
        is_next=True,
        is_led_by_you=True,
        span=replace(
            _SPAN,
            actual="since Fri 6 Mar, 14:00, 10 min so far",
            progress=ProgressView(
                "Usually 46 min (2 runs), planned 50 min", NOW - timedelta(minutes=10), NOW + timedelta(minutes=36)
            ),
        ),
    ),
    replace(
        _STAGING,
        key="overdue",
        mark="run",
        word="RUNNING",
        steps=(4, 5),
        is_next=True,
        span=replace(
            _SPAN,
            actual="since Fri 6 Mar, 14:00, 1 h 2 min so far",
            over="12 min",
            progress=ProgressView(
                "Planned 50 min", NOW - timedelta(minutes=62), NOW - timedelta(minutes=12), "12 min longer than planned"
            ),
        ),
    ),
    replace(
        _STAGING,
        key="held",
        mark="hold",
        word="ON HOLD",
        note="The smoke tests fail on the payment page",
        held_since=NOW - timedelta(minutes=5),
        steps=(3, 5),
        span=replace(_SPAN, actual="since Fri 6 Mar, 14:00, 25 min so far"),
    ),
    replace(_STAGING, key="waiting", conditions=CONDITIONS, is_next=True),
    replace(_SETUP, key="asked", asked=_ASKED),
    replace(_SETUP, key="mine", asked=replace(_ASKED, agree="", why_not="You asked to skip it yourself.")),
    replace(_SETUP, key="skipped", mark="withdrawn", word="Skipped", note="It was set up last week"),
    replace(_STAGING, key="aborted", mark="nogo", word="ABORTED", note="The region is down"),
    replace(
        _SETUP,
        key="rollback",
        number="4B",
        title="Emergency rollback",
        word="Stands ready",
        span=replace(_SPAN, planned=""),
    ),
)

MARKS = (
    MarkLine("past", "0 min", "The script runs", NOW - timedelta(minutes=50), NOW - timedelta(minutes=42)),
    MarkLine("now", "+42 min", "Now", None, NOW),
    MarkLine("next", "+45 min", "Final confirmation", NOW - timedelta(minutes=5), NOW + timedelta(minutes=3)),
    MarkLine("ahead", "+1:00 h", "The window closes", NOW + timedelta(minutes=10), NOW + timedelta(minutes=18)),
)

CONTROLS = (
    Control("start", "Start the phase", "#", closed="Before phase 2: 4 of 6 items done"),
    Control("resume", "Resume the phase", "#", kind="primary"),
    Control("reschedule", "Reschedule", "#", needs_reason=True, needs_time=True, says="The new start."),
    Control("abort", "Abort the phase", "#", kind="nogo", needs_reason=True, says="For good."),
)
