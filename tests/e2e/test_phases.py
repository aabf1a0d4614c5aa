"""Phase 2 in browsers, from its checklist to its end: who starts it, a script that fails, steps of four positions."""

import re

from playwright.async_api import Page, ViewportSize, expect

from tests.e2e.day import Day
from tests.e2e.inspection import Inspection
from tests.e2e.visitors import DESKTOP, Visitors, is_live

PHONE = ViewportSize(width=390, height=844)


async def _checklist(day: Day) -> None:
    for item in day.plan.checklist("before_github").items:
        if item.check is None:
            path = f"/checklists/before_github/{item.key}"
            await day["Project manager"].post(path, state="done", version="0", text="seen")


async def _do(page: Page, step: str, evidence: str) -> None:
    await page.locator(f"#button-{step}-start").click()
    await page.locator(f"#text-{step}-finish").fill(evidence)
    await page.locator(f"#button-{step}-finish").click()
    await expect(page.locator(f"#step-{step}")).to_have_attribute("data-state", "ok")


async def test_phase_2_from_its_checklist_to_its_end(day: Day, visitors: Visitors) -> None:
    visitors.tolerate("422")  # evidence was missing once
    await _checklist(day)
    reader = await visitors.person("Executive", "/phases")
    await is_live(reader)
    await expect(reader.locator("h1")).to_have_text("Phase 2 can start: GitHub organisation setup")
    lead = await visitors.person("DevOps lead", "/phases")
    await lead.locator("#phase-github h2 a").click()
    await is_live(lead)
    await lead.locator("#button-control-start").click()

    # Live to the others, without loading the page again.
    await expect(reader.locator("#phase-github")).to_have_attribute("data-state", "run")
    await expect(reader.locator("h1")).to_contain_text("Phase 2 is running: set up the GitHub organisation next")

    # The script fails, is decided, and is done by hand with what shows it.
    await lead.locator("#button-configure_github-start").click()
    await lead.locator("#way-summary-configure_github-fail").click()
    await lead.locator("#text-configure_github-fail").fill("HTTP 403 Forbidden")
    await lead.locator("#button-configure_github-fail").click()
    await expect(lead.locator("#step-configure_github")).to_contain_text("take the manual set-up path")
    await expect(reader.locator("h1")).to_have_text("Phase 2: “Set up the GitHub organisation” failed")
    await lead.locator("#button-configure_github-retry").click()
    await lead.locator("#button-configure_github-start").click()
    await expect(lead.locator("#text-configure_github-finish")).to_be_visible()
    await lead.evaluate("document.getElementById('text-configure_github-finish').required = false")
    await lead.locator("#button-configure_github-finish").click()
    await expect(lead.locator("#text-configure_github-finish")).to_be_focused()
    await expect(lead.locator("#text-configure_github-finish-error")).to_contain_text("What shows it is missing")
    await lead.locator("#text-configure_github-finish").fill("https://github.example/orgs/alawael-org, 6 teams")
    await lead.locator("#button-configure_github-finish").click()
    await expect(lead.locator("#step-configure_github .proof a")).to_have_attribute(
        "href", "https://github.example/orgs/alawael-org"
    )
    await expect(lead.locator("#step-configure_github")).to_contain_text("By hand in place of the script")
    await _do(lead, "verify_github", "exit status 0")
    await _do(lead, "access_status", "nine of nine")
    await _do(lead, "confirm_teams", "6 teams, 48 members")
    await expect(lead.locator("#button-confirm_secrets-start")).to_have_count(0)
    await expect(lead.locator("#button-control-complete")).to_have_attribute("aria-disabled", "true")

    # Each other position finds its step on its own home.
    for title, step in (
        ("Backend lead", "confirm_repositories"),
        ("Security officer", "confirm_protection"),
        ("Operations", "confirm_secrets"),
    ):
        page = await visitors.person(title, viewport=PHONE)
        await expect(page.locator("#now h1")).to_contain_text("Your step in phase 2")
        await page.locator("#now").get_by_role("link", name="To your step").click()
        await is_live(page)
        await _do(page, step, "seen")

    await expect(lead.locator("h1")).to_contain_text("every step is done, complete it")
    await lead.locator("#button-control-complete").click()
    await expect(lead.locator("h1")).to_have_text("Phase 2, GitHub organisation setup: complete")
    await lead.locator("#button-after-1-tick").click()
    await expect(lead.locator("#step-after-1")).to_have_attribute("data-state", "ok")
    await expect(reader.locator("#phase-github")).to_have_attribute("data-state", "ok")
    await expect(reader.locator("h1")).to_contain_text("Phase 3 is next")

    inspection = Inspection()
    await inspection.look(lead, "a phase that is complete")
    await inspection.look(reader, "the day")
    await lead.set_viewport_size(DESKTOP)
    await lead.goto(day.url("/phases/staging"))
    await inspection.look(lead, "a phase that waits")
    inspection.report()


async def test_two_positions_skip_a_phase_and_the_clock_of_a_rehearsal_is_set(day: Day, visitors: Visitors) -> None:
    lead = await visitors.person("DevOps lead", "/phases/github")
    manager = await visitors.person("Project manager", "/phases")
    for page in (lead, manager):
        await is_live(page)
    await lead.locator("#way-summary-control-skip").click()
    await lead.locator("#reason-control-skip").fill("The organisation was set up last week")
    await lead.locator("#button-control-skip").click()
    await expect(lead.locator("#asked")).to_contain_text("Somebody of another position must agree")
    await expect(manager.locator("h1")).to_contain_text("DevOps lead asks to skip phase 2")
    inspection = Inspection()
    await inspection.look(manager, "a wish to skip")
    await manager.set_viewport_size(DESKTOP)
    await manager.locator("#asked-github-agree-button").click()
    await expect(manager.locator("#phase-github")).to_have_attribute("data-state", "withdrawn")
    await expect(lead.locator("h1")).to_contain_text("skipped")

    await manager.locator("#clock-button-60").click()
    await expect(manager.locator("#clock-button-60")).to_have_attribute("aria-pressed", "true")
    before = await manager.locator("#clock time").first.get_attribute("datetime")
    await manager.locator("#clock-jump-button").click()
    clock = manager.locator("#clock time").first
    await expect(clock).not_to_have_attribute("datetime", re.compile(re.escape(before or "")))
    assert (await clock.get_attribute("datetime") or "") > (before or "")
    inspection.report()
