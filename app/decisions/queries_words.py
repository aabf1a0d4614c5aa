"""What the decision clock says: who is asked, who comes next, whom to call. Pure; incidents use the same words."""

from app.domain.decisions import Answer, Ladder, Rung
from app.domain.plan import Plan
from app.domain.signoff_words import in_sentence, listed
from app.web.decision import CallView

ANSWER_WORDS = {
    Answer.CONTINUE: "continue",
    Answer.WATCH: "watch closely",
    Answer.ESCALATE: "escalate",
    Answer.ROLLBACK: "roll back",
}


def leader_title(plan: Plan) -> str:
    """ "Project manager": the first position that may proceed."""
    return next((place.title for place in plan.positions if "proceed" in place.capabilities), "Whoever leads")


def asked_words(plan: Plan, position: str, rung: Rung) -> str:
    """Who is asked on this rung: "DevOps lead", "The deputy of DevOps lead", "Project manager", "Everybody"."""
    title = plan.position(position).title
    match rung:
        case Rung.POSITION:
            return title
        case Rung.DEPUTY:
            return f"The deputy of {in_sentence(title)}"
        case Rung.LEADER:
            return leader_title(plan)
        case Rung.EVERYBODY:
            return "Everybody"


def then_words(plan: Plan, position: str, rung: Rung, ladder: Ladder) -> str:
    """Who is asked next, inside a sentence; empty seats are passed over."""
    for following in (Rung.DEPUTY, Rung.LEADER):
        if following > rung and ladder.people[following]:
            words = asked_words(plan, position, following)
            return words[:1].lower() + words[1:] if following is Rung.DEPUTY else f"the {in_sentence(words)}"
    return f"everybody, to call {call_words(plan)}"


def call_words(plan: Plan) -> str:
    """ "VP Operations (+1 555 0100)", of every contact of the plan."""
    named = [f"{each.title} ({each.phone})" if each.phone else each.title for each in plan.contacts]
    return listed(named) or "whoever is on call"


def calls_of(plan: Plan) -> tuple[CallView, ...]:
    return tuple(CallView(each.title, each.phone) for each in plan.contacts)
