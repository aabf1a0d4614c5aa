"""Each position's home: server time, bytes on the wire of a first visit, layout shift."""

import time
from typing import Any

from playwright.async_api import Browser, async_playwright
from sqlalchemy import select

from app.db.engine import Database, make_engine
from app.db.tables import Deployment
from app.drill.team import Member, gather_team
from app.rehearsal.supervisor import Installation
from app.web.access import SESSION_COOKIE
from tests.bench.spread import percentile, spread
from tests.conftest import chromium

VISITS = 40
GOAL_KB = 120

SHIFT = """() => new Promise(done => {
  let sum = 0;
  new PerformanceObserver(list => { for (const e of list.getEntries()) sum += e.value; })
    .observe({type: "layout-shift", buffered: true});
  setTimeout(() => done(sum), 1500);
})"""


async def measure_pages(installation: Installation, _rounds: int) -> dict[str, Any]:
    database = Database(make_engine(installation.environment["GONOGO_DATABASE_URL"], pool_size=2))
    deployment_id = await database.read(lambda session: session.scalar(select(Deployment.id).limit(1)))
    await database.aclose()
    team = await gather_team(installation.url, deployment_id or 0)
    found: dict[str, Any] = {}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium())
        for member in team.members.values():
            if member.title == "Administrator":
                continue
            times = await _server_times(member)
            size, shift = await _first_visit(browser, member, installation.url)
            server = f"p95 {percentile(times, 0.95):.0f} ms"
            found[f"home of {member.title}"] = (
                f"{server}, first visit {size / 1000:.0f} kB of {GOAL_KB}, shift {shift:.3f}"
            )
        await browser.close()
    all_times = [t for member in list(team.members.values())[:3] for t in await _server_times(member)]
    found["server time, three homes"] = spread(all_times)
    await team.aclose()
    return found


async def _server_times(member: Member) -> list[float]:
    times = []
    for _ in range(VISITS):
        began = time.perf_counter()
        await member.page("")
        times.append((time.perf_counter() - began) * 1000)
    return times


async def _first_visit(browser: Browser, member: Member, url: str) -> tuple[int, float]:
    """Bytes of all answers as they crossed the wire, and the sum of layout shifts."""
    context = await browser.new_context()
    cookie = member.client.cookies[SESSION_COOKIE]
    await context.add_cookies([{"name": SESSION_COOKIE, "value": cookie, "url": url}])
    page = await context.new_page()
    session = await context.new_cdp_session(page)
    await session.send("Network.enable")
    sizes: list[int] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(int(event["encodedDataLength"])))
    await page.goto(url + member.deployment)
    shift = float(await page.evaluate(SHIFT))
    await context.close()
    return sum(sizes), shift
