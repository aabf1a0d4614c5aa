"""Go/no-go: votes, what they are bound to, and when the gate passes (design.md, "Sign-offs: rules")."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.errors import Rejected, Stale
from app.domain.plan import Question, SignoffGate

COMMENT_LIMIT = 1000


class Verdict(StrEnum):
    GO = "GO"
    NO_GO = "NO_GO"


class VoteState(StrEnum):
    WAITING = "waiting"
    GO = "go"
    NO_GO = "nogo"
    OUTDATED = "outdated"
    EXPIRED = "expired"


class GateVerdict(StrEnum):
    PENDING = "PENDING"
    FAILED = "FAILED"
    PASSED = "PASSED"


Binding = Mapping[str, str]
"""What a vote is given for: a part's key ("plan", "binding", "blue", "green", "target", "checklist.<item>")
to a text that people can compare. Two bindings that are equal are the same thing voted for."""

Holders = Mapping[str, frozenset[int]]
"""A position's key to the people who hold one of its seats now, deputies included, without disabled accounts."""

SEAT = "seat"
"""The part of a difference that says: the voter no longer holds the position's seat. Never part of a binding."""


@dataclass(frozen=True, slots=True)
class Vote:
    """A standing vote as it was cast."""

    question: str
    position: str
    person_id: int
    who: str
    verdict: Verdict
    comment: str
    bound_to: Binding
    cast_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Difference:
    """One part that is no longer what the vote was given for. Empty text means that it was not there."""

    part: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class VoteLine:
    """One question of the board with its vote, if any, and what has become of it."""

    question: Question
    state: VoteState
    vote: Vote | None
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Gate:
    """`missing` names, per question, why the gate has not passed."""

    verdict: GateVerdict
    lines: tuple[VoteLine, ...]
    missing: tuple[VoteLine, ...]
    same_person: tuple[str, ...] = ()
    """Names of people who gave more than one of the votes."""


def differences(before: Binding, after: Binding) -> tuple[Difference, ...]:
    """What changed between two bindings, in the order of the newer one. Empty exactly when they are equal."""
    parts = [*after, *(part for part in before if part not in after)]
    return tuple(
        Difference(part, before.get(part, ""), after.get(part, ""))
        for part in parts
        if before.get(part) != after.get(part)
    )


def judge(vote: Vote | None, question: Question, binding: Binding, holders: Holders, now: datetime) -> VoteLine:
    """What a vote is worth now. A NO_GO stays one: what changed is shown, but only a vote of its position lifts it.

    A GO of somebody who lost the seat since is OUTDATED: rights count when the vote is used, not only when it is cast.
    """
    if vote is None:
        return VoteLine(question, VoteState.WAITING, None)
    changed = differences(vote.bound_to, binding)
    if vote.person_id not in holders.get(question.position, frozenset()):
        changed = (Difference(SEAT, vote.who, ""), *changed)
    if vote.verdict is Verdict.NO_GO:
        return VoteLine(question, VoteState.NO_GO, vote, changed)
    if changed:
        return VoteLine(question, VoteState.OUTDATED, vote, changed)
    if now >= vote.expires_at:
        return VoteLine(question, VoteState.EXPIRED, vote)
    return VoteLine(question, VoteState.GO, vote)


def evaluate(gate: SignoffGate, votes: Sequence[Vote], binding: Binding, holders: Holders, now: datetime) -> Gate:
    """The gate's verdict. PASSED needs a GO on every question, unexpired, on this binding, by different people who
    still hold the seats they voted from."""
    standing = {vote.question: vote for vote in votes}
    lines = tuple(judge(standing.get(question.key), question, binding, holders, now) for question in gate.questions)
    missing = tuple(line for line in lines if line.state is not VoteState.GO)
    people = [line.vote for line in lines if line.vote is not None]
    twice = tuple(
        sorted({vote.who for vote in people if sum(other.person_id == vote.person_id for other in people) > 1})
    )
    if any(line.state is VoteState.NO_GO for line in lines):
        verdict = GateVerdict.FAILED
    elif missing or twice or not lines:
        verdict = GateVerdict.PENDING
    else:
        verdict = GateVerdict.PASSED
    return Gate(verdict, lines, missing, twice)


