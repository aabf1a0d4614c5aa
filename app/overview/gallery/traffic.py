"""Traffic, the strip of an operation, its axis, the rollback's criteria, and what the way back is proven by."""

from collections.abc import Mapping

from app.traffic.views import ProofLine, StripLine, StripStage
from app.web.mission import TrafficView

TRAFFIC = {
    "as set": TrafficView(0, 100, 0.3, 0, 100),
    "half done": TrafficView(44, 56, 0.2, 0, 100, "LB moved, DNS pending"),
    "not as set": TrafficView(56, 44, 0.2, 100, 0, "Not as set (100 / 0): /api/*"),
    "unknown": TrafficView(None, None, None, 100, 0),
}

STAGES = (
    StripStage(
        "T−5",
        "Ready?",
        "done",
        (
            StripLine("GREEN health check passed", "ok", "18 of 18 targets", "3 s ago"),
            StripLine("Balancer ready to switch", "ok", "read back", "2 s ago"),
            StripLine("Monitoring is live", "ok", "all 5 metrics"),
            StripLine("Team is ready", "ok", "8 of 8 present"),
        ),
    ),
    StripStage(
        "T−0",
        "Execute the switch",
        "done",
        (
            StripLine("Balancer weights written", "ok", "accepted after 0.21 s"),
            StripLine("Read back: GREEN 100, BLUE 0", "ok", "14:10:00.402"),
        ),
    ),
    StripStage(
        "T+1",
        "Verify",
        "failed",
        (
            StripLine("Traffic is on GREEN", "ok", "first answer after 0.34 s"),
            StripLine("100 % routed", "crit", "71 of 100 probes"),
            StripLine("Response time normal", "unknown", "no reading for 6 s"),
        ),
    ),
    StripStage(
        "T+5",
        "Smoke test",
        "run",
        (
            StripLine("Application can be reached", "ok", "200 in 84 ms"),
            StripLine("Health checks pass", "warn", "17 of 18"),
            StripLine("Smoke tests", "run", "7 of 12 passed"),
        ),
    ),
    StripStage(
        "T+30", "Breathing room", "wait", (StripLine("Still normal?", "wait"), StripLine("Customer reports?", "wait"))
    ),
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

PROOFS_OF_WAY_BACK = (
    ProofLine("ok", "BLUE's health and release", "healthy, 18 of 18 targets"),
    ProofLine(
        "warn",
        "The records follow",
        "throttled, no answer",
        "Asked again in 10 s; it does not hold up the way back.",
    ),
    ProofLine(
        "crit",
        "Rollback capsules",
        "worker-2: No space left on device",
        "Make room on that worker's disk; the reserved room keeps the rollback itself possible.",
    ),
    ProofLine("unknown", "The balancer's answer and set-up", "no answer within 3 s"),
)
