"""A script in each of its states, and what it printed."""

from dataclasses import replace
from datetime import timedelta

from app.overview.gallery.moment import NOW, ZONE
from app.scripts.views import OutputView, ScriptView, SignalLine
from app.web.progress import NOTHING_EXPECTED, ProgressView

_READY = ScriptView(
    key="ready",
    title="Set up the GitHub organisation",
    url="#",
    command="bash alawael-phase2-github-config.sh",
    place="by a worker, in /srv/day/scripts, as deploy",
    mark="wait",
    word="Not run",
    sentence="",
    run=0,
    tries=1,
    zone=ZONE,
    now=NOW,
    versions={},
    owner="DevOps lead",
    step_version=1,
)
_OPEN_SIGNALS = (
    SignalLine(
        "success", "Organization alawael-org created", "ok", "Seen", NOW, 2, "✅ Organization alawael-org created"
    ),
    SignalLine("success", "6 teams configured (48 members)", "wait", "Not yet"),
    SignalLine("failure", "HTTP 403 Forbidden", "wait", "Not seen"),
)
_RUNNING = replace(
    _READY,
    key="running",
    mark="run",
    word="RUNNING",
    sentence="Dana Ortiz, DevOps lead runs it.",
    run=1,
    is_open=True,
    abort_url="#",
    since=NOW - timedelta(seconds=12),
    signals=_OPEN_SIGNALS,
    progress=ProgressView(
        "Usually 42 s (3 runs), planned 30 min", NOW - timedelta(seconds=12), NOW + timedelta(seconds=30)
    ),
)
SCRIPTS = (
    replace(_READY, run_url="#"),
    replace(_READY, key="closed", run_url="#", closed="Phase 2 is planned: scripts run while it runs."),
    replace(
        _READY,
        key="unbound",
        place="",
        sentence="It cannot be run here: site.yaml binds no folder of scripts. "
        "Do the step by hand, with what shows it.",
    ),
    replace(
        _READY,
        key="waiting",
        sentence="Dana Ortiz, DevOps lead asked for it; the first free worker takes it.",
        word="Waiting",
        run=1,
        is_open=True,
        abort_url="#",
        asked_at=NOW - timedelta(seconds=1),
    ),
    _RUNNING,
    replace(_RUNNING, key="first", progress=NOTHING_EXPECTED),
    replace(
        _RUNNING,
        key="beyond",
        since=NOW - timedelta(seconds=51),
        progress=ProgressView(
            "Usually 42 s (3 runs), planned 30 min", NOW - timedelta(seconds=51), NOW - timedelta(seconds=9)
        ),
    ),
    replace(
        _RUNNING,
        key="late",
        since=NOW - timedelta(minutes=32),
        progress=ProgressView(
            "Planned 30 min", NOW - timedelta(minutes=32), NOW - timedelta(minutes=2), "2 min longer than planned"
        ),
    ),
    replace(
        _READY,
        key="done",
        mark="ok",
        word="Succeeded",
        sentence="Exit code 0, all 2 success signals seen",
        run=1,
        ended_at=NOW,
        took="41.8 s",
        progress=ProgressView("Usually 42 s (4 runs), planned 30 min"),
    ),
    replace(
        _READY,
        key="failed",
        mark="crit",
        word="FAILED",
        sentence="Its output says “HTTP 403 Forbidden” in line 14: gh: HTTP 403 Forbidden (https://api.github.example)",
        run=1,
        ended_at=NOW,
        took="3.1 s",
        advice="Stop, document the error, take the manual set-up path.",
        signals=(
            *_OPEN_SIGNALS[:1],
            SignalLine("success", "6 teams configured (48 members)", "crit", "MISSING"),
            SignalLine(
                "failure",
                "HTTP 403 Forbidden",
                "crit",
                "SEEN",
                NOW,
                14,
                "gh: HTTP 403 Forbidden (https://api.github.example)",
            ),
        ),
    ),
    replace(
        _READY,
        key="lost",
        mark="crit",
        word="NOT KNOWN",
        sentence="The worker that ran it is gone, or stands still. Whether the script "
        "came to its end is not known. Look at its output and at what it changes, then decide.",
        run=1,
        ended_at=NOW,
        took="9.1 s",
    ),
)

OUTPUT = OutputView(
    key="sample",
    title="Set up the GitHub organisation",
    url="",
    run=1,
    after=3,
    text=(
        "Configuring the GitHub organisation alawael-org\n✅ Organization alawael-org created\n"
        "<script>alert('text, never markup')</script>\nteam platform: 8 of 8 members\n"
    ),
    pending="team backend: 4 of 10 members",
    size="4 lines, 1.2 kB",
    download_url="#",
    is_open=True,
)
