"""The duties of a position as lines to tick (manual, "Team roles"), and when a repeated one is due again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from app.domain.deployments import State
from app.domain.plan import Position


class Stage(Enum):
    """The time of the day that a duty belongs to, as the plan has it."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


_STAGES = {
    State.SWITCHING: Stage.DURING,
    State.SWITCHED: Stage.DURING,
    State.ROLLING_BACK: Stage.DURING,
    State.ROLLED_BACK: Stage.AFTER,
    State.COMPLETED: Stage.AFTER,
    State.ABORTED: Stage.AFTER,
}


def stage_of(state: State) -> Stage:
    return _STAGES.get(state, Stage.BEFORE)


def duty_time(state: State) -> Stage | None:
    """Whose duties are due now. The manual's "after" means after success: a rollback or an end without has none."""
    return None if state in (State.ROLLED_BACK, State.ABORTED) else stage_of(state)


@dataclass(frozen=True, slots=True)
class Duty:
    """One line. `key` is "during-2", counted within its list; `every_s` is 0 for what is done once."""

    key: str
    text: str
    stage: Stage
    every_s: float = 0

    @property
    def is_repeated(self) -> bool:
        return self.every_s > 0


def duties_of(position: Position) -> tuple[Duty, ...]:
    """All duties of a position in the order of the day; what is repeated comes first while the deployment runs."""
    spec = position.duties
    repeated = tuple(
        Duty(f"repeated-{n}", line.text, Stage.DURING, line.every_s) for n, line in enumerate(spec.repeated, 1)
    )
    return (
        *_lines(Stage.BEFORE, spec.before),
        *repeated,
        *_lines(Stage.DURING, spec.during),
        *_lines(Stage.AFTER, spec.after),
    )


def _lines(stage: Stage, lines: Sequence[str]) -> tuple[Duty, ...]:
    return tuple(Duty(f"{stage.value}-{number}", text, stage) for number, text in enumerate(lines, 1))


def is_overdue(duty: Duty, last: datetime | None, since: datetime | None, now: datetime) -> bool:
    """Whether a repeated duty should have been done by now. `last`: when it was done last; `since`: when its time of
    the day began, None while it has not."""
    if not duty.is_repeated or since is None:
        return False
    return now - max(last or since, since) > timedelta(seconds=duty.every_s)
