"""How the plan's clock is driven through a whole day: from mark to mark, or as fast as somebody said."""

import re
from dataclasses import dataclass
from itertools import pairwise

from app.domain.plan import Plan
from app.domain.plan_clock import FASTEST

MAX = "max"
ANSWERING_S = 3.0
"""Real seconds that two decision points must be apart: each is opened by a worker, read, and answered."""
BESIDE_S = 900.0
"""Real seconds that a day takes beside what passes on the plan's clock: votes, switches, scripts, canary readings."""


class NoPace(Exception):
    """What was asked for is no speed; the message says what would be one."""


@dataclass(frozen=True, slots=True)
class Pace:
    """`factor` plan seconds pass in a real one, and nothing is skipped. None: the clock is set ahead to the next mark
    as soon as what comes before it is done."""

    factor: int | None = None

    @property
    def told(self) -> str | int:
        return MAX if self.factor is None else self.factor

    def within_s(self, plan: Plan) -> float:
        """Real seconds after which a drill at this pace hangs rather than runs."""
        return BESIDE_S if self.factor is None else BESIDE_S + 1.2 * length_s(plan) / self.factor


def read_pace(text: str, plan: Plan) -> Pace:
    """Raises NoPace."""
    if text == MAX:
        return Pace()
    most = fastest(plan)
    if not re.fullmatch(r"[1-9][0-9]{0,5}", text) or int(text) > most:
        raise NoPace(
            f"{text!r} is no speed for this plan: `max` goes from mark to mark, a whole number from 1 (real time) to "
            f"{most} says how many seconds of the plan pass in one; faster, people could not answer its decision points"
        )
    return Pace(int(text))


def fastest(plan: Plan) -> int:
    """The greatest factor at which the plan's decision points can still be answered one by one."""
    minutes = sorted(point.minute for point in plan.production.decisions)
    closest = min((later - before for before, later in pairwise(minutes)), default=0) * 60
    return max(1, min(FASTEST, int(closest / ANSWERING_S))) if closest else FASTEST


def length_s(plan: Plan) -> float:
    """Seconds of the plan's clock that its phases are planned to take; nights between them are nobody's rehearsal."""
    return sum(phase.duration_s for phase in plan.phases if phase.kind != "rollback")
