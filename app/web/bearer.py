"""Machines at the JSON API: a token in the Authorization header, never a cookie. Deny by default, as for people."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import ApiToken
from app.eventlog.log import Actor
from app.web.access import Action, Forbidden, NotFound, NotSignedIn, database

USED_EVERY = timedelta(seconds=30)
"""How often a token's `used_at` is written at most."""

scheme = HTTPBearer(auto_error=False, scheme_name="token", description="A token of the page Tokens: `gng_…`")


class NoToken(NotSignedIn):
    """No token came, or none that opens anything now; the message says which."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Whoever holds a token. `deployment_id` None is every deployment; `now` is database time."""

    token_id: int
    name: str
    scopes: frozenset[str]
    deployment_id: int | None
    now: datetime

    @property
    def actor(self) -> Actor:
        return Actor(f"Token {self.name}")


def require_token(action: Action) -> Callable[..., Awaitable[Machine]]:
    """A dependency for routes of the API: the Machine, if its token is valid, has the action's scope and is for the
    deployment in the path."""

    async def dependency(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(scheme)]
    ) -> Machine:
        if credentials is None:
            raise NoToken("The request has no token: send `Authorization: Bearer gng_…`.")
        machine = await database(request).run(lambda session: _find(session, credentials.credentials))
        if not action.token or action.token not in machine.scopes:
            raise Forbidden("This token may not do that.", needs=action.token)
        wanted = request.path_params.get("deployment_id")
        if wanted is not None and machine.deployment_id is not None and str(machine.deployment_id) != str(wanted):
            raise NotFound("There is no such deployment.")
        return machine

    dependency.action = action  # type: ignore[attr-defined]  # a function has no such name; the generated route test reads it
    return dependency


async def _find(session: AsyncSession, raw: str) -> Machine:
    digest = hashlib.sha256(raw.encode()).digest()
    row: Any = (
        await session.execute(select(ApiToken, func.clock_timestamp()).where(ApiToken.token_hash == digest).limit(1))
    ).one_or_none()
    # The index compares hashes, so its timing tells nothing about a token; the comparison here is the one that counts.
    if row is None or not hmac.compare_digest(row[0].token_hash, digest):
        raise NoToken("Nobody knows this token.")
    token, now = row
    if token.revoked_at is not None:
        raise NoToken("This token was revoked.")
    if token.expires_at <= now:
        raise NoToken("This token has expired.")
    if token.used_at is None or now - token.used_at >= USED_EVERY:
        await session.execute(update(ApiToken).where(ApiToken.id == token.id).values(used_at=now))
    return Machine(token.id, token.name, frozenset(token.scopes), token.deployment_id, now)
