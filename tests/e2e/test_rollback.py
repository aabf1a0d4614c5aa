"""The rollback from pages that are no longer what they were: an idle session, a token of an earlier sign-in."""

from datetime import timedelta

from playwright.async_api import expect
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Person, WebSession
from tests.e2e.day import Day
from tests.e2e.visitors import Visitors, is_live, lift


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
