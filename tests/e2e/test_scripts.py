"""Phase 2's scripts in browsers: run, watched by two, refused by GitHub, decided, run again; hostile output is text."""

import asyncio
import os
import re
from datetime import timedelta
from pathlib import Path

from playwright.async_api import Page, ViewportSize, expect
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import ScriptOutput
from app.eventlog.log import touch
from tests.e2e.day import Day
from tests.e2e.inspection import Inspection
from tests.e2e.visitors import Visitors, is_live

PHONE = ViewportSize(width=390, height=844)
SCRIPT = "#script-configure_github"
OUTPUT = "#output-configure_github"
COUNT_PIECES = """selector => {
  window.pieces = 0;
  new MutationObserver((changes) => { window.pieces += changes.filter((one) => one.addedNodes.length).length; })
    .observe(document.querySelector(selector), { childList: true });
}"""
SHOTS = os.environ.get("GONOGO_SHOTS", "")


async def shot(page: Page, name: str) -> None:
    """Kept where GONOGO_SHOTS says, for people to look at."""
    if SHOTS:
        await page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            for part in ("script", "output"):
                found = page.locator(f"#{part}-configure_github")
                await found.screenshot(path=Path(SHOTS) / f"{name}-{part}-{scheme}.png")


async def begin(day: Day, visitors: Visitors) -> Page:
    for item in day.plan.checklist("before_github").items:
        if item.check is None:
            path = f"/checklists/before_github/{item.key}"
            await day["Project manager"].post(path, state="done", version="0", text="seen")
    lead = await visitors.person("DevOps lead", "/phases/github")
    await is_live(lead)
    await lead.locator("#button-control-start").click()
    await expect(lead.locator("#run-configure_github")).not_to_have_attribute("aria-disabled", "true")
    return lead


async def run(page: Page, step: str = "configure_github") -> None:
    await page.locator(f"#run-{step}").click()


async def test_two_browsers_see_phase_2_being_set_up_and_verified(day: Day, visitors: Visitors) -> None:
    inspection = Inspection()
    lead = await begin(day, visitors)
    reader = await visitors.person("Executive", "/phases/github", viewport=PHONE)
    await is_live(reader)
    await expect(reader.locator("#run-configure_github")).to_have_count(0)
    await expect(reader.locator(OUTPUT)).to_be_hidden()
    for page in (lead, reader):
        await page.evaluate(COUNT_PIECES, f"{OUTPUT} [data-printed]")
    await run(lead)
    for page in (lead, reader):
        await expect(page.locator(SCRIPT)).to_contain_text("Succeeded", timeout=20_000)
        await expect(page.locator(f"{OUTPUT} pre")).to_contain_text("✅ All team members have access")
        await expect(page.locator(f"{SCRIPT} caption")).to_contain_text("6 of 6")
        await expect(page.locator("#step-configure_github")).to_have_attribute("data-state", "ok")
        await expect(page.locator("#step-configure_github")).to_contain_text("all 6 success signals seen")
    for page in (lead, reader):
        assert await page.evaluate("window.pieces") >= 2, "the output did not come bit by bit"
    printed = [await page.locator(f"{OUTPUT} [data-printed]").text_content() for page in (lead, reader)]
    assert printed[0] == printed[1]
    assert (printed[0] or "").count("team backend") == 1
    await run(lead, "verify_github")
    await expect(lead.locator("#script-verify_github")).to_contain_text("Succeeded", timeout=20_000)
    await expect(lead.locator("#output-verify_github pre")).to_contain_text("The organisation is as phase 2 wants it")
    async with lead.expect_download() as download:
        await lead.locator(f"{OUTPUT} a[download]").click()
    file = Path(await (await download.value).path())
    assert await asyncio.to_thread(file.read_text, encoding="utf-8") == printed[0]
    await shot(lead, "scripts-done-1440")
    await shot(reader, "scripts-done-390")
    for page in (lead, reader):
        await inspection.look(page, "phase 2 after its scripts")
    inspection.report()


async def test_a_refusal_by_github_stops_it_documents_itself_and_is_decided(day: Day, visitors: Visitors) -> None:
    inspection = Inspection()
    await day.range.set_knobs({"github": {"refuse": True}})
    try:
        lead = await begin(day, visitors)
        await run(lead)
        await expect(lead.locator("#step-configure_github")).to_have_attribute("data-state", "crit", timeout=20_000)
        await expect(lead.locator(SCRIPT)).to_contain_text("FAILED")
        await expect(lead.locator(SCRIPT)).to_contain_text("take the manual set-up path")
        row = lead.locator(f"{SCRIPT} tr", has_text="HTTP 403 Forbidden")
        await expect(row).to_contain_text("SEEN")
        await expect(lead.locator("#step-configure_github")).to_contain_text("HTTP 403 Forbidden")
        await expect(lead.locator("#step-configure_github")).to_contain_text("Last lines")
        await shot(lead, "scripts-failed-1440")
        await inspection.look(lead, "a script that failed")
    finally:
        await day.range.set_knobs({"github": {"refuse": False}})
    await lead.locator("#button-configure_github-retry").click()
    await run(lead)
    await expect(lead.locator(SCRIPT)).to_contain_text("Succeeded", timeout=20_000)
    await expect(lead.locator(f"{OUTPUT} pre")).not_to_contain_text("403")
    phone = await visitors.person("Operations", "/phases/github", viewport=PHONE)
    await expect(phone.locator(SCRIPT)).to_contain_text(re.compile(r"try 2"))
    inspection.report()


async def test_an_old_sign_in_runs_no_script(day: Day, visitors: Visitors) -> None:
    visitors.tolerate("403")
    lead = await begin(day, visitors)
    await day.age_step_up("devops_lead", timedelta(minutes=6))
    await run(lead)
    await expect(lead.locator("#notice")).to_contain_text("Confirm that it is you")
    await expect(lead.locator("#step-configure_github")).to_have_attribute("data-state", "wait")


HOSTILE = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>&lt;b&gt; ‹TOKEN› \u05d0\u05d1\n'


async def test_hostile_output_is_text_when_it_is_loaded_and_when_it_comes(day: Day, visitors: Visitors) -> None:
    lead = await begin(day, visitors)
    await run(lead)
    await expect(lead.locator(SCRIPT)).to_contain_text("Succeeded", timeout=20_000)

    async def print_more(session: AsyncSession) -> None:
        newest = select(func.max(ScriptOutput.run_id))
        run_id = await session.scalar(newest)
        seq = await session.scalar(select(func.max(ScriptOutput.seq)).where(ScriptOutput.run_id == run_id))
        session.add(ScriptOutput(run_id=run_id, seq=(seq or 0) + 1, text=HOSTILE))
        await touch(session, day.id, ("scripts",))

    await day.database.run(print_more)
    await expect(lead.locator(f"{OUTPUT} pre")).to_contain_text("<script>window.owned=1</script>&lt;b&gt;")
    await lead.reload()
    await expect(lead.locator(f"{OUTPUT} pre")).to_contain_text("<script>window.owned=1</script>&lt;b&gt;")
    assert await lead.locator(f"{OUTPUT} :is(img, script, b)").count() == 0
    assert await lead.evaluate("window.owned") is None
