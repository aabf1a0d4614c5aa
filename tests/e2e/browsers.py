"""Browsers that go from one test to the next, and what their consoles say."""

from collections import defaultdict

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Error, Page, ViewportSize

PATIENCE_MS = 30_000
"""Bounds waiting for facts; a quiet machine needs far less."""

Shape = tuple[int, int, bool]
"""Width and height of the window, and whether it runs scripts."""


class Browsers:
    """What somebody left in a browser is taken out of it before it is used again; the scripts, style sheets and fonts
    that it loaded stay, as in anybody's browser: a page costs half of what the first one ever does."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.complaints: list[str] = []
        self._browser, self._url = browser, url
        self._free: dict[Shape, list[BrowserContext]] = defaultdict(list)
        self._shapes: dict[BrowserContext, Shape] = {}

    async def take(self, viewport: ViewportSize, *, script: bool, is_new: bool) -> BrowserContext:
        """A browser in which nobody is signed in; `is_new`: one that never loaded anything."""
        shape = (viewport["width"], viewport["height"], script)
        if self._free[shape] and not is_new:
            return self._free[shape].pop()
        context = await self._browser.new_context(
            viewport=viewport, java_script_enabled=script, base_url=self._url, locale="en-GB"
        )
        context.set_default_timeout(PATIENCE_MS)
        context.on("page", self._listen)
        self._shapes[context] = shape
        return context

    async def give_back(self, context: BrowserContext) -> None:
        """Close its pages and forget who it was."""
        pages = context.pages
        if not pages:
            await self.throw_away(context)
            return
        inside = await context.new_cdp_session(pages[0])
        await inside.send("Storage.clearDataForOrigin", {"origin": self._url, "storageTypes": "all"})
        for page in pages:
            await page.close()
        await context.clear_cookies()
        self._free[self._shapes[context]].append(context)

    async def throw_away(self, context: BrowserContext) -> None:
        del self._shapes[context]
        await context.close()

    async def aclose(self) -> None:
        for context in list(self._shapes):
            await self.throw_away(context)

    def _listen(self, page: Page) -> None:
        page.on("console", self._said)
        page.on("pageerror", self._failed)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def _failed(self, error: Error) -> None:
        self.complaints.append(f"exception: {error.message}")
