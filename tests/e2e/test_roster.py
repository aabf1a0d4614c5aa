"""A roster changed in the browser on the day: live to others, by keyboard, without script, while armed."""

import asyncio
import re

from playwright.async_api import Page, Request, ViewportSize, expect

from tests.e2e.day import Day
from tests.e2e.visitors import Visitors, is_live, sign_in

PHONE = ViewportSize(width=390, height=844)


async def _opened(page: Page, key: str) -> None:
    await page.locator(f"#more-summary-{key}").click()
    await expect(page.locator(f"#person-{key}")).to_be_visible()


async def _put(page: Page, key: str, name: str) -> None:
    await _opened(page, key)
    choice = page.locator(f"#person-{key}")
    value = await choice.locator("option", has_text=re.compile(rf"^{name} \(")).get_attribute("value")
    await choice.select_option(value)
    await page.locator(f"#take-button-{key}").click()


async def test_a_new_holder_votes_in_place_of_one_whose_go_counts_no_more(day: Day, visitors: Visitors) -> None:
    visitors.tolerate("404")  # who lost the seat may not look any more
    await day.five_go()
    manager, support = await asyncio.gather(
        visitors.person("Project manager", "/roster"),
        visitors.person("Support and communications", "/board"),
    )
    for page in (manager, support):
        await is_live(page)
    operations = await visitors.person("Operations", "/board")
    await expect(support.locator("#gate .verdict")).to_contain_text("GO")
    await _put(manager, "operations-1", "Support and communications")
    await expect(manager.locator("#seat-operations-1")).to_contain_text("Support and communications")
    await expect(manager.locator("#more-summary-operations-1")).to_be_focused()

    # Live to the others: the vote is OUTDATED, and the new holder has the ballot without loading the page again.
    vote = support.locator("#vote-monitoring")
    await expect(vote).to_have_attribute("data-state", "outdated")
    await expect(vote).to_contain_text("Seat on the roster")
    await support.locator("#comment-monitoring").fill("I watch it now")
    await support.locator("#go-monitoring").click()
    await expect(vote).to_have_attribute("data-state", "go")
    await expect(manager.locator("#seat-operations-1")).to_have_attribute("data-state", "here")
    await operations.reload()
    await expect(operations.locator("h1")).to_have_text("Not found")


async def test_while_armed_a_deputy_gets_the_rollback_cover_at_once(day: Day, visitors: Visitors) -> None:
    await day.on_green()
    admin, backend = await asyncio.gather(
        visitors.person("Administrator", "/roster"), visitors.person("Backend 1", "/board")
    )
    for page in (admin, backend):
        await is_live(page)
    await expect(backend.locator("#rollback")).to_have_count(0)
    await admin.locator("#deputy-position").select_option(label="DevOps")
    value = await admin.locator("#person-new-0 option", has_text=re.compile(r"^Backend 1 \(")).get_attribute("value")
    await admin.locator("#person-new-0").select_option(value)
    await admin.locator("#take-button-new-0").click()
    await expect(admin.locator("#seat-devops-3")).to_contain_text("Backend 1")
    await expect(admin.locator("#person-new-0 option:checked")).to_have_text("Choose a person")
    await expect(backend.locator("#rollback > summary")).to_be_visible()
    await day["Backend 1"].post("/rollback")
    await day.arrived("rollback")


async def test_by_keyboard_and_the_choice_stays_while_others_change_the_page(day: Day, visitors: Visitors) -> None:
    page = await visitors.person("Administrator", "/roster", viewport=PHONE)
    await is_live(page)
    await page.locator("#more-summary-security_officer-1").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.locator("#person-security_officer-1")).to_be_focused()
    await page.keyboard.type("Executive")
    await page.keyboard.press("Tab")
    chosen = page.locator("#person-security_officer-1 option:checked")
    await expect(chosen).to_contain_text("Executive")

    manager = await visitors.person("Project manager", "/roster")
    await _opened(manager, "support-1")
    await manager.locator("#free-button-support-1").click()
    await expect(page.locator("#seat-support-1")).to_contain_text("Nobody")
    await expect(chosen).to_contain_text("Executive")
    await expect(page.locator("#take-button-security_officer-1")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#seat-security_officer-1")).to_contain_text("Executive")
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"], "nothing sticks out at phone width"


async def test_without_script_a_seat_is_freed_and_taken(day: Day, visitors: Visitors) -> None:
    visitors.tolerate("422")  # nobody was chosen
    page = await visitors.somebody(script=False)
    await sign_in(page, "Project manager", f"/d/{day.id}/roster")
    await page.locator("#more-summary-operations-1").click()
    await page.locator("#free-button-operations-1").click()
    await expect(page.locator("h1")).to_have_text("Nobody sits on operations, who signs off")
    await page.locator("#more-summary-operations-1").click()
    await page.locator("#take-button-operations-1").click()
    await expect(page.locator("#person-operations-1")).to_have_attribute("aria-invalid", "true")
    await page.locator("#person-operations-1").select_option(label="Operations (no seat)")
    await page.locator("#take-button-operations-1").click()
    await expect(page.locator("h1")).to_have_text("Every seat is taken")


async def test_a_panel_that_changes_does_not_fetch_the_whole_home(day: Day, visitors: Visitors) -> None:
    page = await visitors.person("Project manager")
    await is_live(page)
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url.removeprefix(day.url()))

    page.on("request", note)
    await day["Executive"].page("")  # arrives: the team's panel changes
    await expect(page.locator("#seat-executive-1")).to_have_attribute("data-here", "yes")
    assert "/home/_team" in asked
    assert "/home/_panels" not in asked
