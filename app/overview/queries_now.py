""" "What do I do now?": a pure answer from what is known, for every state of a deployment and every seat.

First the rules, the most urgent one first: an alarm, then what is this person's own to do. Where none holds, the
table of state and role answers. Roles come from rights, because positions are plan data.
"""

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from app.domain.deployments import WORDS, State
from app.domain.operations import Kind
from app.domain.operations import State as Progress
from app.domain.plan import Plan
from app.domain.signoff_words import advice as gate_advice
from app.domain.signoff_words import in_sentence, listed, missing_words, number_word, tally
from app.domain.signoffs import GateVerdict, VoteLine, VoteState
from app.overview.queries_layout import Stage, stage_of
from app.overview.queries_now_table import TABLE, Line, Role
from app.overview.views import Goal, Move, NowFacts, NowView
from app.web.figures import age

REASON_LIMIT = 160
"""Longer reasons of people are cut in a sentence; the gate and the timeline show them whole."""

VOTING = (State.PREPARING, State.PROCEEDED, State.ARMED, State.ON_HOLD)
WITH_TRAFFIC_ON_GREEN = (State.SWITCHING, State.SWITCHED, State.COMPLETED)

Rule = Callable[[NowFacts], NowView | None]


class Word(StrEnum):
    """The names that a line of the table may use; `words_of` fills them."""

    BLUE = "blue"
    GREEN = "green"
    PHASE = "phase"
    PLANNED = "planned"
    TALLY = "tally"
    LEADS = "leads"
    ARMS = "arms"
    SWITCHES = "switches"
    PROGRESS = "progress"
    DECISION = "decision"
    PROOF = "proof"
    ABSENT = "absent"
    REASON = "reason"
    VOTES = "votes"
    GATE = "gate"
    CALL = "call"
    OPENING = "opening"
    PHASE_LOW = "phase_low"
    OWN = "own"
    DUTY = "duty"


def now_for(facts: NowFacts) -> NowView:
    """The one thing to do now. Total: every state and every set of rights has an answer."""
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
        text = f"{state}. {found} {words[Word.CALL]} Look at the checks that are not YES."
        return NowView("The rollback is not verified: escalate now", _tidy(text), (_switch_page(),), "crit")
    text = f"{state}. {found} DevOps and the project manager are on it; say what you see."
    return NowView("The rollback is not verified", _tidy(text), (_move("Look at the checks", "switch"),), "crit")


def _alarm(facts: NowFacts) -> NowView | None:
    if facts.state not in WITH_TRAFFIC_ON_GREEN or facts.health.state != "crit":
        return None
    state = {
        State.SWITCHING: "Switching to GREEN",
        State.SWITCHED: "On GREEN",
        State.COMPLETED: f"{words_of(facts)[Word.PHASE]} complete",
    }[facts.state]
    if "rollback" in facts.rights:
        text = f"{_alarms(facts)} The rollback cover is in the bar; it needs no approval."
        headline = f"{state}, {facts.health.word}: continue, scale up or roll back?"
        return NowView(headline, _tidy(text), (_move("Look at the wall", "wall"),), "crit")
    text = _tidy(f"{_alarms(facts)} Tell DevOps what you see; {_titles(facts.plan, 'rollback')} can roll back.")
    return NowView(
        f"{state}, {facts.health.word}: say what you see", text, (_move("Look at the wall", "wall"),), "crit"
    )


def _own_no_go(facts: NowFacts) -> NowView | None:
    line = own_line(facts)
    if facts.state not in VOTING or line is None or line.state is not VoteState.NO_GO:
        return None
    said = f" You said: “{_short(line.vote.comment)}”" if line.vote else ""
    text = f"{_state_words(facts)}; no traffic moves.{said} When it is mended, vote again or withdraw."
    return NowView("Your NO-GO holds the deployment", text, (_move("To your vote", "vote"),), "warn")


