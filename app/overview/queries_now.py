""" "What do I do now?": a pure answer from what is known, for every state of a deployment and every seat.

First the rules, the most urgent one first: an alarm, then what is this person's own to do. Where none holds, the
table of state and role answers. Roles come from rights, because positions are plan data.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

from app.domain.deployments import State
from app.domain.operations import State as Progress
from app.domain.plan_people import opening
from app.domain.signoff_words import advice as gate_advice
from app.domain.signoff_words import listed, missing_words, number_word, tally
from app.domain.signoffs import GateVerdict, VoteState
from app.overview.queries_now_table import TABLE, Line, Role
from app.overview.queries_now_words import (
    VOTING,
    alarms,
    by_when,
    first_upper,
    gate_words,
    minutes_on_green,
    own_line,
    short,
    state_words,
    tidy,
    titles,
    waiting_words,
    words_of,
)
from app.overview.views import Also, Goal, Move, NowFacts, NowView
from app.overview.views_brief import Tone

WITH_TIME_FOR_PHASES = (State.PREPARING, State.ON_HOLD, State.ROLLED_BACK, State.COMPLETED)
BEFORE_TRAFFIC = (State.PREPARING, State.PROCEEDED, State.ARMED, State.ON_HOLD)
WITH_TRAFFIC_ON_GREEN = (State.SWITCHING, State.SWITCHED, State.COMPLETED)

Rule = Callable[[NowFacts], NowView | None]


def now_for(facts: NowFacts) -> NowView:
    """The one thing to do now, and what else waits. Total: every state and every set of rights has an answer."""
    view = _headline(facts)
    led_to = {move.goal for move in view.moves}
    return replace(view, also=tuple(each for each in _also(facts) if each.move.goal not in led_to))


def _headline(facts: NowFacts) -> NowView:
    for rule in _RULES:
        found = rule(facts)
        if found is not None:
            return found
    line = TABLE[facts.state][role_of(facts.rights)]
    return _said(facts, line)


def role_of(rights: frozenset[str]) -> Role:
    """What kind of seat this is, by the most far-reaching right it has."""
    if rights & {"proceed", "hold"}:
        return Role.LEAD
    if rights & {"switch", "arm", "rollback"}:
        return Role.DRIVER
    if "communicate" in rights:
        return Role.COMMS
    if rights & {"sign_off", "check", "note"}:
        return Role.WATCHER
    return Role.READER


# ── rules: the most urgent first ──────────────────────────────────────────────────────────────────────────────────


def _escalated(facts: NowFacts) -> NowView | None:
    """Any NO of the rollback's criteria escalates in sight of all (manual, "Rollback Success Criteria")."""
    operation = facts.operation
    if operation is None or not operation.is_escalated or facts.state not in (State.ROLLING_BACK, State.ROLLED_BACK):
        return None
    words = words_of(facts)
    state = "Rolled back" if facts.state is State.ROLLED_BACK else "Rolling back"
    found = f"{operation.reason.rstrip('.')}." if operation.reason else ""
    if role_of(facts.rights) in (Role.LEAD, Role.DRIVER):
        text = f"{state}. {found} {words.call} Look at the checks that are not YES."
        return NowView("The rollback is not verified: escalate now", tidy(text), (_switch_page(),), "crit")
    text = f"{state}. {found} {opening(titles(facts.plan, 'rollback'))} is on it; say what you see."
    return NowView("The rollback is not verified", tidy(text), (_move("Look at the checks", "switch"),), "crit")


def _trigger(facts: NowFacts) -> NowView | None:
    """A running countdown is the business of whoever may roll back or hold it, before anything else of theirs."""
    trigger = facts.trigger
    if trigger is None or not facts.rights & {"rollback", "hold"}:
        return None
    said = f"{first_upper(trigger.found)}."
    moves = (_move("See the triggers", "triggers"), _move("Look at the wall", "wall"))
    if trigger.is_held:
        text = f"{said} It is armed again at {trigger.fires_at}, and rolls back at once if the breach still stands."
        return NowView("The automatic rollback is held: find the cause", text, moves, "warn")
    if trigger.is_recommended:
        text = f"{said} Nothing happens by itself. The rollback cover is in the bar; it needs no approval."
        return NowView("A rollback is recommended: decide now", text, moves, "crit")
    if not trigger.fires_at:
        text = f"{said} The rollback cover is in the bar; it needs no approval."
        return NowView("A trigger is in breach: be ready to roll back", text, moves, "crit")
    text = f"{said} Roll back now, or let two positions hold it; without a press it happens by itself."
    return NowView(f"GREEN rolls back by itself at {trigger.fires_at}", text, moves, "crit")


