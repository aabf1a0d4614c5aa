"""The web process dies: the pages say so within 5 s, lock what must not be decided on old numbers, and come back."""

import asyncio
import contextlib

from playwright.async_api import Page, expect
from sqlalchemy.ext.asyncio import AsyncSession

from app.deployments.commands import apply, lock
from app.domain.deployments import Change
from app.eventlog.log import SYSTEM
from app.rehearsal.child import ChildFailed
from tests.e2e.day import Day
from tests.e2e.visitors import Visitors, is_live, lift

STALE = ":root[data-stale]"
TICK_S = 0.5
"""How much later than its limit a busy machine may draw."""

WATCH = """() => {
    window.heardAt = performance.now();
    for (const type of ["hello", "changed", "beat", "data"])
        document.addEventListener("live:" + type, () => { window.heardAt = performance.now(); });
    new MutationObserver(() => {
        if ("stale" in document.documentElement.dataset) window.silence ??= performance.now() - window.heardAt;
    }).observe(document.documentElement, { attributes: true, attributeFilter: ["data-stale"] });
}"""


class Outage:
    """Kills the web process as often as the supervisor starts it again, until the block ends."""

    def __init__(self, day: Day) -> None:
        self._day = day

    async def __aenter__(self) -> None:
        await asyncio.to_thread(self._day.installation.kill_web)
        self._killer = asyncio.create_task(self._keep_killing())

    async def __aexit__(self, *_: object) -> None:
        self._killer.cancel()
        await asyncio.gather(self._killer, return_exceptions=True)

    async def _keep_killing(self) -> None:
        while True:
            await asyncio.sleep(1)
            with contextlib.suppress(ChildFailed):
                await asyncio.to_thread(self._day.installation.kill_web)


async def _is_current(page: Page) -> None:
    """The connection is back, and nothing on the page is known to be old."""
    await expect(page.locator(STALE)).to_have_count(0)
    await is_live(page)
    await expect(page.locator("[data-behind]")).to_have_count(0)


async def test_stale_locks_votes_and_recovers_with_fresh_panels(day: Day, visitors: Visitors) -> None:
    visitors.tolerate("ERR_", "Failed to (fetch|load resource)")
    await day.five_go(but=("Project manager",))
    page = await visitors.person("Project manager", "/board")
    await is_live(page)
    await page.evaluate(WATCH)
    go, proceed = page.locator("#go-requirements"), page.locator("#proceed-button")
    await expect(go).not_to_have_attribute("aria-disabled", "true")

    async with Outage(day):
        await expect(page.locator(STALE)).to_have_count(1)
        await expect(page.locator("#stale")).to_contain_text("STALE")
        await expect(page.locator("#alarm")).to_contain_text("STALE")
        await expect(page.locator("#connection")).to_contain_text("Lost")
        await expect(go).to_have_attribute("aria-disabled", "true")
        await expect(proceed).to_have_attribute("aria-disabled", "true")
        silence = await page.evaluate("window.silence")
        assert 2_000 < silence <= 5_000 + TICK_S * 1_000
        await day.database.run(lambda session: _hold(session, day))  # as a worker may, while no page can know

    await _is_current(page)
    await expect(page.locator("#stale")).to_be_hidden()
    await expect(page.locator("#banner")).to_contain_text("On hold")
    await expect(page.locator("#gate .verdict")).to_contain_text("HOLD")
    await expect(go).not_to_have_attribute("aria-disabled", "true")
    await go.click()
    await expect(page.locator("#vote-requirements")).to_have_attribute("data-state", "go")


async def _hold(session: AsyncSession, day: Day) -> None:
    deployment = await lock(session, day.id)
    await apply(session, deployment, Change.HOLD, actor=SYSTEM, text="Held by the test", reason="an outage drill")


async def test_rollback_is_never_locked_and_a_press_without_an_answer_can_be_repeated(
    day: Day, visitors: Visitors
) -> None:
    visitors.tolerate("ERR_", "Failed to (fetch|load resource)")
    await day.on_green()
    page = await visitors.person("Project manager", "/board")
    await is_live(page)
    press = page.locator("#rollback [data-press]")
    key = page.locator("#rollback-form [name=_key]")
    sent = await key.input_value()

    async with Outage(day):
        await expect(page.locator(STALE)).to_have_count(1)
        await expect(page.locator("#complete-button")).to_have_attribute("aria-disabled", "true")
        await lift(page)
        await expect(press).not_to_have_attribute("aria-disabled", "true")
        await press.click()
        await expect(page.locator("#notice")).to_contain_text("The server did not answer")
        assert await key.input_value() == sent  # pressed again it is the same press

    await _is_current(page)
    assert await day.state() == "switched"
    if await page.locator("#rollback[open]").count() == 0:
        await lift(page)
    await press.click()
    await page.wait_for_url("**/switch")
    await day.arrived("rollback")