def _own_failed_item(facts: NowFacts) -> NowView | None:
    if facts.state not in VOTING or not facts.failed_items:
        return None
    text = f"{_state_words(facts)}. {listed(facts.failed_items)}. Mend it and confirm it, or say NO-GO."
    headline = f"{number_word(len(facts.failed_items)).capitalize()} of your items failed"
    return NowView(headline, text, (_move("To your checklist", "checklist"),), "warn")


def _lead_holds(facts: NowFacts) -> NowView | None:
    """Whoever leads speaks with those who said NO-GO before anything else; the lead's own vote and items can wait."""
    if facts.state is not State.PREPARING or "proceed" not in facts.rights:
        return None
    if facts.gate.verdict is not GateVerdict.FAILED:
        return None
    items = f"Yours to confirm: {listed(facts.open_items)}." if facts.open_items else ""
    text = f"{_state_words(facts)}. {_gate_words(facts)} {items}"
    line = own_line(facts)
    moves = [_move("See the gate", "gate")]
    if line is not None and line.state is not VoteState.GO:
        moves.append(_move("Vote now", "vote"))
    return NowView(f"Hold: {tally(facts.gate)}", _tidy(text), tuple(moves), "warn")


def _own_items(facts: NowFacts) -> NowView | None:
    """Items before the vote: a vote is bound to the checklist, and ticking later would outdate it."""
    if facts.state is not State.PREPARING or not facts.open_items:
        return None
    amount = f"{number_word(len(facts.open_items))} item{'s' if len(facts.open_items) > 1 else ''}"
    line = own_line(facts)
    has_vote = line is not None and line.state is not VoteState.GO
    headline = f"Confirm {amount} {_by_when(facts)}{', then vote' if has_vote else ''}"
    text = f"{_state_words(facts)}. Yours: {listed(facts.open_items)}. Votes are bound to the checklist."
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
    state = _state_words(facts)
    if line.state is VoteState.WAITING:
        proof = words_of(facts)[Word.PROOF]
        text = f"“{line.question.text}” {state}; the switch is planned for {_hm(facts)}. {proof}"
        return NowView("Give your GO or NO-GO", _tidy(text), moves)
    headline = missing_words(facts.plan, line, is_yours=True).rstrip(".")
    if line.state is VoteState.EXPIRED:
        headline += ": vote again"
    return NowView(headline, f"{state}. “{line.question.text}” The board shows what changed.", moves, "warn")


def _gate_open(facts: NowFacts) -> NowView | None:
    if facts.state is not State.PREPARING or facts.gate.verdict is not GateVerdict.PASSED:
        return None
    words = words_of(facts)
    all_go = f"All {words[Word.VOTES]} are GO"
    if "proceed" in facts.rights:
        text = f"Proceeding lets DevOps arm the switch; no traffic moves yet. {words[Word.PROOF]} {words[Word.ABSENT]}"
        moves = (_move(f"Proceed to {words[Word.PHASE_LOW]}", "proceed"), _move("See the gate", "gate"))
        return NowView(f"{all_go}: proceed to {words[Word.PHASE_LOW]}", _tidy(text), moves)
    text = f"Sign-offs are complete; a vote can be withdrawn until the switch, planned for {_hm(facts)}."
    return NowView(f"{all_go}: {words[Word.LEADS]} proceeds next", text, (_move("See the gate", "gate"),))


def _gate_shut_again(facts: NowFacts) -> NowView | None:
    if facts.state not in (State.PROCEEDED, State.ARMED) or facts.gate.verdict is GateVerdict.PASSED:
        return None
    who = gate_advice(facts.plan, facts.state, facts.gate, facts.own)
    text = f"{_state_words(facts)}, but the switch is refused until all are GO again. {who}"
    return NowView(
        f"The gate is closed again: {tally(facts.gate)}", _tidy(text), (_move("See the gate", "gate"),), "warn"
    )


def _arm(facts: NowFacts) -> NowView | None:
    if facts.state is not State.PROCEEDED or "arm" not in facts.rights:
        return None
    words = words_of(facts)
    text = (
        f"{words[Word.LEADS].capitalize()} proceeded. Arming proves the way back, locks the target and hands out the "
        f"rollback grants; no traffic moves. {words[Word.PROOF]}"
    )
    return NowView("Arm the switch", _tidy(text), (_move("Arm the switch", "arm"), _switch_page()))


