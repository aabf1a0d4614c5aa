"""Tokens, and a client that sends nothing but one."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from app.accounts.commands_tokens import create_token
from app.db.tables import Person
from app.eventlog.log import Actor

Machine = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
def token(web: Any) -> Callable[..., Awaitable[str]]:
    """`await token("read", "readings", deployment=1)`: the token's text."""

    async def make(*scopes: str, deployment: int | None = None, days: int = 1) -> str:
        async def write(session: Any) -> str:
            admin = (await session.execute(select(Person).where(Person.login == "admin"))).scalar_one()
            actor = Actor(admin.name, admin.id)
            return await create_token(session, actor, name="test", scopes=scopes, deployment_id=deployment, days=days)

        raw: str = await web.database.run(write)
        return raw

    return make


@pytest.fixture
def machine(web: Any, token: Any) -> Machine:
    """`await machine("read")`: a client with a token of these scopes; without scopes, without a token."""

    async def make(*scopes: str, deployment: int | None = None) -> httpx.AsyncClient:
        client: httpx.AsyncClient = await web.client_as(None)
        client.base_url = httpx.URL("http://gonogo.test/api/v1")
        if scopes:
            client.headers["authorization"] = f"Bearer {await token(*scopes, deployment=deployment)}"
        return client

    return make
