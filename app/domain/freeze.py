"""A change freeze: nobody changes code or infrastructure, but for emergency patches that the security officer approves
(manual, "Pre-Deployment" and the security officer's duties)."""

from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.errors import Rejected

LONGEST = timedelta(days=14)
"""A freeze ends by itself after that at the latest: nobody should find a forgotten one."""
SHORTEST = timedelta(minutes=1)
MOST_WAITING = 20
"""Emergency patches of a deployment that wait for an answer: more than that are no emergencies."""


class Verdict(StrEnum):
    APPROVED = "approved"
    REFUSED = "refused"


def check_until(until: datetime, now: datetime) -> None:
    """Raises Rejected for an end in the past, or too far ahead."""
    if until < now + SHORTEST:
        raise Rejected(
            "The freeze would be over already. Nothing was changed.", remedy="Choose a later end.", code="until"
        )
    if until > now + LONGEST:
        raise Rejected(
            f"A freeze lasts {LONGEST.days} days at most. Nothing was changed.",
            remedy="Choose an earlier end; it can be set again.",
            code="until",
        )


def check_verdict(*, asked_by: int, by: int, answered_by: str, verdict: str) -> None:
    """Whether somebody may answer a patch: not the one who asked for it, and not twice. Raises Rejected."""
    if answered_by:
        raise Rejected(
            f"{answered_by} answered before: {verdict}. Nothing was recorded twice.", conflict=True, code="answered"
        )
    if asked_by == by:
        raise Rejected("Nobody approves their own patch. Nothing was recorded.", remedy="Ask a colleague.", code="self")
