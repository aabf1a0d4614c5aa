"""The main job: from five sign-offs over the switch to the rollback, in three people's browsers at once."""

import asyncio

from playwright.async_api import Page, expect

from app.drill.team import sign_off
from tests.e2e.day import QUESTIONS, Day
from tests.e2e.visitors import Visitors, is_live, lift, sign_in


async def _says(page: Page, side: str, percent: str) -> None:
    await expect(page.locator(f"#mission [data-live='traffic.{side}']").first).to_have_text(percent)


async def _votes_go(page: Page, title: str) -> None:
    question = QUESTIONS[title]
    await page.locator(f"#go-{question}").click()
    await expect(page.locator(f"#vote-{question}")).to_have_attribute("data-state", "go")


async def _comes(day: Day, visitors: Visitors, title: str) -> Page:
    page = await visitors.somebody()
    await sign_in(page, title, f"/d/{day.id}/board")
    return page


async def test_five_votes_switch_and_rollback_in_sight_of_all(day: Day, visitors: Visitors) -> None:
    before = await day.customers()
    manager, lead, operations = await asyncio.gather(
        _comes(day, visitors, "Project manager"),
        _comes(day, visitors, "DevOps lead"),
        _comes(day, visitors, "Operations"),
    )
    for page in (manager, lead, operations):
        await is_live(page)
    await manager.evaluate("window.wasNeverLoadedAgain = true")

    # Each vote reaches the project manager's page by itself, whoever gives it, in a browser or not.
    for title, page in (("DevOps lead", lead), ("Operations", operations)):
        await _votes_go(page, title)
        await expect(manager.locator(f"#vote-{QUESTIONS[title]}")).to_have_attribute("data-state", "go")
    for title in ("Backend lead", "Security officer"):
        await sign_off(day[title])
        await expect(manager.locator(f"#vote-{QUESTIONS[title]}")).to_have_attribute("data-state", "go")
    proceed = manager.locator("#proceed-button")
    await expect(proceed).to_have_attribute("aria-disabled", "true")
    await _votes_go(manager, "Project manager")
    await expect(manager.locator("#gate .verdict")).to_contain_text("GO")
    await expect(proceed).not_to_have_attribute("aria-disabled", "true")
    await proceed.click()

    await lead.locator("#arm-button").click()
    await lead.get_by_role("link", name="To the switch", exact=True).click()
    await day.until(day.is_ready, 60, "every line of T−5 is ready")
    await lead.get_by_label("I move all production traffic").check()
    await lift(lead, "#switch-guard")
    await lead.locator("#switch-guard [data-press]").click()

    for page in (manager, lead, operations):
        await _says(page, "green", "100\u00a0%")
    assert await manager.evaluate("window.wasNeverLoadedAgain")
    wall = await operations.context.new_page()
    await wall.goto(day.url("/wall"))
    await expect(wall.locator("#wall-traffic [data-live='traffic.green']")).to_have_text("100\u00a0%")
    await day.arrived("switch")

    await lift(manager)
    await manager.locator("#rollback [data-press]").click()
    for page in (manager, lead, operations):
        await _says(page, "blue", "100\u00a0%")
    await expect(wall.locator("#wall-traffic [data-live='traffic.blue']")).to_have_text("100\u00a0%")
    await manager.wait_for_url("**/switch")
    await expect(manager.locator("#criteria .criterion")).to_have_count(7)
    await expect(manager.locator("#criteria .criterion[data-state='ok']")).to_have_count(7)

    after = await day.customers()
    assert after["requests"] > before["requests"]
    assert after["failed"] == before["failed"] == 0
