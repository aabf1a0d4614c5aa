"""Votes in the browser: what a NO-GO needs, what outdates a GO, taking it back, and a hand that presses twice."""

from playwright.async_api import expect

from tests.e2e.day import Day
from tests.e2e.keyboard import Posts
from tests.e2e.visitors import Visitors, is_live

VOTE = "#vote-infrastructure"
PLAN_ITEM = "/checklists/before_production/rollback_plan"


async def test_a_no_go_needs_a_comment(day: Day, visitors: Visitors) -> None:
    visitors.tolerate("422")
    page = await visitors.person("DevOps lead", "/board")
    await is_live(page)
    await page.locator("#nogo-infrastructure").click()
    comment = page.locator("#comment-infrastructure")
    await expect(comment).to_have_attribute("aria-invalid", "true")
    await expect(comment).to_be_focused()
    error = page.locator("#comment-infrastructure-error")
    await expect(error).to_contain_text("NO-GO")
    assert "comment-infrastructure-error" in (await comment.get_attribute("aria-describedby") or "")
    assert await day.state() == "preparing"

    await comment.fill("Two GREEN nodes are missing")
    await page.locator("#nogo-infrastructure").click()
    await expect(page.locator(VOTE)).to_have_attribute("data-state", "nogo")
    await expect(page.locator("#gate .verdict")).to_contain_text("HOLD")
    await expect(page.locator("#gate")).to_contain_text("You said NO-GO.")


async def test_a_go_is_outdated_by_other_evidence_and_shows_old_and_new(day: Day, visitors: Visitors) -> None:
    backend = day["Backend lead"]
    await backend.post(PLAN_ITEM, state="done", text="Runbook 12", version="0")
    page = await visitors.person("DevOps lead", "/board")
    await is_live(page)
    await page.locator("#go-infrastructure").click()
    await expect(page.locator(VOTE)).to_have_attribute("data-state", "go")

    await backend.post(PLAN_ITEM, state="done", text="Runbook 13", version="1")
    await expect(page.locator(VOTE)).to_have_attribute("data-state", "outdated")
    diff = page.locator(f"{VOTE} .diff")
    await expect(diff).to_contain_text("Rollback plan reviewed and understood")
    await expect(diff.locator("del")).to_have_text("Runbook 12")
    await expect(diff.locator("ins")).to_have_text("Runbook 13")
    await expect(diff).to_contain_text("Backend lead")

    await page.locator("#go-infrastructure").click()
    await expect(page.locator(VOTE)).to_have_attribute("data-state", "go")
    await expect(diff).to_have_count(0)


async def test_a_vote_can_be_withdrawn(day: Day, visitors: Visitors) -> None:
    await day.five_go()
    page = await visitors.person("DevOps lead", "/board")
    await is_live(page)
    await page.locator("#more-summary-infrastructure").click()
    await page.locator("#withdraw-button-infrastructure").click()
    await expect(page.locator(VOTE)).to_have_attribute("data-state", "withdrawn")
    await expect(page.locator("#gate .verdict")).not_to_contain_text("GO")


async def test_a_double_click_votes_once(day: Day, visitors: Visitors) -> None:
    page = await visitors.person("DevOps lead", "/board")
    await is_live(page)
    posts = Posts(page)
    await page.locator("#go-infrastructure").dblclick()
    await expect(page.locator(VOTE)).to_have_attribute("data-state", "go")
    assert posts.paths == ["board/vote"]
