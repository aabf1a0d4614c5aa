"""The switch where it must not happen, or not twice."""

import asyncio

from playwright.async_api import Page, expect
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Effect, Operation
from tests.e2e.day import Day
from tests.e2e.keyboard import Posts
from tests.e2e.visitors import Visitors, is_live, lift

PRESS = "#switch-guard [data-press]"


async def _confirm_and_lift(page: Page) -> None:
    await is_live(page)
    await page.locator("#confirm").check()
    await lift(page, "#switch-guard")


async def _press_until_answered(page: Page) -> None:
    """The page is in motion: a press within 400 ms after something moved under the finger does not count."""
    posts = Posts(page)
    while not posts.paths:
        await page.locator(PRESS).click(timeout=5_000)


async def _operations(session: AsyncSession, day: Day) -> list[Operation]:
    return list(await session.scalars(select(Operation).where(Operation.deployment_id == day.id)))


async def test_a_dead_green_refuses_the_switch_and_nothing_is_written(day: Day, visitors: Visitors) -> None:
    await day.ready_to_switch()
    page = await visitors.person("DevOps lead", "/switch")
    await is_live(page)
    await day.range.set_knobs({"green": {"dead": True}})
    await _confirm_and_lift(page)
    await page.locator(PRESS).click()

    operation = page.locator("#operation")
    await expect(operation).to_contain_text("REFUSED, NOTHING WRITTEN")
    await expect(operation.locator(".refusal")).to_contain_text("GREEN")
    await expect(operation).to_contain_text("BLUE serves as before")
    await expect(page.locator("#banner")).to_contain_text("The switch was refused, no traffic moved")
    assert await day.state() == "armed"
    (switch,) = await day.database.read(lambda session: _operations(session, day))
    assert (switch.state, switch.written_at) == ("refused", None)
    effects = select(Effect).where(Effect.operation_id == switch.id)
    assert not (await day.database.read(lambda session: session.scalars(effects))).all()
    reading = await day.balancer.read()
    assert reading.weights is not None
    assert reading.weights.blue == 100


async def test_of_two_who_press_the_second_reads_who_was_first(day: Day, visitors: Visitors) -> None:
    visitors.tolerate("409")
    await day.ready_to_switch()
    first, second = await asyncio.gather(
        visitors.person("DevOps lead", "/switch"), visitors.person("DevOps 1", "/switch")
    )
    await _confirm_and_lift(first)
    await _confirm_and_lift(second)
    await first.locator(PRESS).click()
    await expect(first.locator("#control-sent")).to_be_attached()

    await _press_until_answered(second)
    notice = second.locator("#notice")
    await expect(notice).to_contain_text("DevOps lead started the switch")
    await expect(notice).to_contain_text("Nothing was sent twice.")
    await day.arrived("switch")
    assert len(await day.database.read(lambda session: _operations(session, day))) == 1
