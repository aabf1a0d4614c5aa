"""Every page, in the states of the day: accessible, nothing clipped, nothing on the console."""

import asyncio

from playwright.async_api import Page, ViewportSize, expect

from tests.e2e.day import Day
from tests.e2e.inspection import Inspection
from tests.e2e.visitors import DESKTOP, Visitors, is_live, sign_in

PHONE = ViewportSize(width=390, height=844)
POSITIONS = (
    "Project manager",
    "DevOps lead",
    "DevOps 1",
    "Backend lead",
    "Backend 1",
    "Security officer",
    "Operations",
    "Support and communications",
    "Executive",
)
OF_THE_DEPLOYMENT = (
    "/phases",
    "/phases/github",
    "/board",
    "/switch",
    "/wall",
    "/metrics",
    "/decisions",
    "/triggers",
    "/incidents",
    "/freeze",
    "/timeline",
    "/checklists",
    "/roster",
    "/plan",
    "/range",
)
AT_ONCE = 3
"""Browsers at a time: Chromium opens six connections to a host, and each page's stream holds one."""
STILL = 0.02
"""The sum of layout shifts that is allowed; Core Web Vitals calls below 0.1 good."""

SHIFTS = """() => new Promise(answer => {
    const found = [];
    const top = box => `${Math.round(box.top)}+${Math.round(box.height)}`;
    const place = source => {
        const id = source.node?.id || (source.node?.parentElement?.closest("[id]")?.id ?? "?") + " >";
        return `${id} ${top(source.previousRect)} to ${top(source.currentRect)}`;
    };
    new PerformanceObserver(list => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput)
            found.push([entry.value, `at ${Math.round(entry.startTime)} ms: ` + entry.sources.map(place).join(", ")]);
    }).observe({ type: "layout-shift", buffered: true });
    const settled = () => performance.now() > 2000 ? setTimeout(() => answer(found)) : setTimeout(settled, 100);
    document.fonts.ready.then(settled);
})"""


async def _look_at(page: Page, day: Day, inspection: Inspection, paths: tuple[str, ...], who: str) -> None:
    for path in paths:
        await page.goto(day.url(path))
        await inspection.look(page, f"{who} {path or '/'}")


async def test_the_inspection_finds_what_is_wrong(visitors: Visitors) -> None:
    inspection = Inspection()
    page = await visitors.somebody()
    await page.goto("/sign-in")
    await page.evaluate(
        """() => {
            document.querySelector("main").insertAdjacentHTML("beforeend", "<p id=wide><img src=/static/none.svg></p>");
            document.getElementById("wide").style.width = "2000px";
            const style = new CSSStyleSheet();
            style.replaceSync(`.tiny { inline-size: 9px; block-size: 9px; display: inline-block }
                .phone { color: #aaa; background: #bbb }
                @media (min-width: 700px) { .tiny { margin: 40px } .phone { display: none } }`);
            document.adoptedStyleSheets.push(style);
            document.querySelector("main").insertAdjacentHTML("beforeend",
                "<p class=phone>Seen on a phone</p><a class=tiny href=/a>a</a><a class=tiny href=/b>b</a>");
        }"""
    )
    await inspection.look(page, "broken")
    visitors.tolerate("404")
    for fault in ("1440: image-alt", "1440: the page is", "390: color-contrast", "390: target-size"):
        assert any(found.startswith(f"broken at {fault}") for found in inspection.faults), fault
    assert not any(found.startswith("broken at 1440: target-size") for found in inspection.faults)


async def test_pages_outside_a_deployment(visitors: Visitors) -> None:
    visitors.tolerate("404")
    inspection = Inspection()
    page = await visitors.somebody()
    await page.goto("/sign-in")
    await inspection.look(page, "sign-in")
    await sign_in(page, "Administrator")
    for path in ("/", "/step-up", "/tokens", "/people", "/_components", "/d/999999"):
        await page.goto(path)
        await inspection.look(page, path, waits_for="main, body")
    await page.goto("/_components?theme=dark&dir=rtl")
    await inspection.look(page, "components, dark, right to left", waits_for="body")
    inspection.report()


