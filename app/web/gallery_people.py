"""Sample hands, files, patches and seats of /_components, each in each state. Read by no other page."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

_NOW = datetime(2026, 3, 6, 19, 10, 7, 400_000, tzinfo=UTC)
_OTHERS = (("2", "Emre Kaya"), ("3", "Rosa Lind"))


@dataclass(frozen=True, slots=True)
class GalleryHand:
    """As roster.views.HandView; `state` names the sample."""

    state: str
    name: str = "Dana Ortiz"
    since: datetime | None = _NOW - timedelta(minutes=12)
    is_yours: bool = False
    offered_name: str = ""
    offered_at: datetime | None = None
    is_offered_to_you: bool = False
    others: tuple[tuple[str, str], ...] = ()
    url: str = "#"
    now: datetime = _NOW


_OFFERED = GalleryHand("offered", offered_name="Emre Kaya", offered_at=_NOW - timedelta(seconds=20))
HANDS = (
    GalleryHand("by the plan", since=None),
    GalleryHand("handed over"),
    GalleryHand("yours", is_yours=True, others=_OTHERS),
    replace(_OFFERED, state="yours, offered", is_yours=True),
    _OFFERED,
    replace(_OFFERED, state="offered to you", is_offered_to_you=True),
    GalleryHand("nobody", name="", since=None),
)


@dataclass(frozen=True, slots=True)
class GalleryFile:
    """As checklists.views.FileView."""

    name: str
    kib: float
    mark: str
    who: str = "Kim Lee, Operations"
    at: datetime = _NOW
    url: str = "#"


FILES = (
    GalleryFile("dashboards.png", 118.4, "9f2c1b77a0e4"),
    GalleryFile(
        "backup-log_with-a-name-that-is-as-long-as-a-name-can-be-before-it-is-cut-off.txt", 0.4, "77aa0b1c2d3e"
    ),
    GalleryFile("<script>alert(1)</script>.pdf", 256.0, "00e1d2c3b4a5", who="<b>Olu</b> Ade, DevOps"),
)


@dataclass(frozen=True, slots=True)
class GalleryPatch:
    """As freeze.views.PatchRow."""

    id: int
    verdict: str = ""
    comment: str = ""
    can_answer: bool = False
    text: str = "Raise the payment service's pool to 40. It cannot wait: 19 of 20 are taken. Undone the same way."
    asked_by: str = "Sam Okafor, Backend lead"
    asked_at: datetime = _NOW - timedelta(minutes=4)
    answered_by: str = ""
    answered_at: datetime | None = None


_ANSWERED = GalleryPatch(3, answered_by="Noor Haddad, Security officer", answered_at=_NOW - timedelta(minutes=1))
PATCHES = (
    GalleryPatch(1, can_answer=True),
    GalleryPatch(2),
    replace(_ANSWERED, verdict="approved", comment="Read the change and the way back"),
    replace(_ANSWERED, id=4, verdict="refused", comment="It can wait until Monday"),
)


@dataclass(frozen=True, slots=True)
class GallerySeats:
    """As checklists.views.SeatsLine."""

    key: str
    title: str
    text: str
    gaps: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        return not self.gaps


SEATS = (
    GallerySeats("devops_lead", "DevOps lead", "1 of 1 there, 1 on a page now, 1 said “I am here”"),
    GallerySeats(
        "devops", "DevOps", "0 of 2 there, 0 on a page now",
        ("DevOps 1: Emre Kaya was not seen for 12 min", "DevOps 2: nobody sits there"),
    ),
    GallerySeats("backend", "Backend", "1 of 2 there, 0 on a page now", ("Backend 2: Olu Ade’s account is disabled",)),
)  # fmt: skip
