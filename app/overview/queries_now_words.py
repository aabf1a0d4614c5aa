"""The words that sentences of "what to do now" are made of."""

from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from app.domain.deployments import WORDS, State
from app.domain.duties import Stage, stage_of
from app.domain.operations import Kind
from app.domain.plan import Plan
from app.domain.signoff_words import advice as gate_advice
from app.domain.signoff_words import in_sentence, listed, number_word, tally
from app.domain.signoffs import GateVerdict, VoteLine, VoteState
from app.overview.views import NowFacts
from app.phases.queries_waiting import Waiting
from app.web.figures import age

REASON_LIMIT = 160
"""Longer reasons of people are cut in a sentence; the gate and the timeline show them whole."""

VOTING = (State.PREPARING, State.PROCEEDED, State.ARMED, State.ON_HOLD)


@dataclass(frozen=True, slots=True)
class Words:
    """The names that a line of the table may use, in braces. Empty where there is nothing to say."""

    blue: str
    green: str
    phase: str
    planned: str
    tally: str
    leads: str
    arms: str
    switches: str
    progress: str
    decision: str
    proof: str
    absent: str
    reason: str
    votes: str
    gate: str
    call: str
    opening: str
    phase_low: str
    own: str
    duty: str


def words_of(facts: NowFacts) -> Words:
    """What the lines of the table are filled with."""
    plan = facts.plan
    number = plan.production.number
    contact = plan.contacts[0].title if plan.contacts else "whoever is on call"
    return Words(
        blue=f"BLUE {facts.blue}",
        green=f"GREEN {facts.green}",
        phase=f"Phase {number}",
        phase_low=f"phase {number}",
        planned=planned(facts),
        tally=tally(facts.gate) or "all are GO",
        leads=titles(plan, "proceed"),
        arms=titles(plan, "arm"),
        switches=titles(plan, "switch"),
        progress=_progress(facts),
        decision=_decision(facts),
        proof=f"Not confirmed by machine: {listed(facts.unmet)}." if facts.unmet else "",
        absent=f"Not here: {listed(facts.absent[:6])}." if facts.absent else "",
        reason=short(facts.reason).rstrip(".") or "no reason given",
        votes=number_word(len(plan.production.signoffs.questions) if plan.production.signoffs else 0),
        gate=gate_words(facts),
        call=f"Call {contact}.",
        own=_own_words(facts),
        duty=_duty(facts),
        opening="Hold" if facts.gate.verdict is GateVerdict.FAILED else "Sign-offs are open",
    )


def own_line(facts: NowFacts) -> VoteLine | None:
    """This person's question with what became of its vote: the most pressing one where there are several."""
    mine = [line for line in facts.gate.lines if line.question.key in facts.own]
    return min(mine, key=lambda line: line.state is VoteState.GO, default=None)


def gate_words(facts: NowFacts) -> str:
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


def alarms(facts: NowFacts) -> str:
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
    if facts.decision is not None:
        return f"{facts.decision.title} is open: {in_sentence(facts.decision.asked)} is asked."
    ahead = [point for point in points if point.minute > minutes_on_green(facts)]
    if ahead:
        return f"Next decision point: minute {ahead[0].minute}, “{ahead[0].question}”"
    return "All decision points of the plan are behind you." if points else ""


def titles(plan: Plan, capability: str) -> str:
    """ "the DevOps lead or DevOps"; with a verb in the singular after it."""
    found = [in_sentence(position.title) for position in plan.positions if capability in position.capabilities]
    if len(found) < 2:
        return f"the {found[0]}" if found else "nobody"
    return f"the {', '.join(found[:-1])} or {found[-1]}"


def state_words(facts: NowFacts) -> str:
    """The state as the beginning of a sentence, with the count of GO where votes are open."""
    if facts.state is State.PREPARING:
        given = sum(line.state is VoteState.GO for line in facts.gate.lines)
        return f"Sign-offs are open, {given} of {len(facts.gate.lines)} GO"
    if facts.state is State.PROCEEDED:
        return "Proceeded, waiting to be armed"
    return first_upper(WORDS[facts.state])


def by_when(facts: NowFacts) -> str:
    """The go/no-go opens the plan's minutes before the start; what is due is due now."""
    gate = facts.plan.production.signoffs
    due = facts.planned_at - timedelta(seconds=gate.opens_before_s if gate else 0)
    if facts.now >= due:
        return "now"
    return f"before {due.astimezone(ZoneInfo(facts.plan.timezone)):%H:%M}"


def planned(facts: NowFacts) -> str:
    local = facts.planned_at.astimezone(ZoneInfo(facts.plan.timezone))
    late = (facts.now - facts.planned_at).total_seconds()
    return f"{local:%H:%M}, {age(late)} ago" if late >= 60 and facts.state in VOTING else f"{local:%H:%M}"


def short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= REASON_LIMIT else text[: REASON_LIMIT - 1].rstrip() + "…"


def first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def tidy(text: str) -> str:
    """Without the gaps that empty words leave; no-break spaces stay."""
    return " ".join(part for part in text.split(" ") if part)


def waiting_words(waiting: Waiting) -> tuple[str, str, str]:
    """Headline, advice and move for what of a phase waits for this person."""
    number = waiting.number
    where = f"Phase {number}, {in_sentence(waiting.phase)}."
    title = short(waiting.title)
    match waiting.what:
        case "asked":
            text = f"{title}. Without you the phase stays."
            return f"Somebody asks to skip phase {number}: agree or not", text, f"Look at phase {number}"
        case "failed":
            return f"Decide in phase {number}: “{title}” failed", f"{where} {waiting.note}", f"Decide in phase {number}"
        case "running":
            return f"You are at it: {in_sentence(title)}", f"{where} Say what shows it when it is done.", "To your step"
        case "complete":
            return f"Complete phase {number}: every step is done", where, f"Complete phase {number}"
        case "canary":
            return f"The canary of phase {number} waits for you", f"{where} {waiting.note}", "To the canary"
        case "canary_words":
            text = f"{where} Look at GREEN, then say it; it counts for this share."
            return f"The canary waits for your word on {title}", text, "To the canary"
        case "open":
            return f"Your step in phase {number}: {in_sentence(title)}", where, "To your step"