def _decision(facts: NowFacts) -> NowView | None:
    """An open decision point, for those it asks; everybody, once it is escalated."""
    asked = facts.decision
    if asked is None or not (asked.is_yours or not asked.until):
        return None
    move = (_move("Answer it" if asked.is_yours else "See the decision", "decisions"),)
    if not asked.until:
        text = f"“{asked.question}” Nothing advances by itself."
        return NowView(f"{asked.title}: call {facts.call}", text, move, "crit")
    text = f"“{asked.question}” The dialog on this page has the four answers. At {asked.until} the next one is asked."
    return NowView(f"{asked.title}: answer by {asked.until}", text, move, "warn")


def _incident(facts: NowFacts) -> NowView | None:
    asked = facts.incident
    if asked is not None and asked.check and not asked.is_yours:
        text = f"Your position {asked.check}. {asked.asked} decides on what you find; say it even if it is nothing."
        move = (_move("Say what you found", "incidents"),)
        return NowView(f"Incident, {asked.title}: say what you find", text, move, "crit")
    if asked is None or not (asked.is_yours or not asked.until):
        return None
    move = (_move("Decide on it" if asked.is_yours else "See the incident", "incidents"),)
    if not asked.until:
        return NowView(f"{asked.title}: call {facts.call}", "Nobody has decided on the incident yet.", move, "crit")
    text = f"The checks of the team come in on the page Incidents. At {asked.until} the next one is asked."
    return NowView(f"Incident, {asked.title}: decide by {asked.until}", text, move, "crit")


def _alarm(facts: NowFacts) -> NowView | None:
    if facts.state not in WITH_TRAFFIC_ON_GREEN or facts.health.state != "crit":
        return None
    state = {
        State.SWITCHING: "Switching to GREEN",
        State.SWITCHED: "On GREEN",
        State.COMPLETED: f"{words_of(facts).phase} complete",
    }[facts.state]
    if "rollback" in facts.rights:
        text = f"{alarms(facts)} The rollback cover is in the bar; it needs no approval."
        headline = f"{state}, {facts.health.word}: continue, scale up or roll back?"
        return NowView(headline, tidy(text), (_move("Look at the wall", "wall"),), "crit")
    text = tidy(f"{alarms(facts)} Say what you see; {titles(facts.plan, 'rollback')} can roll back.")
    return NowView(
        f"{state}, {facts.health.word}: say what you see", text, (_move("Look at the wall", "wall"),), "crit"
    )


def _hand(facts: NowFacts) -> NowView | None:
    """An offered hand waits for one person only; until it is accepted, somebody else presses first."""
    if not facts.offered_by or facts.state is State.ABORTED:
        return None
    text = f"{state_words(facts)}. Until you take it, {facts.offered_by} presses first; it gives and takes no right."
    move = (_move("Take it or decline", "hand"),)
    return NowView(f"{facts.offered_by} offers you the hand on the rollback", text, move, "warn")


def _patch(facts: NowFacts) -> NowView | None:
    if facts.freeze is None or not facts.freeze.patches:
        return None
    count = len(facts.freeze.patches)
    what = "An emergency patch waits" if count == 1 else f"{number_word(count).capitalize()} emergency patches wait"
    said = f"“{short(facts.freeze.patches[0])}”"
    text = f"{state_words(facts)}. {said} Changes are frozen until {facts.freeze.until}; without your yes it waits."
    return NowView(f"{what} for your answer", text, (_move("Approve or refuse", "freeze"),), "warn")


def _own_no_go(facts: NowFacts) -> NowView | None:
    line = own_line(facts)
    if facts.state not in VOTING or line is None or line.state is not VoteState.NO_GO:
        return None
    said = f" You said: “{short(line.vote.comment)}”" if line.vote else ""
    text = f"{state_words(facts)}; no traffic moves.{said} When it is mended, vote again or withdraw."
    return NowView("Your NO-GO holds the deployment", text, (_move("To your vote", "vote"),), "warn")


def _own_failed_item(facts: NowFacts) -> NowView | None:
    if facts.state not in VOTING or not facts.failed_items:
        return None
    text = f"{state_words(facts)}. {listed(facts.failed_items)}. Mend it and confirm it, or say NO-GO."
    headline = f"{number_word(len(facts.failed_items)).capitalize()} of your items failed"
    return NowView(headline, text, (_move("To your checklist", "checklist"),), "warn")


