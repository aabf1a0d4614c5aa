"""State change → changed fragment in the DOM, with 20 open streams."""

import asyncio
import contextlib
import time
from typing import Any

import httpx
from playwright.async_api import async_playwright
from sqlalchemy import select

from app.db.engine import Database, make_engine
from app.db.tables import Deployment
from app.drill.team import gather_team
from app.rehearsal.supervisor import Installation
from app.web.access import SESSION_COOKIE
from tests.bench.spread import spread
from tests.conftest import chromium

STREAMS = 20
CHANGES = 100

WATCH = """() => {
  window.seen = {};
  const look = () => {
    const at = performance.timeOrigin + performance.now();
    const text = document.getElementById("main").textContent;
    for (const m of text.matchAll(/bench-(\\d+)-/g)) window.seen[m[1]] ??= at;
  };
  const all = {subtree: true, childList: true, characterData: true};
  new MutationObserver(look).observe(document.getElementById("main"), all);
}"""


async def measure_live(installation: Installation, _rounds: int) -> dict[str, Any]:
    """A note is posted; the clock starts before the POST leaves and stops when the timeline in a browser shows it."""
    database = Database(make_engine(installation.environment["GONOGO_DATABASE_URL"], pool_size=2))
    deployment_id = await database.read(lambda session: session.scalar(select(Deployment.id).limit(1)))
    team = await gather_team(installation.url, deployment_id or 0)
    author = team["Operations"]
    async with contextlib.AsyncExitStack() as stack:
        readers = [
            asyncio.create_task(_read_stream(author.client, f"{author.deployment}/live")) for _ in range(STREAMS)
        ]
        stack.callback(lambda: [reader.cancel() for reader in readers])
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path=chromium())
        context = await browser.new_context()
        cookie = author.client.cookies[SESSION_COOKIE]
        await context.add_cookies([{"name": SESSION_COOKIE, "value": cookie, "url": installation.url}])
        page = await context.new_page()
        await page.goto(f"{installation.url}{author.deployment}/timeline")
        await page.evaluate(WATCH)
        await asyncio.sleep(3)
        sent: dict[str, float] = {}
        answered: list[float] = []
        for number in range(CHANGES):
            began = time.time()
            sent[str(number)] = began * 1000
            await author.post("/timeline/notes", text=f"bench-{number}-")
            answered.append((time.time() - began) * 1000)
            await asyncio.sleep(0.25)
        await asyncio.sleep(1)
        seen: dict[str, float] = await page.evaluate("() => window.seen")
        await browser.close()
    await team.aclose()
    await database.aclose()
    delays = [seen[number] - at for number, at in sent.items() if number in seen]
    return {
        f"change → DOM with {STREAMS} more streams": spread(delays),
        "floor: the POST's own answer": spread(answered),
        "changes not seen": len(sent) - len(delays),
    }


async def _read_stream(client: httpx.AsyncClient, path: str) -> None:
    async with client.stream("GET", path, timeout=None) as response:
        async for _chunk in response.aiter_bytes():
            continue
