"""The people of the day in browsers: own ticks, a duty, a file, the hand on the rollback, a freeze and a patch."""

import asyncio
from pathlib import Path

from playwright.async_api import expect

from tests.e2e.day import Day
from tests.e2e.inspection import Inspection
from tests.e2e.visitors import Visitors, is_live

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 64


async def test_ones_own_lines_a_duty_and_a_file(day: Day, visitors: Visitors, tmp_path: Path) -> None:
    support, devops = await asyncio.gather(
        visitors.person("Support and communications"), visitors.person("DevOps 1", "/checklists?show=mine")
    )
    for page in (support, devops):
        await is_live(page)
    await support.locator('[id="own-done-readiness.phone"]').click()
    await expect(support.locator("#own-ticked-readiness-summary")).to_have_text("Ticked: 1")
    await support.locator('[id="duty-done-support.before-1"]').click()
    await support.locator('[id="duties-support-before-done-summary"]').click()
    await expect(support.locator('[id="duty-undo-support.before-1"]')).to_be_visible()
    await support.locator("#arrive-button").click()
    await expect(support.locator("#home-team")).to_contain_text("arrived")

    key = "before_production-database_backups"
    await devops.locator(f"#more-summary-{key}").click()
    await devops.locator(f"#file-{key}").set_input_files({"name": "backup.png", "mimeType": "image/png", "buffer": PNG})
    await devops.locator(f"#file-send-{key}").click()
    link = devops.locator(f"#item-{key} .files a")
    await expect(link).to_have_text("backup.png")
    async with devops.expect_download() as saving:
        await link.click()
    await (await saving.value).save_as(tmp_path / "saved.png")
    assert (tmp_path / "saved.png").read_bytes() == PNG
    inspection = Inspection()
    await inspection.look(support, "home of support")
    await inspection.look(devops, "checklists with a file")
    inspection.report()


async def test_the_hand_is_handed_over_live(day: Day, visitors: Visitors) -> None:
    lead, second = await asyncio.gather(visitors.person("DevOps lead"), visitors.person("DevOps 2", "/roster"))
    for page in (lead, second):
        await is_live(page)
    await lead.locator("#hand-more-summary").click()
    await lead.locator("#hand-person").select_option(label="DevOps 2")
    await lead.locator("#hand-offer-button").click()
    await expect(lead.locator("#hand")).to_contain_text("Offered to DevOps 2")
    await second.locator("#hand-accept-button").click()
    await expect(second.locator("#hand")).to_contain_text("DevOps 2 (you)")
    await expect(lead.locator("#hand")).to_contain_text("DevOps 2")
    await expect(lead.locator("#guard")).to_have_attribute("title", "Hand on the rollback: DevOps 2")


async def test_a_freeze_and_a_patch_live(day: Day, visitors: Visitors) -> None:
    manager, backend, officer = await asyncio.gather(
        visitors.person("Project manager", "/freeze"),
        visitors.person("Backend 1", "/freeze"),
        visitors.person("Security officer", "/freeze"),
    )
    for page in (manager, backend, officer):
        await is_live(page)
    await manager.locator("#freeze-reason").fill("deployment day")
    await manager.locator("#freeze-button").click()
    await expect(backend.locator("#banner .frozen")).to_contain_text("Change freeze since")
    await backend.locator("#ask-text").fill("raise the pool to 40")
    await backend.locator("#ask-button").click()
    await officer.locator(".patches textarea").fill("small, and undone by one line")
    await officer.get_by_role("button", name="Approve").click()
    await expect(backend.locator(".patches")).to_contain_text("Approved by Security officer")
    inspection = Inspection()
    await inspection.look(manager, "freeze of who leads")
    await inspection.look(officer, "freeze of who answers")
    inspection.report()
    await manager.locator("#lift-button").click()
    await expect(backend.locator("#banner .frozen")).to_have_count(0)
