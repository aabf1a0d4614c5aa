"""What every page must be: accessible, whole at every width, and still while it loads."""

from dataclasses import dataclass, field

from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Page, ViewportSize

WIDTHS = {320: 700, 390: 844, 1024: 768, 1440: 900}
"""Width → height of the window."""
AXE_WIDTHS = (390, 1440)
CONTRAST_WIDTHS = (1440,)
"""Colours are the same at every width, and asking for them is most of what axe costs."""
AXE_RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}

VIOLATIONS = "options => axe.run(options).then(found => found.violations)"

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
        self,
        page: Page,
        name: str,
        *,
        waits_for: str = "main, .wall-main",
        axe_at: tuple[int, ...] = AXE_WIDTHS,
        contrast_at: tuple[int, ...] = CONTRAST_WIDTHS,
    ) -> None:
        """This page at all widths; it stays where it is."""
        await page.locator(waits_for).first.wait_for()
        for width, height in WIDTHS.items():
            await page.set_viewport_size(ViewportSize(width=width, height=height))
            await page.evaluate(DRAWN)  # charts take their new size a frame after the window
            where = f"{name} at {width}"
            self.faults += [f"{where}: {clipped}" for clipped in await page.evaluate(CLIPPED)]
            if width in axe_at:
                await self._axe(page, where, contrast=width in contrast_at)

    def report(self) -> None:
        """Fails with everything that was found."""
        assert not self.faults, f"{len(self.faults)} faults:\n" + "\n".join(self.faults)

    async def _axe(self, page: Page, where: str, *, contrast: bool) -> None:
        if not await page.evaluate("'axe' in window"):
            await page.evaluate(AXE_SCRIPT)  # half a megabyte: once a document, not once a width
        options = {**AXE_RULES, "resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": contrast}}}
        for violation in await page.evaluate(VIOLATIONS, options):
            nodes = "; ".join(str(node["target"]) for node in violation["nodes"][:3])
            why = violation["nodes"][0].get("failureSummary", "").replace("\n", " ")
            self.faults.append(f"{where}: {violation['id']}: {nodes}: {why}")