def _lead_holds(facts: NowFacts) -> NowView | None:
    """Whoever leads speaks with those who said NO-GO before anything else; the lead's own vote and items can wait."""
    if facts.state is not State.PREPARING or "proceed" not in facts.rights:
        return None
    if facts.gate.verdict is not GateVerdict.FAILED:
        return None
    items = f"Yours to confirm: {listed(facts.open_items)}." if facts.open_items else ""
    text = f"{state_words(facts)}. {gate_words(facts)} {items}"
    line = own_line(facts)
    moves = [_move("See the gate", "gate")]
    if line is not None and line.state is not VoteState.GO:
        moves.append(_move("Vote now", "vote"))
    return NowView(f"Hold: {tally(facts.gate)}", tidy(text), tuple(moves), "warn")


def _own_phase(facts: NowFacts) -> NowView | None:
    """What a running phase waits for comes before what is prepared for a later one; not while traffic is about to
    move, and who leads the day sees to a hold or a rollback first."""
    waiting = facts.waiting
    if waiting is None or facts.state not in WITH_TIME_FOR_PHASES:
        return None
    is_lead = role_of(facts.rights) is Role.LEAD
    if is_lead and facts.state in (State.ON_HOLD, State.ROLLED_BACK):
        return None
    headline, text, move = waiting_words(waiting)
    tone: Tone = "warn" if waiting.what in ("asked", "failed") else "calm"
    return NowView(headline, tidy(text), (Move(move, "phase", waiting.url),), tone)


def _own_items(facts: NowFacts) -> NowView | None:
    """Items before the vote: a vote is bound to the checklist, and ticking later would outdate it."""
    if facts.state is not State.PREPARING or not facts.open_items:
        return None
    amount = f"{number_word(len(facts.open_items))} item{'s' if len(facts.open_items) > 1 else ''}"
    line = own_line(facts)
    has_vote = line is not None and line.state is not VoteState.GO
    headline = f"Confirm {amount} {by_when(facts)}{', then vote' if has_vote else ''}"
    text = f"{state_words(facts)}. Yours: {listed(facts.open_items)}. Votes are bound to the checklist."
    moves = [_move("To your checklist", "checklist")]
    if has_vote:
        moves.append(_move("To your vote", "vote"))
    return NowView(headline, text, tuple(moves))


def _own_vote(facts: NowFacts) -> NowView | None:
    line = own_line(facts)
    if facts.state not in (State.PREPARING, State.PROCEEDED, State.ARMED) or line is None:
        return None
    if line.state is VoteState.GO:
        return None
    moves = (_move("Vote now", "vote"),)
    state = state_words(facts)
    if line.state is VoteState.WAITING:
        proof = words_of(facts).proof
        text = f"“{line.question.text}” {state}; the switch is planned for {words_of(facts).planned}. {proof}"
        return NowView("Give your GO or NO-GO", tidy(text), moves)
    headline = missing_words(facts.plan, line, is_yours=True).rstrip(".")
    if line.state is VoteState.EXPIRED:
        headline += ": vote again"
    return NowView(headline, f"{state}. “{line.question.text}” The board shows what changed.", moves, "warn")


def _gate_open(facts: NowFacts) -> NowView | None:
    if facts.state is not State.PREPARING or facts.gate.verdict is not GateVerdict.PASSED:
        return None
    words = words_of(facts)
    all_go = f"All {words.votes} are GO"
    if "proceed" in facts.rights:
        text = f"Proceeding lets the switch be armed; no traffic moves yet. {words.proof} {words.absent}"
        moves = (_move(f"Proceed to {words.phase_low}", "proceed"), _move("See the gate", "gate"))
        return NowView(f"{all_go}: proceed to {words.phase_low}", tidy(text), moves)
    text = f"Sign-offs are complete; a vote can be withdrawn until the switch, planned for {words_of(facts).planned}."
    return NowView(f"{all_go}: {words.leads} proceeds next", text, (_move("See the gate", "gate"),))


def _own_readiness(facts: NowFacts) -> NowView | None:
    """One's own readiness, where nothing else of this person's is open before the start; who leads sees the gate."""
    if facts.state is not State.PREPARING or not facts.own_open or role_of(facts.rights) is Role.LEAD:
        return None
    text = f"{state_words(facts)}. Yours to tick: {_listed_short(facts.own_open)}."
    return NowView(f"Get yourself ready: {_lines(facts.own_open)} to tick", text, (_move("To your list", "personal"),))


def _gate_shut_again(facts: NowFacts) -> NowView | None:
    if facts.state not in (State.PROCEEDED, State.ARMED) or facts.gate.verdict is GateVerdict.PASSED:
        return None
    who = gate_advice(facts.plan, facts.state, facts.gate, facts.own)
    text = f"{state_words(facts)}, but the switch is refused until all are GO again. {who}"
    return NowView(
        f"The gate is closed again: {tally(facts.gate)}", tidy(text), (_move("See the gate", "gate"),), "warn"
    )


