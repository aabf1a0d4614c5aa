"""The Switch page's first sentence: where things stand, and the next move of whoever reads it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.deployments import State as Course
from app.domain.operations import Kind, State
from app.traffic.views import OperationView
from app.web.figures import took

_NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the sentence is made from. `operation` is the newest of the present attempt; `not_ready` says what T−5
    would refuse now; `open_stage` is the title of the strip's stage that runs or comes next, empty when all are
    answered; `not_yes` what the strip found wrong; `good` of `total` rollback criteria are YES. `can_*` name seats."""

    state: Course
    operation: OperationView | None
    rights: frozenset[str]
    gate_passes: bool
    not_ready: tuple[str, ...]
    open_stage: str
    not_yes: tuple[str, ...]
    good: int
    total: int
    blue: str
    green: str
    phase: str
    planned: str
    takes: str
    call: str
    hold_reason: str
    can_arm: str
    can_switch: str
    can_roll_back: str
    can_reopen: str


@dataclass(frozen=True, slots=True)
class Words:
    """`goal` is "board" where the next move is there."""

    title: str
    text: str
    eyebrow: str = "What to do now"
    goal: str = ""


def words(facts: Facts) -> Words:
    match facts.state:
        case Course.PREPARING:
            text = f"The switch opens when the gate has passed and {facts.can_arm} has armed it."
            return Words("Not armed. The sign-offs are open.", text, goal="board")
        case Course.PROCEEDED:
            return _proceeded(facts)
        case Course.ARMED:
            return _armed(facts)
        case Course.SWITCHING:
            return _switching(facts)
        case Course.SWITCHED:
            return _switched(facts)
        case Course.COMPLETED:
            title = f"{facts.phase.capitalize()} is complete. GREEN {facts.green} is live."
            return Words(title, f"BLUE {facts.blue} stays warm. {_way_back(facts)}")
        case Course.ROLLING_BACK:
            return _rolling_back(facts)
        case Course.ROLLED_BACK:
            return _rolled_back(facts)
        case Course.ON_HOLD:
            text = f"No traffic moves. {facts.can_reopen} resumes or reschedules on the board."
            return Words(f"On hold: {_sentence(facts.hold_reason)}", text, goal="board")
        case Course.ABORTED:
            return Words(f"Aborted: {_sentence(facts.hold_reason)}", "A new deployment has to be made.", goal="board")


def _sentence(text: str) -> str:
    return f"{text.rstrip('.')}." if text else "no reason was given."


def _first(reasons: Sequence[str]) -> str:
    """The first of several, short enough for a headline; all of them stand in the panels."""
    return reasons[0] if len(reasons) == 1 else f"{reasons[0]}, and {len(reasons) - 1} more"


def _proceeded(facts: Facts) -> Words:
    if "arm" in facts.rights:
        text = "Arming proves the way back and hands out the rollback grants. No traffic moves by it."
        return Words("Proceeded. Arm the switch on the board.", text, goal="board")
    return Words(f"Waiting for {facts.can_arm} to arm the switch.", "No traffic moves by arming.")


def _armed(facts: Facts) -> Words:
    may = "switch" in facts.rights
    refused = facts.operation
    if refused is not None and refused.kind is Kind.SWITCH and refused.state is State.REFUSED:
        next_move = "T−5 is checked anew at each press." if may else f"{facts.can_switch} can press again."
        title = f"The switch was refused: {_sentence(_first(refused.reason.split('; ')))} No traffic moved."
        return Words(title, f"Put it right first. {next_move}")
    if not facts.gate_passes:
        text = "A sign-off changed after arming. The switch is refused until all are GO again."
        return Words("Armed, but the gate does not pass any more.", text, goal="board")
    if facts.not_ready:
        title = f"Armed, but not ready: {_sentence(_first(facts.not_ready))}"
        return Words(title, "A press now would be refused at T−5, and no traffic would move.")
    planned = f"Planned for {facts.planned}. "
    if may:
        text = f"{planned}Lift the cover, press once. BLUE stays warm: rollback is two presses, {facts.takes}."
        return Words("Armed. You can switch now.", text)
    return Words(f"Armed. {facts.can_switch} can switch now.", f"{planned}Every check at T−5 would be YES now.")