def _refused(facts: NowFacts) -> NowView | None:
    operation = facts.operation
    if facts.state is not State.ARMED or operation is None or operation.state is not Progress.REFUSED:
        return None
    is_yours = "switch" in facts.rights
    what = "Mend it, then switch again." if is_yours else f"{words_of(facts)[Word.SWITCHES]} can try again."
    text = f"Still armed. {_short(operation.reason).rstrip('.')}. {what}"
    return NowView("The switch was refused; no traffic moved", _tidy(text), (_switch_page(),), "warn")


def _complete(facts: NowFacts) -> NowView | None:
    """After the plan's last decision point only the phase's end is left to decide."""
    points = facts.plan.production.decisions
    minutes = minutes_on_green(facts)
    if facts.state is not State.SWITCHED or "proceed" not in facts.rights or not points:
        return None
    if minutes < max(point.minute for point in points):
        return None
    phase = words_of(facts)[Word.PHASE_LOW]
    text = "All decision points of the plan are behind you. BLUE stays warm, and rollback stays one press away."
    return NowView(f"On GREEN for {int(minutes)} min: complete {phase}", text, (_move("To the gate", "gate"),))


_RULES: tuple[Rule, ...] = (
    _escalated,
    _alarm,
    _own_no_go,
    _own_failed_item,
    _lead_holds,
    _own_items,
    _own_vote,
    _gate_open,
    _gate_shut_again,
    _arm,
    _refused,
    _complete,
)

# ── words ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def words_of(facts: NowFacts) -> dict[str, str]:
    """What the lines of the table are filled with."""
    plan = facts.plan
    number = plan.production.number
    contact = plan.contacts[0].title if plan.contacts else "whoever is on call"
    return {
        Word.BLUE: f"BLUE {facts.blue}",
        Word.GREEN: f"GREEN {facts.green}",
        Word.PHASE: f"Phase {number}",
        Word.PHASE_LOW: f"phase {number}",
        Word.PLANNED: _hm(facts),
        Word.TALLY: tally(facts.gate) or "all are GO",
        Word.LEADS: _titles(plan, "proceed"),
        Word.ARMS: _titles(plan, "arm"),
        Word.SWITCHES: _titles(plan, "switch"),
        Word.PROGRESS: _progress(facts),
        Word.DECISION: _decision(facts),
        Word.PROOF: f"Not confirmed by machine: {listed(facts.unmet)}." if facts.unmet else "",
        Word.ABSENT: f"Not here: {listed(facts.absent[:6])}." if facts.absent else "",
        Word.REASON: _short(facts.reason).rstrip(".") or "no reason given",
        Word.VOTES: number_word(len(plan.production.signoffs.questions) if plan.production.signoffs else 0),
        Word.GATE: _gate_words(facts),
        Word.CALL: f"Call {contact}.",
        Word.OWN: _own_words(facts),
        Word.DUTY: _duty(facts),
        Word.OPENING: "Hold" if facts.gate.verdict is GateVerdict.FAILED else "Sign-offs are open",
    }


def _said(facts: NowFacts, line: Line) -> NowView:
    words = words_of(facts)
    headline = _first_upper(line.headline.format_map(words))
    text = " ".join(part for part in (_first_upper(part.format_map(words)) for part in line.advice) if part)
    return NowView(headline, _tidy(text), (_move(line.move, line.goal),) if line.move else (), line.tone)


def own_line(facts: NowFacts) -> VoteLine | None:
    """This person's question with what became of its vote: the most pressing one where there are several."""
    mine = [line for line in facts.gate.lines if line.question.key in facts.own]
    return min(mine, key=lambda line: line.state is VoteState.GO, default=None)


def _gate_words(facts: NowFacts) -> str:
    """Whom to speak with, for who leads; and that one's own vote is open while on hold."""
    return gate_advice(facts.plan, facts.state, facts.gate, facts.own).replace(" below.", ".")


