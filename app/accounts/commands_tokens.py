"""Tokens for machines: made, revoked. No scope signs off or switches, so no token ever can."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import ApiToken, Deployment
from app.domain.errors import Rejected
from app.eventlog.log import INSTALLATION, Actor, Entry, append
from app.web.access import NotFound

PREFIX = "gng_"
"""Lets a secret scanner recognise a token that has leaked."""
LONGEST_LIFE = timedelta(days=90)


async def create_token(
    session: AsyncSession, actor: Actor, *, name: str, scopes: Sequence[str], deployment_id: int | None, days: int
) -> str:
    """A new token; the answer is shown once, stored is its SHA-256. Raises Rejected for a rollback right without a
    deployment: such a right is given for one day, not for all to come."""
    if not 1 <= days <= LONGEST_LIFE.days:
        raise Rejected(f"A token lives between 1 and {LONGEST_LIFE.days} days.", code="days")
    if "rollback" in scopes and deployment_id is None:
        raise Rejected(
            "A token that may roll back belongs to one deployment.", remedy="Choose the deployment.", code="deployment"
        )
    if deployment_id is not None and await session.get(Deployment, deployment_id) is None:
        raise Rejected("There is no such deployment.", code="deployment")
    if actor.person_id is None:
        raise Rejected("A token is made by a person.", code="actor")
    raw = PREFIX + secrets.token_urlsafe(32)
    now = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    session.add(
        ApiToken(
            name=name,
            token_hash=hashlib.sha256(raw.encode()).digest(),
            scopes=sorted(set(scopes)),
            deployment_id=deployment_id,
            created_by=actor.person_id,
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
    )
    await session.flush()
    where = "all deployments" if deployment_id is None else f"deployment {deployment_id}"
    text = f"Token {name} was made: {', '.join(sorted(set(scopes)))}; {where}; {days} days"
    await append(session, INSTALLATION, Entry("accounts.token.created", text), actor)
    return raw


async def revoke_token(session: AsyncSession, actor: Actor, token_id: int) -> None:
    """The token opens nothing from now on."""
    found = await session.execute(select(ApiToken).where(ApiToken.id == token_id).with_for_update())
    token = found.scalar_one_or_none()
    if token is None:
        raise NotFound("There is no such token.")
    if token.revoked_at is not None:
        return
    token.revoked_at = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    await append(session, INSTALLATION, Entry("accounts.token.revoked", f"Token {token.name} was revoked"), actor)
