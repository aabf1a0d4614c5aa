"""Fragments that many ask for at the same time are made once."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import pytest

from app.web.sharing import Shelf
from tests.conftest import Web

Counted = Callable[[], Awaitable[int]]


def counting() -> tuple[Counted, list[int]]:
    """A maker that takes a moment, and how often it was called."""
    calls: list[int] = []

    async def make() -> int:
        calls.append(1)
        await asyncio.sleep(0.02)
        return len(calls)

    return make, calls


async def test_who_asks_at_the_same_time_gets_the_same() -> None:
    shelf, (make, calls) = Shelf(), counting()
    found = await asyncio.gather(*(shelf.take("key", {"traffic": 3}, make) for _ in range(20)))
    assert found == [1] * 20
    assert len(calls) == 1


async def test_a_newer_version_is_made_at_once() -> None:
    shelf, (make, _) = Shelf(), counting()
    assert await shelf.take("key", {"traffic": 3}, make) == 1
    assert await shelf.take("key", {"traffic": 4}, make) == 2
    assert await shelf.take("other", {"traffic": 4}, make) == 3


async def test_nothing_is_kept_for_long() -> None:
    shelf, (make, _) = Shelf(keep_s=0.03), counting()
    assert await shelf.take("key", {}, make) == 1
    await asyncio.sleep(0.05)
    assert await shelf.take("key", {}, make) == 2


async def test_who_leaves_takes_it_from_nobody() -> None:
    shelf, (make, calls) = Shelf(), counting()
    leaving = asyncio.create_task(shelf.take("key", {}, make))
    staying = asyncio.create_task(shelf.take("key", {}, make))
    await asyncio.sleep(0.005)
    leaving.cancel()
    assert await staying == 1
    assert len(calls) == 1


async def test_a_failure_is_not_kept() -> None:
    shelf = Shelf()
    broken = [True]

    async def make() -> str:
        if broken:
            broken.clear()
            raise LookupError
        return "made"

    with pytest.raises(LookupError):
        await shelf.take("key", {}, make)
    assert await shelf.take("key", {}, make) == "made"


async def test_two_people_get_the_same_bar_and_their_own_guard(web: Web) -> None:
    devops, executive = await web.client_as("devops_lead"), await web.client_as("executive")
    base = f"/d/{web.deployment.id}"
    bars = [(await client.get(f"{base}/_mission")).text for client in (devops, executive)]
    without_clocks = [re.sub(r"\d", "0", bar) for bar in bars]
    assert without_clocks[0] == without_clocks[1]
    guards = [(await client.get(f"{base}/_guard")).text for client in (devops, executive)]
    assert "Rollback" in guards[0]
    assert "Rollback" not in guards[1]
