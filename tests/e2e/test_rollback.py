"""The rollback from pages that are no longer what they were: an idle session, a token of an earlier sign-in."""

from datetime import timedelta

from playwright.async_api import expect
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Person, WebSession
from tests.e2e.day import Day
from tests.e2e.visitors import Visitors, is_live, lift

MOVE_AND_PRESS = """([moving, grows, pressed]) => {
    const top = selector => document.querySelector(selector + " [data-press]").getBoundingClientRect().top;
    dispatchEvent(new Event("resize"));
    const before = top(moving);
    document.querySelector(grows).insertAdjacentHTML("afterbegin", "<p>A line that came just now</p>");
    dispatchEvent(new Event("resize"));
    if (top(moving) === before) throw new Error("nothing moved");
    const guard = document.querySelector(pressed);
    guard.querySelector("[data-press]").click();
    return "sending" in guard.querySelector("form").dataset;
}"""
"""Grow something, so that the press of `moving` moves, and press `pressed` in the same moment: is it sent?"""


async def test_an_idle_page_with_an_old_token_still_rolls_back(day: Day, visitors: Visitors) -> None:
    visitors.tolerate("401")  # its panels are no longer fetched
    await day.on_green()
    page = await visitors.person("DevOps 2", "/timeline")
    await is_live(page)
    await day.database.run(_leave_for_31_minutes)

    await lift(page)
    await page.locator("#rollback [data-press]").click()
    accepted = page.locator("#notice #accepted")
    await expect(accepted).to_contain_text("The rollback to BLUE 0.9.4 is on its way.")
    await expect(accepted).to_contain_text("DevOps 2")
    assert (await day.arrived("rollback")).requested_by.startswith("DevOps 2")
    await accepted.get_by_role("link", name="Sign in and watch it").click()
    await expect(page.get_by_role("heading", name="Who are you in this rehearsal?")).to_be_visible()


async def _leave_for_31_minutes(session: AsyncSession) -> None:
    person = select(Person.id).where(Person.login == "devops_2").scalar_subquery()
    rows = update(WebSession).where(WebSession.person_id == person)
    away = timedelta(minutes=31)
    await session.execute(
        rows.values(seen_at=WebSession.seen_at - away, stepped_up_at=WebSession.stepped_up_at - away, csrf="another")
    )


async def test_what_moves_elsewhere_does_not_hold_the_press_back(day: Day, visitors: Visitors) -> None:
    """A press rests 400 ms after it moved under the finger; another guard that moves is no reason."""
    await day.on_green()
    page = await visitors.person("DevOps lead", "/board")
    await is_live(page)
    await page.evaluate(
        """() => document.getElementById("main").insertAdjacentHTML("beforeend",
            "<details data-guard id=other open><summary>Cover</summary><button data-press>Press</button></details>")"""
    )
    await lift(page)
    assert await page.evaluate(MOVE_AND_PRESS, ["#other", "#main", "#rollback"])
    await day.arrived("rollback")


async def test_a_press_that_moved_under_the_finger_does_not_count(day: Day, visitors: Visitors) -> None:
    await day.on_green()
    page = await visitors.person("DevOps lead", "/board")
    await is_live(page)
    await lift(page)
    assert not await page.evaluate(MOVE_AND_PRESS, ["#rollback", "#rollback .plan", "#rollback"])
    assert await day.operation("rollback") is None
