"""The plan clock: what schedules, dwell times, decision minutes and retention run on.

In live mode it is the real clock. A rehearsal may run it faster and jump ahead with it; it never goes back. Leases and
deadlines, ages of health checks and probe windows stay on the real clock (design, "Clocks").
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from app.domain.errors import Rejected

SPEEDS = (1, 10, 60)
"""How many plan seconds pass in a real one; what a rehearsal may choose."""
FARTHEST = timedelta(days=366)
"""A single jump goes no farther: further than a year ahead is a mistake in typing."""


@dataclass(frozen=True, slots=True)
class PlanClock:
    """At the real time `real` the plan's time was `plan`; since then it runs `speed` times as fast. Without the two
    moments it never was set, and shows the real time."""

    speed: int = 1
    real: datetime | None = None
    plan: datetime | None = None

    @property
    def is_real(self) -> bool:
        """Whether plan time is real time, now and later."""
        return self.speed == 1 and (self.plan is None or self.plan == self.real)

    def at(self, real_now: datetime) -> datetime:
        """Plan time at a real time. A real time before the clock was last set gives the plan time it was set to: what
        was shown once is never taken back."""
        if self.real is None or self.plan is None:
            return real_now
        return self.plan + max(real_now - self.real, timedelta()) * self.speed

    def real_at(self, plan_moment: datetime, real_now: datetime) -> datetime:
        """The real time at which the clock will show `plan_moment`, if nobody sets it; `real_now` if it does already.
        For countdowns, which a page draws on the real clock."""
        ahead = plan_moment - self.at(real_now)
        return real_now + max(ahead, timedelta()) / self.speed


class Clocked(Protocol):
    """Whatever has a plan clock of its own: a deployment."""

    @property
    def plan_clock(self) -> PlanClock: ...


def plan_now(deployment: Clocked, real_now: datetime) -> datetime:
    """The plan's time of a deployment at a real time."""
    return deployment.plan_clock.at(real_now)


def run_at(clock: PlanClock, speed: int, real_now: datetime) -> PlanClock:
    """The clock that goes on from here at another speed. Raises Rejected for a speed that is not offered."""
    if speed not in SPEEDS:
        offered = ", ".join(f"×{each}" for each in SPEEDS)
        raise Rejected(f"The clock does not run at ×{speed}.", remedy=f"It runs at {offered}.", code="speed")
    return PlanClock(speed, real_now, clock.at(real_now))


def jump_to(clock: PlanClock, moment: datetime, real_now: datetime) -> PlanClock:
    """The clock set ahead to a plan time. Raises Rejected for a moment that is not ahead, or more than a year away."""
    now = clock.at(real_now)
    if moment <= now:
        raise Rejected(
            "That moment is not ahead. The plan's clock only goes forward.",
            remedy="Load the page again: somebody may have set it meanwhile.",
            conflict=True,
            code="clock",
        )
    if moment - now > FARTHEST:
        raise Rejected("That is more than a year ahead.", remedy="Choose a moment of this plan.", code="clock")
    return PlanClock(clock.speed, real_now, moment)
