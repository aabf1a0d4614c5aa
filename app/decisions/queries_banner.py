"""The decision clock on every page: who is asked, and for how long still. Pure."""

from app.domain.signoff_words import in_sentence, listed
from app.web.decision import DecisionView
from app.web.mission import BannerView, LinkView


def banner_of(decision: DecisionView | None, deployment_id: int) -> BannerView | None:
    """Calm while somebody is asked in time; critical once everybody has to see whom to call."""
    if decision is None:
        return None
    link = LinkView("See the decision", f"/d/{deployment_id}/decisions")
    key = f"decision-{decision.minute}-{decision.asked}"
    problem = f" {decision.snapshot.problem}" if decision.snapshot.problem else ""
    if decision.until is None:
        call = listed([f"{each.title} ({each.phone})" if each.phone else each.title for each in decision.calls])
        by = f"Escalated by {decision.escalated_by}." if decision.escalated_by else "Nobody answered in time."
        title = f"Decision at minute {decision.minute}: call {call or 'whoever is on call'}"
        return BannerView("crit", key, title, f"{by} “{decision.question}” Nothing advances by itself.{problem}", link)
    title = f"Decision at minute {decision.minute}: {in_sentence(decision.asked)} has"
    text = f"“{decision.question}” Without an answer {decision.then} is asked.{problem}"
    return BannerView("warn", key, title, text, link, decision.opened_at, decision.until, counts_to=decision.until)
