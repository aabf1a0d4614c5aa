"""Go/no-go: votes, what they are bound to, and when the gate passes (design.md, "Sign-offs: rules")."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.errors import Rejected
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
    """What changed between two bindings, in the order of the newer one."""
    parts = [*after, *(part for part in before if part not in after)]
    return tuple(
        Difference(part, before.get(part, ""), after.get(part, ""))
        for part in parts
        if before.get(part, "") != after.get(part, "")
    )


def judge(vote: Vote | None, question: Question, binding: Binding, now: datetime) -> VoteLine:
    """What a vote is worth now. A NO_GO stays one: what changed is shown, but only its voter lifts it."""
    if vote is None:
        return VoteLine(question, VoteState.WAITING, None)
    changed = differences(vote.bound_to, binding)
    if vote.verdict is Verdict.NO_GO:
        return VoteLine(question, VoteState.NO_GO, vote, changed)
    if changed:
        return VoteLine(question, VoteState.OUTDATED, vote, changed)
    if now >= vote.expires_at:
        return VoteLine(question, VoteState.EXPIRED, vote)
    return VoteLine(question, VoteState.GO, vote)


def evaluate(gate: SignoffGate, votes: Sequence[Vote], binding: Binding, now: datetime) -> Gate:
    """The gate's verdict. PASSED needs a GO on every question, unexpired, on this binding, by different people."""
    standing = {vote.question: vote for vote in votes}
    lines = tuple(judge(standing.get(question.key), question, binding, now) for question in gate.questions)
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
    positions: frozenset[str],
    person_id: int,
    who: str,
    verdict: Verdict,
    comment: str,
    binding: Binding,
    shown: str,
    now: datetime,
) -> Vote:
    """The vote to record. `positions` are the voter's seats; `shown` is the fingerprint of the binding that the
    voter's page displayed: a vote is never cast on something the voter did not see.

    Raises Rejected for a stranger's question, a NO-GO without a comment, a second question by one person, a page
    that showed something else.
    """
    asked = next((candidate for candidate in gate.questions if candidate.key == question), None)
    if asked is None or asked.position not in positions:
        raise Rejected("This question belongs to another position.", code="position")
    comment = comment.strip()
    if verdict is Verdict.NO_GO and not comment:
        raise Rejected(
            "A NO-GO needs a comment.", remedy="Say what is missing, so that somebody can mend it.", code="comment"
        )
    if len(comment) > COMMENT_LIMIT:
        raise Rejected(f"The comment has {len(comment)} characters; the limit is {COMMENT_LIMIT}.", code="comment")
    elsewhere = next((v for v in votes if v.person_id == person_id and v.question != question), None)
    if elsewhere is not None:
        raise Rejected(
            "You have already voted on another question; the five sign-offs come from five people.",
            remedy="Let the deputy of this position vote, or withdraw your other vote.",
            code="five_people",
        )
    if shown != fingerprint(binding):
        raise Rejected(
            "What you were about to vote on has changed since this page showed it. Nothing was recorded.",
            remedy="Read the board again, then vote.",
            conflict=True,
            code="stale",
        )
    expires_at = now + timedelta(seconds=gate.lifetime_s)
    return Vote(question, asked.position, person_id, who, verdict, comment, dict(binding), now, expires_at)


def fingerprint(binding: Binding) -> str:
    """A short text that is equal exactly when two bindings are (up to SHA-256)."""
    canonical = json.dumps(dict(binding), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]
