"""Sign-off, switch and rollback without a mouse; and what no key does."""

import string

from playwright.async_api import Page, expect

from tests.e2e.day import Day
from tests.e2e.keyboard import Posts, focused, stays_focused, tab_to
from tests.e2e.visitors import Visitors, is_live, rested

COVER = "#rollback-cover"
# "g" begins a way to another page: it comes last, where nothing follows.
KEYS = [*string.ascii_lowercase.replace("g", ""), *string.digits, "Shift+R", "Enter", "Space", "Delete", "F2", "g"]


async def _press_everything(page: Page) -> None:
    for key in KEYS:
        await page.keyboard.press(key)


async def test_a_vote_by_keyboard(day: Day, visitors: Visitors) -> None:
    page = await visitors.person("Operations", "/board")
    await is_live(page)
    posts = Posts(page)

    await page.keyboard.press("Tab")
    assert await focused(page) == "Skip to content"
    await tab_to(page, "#comment-monitoring")
    await page.keyboard.type("Dashboards watched")
    await page.keyboard.press("Enter")  # a new line, not a vote
    assert posts.paths == []
    await tab_to(page, "#go-monitoring")
    await page.keyboard.press("Enter")
    await expect(page.locator("#vote-monitoring")).to_have_attribute("data-state", "go")
    await expect(page.locator("#vote-monitoring .say")).to_have_text("Dashboards watched")
    assert posts.paths == ["board/vote"]
    # Where the hand is, the focus stays: in the row whose ballot has gone.
    assert await page.evaluate("document.getElementById('vote-monitoring').contains(document.activeElement)")


async def test_no_key_votes(day: Day, visitors: Visitors) -> None:
    page = await visitors.person("Operations", "/board")
    await is_live(page)
    posts = Posts(page)
    await _press_everything(page)
    assert posts.paths == []
    assert await day.state() == "preparing"


async def test_switch_and_rollback_by_keyboard(day: Day, visitors: Visitors) -> None:
    await day.ready_to_switch()
    page = await visitors.person("DevOps lead", "/switch")
    await is_live(page)
    posts = Posts(page)

    await _press_everything(page)
    await tab_to(page, "#confirm")
    await page.keyboard.press("Space")
    await expect(page.locator("#confirm")).to_be_checked()
    await tab_to(page, "#switch-guard-cover")
    await page.keyboard.press("Enter")
    await rested(page, "#switch-guard")
    await page.keyboard.press("Escape")
    await stays_focused(page, "#switch-guard-cover")
    await expect(page.locator("#switch-guard")).not_to_have_attribute("open", "")
    assert posts.paths == []
    await page.keyboard.press("Space")
    await rested(page, "#switch-guard")
    await page.keyboard.press("Enter")
    await expect(page.locator(COVER)).to_be_visible()
    assert posts.paths == ["switch"]
    await day.arrived("switch")

    await _roll_back(page, posts)
    operation = await day.arrived("rollback")
    assert operation.requested_by == "DevOps lead"


async def _roll_back(page: Page, posts: Posts) -> None:
    await page.reload()
    await is_live(page)
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await stays_focused(page, COVER)  # the second stop of every page, after the skip link
    await _press_everything_but_enter(page)
    posts.paths.clear()

    await stays_focused(page, COVER)
    await _hold_enter(page)
    await page.keyboard.press("Escape")
    await stays_focused(page, COVER)
    assert not await _press_at_once(page)
    assert posts.paths == []

    await page.keyboard.press("Escape")
    await stays_focused(page, COVER)
    await page.keyboard.press("Space")
    await rested(page)
    await page.keyboard.press("Space")
    await expect(page.locator("#mission .cell[data-cell=phase]")).to_contain_text("roll")
    assert posts.paths == ["rollback"]


async def _press_everything_but_enter(page: Page) -> None:
    """With the focus on the cover only Enter and Space lift it; Shift+R brings the focus there and lifts nothing."""
    for key in KEYS:
        if key not in ("Enter", "Space"):
            await page.keyboard.press(key)
            await expect(page.locator("#rollback")).not_to_have_attribute("open", "")


async def _hold_enter(page: Page) -> None:
    """A key held down opens the cover and does nothing more, however long."""
    await page.keyboard.down("Enter")
    await rested(page)
    for _ in range(5):
        await page.keyboard.down("Enter")  # a key that is down already repeats
    await page.keyboard.up("Enter")
    await expect(page.locator("#rollback")).to_have_attribute("open", "")


async def _press_at_once(page: Page) -> bool:
    """Lift the cover and press in the same moment: is it sent?"""
    sent: bool = await page.evaluate(
        """() => new Promise(answer => {
            const guard = document.getElementById("rollback");
            guard.addEventListener("toggle", () => {
                guard.querySelector("[data-press]").click();
                answer("sending" in guard.querySelector("form").dataset);
            }, { once: true });
            guard.querySelector("summary").click();
        })"""
    )
    return sent
