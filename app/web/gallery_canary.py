"""A sample canary of /_components, in each state. Read by no other page."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_NOW = datetime(2026, 3, 6, 19, 10, 7, 400_000, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class GalleryShare:
    """As canary.views.ShareStep."""

    percent: int
    state: str
    note: str
    started_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class GalleryLine:
    """As canary.views.GateLine."""

    mark: str
    word: str
    title: str
    found: str
    limit: str = ""
    behind: str = ""


@dataclass(frozen=True, slots=True)
class GalleryPress:
    """As canary.views.Press."""

    key: str
    title: str
    url: str = "#"
    kind: str = ""
    closed: str = ""
    label: str = ""
    is_required: bool = False
    says: str = ""


@dataclass(frozen=True, slots=True)
class GalleryCanary:
    steps: tuple[GalleryShare, ...]
    lines: tuple[GalleryLine, ...]
    alerts: tuple[GalleryLine, ...]
    presses: tuple[GalleryPress, ...]


SAMPLE = GalleryCanary(
    (
        GalleryShare(10, "past", "passed"),
        GalleryShare(25, "now", "dwelling", _NOW - timedelta(seconds=90), _NOW + timedelta(seconds=210)),
        GalleryShare(50, "ahead", "10 min planned"),
        GalleryShare(100, "back", "rolled back"),
    ),
    (
        GalleryLine("ok", "Met", "API response time below 300 ms", "41 ms", "below 300 ms", "112 samples, 1 s old"),
        GalleryLine("wait", "Not met", "Backend team approves", "waits for backend lead and backend"),
        GalleryLine("unknown", "UNKNOWN", "Error rate below 0.5 %", "3 samples, 5 are needed", "below 0.5 %"),
        GalleryLine("crit", "Met", "Error rate above 1 % (sustained)", "4.2 %", "above 1 % for 30 s", "96 samples"),
    ),
    (
        GalleryLine("crit", "Takes it back", "Intrusion", "critical, security, firing since 21:09:41"),
        GalleryLine("wait", "Holds the gate", "Odd sign-in", "security, firing since 21:08:10"),
        GalleryLine("unknown", "UNKNOWN", "Port scans", "security, unknown since 21:07:30"),
        GalleryLine("ok", "Over", "Odd sign-in", "security, resolved since 21:06:02"),
        GalleryLine("hold", "Recorded", "Disk of the build server", "critical, capacity, firing since 21:05:00",
                    "no line of the gate names it"),
    ),
    (
        GalleryPress("go_on", "Go on to 50 %", closed="Backend team approves: not yet"),
        GalleryPress("approve", "Approve 25 %", label="Comment"),
        GalleryPress("take_back", "Roll back the canary", kind="nogo", label="Reason",
                     says="All of its traffic to BLUE, at once. Production does not move."),
    ),
)  # fmt: skip
