"""The main job in a browser without JavaScript: plain forms and <details> carry it."""

from playwright.async_api import expect
from sqlalchemy.ext.asyncio import AsyncSession

from tests.e2e.day import Day
from tests.e2e.visitors import Visitors, sign_in


async def test_sign_in_vote_switch_and_rollback_without_script(day: Day, visitors: Visitors) -> None:
    visitors.tolerate("422")  # the statement that was not ticked
    await day.five_go(but=("DevOps lead",))
    page = await visitors.somebody(script=False)
    await sign_in(page, "DevOps lead", f"/d/{day.id}/board")
    await page.locator("#comment-infrastructure").fill("Walked through")
    await page.locator("#go-infrastructure").click()
    vote = page.locator("#vote-infrastructure")
    await expect(vote).to_have_attribute("data-state", "go")
    await expect(vote.locator(".say")).to_have_text("Walked through")

    await day["Project manager"].post("/proceed")
    await page.reload()
    await page.locator("#arm-button").click()
    await expect(page).to_have_url(day.url("/switch"))
    await day.until(day.is_ready, 60, "every line of T−5 is ready")

    await page.locator("#switch-guard > summary").click()
    await page.locator("#switch-guard [data-press]").click()
    await expect(page.locator("#confirm")).to_have_attribute("aria-invalid", "true")  # the statement is not ticked
    assert await day.state() == "armed"
    await page.locator("#confirm").check()
    await page.locator("#switch-guard > summary").click()
    await page.locator("#switch-guard [data-press]").click()
    await day.arrived("switch")
    await page.goto(day.url("/board"))
    await page.locator("#rollback > summary").click()
    await page.locator("#rollback [data-press]").click()
    await expect(page).to_have_url(day.url("/switch"))

    async def is_verified(session: AsyncSession) -> bool:
        return (await day.deployment(session)).state == "rolled_back"

    await day.until(is_verified, 60, "the rollback is done")
    await page.reload()
    await expect(page.locator("#criteria .criterion[data-state='ok']")).to_have_count(7)
