"""Who a plan's people are in a sentence: a team's own titles, never another team's."""

from app.domain.plan import Capability, Plan
from app.domain.signoff_words import in_sentence, number_word


def who_may(plan: Plan, right: Capability) -> str:
    """ "DevOps lead or DevOps"; "nobody" where no position has the right."""
    found = [in_sentence(position.title) for position in plan.positions if right in position.capabilities]
    if len(found) < 2:
        return found[0] if found else "nobody"
    return f"{', '.join(found[:-1])} or {found[-1]}"


def whom_to_call(plan: Plan) -> str:
    """Whoever stands first among the plan's contacts."""
    return plan.contacts[0].title if plan.contacts else "whoever is on call"


def votes_wanted(plan: Plan) -> str:
    """ "five", "three": how many sign-offs open the gate."""
    gate = plan.production.signoffs
    return number_word(len(gate.questions) if gate else 0)


def blue_stays(plan: Plan) -> str:
    """Until when BLUE stays warm: "until phase 6"; a plan without such a phase names no end."""
    end = next((phase.number for phase in plan.phases if phase.kind == "decommission"), None)
    return f"BLUE stays warm until phase {end}." if end else "BLUE stays warm."


def opening(text: str) -> str:
    """The same at the beginning of a sentence."""
    return text[:1].upper() + text[1:]
