"""Sample scripts of /_components, each in each state. Read by no other page."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from app.web.progress import NOTHING_EXPECTED, ProgressView

_NOW = datetime(2026, 3, 6, 19, 10, 7, 400_000, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class GallerySignal:
    """As scripts.views.SignalLine."""

    kind: str
    text: str
    mark: str
    word: str
    at: datetime | None = None
    line: int = 0
    said: str = ""


@dataclass(frozen=True, slots=True)
class GalleryScript:
    """As scripts.views.ScriptView."""

    key: str
    mark: str = "wait"
    word: str = "Not run"
    sentence: str = ""
    title: str = "Set up the GitHub organisation"
    command: str = "bash alawael-phase2-github-config.sh"
    place: str = "by a worker, in /srv/day/scripts, as deploy"
    owner: str = "DevOps lead"
    run: int = 0
    tries: int = 1
    zone: str = "America/New_York"
    now: datetime = _NOW
    closed: str = ""
    run_url: str = ""
    abort_url: str = ""
    step_version: int = 1
    advice: str = ""
    since: datetime | None = None
    asked_at: datetime | None = None
    ended_at: datetime | None = None
    took: str = ""
    progress: ProgressView = NOTHING_EXPECTED
    signals: tuple[GallerySignal, ...] = ()
    is_open: bool = False
    seen: int = 1
    wanted: int = 2


_OPEN_SIGNALS = (
    GallerySignal("success", "Organization alawael-org created", "ok", "Seen", _NOW, 2,
                  "✅ Organization alawael-org created"),
    GallerySignal("success", "6 teams configured (48 members)", "wait", "Not yet"),
    GallerySignal("failure", "HTTP 403 Forbidden", "wait", "Not seen"),
)  # fmt: skip
_RUNNING = GalleryScript(
    "running", "run", "RUNNING", "Dana Ortiz, DevOps lead runs it.", run=1, is_open=True, abort_url="#",
    since=_NOW - timedelta(seconds=12), signals=_OPEN_SIGNALS,
    progress=ProgressView("Usually 42 s (3 runs), planned 30 min", _NOW - timedelta(seconds=12),
                          _NOW + timedelta(seconds=30)),
)  # fmt: skip
SCRIPTS = (
    GalleryScript("ready", run_url="#"),
    GalleryScript("closed", run_url="#", closed="Phase 2 is planned: scripts run while it runs."),
    GalleryScript("unbound", place="", sentence="It cannot be run here: site.yaml binds no folder of scripts. "
                  "Do the step by hand, with what shows it."),
    GalleryScript("waiting", sentence="Dana Ortiz, DevOps lead asked for it; the first free worker takes it.",
                  word="Waiting", run=1, is_open=True, abort_url="#", asked_at=_NOW - timedelta(seconds=1)),
    _RUNNING,
    replace(_RUNNING, key="first", progress=NOTHING_EXPECTED),
    replace(_RUNNING, key="beyond", since=_NOW - timedelta(seconds=51), progress=ProgressView(
        "Usually 42 s (3 runs), planned 30 min", _NOW - timedelta(seconds=51), _NOW - timedelta(seconds=9))),
    replace(_RUNNING, key="late", since=_NOW - timedelta(minutes=32), progress=ProgressView(
        "Planned 30 min", _NOW - timedelta(minutes=32), _NOW - timedelta(minutes=2), "2 min longer than planned")),
    GalleryScript("done", "ok", "Succeeded", "Exit code 0, all 2 success signals seen", run=1, ended_at=_NOW,
                  took="41.8 s", progress=ProgressView("Usually 42 s (4 runs), planned 30 min")),
    GalleryScript(
        "failed", "crit", "FAILED",
        "Its output says “HTTP 403 Forbidden” in line 14: gh: HTTP 403 Forbidden (https://api.github.example)",
        run=1, ended_at=_NOW, took="3.1 s", advice="Stop, document the error, take the manual set-up path.",
        signals=(*_OPEN_SIGNALS[:1],
                 GallerySignal("success", "6 teams configured (48 members)", "crit", "MISSING"),
                 GallerySignal("failure", "HTTP 403 Forbidden", "crit", "SEEN", _NOW, 14,
                               "gh: HTTP 403 Forbidden (https://api.github.example)")),
    ),
    GalleryScript("lost", "crit", "NOT KNOWN", "The worker that ran it is gone, or stands still. Whether the script "
                  "came to its end is not known. Look at its output and at what it changes, then decide.", run=1,
                  ended_at=_NOW, took="9.1 s"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GalleryOutput:
    """As scripts.views.OutputView."""

    key: str = "sample"
    title: str = "Set up the GitHub organisation"
    url: str = ""
    run: int = 1
    after: int = 3
    text: str = (
        "Configuring the GitHub organisation alawael-org\n✅ Organization alawael-org created\n"
        "<script>alert('text, never markup')</script>\nteam platform: 8 of 8 members\n"
    )
    pending: str = "team backend: 4 of 10 members"
    size: str = "4 lines, 1.2 kB"
    download_url: str = "#"


OUTPUT = GalleryOutput()