def _switching(facts: Facts) -> Words:
    operation = facts.operation
    state = operation.state if operation else State.ACCEPTED
    match state:
        case State.ACCEPTED | State.CHECKING:
            title = "The switch is accepted. Checking T−5."
        case State.WRITING:
            title = "T−5 is YES. Writing the weights: all to GREEN."
        case _:
            title = "The balancer accepted. Following the traffic to GREEN."
    return Words(title, f"Nothing to press. {_way_back(facts)}")


def _way_back(facts: Facts) -> str:
    if "rollback" in facts.rights:
        return f"If anything is wrong, roll back: two presses, {facts.takes}."
    return f"If anything is wrong, {facts.can_roll_back} can roll back."


def _switched(facts: Facts) -> Words:
    operation = facts.operation
    if operation is not None and operation.is_running and facts.open_stage:
        bad = f" So far not YES: {'; '.join(facts.not_yes)}." if facts.not_yes else ""
        return Words(f"GREEN serves 100 %. Now: {facts.open_stage}.", f"Nothing to press.{bad} {_way_back(facts)}")
    if facts.not_yes:
        count = len(facts.not_yes)
        lines = f"{_NUMBERS[count] if count <= 10 else count} line{'s are' if count > 1 else ' is'} not YES"
        title = f"GREEN serves 100 %, but {lines[0].lower()}{lines[1:]}: {'; '.join(facts.not_yes)}."
        return Words(title, f"Look at it now. {_way_back(facts)}")
    text = f"Watch the metrics; the decision points count from the switch. {_way_back(facts)}"
    return Words("GREEN serves 100 %. Every line of the strip is YES.", text, eyebrow="Switched")


def _rolling_back(facts: Facts) -> Words:
    operation = facts.operation
    if operation is None:
        return Words("Rolling back to BLUE.", "Nothing to press.", eyebrow="Rollback running")
    who = f"Pressed by {operation.who}{f': {operation.cause}' if operation.cause else ''}. "
    observed = operation.observed_100_s is not None
    if operation.escalated_at is not None:
        title = _escalated(is_set=operation.accepted_s is not None, is_observed=observed)
        call = f"Call {facts.call}. " if facts.call else ""
        text = f"{call}{facts.good} of {facts.total} checks are YES. gonogo goes on trying; GREEN is not touched."
        return Words(title, text, eyebrow="Rollback escalated")
    if operation.accepted_s is None:
        title = "Rolling back. Writing the weights: all to BLUE."
    elif not observed:
        title = "The balancer is set to BLUE. Following the traffic."
    else:
        title = "BLUE serves 100 % again. Checking that it is well."
    return Words(title, f"{who}Keep watching; nothing to press.", eyebrow="Rollback running")


def _escalated(*, is_set: bool, is_observed: bool) -> str:
    if is_observed:
        return "Traffic is on BLUE, but BLUE is not well."
    return "The rollback is not confirmed after 30 s." if is_set else "The balancer has not taken the rollback yet."


def _rolled_back(facts: Facts) -> Words:
    operation = facts.operation
    if operation is None or operation.kind is not Kind.ROLLBACK:
        return Words("Rolled back to BLUE.", "A new attempt needs new sign-offs.", eyebrow="Rollback done")
    seconds = operation.observed_100_s
    in_time = f" in {took(seconds)}" if seconds is not None else ""
    next_move = f"{facts.can_reopen} opens a new attempt on the board: it needs new sign-offs."
    if operation.verified_s is None:
        title = f"The rollback ended with {facts.good} of {facts.total} checks YES."
        call = f"Call {facts.call}. " if facts.call else ""
        return Words(title, f"{call}Find out where customers are before anything else.", eyebrow="Rollback escalated")
    count = f"{_NUMBERS[facts.total].lower() if facts.total <= 10 else facts.total} checks"
    title = f"Rolled back to BLUE{in_time}. All {count} are YES."
    late = f"Escalated at 30 s; verified after {took(operation.verified_s)}. " if operation.escalated_at else ""
    text = f"{late}Customers are on {facts.blue}. Tell the team and {facts.call or 'whoever is on call'}. {next_move}"
    return Words(title, text, eyebrow="Rollback done", goal="board")
