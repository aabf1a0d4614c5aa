"""Incidents: something is wrong, who checks what, and a decision within two minutes (manual, "Emergency Alert").

An incident is asked of whoever decides, by the same clock as a decision point; its first rung lasts the plan's
`incident_decision_s`.
"""

from dataclasses import dataclass
from enum import StrEnum

from app.domain.errors import Rejected
from app.domain.plan import Plan


class Severity(StrEnum):
    WARNING = "warning"
    CRITICAL = "critical"


class Outcome(StrEnum):
    NO_ACTION = "no_action"
    WATCH = "watch"
    ESCALATE = "escalate"
    """Everybody sees whom to call; the incident stays open."""
    ROLLBACK = "rollback"
    """Recorded when the guarded rollback begins; never chosen in a form."""


MOST_OPEN = 20
"""Open incidents of a deployment: more are not looked after by anybody, and each has a clock that locks it."""
MOST_REPORTS = 200
"""Customers' reports of a deployment that nobody has explained or fixed."""


def check_room(open_now: int, most: int, what: str, remedy: str) -> None:
    """Raises Rejected where so many are open already."""
    if open_now >= most:
        raise Rejected(f"{open_now} {what} are open already. Nothing was recorded.", remedy=remedy, code="too_many")


@dataclass(frozen=True, slots=True)
class Decider:
    """The position an incident is decided by, and how long each rung of its ladder lasts, in seconds."""

    position: str
    patience_s: tuple[float, float, float]


STEP_S = 60.0
"""How long the deputy and the leader are asked where the plan has no decision points that say otherwise."""


def decider_of(plan: Plan) -> Decider:
    """Who answers the plan's first decision point decides on incidents too; without one, whoever may `decide`, and
    without that, whoever leads."""
    points = plan.production.decisions
    if points:
        first = points[0]
        return Decider(first.position, (plan.incident_decision_s, first.leader_after_s, first.escalate_after_s))
    for capability in ("decide", "proceed"):
        found = next((place.key for place in plan.positions if capability in place.capabilities), None)
        if found is not None:
            return Decider(found, (plan.incident_decision_s, STEP_S, STEP_S))
    return Decider(plan.positions[0].key, (plan.incident_decision_s, STEP_S, STEP_S))


def check_finding(plan: Plan, number: int, positions: frozenset[str], *, is_open: bool, already: str) -> None:
    """Whether somebody on `positions` may say what the plan's check `number` found. Raises Rejected.

    `already` says who has said it, empty if nobody has.
    """
    if not is_open:
        raise Rejected(
            "The incident is closed; its findings stay as they were.",
            remedy="Write a note into the timeline, or raise a new incident.",
            conflict=True,
            code="closed",
        )
    if already:
        raise Rejected(f"{already}. Nothing was recorded twice.", conflict=True, code="answered")
    if not 0 <= number < len(plan.incident_checks):
        raise Rejected("The plan has no such check. Nothing was recorded.", code="check")
    check = plan.incident_checks[number]
    if check.position not in positions:
        title = plan.position(check.position).title
        raise Rejected(
            f"{title} {check.text}, and says what was found. Nothing was recorded.",
            remedy="Tell them what you see, or write a note into the timeline.",
            code="position",
        )
