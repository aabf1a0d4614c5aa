"""A step of a phase in each of its states."""

from dataclasses import replace
from datetime import timedelta

from app.checklists.views import Piece
from app.overview.gallery.moment import NOW
from app.steps.views import StepCard, StepMove
from app.web.progress import ProgressView

_SCRIPT = StepCard(
    "open",
    "Set up the GitHub organisation",
    "wait",
    "Open",
    "DevOps lead",
    is_yours=True,
    note="By hand, in place of the script, with what shows it",
    command="bash alawael-phase2-github-config.sh",
    signals=("6 teams configured (48 members)",),
    trouble_signals=("HTTP 403 Forbidden",),
    moves=(StepMove("start", "Start", "#", 0, kind="primary", is_first=True),),
)
STEPS = (
    _SCRIPT,
    replace(
        _SCRIPT,
        key="running",
        mark="run",
        word="RUNNING",
        who="Dana Ortiz, DevOps lead",
        tries=2,
        since=NOW - timedelta(minutes=4),
        progress=ProgressView(
            "Usually 12 min (5 runs), planned 15 min", NOW - timedelta(minutes=4), NOW + timedelta(minutes=8)
        ),
        moves=(
            StepMove(
                "finish",
                "It is done",
                "#",
                0,
                "What shows it",
                kind="primary",
                is_first=True,
                error="What shows it is missing.",
            ),
            StepMove("fail", "It failed", "#", 0, "What happened", kind="nogo"),
            StepMove("undo", "Take it back", "#", 0),
        ),
    ),
    replace(
        _SCRIPT,
        key="overdue",
        mark="run",
        word="RUNNING",
        who="Dana Ortiz, DevOps lead",
        tries=1,
        moves=(),
        since=NOW - timedelta(minutes=17),
        progress=ProgressView(
            "Planned 15 min", NOW - timedelta(minutes=17), NOW - timedelta(minutes=2), "2 min longer than planned"
        ),
    ),
    replace(
        _SCRIPT,
        key="failed",
        mark="crit",
        word="FAILED",
        who="Dana Ortiz, DevOps lead",
        at=NOW,
        took="4 min 2 s",
        proof=(Piece("HTTP 403 Forbidden"),),
        advice="Stop, document the error, take the manual set-up path.",
        moves=(
            StepMove("retry", "Try again", "#", 0, kind="primary", is_first=True),
            StepMove("bypass", "Take the manual path", "#", 0, "How it is done without this step"),
            StepMove("stop", "Stop: put phase 2 on hold", "#", 0, "Why it stops"),
        ),
    ),
    StepCard(
        "done",
        "Confirm that all 6 teams are created",
        "ok",
        "Done",
        "DevOps lead",
        is_yours=False,
        who="Dana Ortiz, DevOps lead",
        at=NOW,
        took="31.0 s",
        proof=(Piece("6 teams, 48 members"),),
    ),
    StepCard(
        "bypassed", "Verify the organisation", "withdrawn", "Passed over", "DevOps lead", True, proof=(Piece("by eye"),)
    ),
    StepCard(
        "switch",
        "Switch all traffic",
        "wait",
        "Open",
        "DevOps lead",
        True,
        note="Done by traffic",
        link=("Open the Switch page", "#"),
    ),
)