def cast(
    gate: SignoffGate,
    votes: Sequence[Vote],
    *,
    question: str,
    holders: Holders,
    person_id: int,
    who: str,
    verdict: Verdict,
    comment: str,
    binding: Binding,
    shown: str,
    now: datetime,
) -> Vote:
    """The vote to record. `shown` is the fingerprint of the binding that the voter's page displayed: a GO is never
    cast on something the voter did not see. A NO-GO is taken from an old page too: saying stop must always work.

    Raises Rejected for a stranger's question, a NO-GO without a comment, a second question by one person, a GO over
    a colleague's NO-GO, a page that showed something else.
    """
    asked = next((candidate for candidate in gate.questions if candidate.key == question), None)
    if asked is None or person_id not in holders.get(asked.position, frozenset()):
        raise Rejected("This question belongs to another position.", code="position")
    comment = _checked_comment(comment, verdict)
    if any(vote.person_id == person_id and vote.question != question for vote in votes):
        raise Rejected(
            "You have already voted on another question; each sign-off comes from another person.",
            remedy="Let the deputy of this position vote, or withdraw your other vote.",
            code="five_people",
        )
    standing = next((vote for vote in votes if vote.question == question), None)
    if verdict is Verdict.GO and standing is not None and _holds_against(standing, person_id, holders):
        raise Rejected(
            f"{standing.who} said NO-GO on this question, and only they can lift it.",
            remedy="Speak with them; they can vote again or withdraw.",
            code="colleague",
        )
    if verdict is Verdict.GO and shown != fingerprint(binding):
        raise Stale(
            "What you were about to vote on has changed since this page showed it. Nothing was recorded.",
            remedy="Read the board again, then vote.",
        )
    expires_at = now + timedelta(seconds=gate.lifetime_s)
    return Vote(question, asked.position, person_id, who, verdict, comment, dict(binding), now, expires_at)


def _checked_comment(comment: str, verdict: Verdict) -> str:
    comment = comment.strip()
    if verdict is Verdict.NO_GO and not comment:
        raise Rejected(
            "A NO-GO needs a comment.", remedy="Say what is missing, so that somebody can mend it.", code="comment"
        )
    if len(comment) > COMMENT_LIMIT:
        raise Rejected(f"The comment has {len(comment)} characters; the limit is {COMMENT_LIMIT}.", code="comment")
    return comment


def _holds_against(standing: Vote, person_id: int, holders: Holders) -> bool:
    """A NO-GO stands against the other people on the same position for as long as its voter sits there."""
    return (
        standing.verdict is Verdict.NO_GO
        and standing.person_id != person_id
        and standing.person_id in holders.get(standing.position, frozenset())
    )


def is_repeat(standing: Vote | None, vote: Vote) -> bool:
    """True if `vote` says what the same person's standing vote says already, about the same thing: sent twice.
    An expired vote is not repeated but renewed."""
    return (
        standing is not None
        and vote.cast_at < standing.expires_at
        and (standing.question, standing.person_id, standing.verdict, standing.comment, dict(standing.bound_to))
        == (vote.question, vote.person_id, vote.verdict, vote.comment, dict(vote.bound_to))
    )


def newly_outdated(
    votes: Sequence[Vote], before: Binding, after: Binding
) -> tuple[tuple[Vote, tuple[Difference, ...]], ...]:
    """The GO votes that were given for `before` and are not for `after`, each with what changed."""
    return tuple(
        (vote, differences(before, after))
        for vote in votes
        if vote.verdict is Verdict.GO and not differences(vote.bound_to, before) and differences(vote.bound_to, after)
    )


def fingerprint(binding: Binding) -> str:
    """A short text that is equal exactly when two bindings are (up to SHA-256)."""
    canonical = json.dumps(dict(binding), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]