def _own_words(facts: NowFacts) -> str:
    line = own_line(facts)
    return "" if line is None or line.state is VoteState.GO else "Your own vote is open meanwhile."


def _duty(facts: NowFacts) -> str:
    """The first duty that the plan gives this position for the time of the day: "watch the application logs"."""
    if facts.position not in {position.key for position in facts.plan.positions}:
        return "watch the metrics"
    duties = facts.plan.position(facts.position).duties
    lines = {Stage.BEFORE: duties.before, Stage.DURING: duties.during, Stage.AFTER: duties.after}[stage_of(facts.state)]
    return in_sentence(lines[0]) if lines else "watch the metrics"


def _alarms(facts: NowFacts) -> str:
    """What is critical and what the plan asks there; two at most, the panel of metrics has them all."""
    return " ".join(facts.alarms[:2])


def _progress(facts: NowFacts) -> str:
    operation = facts.operation
    if operation is None or not operation.is_running:
        return ""
    if operation.kind is Kind.SWITCH:
        if not operation.is_written:
            return "The checks before the write run; nothing has moved yet."
        if not operation.is_observed:
            return "The balancer is written; probes follow the traffic."
        return "Probes see 100 % on GREEN; the checks of T+1 to T+30 run."
    if not operation.is_written:
        return "The balancer is being written."
    return "Probes see 100 % on BLUE; the checks run." if operation.is_observed else "Probes follow the traffic."


def minutes_on_green(facts: NowFacts) -> float:
    return 0.0 if facts.switched_at is None else max(0.0, (facts.now - facts.switched_at).total_seconds() / 60)


def _decision(facts: NowFacts) -> str:
    points = facts.plan.production.decisions
    ahead = [point for point in points if point.minute > minutes_on_green(facts)]
    if ahead:
        return f"Next decision point: minute {ahead[0].minute}, “{ahead[0].question}”"
    return "All decision points of the plan are behind you." if points else ""


def _titles(plan: Plan, capability: str) -> str:
    """ "the DevOps lead or DevOps"; with a verb in the singular after it."""
    found = [in_sentence(position.title) for position in plan.positions if capability in position.capabilities]
    if len(found) < 2:
        return f"the {found[0]}" if found else "nobody"
    return f"the {', '.join(found[:-1])} or {found[-1]}"


def _state_words(facts: NowFacts) -> str:
    """The state as the beginning of a sentence, with the count of GO where votes are open."""
    if facts.state is State.PREPARING:
        given = sum(line.state is VoteState.GO for line in facts.gate.lines)
        return f"Sign-offs are open, {given} of {len(facts.gate.lines)} GO"
    if facts.state is State.PROCEEDED:
        return "Proceeded, waiting to be armed"
    return _first_upper(WORDS[facts.state])


def _by_when(facts: NowFacts) -> str:
    """The go/no-go opens the plan's minutes before the start; what is due is due now."""
    gate = facts.plan.production.signoffs
    due = facts.planned_at - timedelta(seconds=gate.opens_before_s if gate else 0)
    if facts.now >= due:
        return "now"
    return f"before {due.astimezone(ZoneInfo(facts.plan.timezone)):%H:%M}"


def _hm(facts: NowFacts) -> str:
    local = facts.planned_at.astimezone(ZoneInfo(facts.plan.timezone))
    late = (facts.now - facts.planned_at).total_seconds()
    return f"{local:%H:%M}, {age(late)} ago" if late >= 60 and facts.state in VOTING else f"{local:%H:%M}"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= REASON_LIMIT else text[: REASON_LIMIT - 1].rstrip() + "…"


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _tidy(text: str) -> str:
    """Without the gaps that empty words leave; no-break spaces stay."""
    return " ".join(part for part in text.split(" ") if part)


def _move(title: str, goal: Goal | None) -> Move:
    return Move(title, goal or "plan")


def _switch_page() -> Move:
    return _move("Open the Switch page", "switch")
