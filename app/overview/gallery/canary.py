"""A canary's shares, its gate, alerts about its target and the presses on it, each in each of its states."""

from datetime import timedelta

from app.canary.views import GateLine, Press, ShareStep
from app.overview.gallery.moment import NOW

SHARES = (
    ShareStep(10, "past", "passed"),
    ShareStep(25, "now", "dwelling", NOW - timedelta(seconds=90), NOW + timedelta(seconds=210)),
    ShareStep(50, "ahead", "10 min planned"),
    ShareStep(100, "back", "rolled back"),
)
GATE = (
    GateLine("p95", "ok", "Met", "API response time below 300 ms", "41 ms", "below 300 ms", "112 samples, 1 s old"),
    GateLine("word", "wait", "Not met", "Backend team approves", "waits for backend lead and backend", ""),
    GateLine("errors", "unknown", "UNKNOWN", "Error rate below 0.5 %", "3 samples, 5 are needed", "below 0.5 %"),
    GateLine("breach", "crit", "Met", "Error rate above 1 % (sustained)", "4.2 %", "above 1 % for 30 s", "96 samples"),
)
ALERTS = (
    GateLine("alert-1", "crit", "Takes it back", "Intrusion", "critical, security, firing since 21:09:41", ""),
    GateLine("alert-2", "wait", "Holds the gate", "Odd sign-in", "security, firing since 21:08:10", ""),
    GateLine("alert-3", "unknown", "UNKNOWN", "Port scans", "security, unknown since 21:07:30", ""),
    GateLine("alert-4", "ok", "Over", "Odd sign-in", "security, resolved since 21:06:02", ""),
    GateLine(
        "alert-5",
        "hold",
        "Recorded",
        "Disk of the build server",
        "critical, capacity, firing since 21:05:00",
        "no line of the gate names it",
    ),
)
PRESSES = (
    Press("go_on", "Go on to 50 %", "#", closed="Backend team approves: not yet"),
    Press("approve", "Approve 25 %", "#", label="Comment"),
    Press(
        "take_back",
        "Roll back the canary",
        "#",
        "nogo",
        label="Reason",
        says="All of its traffic to BLUE, at once. Production does not move.",
    ),
)
