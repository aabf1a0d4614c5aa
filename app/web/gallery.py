"""Sample data of /_components: each component in each state, invented but plausible. Read by no other page."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.sides import Side
from app.web import gallery_canary, gallery_people, gallery_phases, gallery_scripts
from app.web.decision import AnswerView, CallView, DecisionView, SnapshotCell, SnapshotView
from app.web.mission import (
    BannerView,
    FreezeLine,
    GuardView,
    HealthView,
    LinkView,
    LivingText,
    MissionView,
    TrafficView,
)
from app.web.page import PageView, PersonView, TabView

NOW = datetime(2026, 3, 6, 19, 10, 7, 400_000, tzinfo=UTC)
ZONE = "America/New_York"

TABS = (
    TabView("home", "Home", "#home", "home", in_dock=True),
    TabView("board", "Go/no-go", "#board", "board", in_dock=True),
    TabView("switch", "Switch", "#switch", "switch"),
    TabView("wall", "Wall", "#wall", "wall", in_dock=True),
    TabView("timeline", "Timeline", "#timeline", "list", in_dock=True),
    TabView("checklists", "Checklists", "#checklists", "list", count=2),
    TabView("plan", "Plan", "#plan", "plan"),
)


@dataclass(frozen=True, slots=True)
class GalleryHold:
    """As triggers.views.HoldView."""

    text: str
    action: str = ""
    button: str = ""
    release: str = ""
    release_button: str = ""


@dataclass(frozen=True, slots=True)
class GalleryTrigger:
    """As triggers.views.TriggerCard."""

    key: str
    mark: str
    word: str
    title: str = "Error rate above 2 % for 2 minutes"
    limit: str = "above 2 % for 120 s"
    mode: str = "automatic"
    value: str = ""
    share: float | None = None
    progress: str = ""
    sample_at: datetime | None = NOW - timedelta(seconds=1.4)
    coverage: str = ""
    why: str = ""
    fires_at: datetime | None = None
    hold: GalleryHold | None = None


GUARDS: Mapping[str, GuardView] = {
    "unarmed": GuardView("unarmed", "Rollback not armed", "arms with the switch"),
    "ready": GuardView(
        "ready",
        note="last drill 0.94 s",
        proof_age_s=4.0,
        action_url="#",
        from_version="1.0.0",
        to_version="0.9.4",
        takes="about 1 s (last drill 0.9 s)",
        blue_health="healthy, 18 of 18 targets, 4 s ago",
        not_undone=("schema step 41", "3 payment callbacks"),
    ),
    "sent": GuardView("sent", "Rollback running", "pressed 14:23:31"),
    "done": GuardView("done", "On BLUE", "rolled back 14:23:32"),
}
GUARDS = {
    **GUARDS,
    "hot": replace(GUARDS["ready"], state="hot", fires_at=NOW + timedelta(seconds=74)),
    "not_ready": replace(
        GUARDS["ready"],
        state="not_ready",
        note="not ready: BLUE unhealthy, 3 of 18 targets",
        proof_age_s=None,
        blue_health="unhealthy, 3 of 18 targets, 2 s ago",
        blue_is_healthy=False,
        button="Roll back although BLUE is unhealthy",
    ),
}

MISSION = MissionView(
    mode="live",
    deployment_id=1,
    title="ALAWAEL",
    blue_version="0.9.4",
    green_version="1.0.0",
    phase_label="Phase 4 of 6",
    phase_state="Production: switch",
    zone=ZONE,
    zone_label="ET",
    server_time=NOW,
    t_zero=NOW - timedelta(seconds=7),
    traffic=TrafficView(0, 100, 0.3, 0, 100),
    health=HealthView("ok", "Normal"),
    guard=GUARDS["ready"],
    versions={"deployment": 3, "traffic": 8, "metrics": 40},
    hand="Dana Ortiz",
    freeze=FreezeLine(NOW - timedelta(hours=2), NOW + timedelta(hours=4), "deployment day", patches=1),
)

TRAFFIC = {
    "as set": TrafficView(0, 100, 0.3, 0, 100),
    "half done": TrafficView(44, 56, 0.2, 0, 100, "LB moved, DNS pending"),
    "not as set": TrafficView(56, 44, 0.2, 100, 0, "Not as set (100 / 0): /api/*"),
    "unknown": TrafficView(None, None, None, 100, 0),
}

BANNERS = {
    "critical with a countdown": BannerView(
        "crit",
        "trigger:error_rate:12",
        "ROLLBACK IN",
        "",
        LinkView("Roll back now", "#rollback-cover", "back"),
        NOW - timedelta(seconds=46),
        NOW + timedelta(seconds=74),
        living=LivingText(
            "Error rate on GREEN",
            ("readings.error_rate.GREEN", "2.6", "%"),
            ", above 2 % for",
            NOW - timedelta(seconds=46),
            "of 120 s.",
        ),
        quiet=LinkView("Hold it…", "#hold"),
        counts_to=NOW + timedelta(seconds=74),
    ),
    "somebody asks to hold it": BannerView(
        "crit",
        "trigger:error_rate:13",
        "ROLLBACK IN",
        "Error rate on GREEN 2.6 %, above 2 % for 46 s of 120 s. DevOps lead asks to hold it: a second position must "
        "confirm.",
        LinkView("Roll back now", "#rollback-cover", "back"),
        NOW - timedelta(seconds=46),
        NOW + timedelta(seconds=74),
        quiet=LinkView("Confirm the hold…", "#hold"),
        counts_to=NOW + timedelta(seconds=74),
    ),
    "its clock stands": BannerView(
        "crit",
        "trigger:error_rate:14",
        "ROLLBACK COUNTDOWN STANDS",
        "Error rate on GREEN 2.6 %, above 2 % for 46 s of 120 s. The clock stands: no reading to rely on for 12 s.",
        LinkView("Roll back now", "#rollback-cover", "back"),
    ),
    "held": BannerView(
        "warn",
        "trigger:error_rate:15",
        "AUTOMATIC ROLLBACK HELD, armed again in",
        "Held until 14:14 by DevOps lead and Project manager: error rate on GREEN 2.6 %, above 2 % for 120 s. Then it "
        "rolls back at once if the breach still stands.",
        LinkView("Roll back now", "#rollback-cover", "back"),
        NOW - timedelta(seconds=60),
        NOW + timedelta(seconds=240),
        counts_to=NOW + timedelta(seconds=240),
    ),
    "recommended": BannerView(
        "crit",
        "trigger:error_rate:16",
        "ROLLBACK RECOMMENDED",
        "Error rate on GREEN 2.6 %, above 2 % for 120 s. BLUE is unhealthy: it only recommends (3 of 18 targets). "
        "Nothing happens by itself: somebody must decide.",
        LinkView("Roll back now", "#rollback-cover", "back"),
        more=1,
    ),
    "critical": BannerView(
        "crit",
        "rollback:18:escalated",
        "Escalated: the rollback is not confirmed after 30 s",
        "Error rate on BLUE is 0.42 %, the payment check does not answer.",
        LinkView("Call VP Operations", "tel:+15550100", "phone"),
        more=2,
    ),
    "a decision point is open": BannerView(
        "warn",
        "decision-15",
        "Decision at minute 15: DevOps lead has",
        "“Are we stable?” Without an answer the project manager is asked.",
        LinkView("See the decision", "#decisions"),
        NOW - timedelta(seconds=18),
        NOW + timedelta(seconds=42),
        counts_to=NOW + timedelta(seconds=42),
    ),
    "an incident": BannerView(
        "crit",
        "incident-1",
        "INCIDENT: DevOps lead decides within",
        "Response time spiked to 800 ms (raised by Support).",
        LinkView("See who checks what", "#incidents"),
        NOW - timedelta(seconds=24),
        NOW + timedelta(seconds=96),
        counts_to=NOW + timedelta(seconds=96),
    ),
    "warning": BannerView("warn", "memory:green", "Memory on GREEN is 81 %", "Warning, above 80 % for 60 s."),
}

TRIGGERS = (
    GalleryTrigger("quiet", "ok", "Armed, quiet", value="0.03 %", share=0.0, progress="0 s of 120 s"),
    GalleryTrigger(
        "breach",
        "crit",
        "IN BREACH",
        value="2.6 %",
        share=46 / 120,
        progress="46 s of 120 s",
        coverage="98 % of the samples there, 80 % needed",
        fires_at=NOW + timedelta(seconds=74),
        hold=GalleryHold(
            "Holding stops the automatic rollback for 5 min. It takes two people of two positions.",
            action="#",
            button="Ask to hold it",
        ),
    ),
    GalleryTrigger(
        "asked",
        "crit",
        "IN BREACH",
        value="2.6 %",
        share=0.5,
        progress="60 s of 120 s",
        fires_at=NOW + timedelta(seconds=60),
        hold=GalleryHold("DevOps lead asks to hold it: confirm?", action="#", button="Confirm: hold it for 5 min"),
    ),
    GalleryTrigger(
        "held",
        "hold",
        "HELD",
        value="2.6 %",
        share=1.0,
        progress="120 s of 120 s",
        why="Held until 14:14 by DevOps lead and Project manager.",
        hold=GalleryHold(
            "Then it is armed again, and rolls back at once if the breach still stands.",
            release="#",
            release_button="Let it count again",
        ),
    ),
    GalleryTrigger(
        "unknown",
        "unknown",
        "UNKNOWN",
        share=0.0,
        progress="0 s of 120 s",
        why="No sample to rely on. UNKNOWN neither fires nor counts as healthy.",
    ),
    GalleryTrigger(
        "recommended",
        "crit",
        "RECOMMENDED",
        value="2.6 %",
        share=1.0,
        progress="120 s of 120 s",
        why="BLUE is unhealthy: it only recommends.",
    ),
    GalleryTrigger("fired", "crit", "FIRED", why="At 14:09:41: error rate on GREEN 2.6 %, above 2 % for 120 s."),
    GalleryTrigger("off", "wait", "Not armed", why="No switch yet."),
)

CHIPS = ("ok", "go", "nogo", "warn", "outdated", "crit", "unknown", "wait", "run", "hold", "withdrawn", "expired")
LAMPS = ("wait", "go", "nogo", "outdated", "withdrawn", "expired")


@dataclass(frozen=True, slots=True)
class Check:
    title: str
    state: str
    proof: str = ""
    time: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    at: str
    title: str
    state: str
    checks: tuple[Check, ...]


STAGES = (
    Stage(
        "T−5",
        "Ready?",
        "done",
        (
            Check("GREEN health check passed", "ok", "18 of 18 targets", "3 s ago"),
            Check("Balancer ready to switch", "ok", "read back", "2 s ago"),
            Check("Monitoring is live", "ok", "all 5 metrics"),
            Check("Team is ready", "ok", "8 of 8 present"),
        ),
    ),
    Stage(
        "T−0",
        "Execute the switch",
        "done",
        (
            Check("Balancer weights written", "ok", "accepted after 0.21 s"),
            Check("Read back: GREEN 100, BLUE 0", "ok", "14:10:00.402"),
        ),
    ),
    Stage(
        "T+1",
        "Verify",
        "failed",
        (
            Check("Traffic is on GREEN", "ok", "first answer after 0.34 s"),
            Check("100 % routed", "crit", "71 of 100 probes"),
            Check("Response time normal", "unknown", "no reading for 6 s"),
        ),
    ),
    Stage(
        "T+5",
        "Smoke test",
        "run",
        (
            Check("Application can be reached", "ok", "200 in 84 ms"),
            Check("Health checks pass", "warn", "17 of 18"),
            Check("Smoke tests", "run", "7 of 12 passed"),
        ),
    ),
    Stage("T+30", "Breathing room", "wait", (Check("Still normal?", "wait"), Check("Customer reports?", "wait"))),
)

AXES: Mapping[str, tuple[tuple[str, float | None], ...]] = {
    "reached": (
        ("click", 0.0),
        ("accepted", 0.21),
        ("95 % observed", 0.52),
        ("99 %", 0.66),
        ("100 % observed", 0.83),
    ),
    "very fast": (
        ("click", 0.0),
        ("accepted", 0.02),
        ("95 % observed", 0.04),
        ("99 %", 0.05),
        ("100 % observed", 0.06),
    ),
    "running, slow": (
        ("click", 0.0),
        ("accepted", 6.4),
        ("95 % observed", None),
        ("99 %", None),
        ("100 % observed", None),
    ),
}

CRITERIA = (
    ("ok", "Load balancer points to BLUE?", "2 listeners, 3 rules read back", "BLUE 100", "0.3 s"),
    ("crit", "Error rate below 0.1 %?", "10 s window, 9,870 requests", "0.42 %", "30.0 s"),
    ("run", "No critical errors in the logs?", "reading from 14:23:31", "0 so far", ""),
    ("unknown", "Response time below 200 ms?", "no reading for 6 s", "—", ""),
    ("wait", "Customers can use the system?", "", "", ""),
)

METRICS: tuple[Mapping[str, Any], ...] = (
    {"title": "Response time", "statistic": "p95", "unit": "ms", "blue": 127, "green": 131, "limits": (200, 300, 500)},
    {
        "title": "Error rate",
        "statistic": "of all requests",
        "unit": "%",
        "blue": 0.02,
        "green": 2.6,
        "limits": (0.1, 0.5, 1),
    },
    {
        "title": "DB connections",
        "statistic": "active",
        "unit": "",
        "blue": None,
        "green": None,
        "limits": (50, 75, 100),
    },
    {"title": "Memory", "statistic": "of limit", "unit": "%", "blue": 48, "green": 83, "limits": (70, 80, 90)},
    {"title": "CPU", "statistic": "of limit", "unit": "%", "blue": 9, "green": 44, "limits": (60, 75, 85)},
)


def verdict(value: float | None, limits: tuple[float, float, float]) -> str:
    if value is None:
        return "UNKNOWN"
    return "CRITICAL" if value > limits[2] else "WARNING" if value > limits[1] else "OK"


def wave(
    base: float, swing: float, gap: range = range(0), step_at: int = 0, raised: float = 0
) -> list[tuple[float, float | None]]:
    """90 samples over 15 minutes, oldest first; none in `gap`; `raised` more from sample `step_at` on."""
    return [
        (
            (89 - index) * 10.0,
            None
            if index in gap
            else base + swing * math.sin(index / 3) + (raised if step_at and index >= step_at else 0),
        )
        for index in range(90)
    ]


TRENDS = {
    "normal": (wave(127, 6), wave(131, 8), (200, 300, 500)),
    "critical": (wave(0.02, 0.01), wave(0.03, 0.01, step_at=74, raised=2.5), (0.1, 0.5, 1)),
    "gap": (wave(12, 1, range(50, 66)), wave(31, 3, range(50, 66)), (50, 75, 100)),
}

CHART_POINTS = [
    [NOW.timestamp() - seconds, blue, green]
    for (seconds, blue), (_, green) in zip(
        wave(127, 9, range(40, 48)), wave(140, 18, range(40, 48), 70, 90), strict=True
    )
]

EVENTS = (
    (
        "crit",
        "traffic",
        "Trigger",
        "Error rate on GREEN above 2 %: automatic rollback armed",
        "trigger error-rate; fires at 14:24:40",
    ),
    ("", "note", "Support", "2 customers say that payment fails", "note"),
    ("warn", "machine", "Trigger", "Memory on GREEN 81 %: warning, above 80 %", "60 of 60 samples in 1 min"),
    ("", "person", "DevOps lead", "Pressed “Switch to GREEN”", "operation 17, epoch 17"),
)


_EMPTY_CHAIR = {"title": "", "name": "", "note": "", "phone": "", "seen": "", "you": False, "deputy": False}


def _chair(state: str, **more: Any) -> dict[str, Any]:
    return {**_EMPTY_CHAIR, "state": state, **more}


_DANA = _chair("here", name="Dana Ortiz", title="DevOps 1", note="dana@example.org", seen="Switch", you=True)
_EMRE = _chair("away", name="Emre Kaya", note="emre", phone="+1 555 0100", seen="12 min ago", deputy=True)
_OLU = _chair("disabled", name="Olu Ade", note="olu@example.org")
POSITIONS = (
    ("devops", "DevOps", "arms, switches, rolls back", (_DANA, _chair("empty", title="DevOps 2"), _EMRE)),
    ("security", "Security officer", "signs off, writes notes", (_chair("needed"),)),
    ("operations", "Operations", "signs off, ticks checklists", (_OLU,)),
)

PROOFS_OF_WAY_BACK = (
    {"state": "ok", "title": "BLUE's health and release", "found": "healthy, 18 of 18 targets", "remedy": ""},
    {
        "state": "warn",
        "title": "The records follow",
        "found": "throttled, no answer",
        "remedy": "Asked again in 10 s; it does not hold up the way back.",
    },
    {
        "state": "crit",
        "title": "Rollback capsules",
        "found": "worker-2: No space left on device",
        "remedy": "Make room on that worker's disk; the reserved room keeps the rollback itself possible.",
    },
    {"state": "unknown", "title": "The balancer's answer and set-up", "found": "no answer within 3 s", "remedy": ""},
)

SNAPSHOT = SnapshotView(
    NOW - timedelta(seconds=18),
    (
        SnapshotCell("Response time, GREEN", "134 ms", note="BLUE 127 ms; 1,204 samples, 0.9 s old"),
        SnapshotCell("Error rate, GREEN", "0.04 %", note="BLUE IDLE; 1,204 samples, 0.9 s old"),
        SnapshotCell("DB connections, GREEN", "—", "unknown", "UNKNOWN", "BLUE 12; no samples"),
        SnapshotCell("Memory, GREEN", "81 %", "warn", "WARNING", "BLUE 48 %; 1 sample, 1.1 s old"),
        SnapshotCell("CPU, GREEN", "92 %", "crit", "CRITICAL", "BLUE 9 %; 1 sample, 1.1 s old"),
        SnapshotCell("Traffic on GREEN", "100 %", note="0.6 s old"),
        SnapshotCell("Failed requests", "0 of 61,940"),
        SnapshotCell("Customer reports", "2 open"),
    ),
    ("Error rate above 2 % for 2 minutes",),
)
NO_SNAPSHOTS = (
    SnapshotView(NOW, (), problem="Snapshot unreadable: what was stored when this point opened cannot be read."),
    SnapshotView(NOW, (), problem="No snapshot: it could not be taken when this point opened (OperationalError)."),
)
CALLS = (CallView("VP Operations", "+1 555 0100"), CallView("Database on call", ""))
_ANSWERS = (
    AnswerView("continue", "Continue", "Stable for 15 min? Phase 4 is usually safe now."),
    AnswerView("watch", "Continue, keep watching", "Just stabilised? Continue watching."),
    AnswerView("escalate", "Escalate", "Unsure? Escalate to VP Operations."),
    AnswerView(
        "rollback", "Roll back…", "Getting worse? Opens the guard; nothing moves yet.", "#rollback-cover", "danger"
    ),
)
DECISION = DecisionView(
    minute=15,
    question="Are we stable?",
    asked="DevOps lead",
    then="the project manager",
    opened_at=NOW - timedelta(seconds=18),
    until=NOW + timedelta(seconds=42),
    people=frozenset(),
    calls=CALLS,
    escalated_by="",
    snapshot=SNAPSHOT,
    answers=_ANSWERS,
    action="#",
    zone=ZONE,
    now=NOW,
)

_NO_POINT = {
    "question": "Any issues yet?",
    "position": "DevOps lead",
    "due_at": NOW,
    "opened_at": None,
    "until": None,
    "asked": "",
    "who": "",
    "at": None,
    "took": "",
    "reason": "",
    "note": "",
    "snapshot": None,
}
_GIVEN = {"who": "DevOps lead", "at": NOW, "took": "21.4 s", "snapshot": SNAPSHOT}
POINTS: tuple[Mapping[str, Any], ...] = (
    {**_NO_POINT, **_GIVEN, "minute": 5, "state": "ok", "word": "Continue"},
    {**_NO_POINT, **_GIVEN, "minute": 10, "state": "warn", "word": "WATCH CLOSELY", "reason": "Memory on GREEN"},
    {
        **_NO_POINT,
        "minute": 15,
        "state": "run",
        "word": "OPEN",
        "asked": "DevOps lead",
        "snapshot": SNAPSHOT,
        "until": NOW + timedelta(seconds=42),
    },
    {
        **_NO_POINT,
        "minute": 20,
        "state": "crit",
        "word": "ESCALATED",
        "note": "Escalated by DevOps lead.",
        "snapshot": SNAPSHOT,
    },
    {**_NO_POINT, **_GIVEN, "minute": 22, "state": "warn", "word": "NOT ANSWERED", "who": ""},
    {**_NO_POINT, "minute": 25, "state": "wait", "word": "To come"},
    {**_NO_POINT, "minute": 30, "state": "withdrawn", "word": "Void"},
)

_CHECKS: tuple[Mapping[str, Any], ...] = (
    {
        "title": "Backend lead",
        "text": "checks the logs",
        "found": "A slow query in the reports",
        "who": "Backend lead",
        "at": NOW,
        "action": "",
    },
    {"title": "DevOps", "text": "checks the infrastructure", "found": "", "who": "", "at": None, "action": "#"},
    {"title": "Security officer", "text": "checks for an attack", "found": "", "who": "", "at": None, "action": ""},
)


def _incident(number: int, **more: Any) -> dict[str, Any]:
    checks = tuple({**check, "key": f"check-{number}-{place}"} for place, check in enumerate(_CHECKS))
    return {
        "id": number,
        "title": "Response time spiked to 800 ms",
        "mark": "crit",
        "raised_by": "Support",
        "raised_at": NOW,
        "asked": "DevOps lead",
        "then": "the project manager",
        "escalated_by": "",
        "calls": (),
        "until": NOW + timedelta(seconds=96),
        "checks": checks,
        "action": "#",
        **more,
    }


INCIDENTS = (
    _incident(1),
    _incident(2, mark="warn", title="Logs arrive late", action=""),
    _incident(3, until=None, escalated_by="DevOps lead", calls=CALLS),
)


def _report(number: int, state: str, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "text": "Payment fails with a card",
        "customers": 2,
        "link": "https://desk.example/4711",
        "mark": "crit",
        "taken_by": "Support",
        "taken_at": NOW,
        "state": state,
        "answer": "",
        "answered_by": "",
        "action": "",
        "is_open": state in ("open", "acknowledged"),
        **more,
    }


REPORTS = (
    _report(1, "open", action="#"),
    _report(2, "acknowledged", mark="warn", customers=1, text="Reports are slow", link="", answered_by="Backend 1"),
    _report(3, "fixed", answer="The query has its index again", answered_by="Backend lead"),
)


def context(theme: str = "system", direction: str = "ltr") -> dict[str, Any]:
    """What gallery.html needs. `theme` and `direction` come from the query, so that each can be looked at alone."""
    page = PageView(
        person=PersonView("Dana Ortiz", "DevOps lead"),
        tabs=TABS,
        current="switch",
        is_live=False,
        theme="dark" if theme == "dark" else "light" if theme == "light" else "system",
        dir="rtl" if direction == "rtl" else "ltr",
    )
    samples = {
        name.lower(): value
        for name, value in globals().items()
        if name.isupper() and name[0] != "_" and name not in {"TABS", "NOW", "ZONE", "MISSION"}
    }
    return {
        "page": page,
        "mission": MISSION,
        "csrf_token": "",
        "is_asked": False,
        "now": NOW,
        "zone": ZONE,
        "verdict": verdict,
        "side_blue": Side.BLUE,
        "canary": gallery_canary.SAMPLE,
        "phases": gallery_phases.PHASES,
        "scripts": gallery_scripts.SCRIPTS,
        "script_output": gallery_scripts.OUTPUT,
        "steps": gallery_phases.STEPS,
        "phase_marks": gallery_phases.PHASE_MARKS,
        "controls": gallery_phases.CONTROLS,
        "conditions": gallery_phases.CONDITIONS,
        "hands": gallery_people.HANDS,
        "files": gallery_people.FILES,
        "patches": gallery_people.PATCHES,
        "seats": gallery_people.SEATS,
        **samples,
    }
