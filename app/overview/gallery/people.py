"""The hand on the rollback, files, patches, required seats and chairs, each in each of its states."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from app.checklists.views import FileView, SeatsLine
from app.freeze.views import PatchRow
from app.overview.gallery.moment import NOW
from app.roster.views import HandView

_BY_PLAN = HandView(
    url="#",
    name="Dana Ortiz",
    since=None,
    is_yours=False,
    offered_name="",
    offered_at=None,
    is_offered_to_you=False,
    others=(),
    now=NOW,
    versions={},
)
_HANDED = replace(_BY_PLAN, since=NOW - timedelta(minutes=12))
_OFFERED = replace(_HANDED, offered_name="Emre Kaya", offered_at=NOW - timedelta(seconds=20))
HANDS = {
    "by the plan": _BY_PLAN,
    "handed over": _HANDED,
    "yours": replace(_HANDED, is_yours=True, others=(("2", "Emre Kaya"), ("3", "Rosa Lind"))),
    "yours, offered": replace(_OFFERED, is_yours=True),
    "offered": _OFFERED,
    "offered to you": replace(_OFFERED, is_offered_to_you=True),
    "nobody": replace(_BY_PLAN, name=""),
}

_KIM = "Kim Lee, Operations"
FILES = (
    FileView("#", "dashboards.png", 118.4, "9f2c1b77a0e4", _KIM, NOW),
    FileView(
        "#",
        "backup-log_with-a-name-that-is-as-long-as-a-name-can-be-before-it-is-cut-off.txt",
        0.4,
        "77aa0b1c2d3e",
        _KIM,
        NOW,
    ),
    FileView("#", "<script>alert(1)</script>.pdf", 256.0, "00e1d2c3b4a5", "<b>Olu</b> Ade, DevOps", NOW),
)

_ASKED = PatchRow(
    id=2,
    text="Raise the payment service's pool to 40. It cannot wait: 19 of 20 are taken. Undone the same way.",
    asked_by="Sam Okafor, Backend lead",
    asked_at=NOW - timedelta(minutes=4),
    verdict="",
    comment="",
    answered_by="",
    answered_at=None,
    can_answer=False,
)
_ANSWERED = replace(_ASKED, answered_by="Noor Haddad, Security officer", answered_at=NOW - timedelta(minutes=1))
PATCHES = (
    replace(_ASKED, id=1, can_answer=True),
    _ASKED,
    replace(_ANSWERED, id=3, verdict="approved", comment="Read the change and the way back"),
    replace(_ANSWERED, id=4, verdict="refused", comment="It can wait until Monday"),
)

SEATS = (
    SeatsLine("devops_lead", "DevOps lead", "1 of 1 there, 1 on a page now, 1 said “I am here”"),
    SeatsLine(
        "devops",
        "DevOps",
        "0 of 2 there, 0 on a page now",
        ("DevOps 1: Emre Kaya was not seen for 12 min", "DevOps 2: nobody sits there"),
    ),
    SeatsLine("backend", "Backend", "1 of 2 there, 0 on a page now", ("Backend 2: Olu Ade’s account is disabled",)),
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
