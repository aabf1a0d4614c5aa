"""The plan clock: what schedules, dwell times, decision minutes and retention run on.

In live mode it is the real clock. A rehearsal may run it faster and jump ahead with it; it never goes back. Leases and
deadlines, ages of health checks and probe windows stay on the real clock (design, "Clocks").
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from app.domain.errors import Rejected

SPEEDS = (1, 10, 60)
"""How many plan seconds pass in a real one; what the pages of a rehearsal offer."""
FASTEST = 3600
"""Any whole number up to this is a speed: an hour of the plan in a second."""
FARTHEST = timedelta(days=366)
"""A single jump goes no farther: further than a year ahead is a mistake in typing."""
MOST_TURNS = 200
"""So often one clock can be set: every turn is kept, because a moment gone by is read by the turn of its time."""


@dataclass(frozen=True, slots=True)
class Turn:
    """From the real time `real` on, when the plan's time is `plan`, the clock runs `speed` times as fast."""

    real: datetime
    plan: datetime
    speed: int


@dataclass(frozen=True, slots=True)
class PlanClock:
    """How the clock was set, oldest turn first. One that never was shows the real time."""

    turns: tuple[Turn, ...] = ()

    @property
    def speed(self) -> int:
        return self.turns[-1].speed if self.turns else 1

    @property
    def is_real(self) -> bool:
        """Whether plan time is real time, now and later."""
        return self.speed == 1 and (not self.turns or self.turns[-1].plan == self.turns[-1].real)

    def at(self, real: datetime) -> datetime:
        """Plan time at a real time, present or past: what the clock showed then. Never falls while `real` grows."""
        for turn in reversed(self.turns):
            if turn.real <= real:
                return turn.plan + (real - turn.real) * turn.speed
        return real

    def was_set_ahead(self, since: datetime, until: datetime) -> bool:
        """Whether somebody set it ahead between two plan times: then what lies between them did not all pass. Running
        it faster is no such thing."""
        return any(
            since < turn.plan <= until and turn.plan > PlanClock(self.turns[:number]).at(turn.real)
            for number, turn in enumerate(self.turns)
        )

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
    """The plan's time of a deployment at a real time. Of a moment gone by, such as the switch, it says what the clock
    showed then: minutes since the switch are `plan_now(d, now) - plan_now(d, d.switched_at)`."""
    return deployment.plan_clock.at(real_now)


def run_at(clock: PlanClock, speed: int, real_now: datetime) -> PlanClock:
    """The clock that goes on from here at another speed. Raises Rejected for what is no speed."""
    if not 1 <= speed <= FASTEST:
        remedy = f"It runs at whole numbers from ×1, real time, to ×{FASTEST:,}."
        raise Rejected(f"The clock does not run at ×{speed}.", remedy=remedy, code="speed")
    return _turned(clock, Turn(real_now, clock.at(real_now), speed))


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
    return _turned(clock, Turn(real_now, moment, clock.speed))


def _turned(clock: PlanClock, turn: Turn) -> PlanClock:
    if len(clock.turns) >= MOST_TURNS:
        raise Rejected(
            f"This clock was set {MOST_TURNS} times already.", remedy="Start another rehearsal.", code="clock"
        )
    return PlanClock((*clock.turns, turn))
