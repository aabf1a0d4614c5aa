"""The go/no-go board in sentences: what is missing, what to do now, what changed since a vote."""

import json
from collections.abc import Sequence

from app.domain.deployments import State
from app.domain.plan import Plan
from app.domain.signoffs import SEAT, Difference, Gate, GateVerdict, VoteLine, VoteState

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def number_word(number: int) -> str:
    return _NUMBERS[number] if number < len(_NUMBERS) else str(number)


def in_sentence(title: str) -> str:
    """A position's title inside a sentence: "security officer", but "DevOps lead"."""
    first = title.split()[0]
    return title[0].lower() + title[1:] if first[1:].islower() else title


def listed(words: Sequence[str]) -> str:
    """ "A", "A and B", "A, B and C"."""
    return ", ".join(words) if len(words) < 2 else f"{', '.join(words[:-1])} and {words[-1]}"


def possessive(title: str) -> str:
    return f"{title}’" if title.endswith("s") else f"{title}’s"


def change_words(plan: Plan, difference: Difference) -> tuple[str, str, str]:
    """What changed, before and after, as the board shows it."""
    before, after = difference.before, difference.after
    match difference.part.split("."):
        case ["plan"]:
            return "Plan", before[:12], after[:12]
        case ["binding"]:
            return "Where the target is bound", *_leaves(before, after)
        case ["blue"]:
            return "BLUE release", before, after
        case ["green"]:
            return "GREEN release", before, after
        case ["target"]:
            return "Configuration of the target", before, after
        case [part] if part == SEAT:
            return "Seat on the roster", before, "nobody, or somebody else"
        case ["checklist", item]:
            return _checklist_words(plan, item, before, after)
        case _:
            return difference.part, before, after


def _checklist_words(plan: Plan, key: str, before: str, after: str) -> tuple[str, str, str]:
    items = plan.checklist(plan.production.checklist).items if plan.production.checklist else ()
    text = next((item.text for item in items if item.key == key), key)
    if before.startswith("done: ") and after.startswith("done: "):
        return f"Checklist, “{text}”, evidence", before.removeprefix("done: "), after.removeprefix("done: ")
    return f"Checklist, “{text}”", before or "not there", after or "not there"


def _leaves(before: str, after: str) -> tuple[str, str]:
    """Only what differs between two JSON objects; both whole if they are none."""
    try:
        old, new = json.loads(before), json.loads(after)
    except ValueError:
        return before, after
    if not isinstance(old, dict) or not isinstance(new, dict):
        return before, after
    keys = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    return _pairs(old, keys), _pairs(new, keys)


def _pairs(values: dict[str, object], keys: Sequence[str]) -> str:
    found = [f"{key} {values[key]}" for key in keys if key in values]
    return ", ".join(found) or "not there"


def missing_words(plan: Plan, line: VoteLine, *, is_yours: bool, repeats: Sequence[str] = ()) -> str:
    """One line of "What is missing". `repeats` are names of people with more than one vote."""
    title = plan.position(line.question.position).title
    match line.state:
        case VoteState.WAITING:
            return "Your own vote." if is_yours else f"{title} has not voted."
        case VoteState.NO_GO:
            return "You said NO-GO." if is_yours else f"{title} said NO-GO."
        case VoteState.OUTDATED:
            return f"{'You' if is_yours else title} must vote again: {_what_changed(line)} changed."
        case VoteState.EXPIRED:
            return f"{'Your' if is_yours else possessive(title)} GO has expired."
        case VoteState.GO:
            return f"{listed(repeats)} gave more than one vote."


def _what_changed(line: VoteLine) -> str:
    kinds = {"checklist": "the checklist", "plan": "the plan", "binding": "the binding", "target": "the target"}
    kinds |= {"blue": "the BLUE release", "green": "the GREEN release", SEAT: "the roster"}
    found = list(dict.fromkeys(kinds.get(d.part.split(".")[0], d.part) for d in line.differences))
    return listed(found)