def _arm(facts: NowFacts) -> NowView | None:
    if facts.state is not State.PROCEEDED or "arm" not in facts.rights:
        return None
    words = words_of(facts)
    text = (
        f"{words.leads.capitalize()} proceeded. Arming proves the way back, locks the target and hands out the "
        f"rollback grants; no traffic moves. {words.proof}"
    )
    return NowView("Arm the switch", tidy(text), (_move("Arm the switch", "arm"), _switch_page()))


def _refused(facts: NowFacts) -> NowView | None:
    operation = facts.operation
    if facts.state is not State.ARMED or operation is None or operation.state is not Progress.REFUSED:
        return None
    is_yours = "switch" in facts.rights
    what = "Mend it, then switch again." if is_yours else f"{words_of(facts).switches} can try again."
    text = f"Still armed. {short(operation.reason).rstrip('.')}. {what}"
    return NowView("The switch was refused; no traffic moved", tidy(text), (_switch_page(),), "warn")


def _complete(facts: NowFacts) -> NowView | None:
    """After the plan's last decision point only the phase's end is left to decide."""
    points = facts.plan.production.decisions
    if facts.decision is not None:
        return None  # the last of them is open: it is answered first
    minutes = minutes_on_green(facts)
    if facts.state is not State.SWITCHED or "proceed" not in facts.rights or not points:
        return None
    if minutes < max(point.minute for point in points):
        return None
    phase = words_of(facts).phase_low
    text = "All decision points of the plan are behind you. BLUE stays warm, and rollback stays one press away."
    return NowView(f"On GREEN for {int(minutes)} min: complete {phase}", text, (_move("To the gate", "gate"),))


_RULES: tuple[Rule, ...] = (
    _escalated,
    _trigger,
    _incident,
    _decision,
    _alarm,
    _hand,
    _patch,
    _own_no_go,
    _own_failed_item,
    _lead_holds,
    _own_phase,
    _own_items,
    _own_vote,
    _gate_open,
    _own_readiness,
    _gate_shut_again,
    _arm,
    _refused,
    _complete,
)


# ── what else waits ───────────────────────────────────────────────────────────────────────────────────────────────


def _also(facts: NowFacts) -> list[Also]:
    """Everything of this person's that the headline may have left for later, the most pressing first."""
    found: list[Also] = []
    decision, freeze = facts.decision, facts.freeze
    if decision is not None and decision.is_yours:
        until = f" by {decision.until}" if decision.until else ""
        found.append(Also(f"{decision.title} waits for your answer{until}.", _move("Answer it", "decisions")))
    if facts.offered_by and facts.state is not State.ABORTED:
        text = f"{facts.offered_by} offers you the hand on the rollback."
        found.append(Also(text, _move("Take it or decline", "hand")))
    if freeze is not None:
        text = f"Changes are frozen until {freeze.until}: {short(freeze.reason).rstrip('.')}."
        if freeze.patches:
            text += f" {_lines(freeze.patches, 'patch', 'patches').capitalize()} for you to approve or refuse."
        found.append(Also(text, _move("See the freeze", "freeze")))
    if facts.is_expected and facts.state in BEFORE_TRAFFIC:
        found.append(Also("Nobody knows yet that you have arrived.", _move("I am here", "arrive")))
    if facts.own_open and facts.state in BEFORE_TRAFFIC:
        text = f"{_lines(facts.own_open).capitalize()} of your own to tick: {_listed_short(facts.own_open, most=1)}."
        found.append(Also(text, _move("To your list", "personal")))
    return found


def _lines(lines: Sequence[str], one: str = "line", many: str = "lines") -> str:
    return f"{number_word(len(lines))} {one if len(lines) == 1 else many}"


def _listed_short(lines: Sequence[str], most: int = 3) -> str:
    """Quoted, because lines have commas of their own: “Phone fully charged”, “No other meetings” and 18 more."""
    shown = [f"“{line.rstrip('.')}”" for line in lines[:most]]
    return f"{', '.join(shown)} and {len(lines) - most} more" if len(lines) > most else listed(shown)


def _said(facts: NowFacts, line: Line) -> NowView:
    words = asdict(words_of(facts))
    headline = first_upper(line.headline.format_map(words))
    text = " ".join(part for part in (first_upper(part.format_map(words)) for part in line.advice) if part)
    return NowView(headline, tidy(text), (_move(line.move, line.goal),) if line.move else (), line.tone)


def _move(title: str, goal: Goal | None) -> Move:
    return Move(title, goal or "plan")


def _switch_page() -> Move:
    return _move("Open the Switch page", "switch")
