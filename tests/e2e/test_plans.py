"""The pages of plan versions: bring one in, see what is wrong and what differs, play it through."""

import os
from pathlib import Path

from playwright.async_api import FilePayload, Page, expect

from app.config import ROOT
from app.domain.plan import plan_hash
from app.providers.plan_yaml import load_plan
from tests.e2e.day import Day
from tests.e2e.inspection import Inspection
from tests.e2e.visitors import Visitors, sign_in

ALAWAEL = (ROOT / "plans" / "alawael.yaml").read_text(encoding="utf-8")
CHANGED = ALAWAEL.replace("Escalate immediately", "Escalate at once").replace("percent: 25,", "percent: 30,")
BROKEN = CHANGED.replace("lead: [devops_lead]", "lead: [devop_lead]").replace("timezone: ", "timezon: ")
SHOTS = os.environ.get("GONOGO_SHOTS", "")
"""A folder for pictures of each page at two widths, light and dark; none by default."""


async def _shoot(page: Page, name: str) -> None:
    if not SHOTS:
        return
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for width in (1440, 390):
            await page.set_viewport_size({"width": width, "height": 900})
            await page.screenshot(path=Path(SHOTS) / f"{name}-{width}-{scheme}.png", full_page=width == 1440)
    await page.emulate_media(color_scheme="light")


async def test_a_plan_is_brought_in_compared_and_played(visitors: Visitors) -> None:
    visitors.tolerate("422")
    inspection = Inspection()
    page = await visitors.somebody()
    await sign_in(page, "Administrator")
    await page.locator('a[href="/plans"]').first.click()

    async def look(name: str) -> None:
        await inspection.look(page, name)
        await _shoot(page, name)

    await look("plans")
    await page.locator("#text").fill(BROKEN)
    await page.locator("#check-button").click()
    await expect(page.locator("h1")).to_contain_text("wrong with the pasted text")
    await expect(page.locator(".plan-problems li").first.locator("mark")).to_have_text("t")
    await look("import-error")

    file = FilePayload(name="alawael-2.yaml", mimeType="application/yaml", buffer=CHANGED.encode())
    await page.locator("#file").set_input_files([file])
    await page.locator("#check-button").click()
    await expect(page.locator("h1")).to_have_text("The plan is good: take it up?")
    await expect(page.locator(".plan-changes")).to_contain_text(["canary at 30 %", "Escalate at once"])
    await look("preview")
    await page.locator("#take-up-button").click()
    digest = plan_hash(load_plan(CHANGED, "x"))
    await page.wait_for_url(f"**/plans/{digest}")
    await look("version")
    await page.get_by_role("link", name="What changed").click()
    await expect(page.locator("h1")).to_contain_text("things differ")
    await look("diff")
    await page.goto(f"/plans/{digest}/dry-run")
    await look("dry-run")
    inspection.report()


async def test_a_dry_run_plays_with_the_keyboard(any_day: Day, visitors: Visitors) -> None:
    page = await visitors.person("Project manager", "/plan")
    await page.get_by_role("link", name="All plans").click()
    await page.get_by_role("link", name="Dry run").first.click()
    rows = page.locator("#dry-table tbody tr")
    count = await rows.count()
    clock = page.locator("#dry-clock")
    await expect(clock).to_have_text("13:00:00")
    await page.locator("#dry-play").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#dry-play")).to_have_text("Pause")
    await expect(clock).not_to_have_text("13:00:00")
    await page.keyboard.press("Enter")
    stood = await clock.text_content()
    await expect(page.locator("#dry-play")).to_have_text("Go on")
    await page.wait_for_timeout(300)
    assert await clock.text_content() == stood, "a pause pauses"

    await page.locator("#dry-at").focus()
    await page.keyboard.press("End")
    await expect(clock).to_have_text("14:40:00")
    await expect(rows.nth(count - 1)).to_have_attribute("aria-current", "step")
    await page.locator("#dry-again").press("Enter")
    await expect(clock).to_have_text("13:00:00")
    await expect(page.locator("#dry-table [data-done]")).to_have_count(0)

    await page.locator("#dry-speed").select_option("max")
    await page.locator("#dry-play").press("Enter")
    await expect(page.locator("#dry-play")).to_have_text("Play again")
    await expect(page.locator("#dry-table [data-done]")).to_have_count(count - 1)


async def test_a_dry_run_is_whole_without_script(any_day: Day, visitors: Visitors) -> None:
    page = await visitors.person("Operations", "/plan", script=False)
    await page.get_by_role("link", name="All plans").click()
    await page.get_by_role("link", name="Dry run").first.click()
    await expect(page.locator("#player")).to_be_hidden()
    await expect(page.locator("#dry-table tbody tr").last).to_contain_text("ends as planned")