def tally(gate: Gate) -> str:
    """ "one NO-GO, one outdated vote, two still to come"; empty if nothing is missing."""
    counts = {state: sum(line.state is state for line in gate.lines) for state in VoteState}
    parts: list[str] = []
    if counts[VoteState.NO_GO]:
        parts.append(f"{number_word(counts[VoteState.NO_GO])} NO-GO")
    for state, word in ((VoteState.OUTDATED, "outdated vote"), (VoteState.EXPIRED, "expired vote")):
        if counts[state]:
            parts.append(f"{number_word(counts[state])} {word}{'s' if counts[state] > 1 else ''}")
    if counts[VoteState.WAITING]:
        parts.append(f"{number_word(counts[VoteState.WAITING])} still to come")
    if gate.same_person:
        parts.append(f"two votes by {listed(gate.same_person)}")
    return ", ".join(parts)


def board_headline(plan: Plan, state: State, gate: Gate, rights: frozenset[str], reason: str = "") -> str:
    """The h1 of the board: what the state is and the next move, for somebody with these rights."""
    all_go = f"All {number_word(len(gate.lines))} are GO."
    passed = gate.verdict is GateVerdict.PASSED
    match state:
        case State.PREPARING if passed:
            return f"{all_go} {_you_or(plan, 'proceed', rights)} can proceed."
        case State.PREPARING if gate.verdict is GateVerdict.FAILED:
            return f"Hold: {tally(gate)}"
        case State.PREPARING:
            found = tally(gate)
            return found[:1].upper() + found[1:]
        case State.PROCEEDED if passed:
            return f"Proceeded. {_you_or(plan, 'arm', rights)} can arm the switch."
        case State.ARMED if passed:
            return f"Armed. {_you_or(plan, 'switch', rights)} can switch to GREEN."
        case State.PROCEEDED | State.ARMED:
            return f"The gate is closed again: {tally(gate)}"
        case State.ON_HOLD:
            return f"On hold: {reason}" if reason else "On hold"
        case State.SWITCHING:
            return "Traffic is moving to GREEN"
        case State.SWITCHED:
            return "Traffic is on GREEN. The votes are closed."
        case State.ROLLING_BACK:
            return "Traffic is going back to BLUE"
        case State.ROLLED_BACK:
            return f"Rolled back. A new attempt needs {number_word(len(gate.lines))} new votes."
        case State.COMPLETED:
            return "The phase is complete. GREEN is live, BLUE stays warm."
        case State.ABORTED:
            return "This deployment was aborted"


def _you_or(plan: Plan, capability: str, rights: frozenset[str]) -> str:
    if capability in rights:
        return "You"
    titles = [position.title for position in plan.positions if capability in position.capabilities]
    if not titles:
        return "Nobody"
    return f"The {_or([in_sentence(title) for title in titles])}"


def _or(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def advice(plan: Plan, state: State, gate: Gate, own: frozenset[str]) -> str:
    """The sentence under the headline. `own` are the questions of the person who reads it."""
    if state not in (State.PREPARING, State.PROCEEDED, State.ARMED, State.ON_HOLD):
        return ""
    if gate.verdict is GateVerdict.PASSED:
        if state is State.PREPARING:
            return "Proceeding lets the switch be armed; no traffic moves yet."
        return "Any vote can be withdrawn until the switch." if state is not State.ON_HOLD else "All votes are GO."
    others = [line for line in gate.missing if line.question.key not in own]
    speak = [_the(plan, line) for line in others if line.state is VoteState.NO_GO]
    again = [_the(plan, line) for line in others if line.state in (VoteState.OUTDATED, VoteState.EXPIRED)]
    wait = [_the(plan, line) for line in others if line.state is VoteState.WAITING]
    steps = [f"speak with {listed(speak)}"] if speak else []
    steps += [f"ask {listed(again)} to vote again"] if again else []
    if not steps and wait:
        steps = [f"{listed(wait)} {'has' if len(wait) == 1 else 'have'} not voted"]
    sentence = ", then ".join(steps)
    mine = [line for line in gate.missing if line.question.key in own]
    parts = [sentence[:1].upper() + sentence[1:] + "."] if sentence else []
    if mine:
        parts.append("Your own NO-GO stands." if mine[0].state is VoteState.NO_GO else "Your own vote is open below.")
    return " ".join(parts)


def _the(plan: Plan, line: VoteLine) -> str:
    """ "the security officer", but "operations": a department takes no article."""
    title = in_sentence(plan.position(line.question.position).title)
    return title if title.endswith("s") else f"the {title}"
