"""How long a piece of work may take: what the plan gives it, and what earlier runs of it took. Seconds throughout.

Nothing here claims to know the end. Half of all runs take longer than their median, so work is late only once it is
beyond what was planned, or beyond everything that was ever seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from app.domain.plan import Action

COMPARED = 20
"""So many of the newest earlier runs are looked at: what was years ago says little."""
GRACE_SHARE = 0.05
GRACE_S = (1.0, 60.0)
"""Late by less than a twentieth of what was expected, but a second at least and a minute at most, nobody is told."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """`planned_s` is the plan's word; `usual_s` the median of `runs` earlier ones and `longest_s` the longest of them.
    None where there is none."""

    planned_s: float | None = None
    usual_s: float | None = None
    longest_s: float | None = None
    runs: int = 0

    @property
    def length_s(self) -> float | None:
        """What to expect: experience where there is any, else the plan; None where neither says anything."""
        return self.planned_s if self.usual_s is None else self.usual_s


@dataclass(frozen=True, slots=True)
class Watch:
    """How long it has run by a clock, and how many seconds of that clock pass in a real one."""

    elapsed_s: float
    speed: float = 1


@dataclass(frozen=True, slots=True)
class Late:
    seconds: float
    than: Literal["planned", "usual"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Work that runs, on the real clock: it began `began_s` ago and is expected to end in `ends_in_s`, which is below
    zero once it should have ended."""

    began_s: float
    ends_in_s: float


def estimate(planned_s: float | None, earlier: Sequence[float]) -> Estimate:
    """From what is planned and what earlier runs took, the newest first. What took no time at all, as a clock that was
    set back would have it, is no experience."""
    taken = [seconds for seconds in earlier if seconds > 0][:COMPARED]
    planned = planned_s if planned_s and planned_s > 0 else None
    if not taken:
        return Estimate(planned)
    return Estimate(planned, median(taken), max(taken), len(taken))


def planned_for(action: Action, canary_s: float = 0) -> float | None:
    """Seconds that the plan gives a step; a canary without its own takes its shares' dwell times together."""
    if action.planned_s is not None:
        return action.planned_s
    return canary_s if action.kind == "canary" and canary_s > 0 else None


def lateness(expected: Estimate, by_plan: Watch, by_experience: Watch) -> Late | None:
    """How much longer it runs than planned, or, where it is within the plan or has none, than it usually does."""
    if expected.planned_s is not None:
        over = by_plan.elapsed_s - expected.planned_s
        if over >= _grace(expected.planned_s):
            return Late(over, "planned")
    if expected.usual_s is None or expected.longest_s is None:
        return None
    is_beyond = by_experience.elapsed_s - expected.longest_s >= _grace(expected.usual_s)
    return Late(by_experience.elapsed_s - expected.usual_s, "usual") if is_beyond else None


def progress(expected: Estimate, by_plan: Watch, by_experience: Watch) -> Progress | None:
    """How far it is, against what is expected; None where nothing is. `by_plan` is the clock that the plan's seconds
    pass on, which a rehearsal may run faster; `by_experience` the one that earlier runs were measured on."""
    length = expected.length_s
    if length is None:
        return None
    watch = by_plan if expected.usual_s is None else by_experience
    return Progress(watch.elapsed_s / watch.speed, (length - watch.elapsed_s) / watch.speed)


def _grace(seconds: float) -> float:
    low, high = GRACE_S
    return min(max(seconds * GRACE_SHARE, low), high)