async def test_homes_before_the_gate(any_day: Day, visitors: Visitors) -> None:
    inspection = Inspection()

    async def look(title: str) -> None:
        page = await visitors.person(title)
        await inspection.look(page, f"home of {title}")
        await visitors.leaves(page)

    for first in range(0, len(POSITIONS), AT_ONCE):
        await asyncio.gather(*(look(title) for title in POSITIONS[first : first + AT_ONCE]))
    inspection.report()


async def test_pages_of_a_deployment_before_the_gate(any_day: Day, visitors: Visitors) -> None:
    inspection = Inspection()
    page = await visitors.person("Project manager", "/board")
    await _look_at(page, any_day, inspection, OF_THE_DEPLOYMENT, "Project manager")
    inspection.report()


async def test_pages_with_a_no_go_an_outdated_vote_and_a_hold(day: Day, visitors: Visitors) -> None:
    inspection = Inspection()
    await day.five_go(but=("Operations",))
    plan = "/checklists/before_production/rollback_plan"
    await day["Backend lead"].post(plan, state="done", text="Runbook 12", version="0")
    page = await visitors.person("Operations", "/board")
    await page.locator("#comment-monitoring").fill("Dashboards are dark")
    await page.locator("#nogo-monitoring").click()
    await expect(page.locator("#vote-monitoring")).to_have_attribute("data-state", "nogo")
    await _look_at(page, day, inspection, ("/board", "/checklists", "", "/timeline"), "on hold, Operations")
    inspection.report()


async def test_pages_of_the_switch(day: Day, visitors: Visitors) -> None:
    """Armed; with the cover open; on GREEN; rolled back."""
    inspection = Inspection()
    await day.ready_to_switch()
    page = await visitors.person("DevOps lead", "/switch")
    await page.locator("#switch-guard > summary").click()
    await inspection.look(page, "armed, cover open")
    reader = await visitors.person("Executive", "/switch")
    await inspection.look(reader, "armed, Executive's switch page")

    await day["DevOps lead"].post("/switch", confirm="yes")
    await day.arrived("switch")
    await _look_at(page, day, inspection, ("/switch", "", "/board", "/wall", "/timeline"), "on GREEN, DevOps lead")
    await page.locator("#rollback > summary").click()
    await inspection.look(page, "on GREEN, rollback cover open")

    await day["DevOps lead"].post("/rollback")
    await day.arrived("rollback")
    await _look_at(page, day, inspection, ("/switch", "", "/board", "/wall"), "rolled back, DevOps lead")
    inspection.report()


async def test_pages_of_a_refused_switch(day: Day, visitors: Visitors) -> None:
    inspection = Inspection()
    await day.ready_to_switch()
    await day.range.set_knobs({"green": {"dead": True}})
    await day["DevOps lead"].post("/switch", confirm="yes")
    page = await visitors.person("DevOps lead", "/switch")
    await expect(page.locator("#operation")).to_contain_text("REFUSED, NOTHING WRITTEN")
    await _look_at(page, day, inspection, ("/switch", "", "/range"), "refused, DevOps lead")
    inspection.report()


async def test_pages_stand_still_while_they_load(day: Day, visitors: Visitors) -> None:
    """First loads on a desktop and a phone, three browsers at a time."""
    await day.five_go(but=("Operations",))
    for title in POSITIONS:
        await day[title].page("")  # whoever arrives changes the pages of the others: all are there already
    await day.until(day.is_ready, 60, "both sides are measured")
    shifted: list[str] = []

    async def load(title: str, path: str, viewport: ViewportSize) -> None:
        page = await visitors.person(title, path, viewport=viewport, is_new=True)
        await is_live(page)
        shifts = await page.evaluate(SHIFTS)
        if sum(value for value, _ in shifts) >= STILL:
            shifted.append(f"{title} {path or '/'} at {viewport['width']}: {shifts}")
        await visitors.leaves(page, for_good=True)

    pages = [(title, "") for title in POSITIONS] + [("Operations", "/board"), ("DevOps lead", "/switch")]
    loads = [(title, path, viewport) for title, path in pages for viewport in (DESKTOP, PHONE)]
    for first in range(0, len(loads), AT_ONCE):
        await asyncio.gather(*(load(*each) for each in loads[first : first + AT_ONCE]))
    assert not shifted, "\n".join(shifted)
