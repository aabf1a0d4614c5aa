"""People and their browsers: who they are, where they look, and how they sign in."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, Playwright, ViewportSize, expect

from app.web.access import SESSION_COOKIE
from tests.conftest import chromium
from tests.e2e.browsers import PATIENCE_MS, Browsers
from tests.e2e.day import Day

HOW_TO = (
    "apt-get install chromium-headless-shell, or .venv/bin/playwright install chromium, "
    "or GONOGO_CHROMIUM=/path/to/chromium"
)
DESKTOP = ViewportSize(width=1440, height=900)
expect.set_options(timeout=PATIENCE_MS)


def executable(playwright: Playwright) -> str:
    """Where Chromium is. Without one: a failure in CI, elsewhere a skip that says what to do."""
    found = chromium() or playwright.chromium.executable_path
    if Path(found).is_file():
        return found
    if os.environ.get("CI"):
        pytest.fail(f"No Chromium for the end-to-end tests. {HOW_TO}", pytrace=False)
    pytest.skip(f"No Chromium. {HOW_TO}")


@dataclass
class Visitors:
    """Opens browsers for people and collects what their consoles complain about."""

    browsers: Browsers
    day: Day
    _tolerated: list[str] = field(default_factory=list)
    _open: list[BrowserContext] = field(default_factory=list)

    def tolerate(self, *patterns: str) -> None:
        """This test causes such complaints on purpose: a refused form, a server that is away."""
        self._tolerated += patterns

    @property
    def unexpected(self) -> Sequence[str]:
        complaints = self.browsers.complaints
        return [text for text in complaints if not any(re.search(seen, text) for seen in self._tolerated)]

    async def somebody(self, *, viewport: ViewportSize = DESKTOP, script: bool = True, is_new: bool = False) -> Page:
        """A page of a browser of its own in which nobody is signed in."""
        context = await self.browsers.take(viewport, script=script, is_new=is_new)
        self._open.append(context)
        return await context.new_page()

    async def person(
        self, title: str, path: str = "", *, viewport: ViewportSize = DESKTOP, script: bool = True, is_new: bool = False
    ) -> Page:
        """That seat's browser, on a page of the deployment ("/board"; "" is home): of a new browser the first one it
        ever loads. It carries the session that acts over HTTP; `sign_in` goes through the door instead."""
        page = await self.somebody(viewport=viewport, script=script, is_new=is_new)
        session = self.day[title].client.cookies[SESSION_COOKIE]
        await page.context.add_cookies([{"name": SESSION_COOKIE, "value": session, "url": self.day.installation.url}])
        await page.goto(self.day.url(path))
        return page

    async def leaves(self, page: Page, *, for_good: bool = False) -> None:
        """Whose page it is has seen enough. `for_good`: nobody uses this browser again."""
        self._open.remove(page.context)
        await (self.browsers.throw_away if for_good else self.browsers.give_back)(page.context)

    async def aclose(self) -> None:
        for context in self._open:
            await self.browsers.give_back(context)


async def sign_in(page: Page, title: str, after: str = "/") -> None:
    """Choose a seat of the rehearsal, and arrive at `after`."""
    await page.goto(f"/sign-in?next={after}")
    await page.locator("button.seat").filter(has=page.locator("b", has_text=re.compile(f"^{title}$"))).click()
    await page.wait_for_url(f"**{after}")


async def is_live(page: Page) -> None:
    """The page hears its stream: from now on changes come by themselves."""
    await expect(page.locator("#connection")).to_contain_text("Live")


async def lift(page: Page, guard: str = "#rollback") -> None:
    """Lift a cover with the mouse and wait until its press takes one: it rests for the first 400 ms."""
    await page.locator(f"{guard} > summary").click()
    await rested(page, guard)


async def rested(page: Page, guard: str = "#rollback") -> None:
    """The cover is open, its press has the focus, and the rest after the opening is over."""
    await expect(page.locator(f"{guard} [data-press]")).to_be_focused()
    opened = await page.evaluate("performance.now()")
    await page.wait_for_function("opened => performance.now() - opened > 420", arg=opened)
