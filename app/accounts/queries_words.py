"""The administrators' pages in sentences: who can sign in, which machines may ask, and what to do about it. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.accounts.views import PersonRow, TokenRow
from app.domain.signoff_words import listed
from app.web.figures import day

SOON = timedelta(days=7)
_RIGHTS = "An account alone gives no right: that comes from the seat in a deployment."
_LIMITS = "None can sign off or switch."


def people_words(people: Sequence[PersonRow]) -> tuple[str, str]:
    """The h1 and the sentence under it."""
    states = [person.state for person in people]
    waiting, disabled = states.count("once"), states.count("disabled")
    able = len(people) - disabled
    if waiting:
        have, them = ("person has", "the person") if waiting == 1 else ("people have", "them")
        text = f"Tell {them} the first password, or make a new one in the line. {_RIGHTS}"
        return f"{waiting} {have} not chosen a password yet", text
    if able == 1:
        return "Only one person can sign in: add the team", _RIGHTS
    if disabled:
        return f"{able} people can sign in, {disabled} {'is' if disabled == 1 else 'are'} disabled", _RIGHTS
    return f"All {able} people can sign in", _RIGHTS


def tokens_words(tokens: Sequence[TokenRow], now: datetime) -> tuple[str, str]:
    """As `people_words`."""
    valid = [token for token in tokens if token.state == "valid"]
    if not valid:
        return "No machine may ask: there is no valid token", "Make one for whatever reads from here or posts readings."
    ending = [token for token in valid if token.expires_at - now < SOON]
    if ending:
        first = min(ending, key=lambda token: token.expires_at)
        more = f" {len(ending) - 1} more end within a week." if len(ending) > 1 else ""
        return f"{first.name} ends on {day(first.expires_at)}: make its next token", f"Tokens cannot be renewed.{more}"
    count = "One machine may ask" if len(valid) == 1 else f"{len(valid)} machines may ask"
    back = [token.name for token in valid if "rollback" in token.scopes]
    if back:
        return f"{count}, {len(back)} can roll back", f"{listed(back[:3])}: revoke what is not needed. {_LIMITS}"
    return f"{count}, none can roll back", _LIMITS
