"""The pages over HTTP: who sees them, and that page and fragment are the same."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

ClientAs = Callable[[str | None], Awaitable[httpx.AsyncClient]]
PAGES = ("/wall", "/wall/_panel", "/wall/_head", "/metrics", "/metrics/_panel", "/metrics/_headline")


@pytest.fixture
def base(web: Any) -> str:
    return f"/d/{web.deployment.id}"


@pytest.mark.parametrize("path", PAGES)
async def test_everybody_on_the_roster_sees_them(client_as: ClientAs, base: str, path: str) -> None:
    client = await client_as("support")
    answer = await client.get(base + path)
    assert answer.status_code == 200
    assert "UNKNOWN" in answer.text or path.endswith("_head")


@pytest.mark.parametrize("path", PAGES)
async def test_nobody_else_does(client_as: ClientAs, base: str, path: str) -> None:
    client = await client_as(None)
    answer = await client.get(base + path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in")


async def test_the_wall_is_its_fragment_in_a_frame(client_as: ClientAs, base: str) -> None:
    client = await client_as("operations")
    page = (await client.get(base + "/wall")).text
    fragment = (await client.get(base + "/wall/_panel")).text
    assert page.count('id="wall"') == fragment.count('id="wall"') == 1
    assert fragment.strip().startswith("<div")
    assert 'hx-get="' + base + '/wall/_panel"' in page


async def test_without_readings_nothing_looks_healthy(client_as: ClientAs, base: str) -> None:
    client = await client_as("operations")
    page = (await client.get(base + "/wall")).text
    assert "UNKNOWN: no readings at all" in page
    assert "Normal" not in page
