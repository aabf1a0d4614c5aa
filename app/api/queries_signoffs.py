"""The gate of the switch as machines read it."""

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.api.queries import utc
from app.api.views import DifferenceOut, QuestionOut, SignoffsOut
from app.db.tables import Deployment, PlanVersion
from app.domain.signoffs import VoteLine
from app.signoffs.queries import gate_of
from app.web.access import plan_of


async def signoffs(session: AsyncSession, deployment: Deployment, version: PlanVersion, now: datetime) -> SignoffsOut:
    gate, _ = await gate_of(session, deployment, plan_of(version), version.hash, now)
    values: dict[str, Any] = {
        "verdict": gate.verdict.value,
        "attempt": deployment.attempt,
        "questions": [_question(line) for line in gate.lines],
        "missing": [line.question.key for line in gate.missing],
        "voted_twice": list(gate.same_person),
        "at": utc(now),
    }
    return SignoffsOut(**values)


def _question(line: VoteLine) -> QuestionOut:
    vote = line.vote
    values: dict[str, Any] = {
        "key": line.question.key,
        "position": line.question.position,
        "text": line.question.text,
        "state": line.state.value,
        "vote": vote.verdict.value if vote else None,
        "comment": vote.comment if vote else "",
        "by": vote.who if vote else "",
        "cast_at": utc(vote.cast_at) if vote else None,
        "expires_at": utc(vote.expires_at) if vote else None,
        "changed": [DifferenceOut(part=d.part, before=d.before, after=d.after) for d in line.differences],
    }
    return QuestionOut(**values)
