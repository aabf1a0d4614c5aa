"""A decision point as its dialog, what was known when it opened, and a point of the plan in each of its states."""

from dataclasses import replace
from datetime import timedelta

from app.decisions.views import PointRow
from app.overview.gallery.moment import NOW, ZONE
from app.web.decision import AnswerView, CallView, DecisionView, SnapshotCell, SnapshotView

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

_POINT = PointRow(0, "Any issues yet?", "DevOps lead", "wait", "To come", due_at=NOW)
_GIVEN = replace(_POINT, who="DevOps lead", at=NOW, took="21.4 s", snapshot=SNAPSHOT)
POINTS = (
    replace(_GIVEN, minute=5, state="ok", word="Continue"),
    replace(_GIVEN, minute=10, state="warn", word="WATCH CLOSELY", reason="Memory on GREEN"),
    replace(
        _POINT,
        minute=15,
        state="run",
        word="OPEN",
        asked="DevOps lead",
        snapshot=SNAPSHOT,
        until=NOW + timedelta(seconds=42),
    ),
    replace(_POINT, minute=20, state="crit", word="ESCALATED", note="Escalated by DevOps lead.", snapshot=SNAPSHOT),
    replace(_GIVEN, minute=22, state="warn", word="NOT ANSWERED", who=""),
    replace(_POINT, minute=25),
    replace(_POINT, minute=30, state="withdrawn", word="Void"),
)
