"""What somebody does who has no mouse."""

from playwright.async_api import Page, Request, expect

MOST_STOPS = 120


async def tab_to(page: Page, selector: str) -> int:
    """Press Tab until this element has the focus; how many presses it took. Fails if it is no tab stop."""
    for presses in range(1, MOST_STOPS):
        await page.keyboard.press("Tab")
        if await page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return presses
    raise AssertionError(f"{selector} was not reached by {MOST_STOPS} presses of Tab")


async def focused(page: Page) -> str:
    """The id of the focused element, or its text where it has none."""
    found: str = await page.evaluate("document.activeElement.id || document.activeElement.innerText")
    return found


async def stays_focused(page: Page, selector: str) -> None:
    await expect(page.locator(selector)).to_be_focused()


class Posts:
    """What a page sends from now on."""

    def __init__(self, page: Page) -> None:
        self.paths: list[str] = []
        page.on("request", self._note)

    def _note(self, request: Request) -> None:
        if request.method == "POST":
            self.paths.append(request.url.partition("/d/")[2].partition("/")[2])
