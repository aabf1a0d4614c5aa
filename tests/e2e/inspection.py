"""What every page must be: accessible, whole at every width, and still while it loads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Page, ViewportSize

WIDTHS = {320: 700, 390: 844, 1024: 768, 1440: 900}
"""Width → height of the window."""
WIDE, NARROW = 1440, 390
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
OF_THE_LAYOUT = {"runOnly": {"type": "rule", "values": ["target-size", "scrollable-region-focusable"]}}
"""What the same elements may break at one width and not at another."""
OF_THE_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}

VIOLATIONS = """([options, isNew]) => {
    const seen = isNew ? window.inspected : (window.inspected = new WeakSet());
    const isDue = element => element.checkVisibility() && !seen.has(element);
    const due = [...document.querySelectorAll("body *")].filter(isDue);
    const topmost = due.filter(element => element === document.body || !isDue(element.parentElement));
    for (const element of due) seen.add(element);
    if (!isNew) return axe.run({ ...options, resultTypes: ["violations"] }).then(found => found.violations);
    if (!topmost.length) return [];
    return axe.run({ include: topmost }, { ...options, resultTypes: ["violations"] }).then(found => found.violations);
}"""
"""Of the whole page; `isNew`: of what could not be seen when the whole page was last asked about."""

DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"

CLIPPED = """() => {
    const root = document.documentElement;
    const found = [];
    const name = element => {
        const id = element.closest("[id]")?.id ?? "";
        return `${element.tagName.toLowerCase()}.${element.getAttribute("class") ?? ""} in #${id}`;
    };
    const excess = root.scrollWidth - root.clientWidth;
    if (excess > 0) found.push(`the page is ${excess} px too wide`);
    const scrolls = element => {
        for (let box = element; box && box !== document.body; box = box.parentElement)
            if (/auto|scroll/.test(getComputedStyle(box).overflowX)) return true;
        return false;
    };
    for (const element of document.body.querySelectorAll("*")) {
        if (element.closest("svg, .sr, .skip, [hidden], [inert]") || !element.checkVisibility()) continue;
        const box = element.getBoundingClientRect();
        if (box.width <= 1 || box.height <= 1) continue; // for screen readers only
        const style = getComputedStyle(element);
        const isOutside = box.right > root.clientWidth + 1 || box.left < -1;
        if (isOutside && !scrolls(element)) found.push(`${name(element)} stands outside the window`);
        const hides = /hidden|clip/.test(style.overflowX) && style.textOverflow !== "ellipsis";
        if (hides && element.scrollWidth > element.clientWidth + 1) found.push(`${name(element)} cuts its content off`);
    }
    return [...new Set(found)];
}"""


@dataclass
class Inspection:
    """Collects what is wrong, page by page, so that one run names it all."""

    faults: list[str] = field(default_factory=list)

    async def look(
        self, page: Page, name: str, *, waits_for: str = "main, .wall-main", only_colours: bool = False
    ) -> None:
        """This page at all widths; it stays where it is, as wide as a desktop.

        At the widest all rules are asked of the whole page; at a phone's width those of the layout once more, and all
        of them of what is to be seen only there. `only_colours`: of a page that was looked at in the other theme."""
        await page.locator(waits_for).first.wait_for()
        for width in [WIDE] if only_colours else sorted(WIDTHS, reverse=True):
            await self._resize(page, width)
            where = f"{name} at {width}"
            self.faults += [f"{where}: {clipped}" for clipped in await page.evaluate(CLIPPED)]
            if only_colours:
                await self._axe(page, where, OF_THE_COLOURS)
            elif width == WIDE:
                await self._axe(page, where, RULES)
            elif width == NARROW:
                await self._axe(page, where, RULES, is_new=True)
                await self._axe(page, where, OF_THE_LAYOUT)
        await self._resize(page, WIDE)

    async def _resize(self, page: Page, width: int) -> None:
        await page.set_viewport_size(ViewportSize(width=width, height=WIDTHS[width]))
        await page.evaluate(DRAWN)  # charts take their new size a frame after the window

    def report(self) -> None:
        """Fails with everything that was found."""
        assert not self.faults, f"{len(self.faults)} faults:\n" + "\n".join(self.faults)

    async def _axe(self, page: Page, where: str, rules: Mapping[str, Any], *, is_new: bool = False) -> None:
        if not await page.evaluate("'axe' in window"):
            await page.evaluate(AXE_SCRIPT)  # half a megabyte: once a document, not once a width
        for violation in await page.evaluate(VIOLATIONS, [rules, is_new]):
            nodes = "; ".join(str(node["target"]) for node in violation["nodes"][:3])
            why = violation["nodes"][0].get("failureSummary", "").replace("\n", " ")
            self.faults.append(f"{where}: {violation['id']}: {nodes}: {why}")
