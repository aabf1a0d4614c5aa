"""Which panels a position's home shows, and in which order: plan data, arranged by the time of the day."""

from dataclasses import dataclass

from app.checklists.queries_personal import has_personal
from app.domain.deployments import State
from app.domain.duties import Stage, stage_of
from app.domain.plan import Duties, Panel
from app.web.access import Scope

WITHOUT_SEAT: tuple[Panel, ...] = ("votes", "traffic", "metrics", "customers", "team", "timeline")
"""What an administrator without a seat sees."""

NO_DUTIES = Duties()

BESIDE = ("gate", "traffic", "customers", "reports", "progress")
"""Panels that are narrow; they stand in the second column."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Names of panels in reading order. `lead` comes before `main` on a small screen, `rest` after it."""

    main: tuple[str, ...]
    lead: tuple[str, ...]
    rest: tuple[str, ...]
    checklist_key: str = ""

    def anchor(self, panel: str) -> str:
        """The id of a panel on the page."""
        return f"checklist-{self.checklist_key}" if panel == "checklist" else panel


def layout_of(scope: Scope, state: State, *, has_question: bool) -> Layout:
    """The panels of this person's positions, the first seat's first.

    Votes and checklists are for before the switch: from then on the gate stands for the votes, and they make room.
    """
    wanted = _panels_of(scope)
    stage = stage_of(state)
    shown: list[str] = []
    for panel in wanted:
        shown += _shown(panel, scope, stage, has_question=has_question)
    main = [name for name in shown if name not in BESIDE]
    beside = [name for name in shown if name in BESIDE]
    # Once traffic moves, the gate matters to whoever leads; to others it only tells how it was voted.
    is_first = stage is Stage.BEFORE or scope.may("proceed") or scope.may("hold")
    lead = [name for name in beside if name == "gate" and is_first]
    rest = [name for name in beside if name not in ("gate", *lead)]
    rest += [name for name in beside if name == "gate" and not is_first]
    own: list[str] = []
    if stage is Stage.BEFORE and has_personal(scope):
        own.append("personal")
    if any(scope.plan.position(seat.position).duties != NO_DUTIES for seat in scope.seats):
        own.append("duties")
    if scope.seats and "brief" not in shown:
        own.append("hand")
    rest = [*own, *rest, "reach"]
    return Layout(_by_state(main, state), tuple(lead), tuple(rest), scope.plan.production.checklist or "")


def _panels_of(scope: Scope) -> tuple[Panel, ...]:
    if not scope.seats:
        return WITHOUT_SEAT
    found: list[Panel] = []
    for seat in scope.seats:
        found += [panel for panel in scope.plan.position(seat.position).panels if panel not in found]
    return tuple(found) or WITHOUT_SEAT


def _shown(panel: Panel, scope: Scope, stage: Stage, *, has_question: bool) -> list[str]:
    match panel:
        case "votes":
            return ["votes", "gate"] if has_question and stage is Stage.BEFORE else ["gate"]
        case "checklist":
            if stage is not Stage.BEFORE:
                return []
            return ["checklist", "progress"] if scope.may("proceed") else ["checklist"]
        case _:
            return [panel]


def _by_state(main: list[str], state: State) -> tuple[str, ...]:
    """While votes are given they come first, whatever a position watches later."""
    if state not in (State.PREPARING, State.ON_HOLD):
        return tuple(main)
    first = [name for name in ("votes", "checklist") if name in main]
    return (*first, *(name for name in main if name not in first))
