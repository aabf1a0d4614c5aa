"""A live installation beside the range's: the same application, with passwords and secure cookies."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI

from app.accounts import passwords
from app.accounts.commands_people import create_first_admin

PASSWORD = "four plain words here"


@pytest.fixture
async def live(web: Any) -> FastAPI:
    """The application in live mode, with one administrator `chief` whose password is PASSWORD."""
    web.app.state.settings = replace(web.app.state.settings, mode="live", secure_cookies=True)
    await create_first_admin(web.database, "Chief", "Ada Chief", PASSWORD)
    return web.app


Browser = Callable[..., Any]


@pytest.fixture
def browser() -> Browser:
    """`async with browser(app) as client`: a browser of its own, that follows no redirect by itself."""

    @asynccontextmanager
    async def open_one(app: FastAPI, address: str = "10.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(app=app, client=(address, 1), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="https://gonogo.test") as client:
            yield client

    return open_one


@pytest.fixture(autouse=True)
def _light_hashing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 with the least work, so that a hundred sign-ins take no minute; test_passwords.py has the real one."""
    if "real_hashing" not in request.fixturenames:
        monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        passwords._nobody.cache_clear()


@pytest.fixture
def real_hashing() -> None:
    """The parameters in force."""
    passwords._nobody.cache_clear()
