"""A decision point in three people's browsers: the dialog of whoever is asked, the clock of all others, silence."""

import asyncio
import re
from datetime import timedelta

import pytest
from playwright.async_api import Page, ViewportSize, expect
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Decision, Deployment, Event, WorkerLease
from app.deployments.commands import database_now
from tests.e2e.day import PLAN_FILE, Day
from tests.e2e.inspection import Inspection
from tests.e2e.visitors import DESKTOP, Visitors, is_live

FIVE = "- minute: 5\n        question: Any issues yet?\n        position: devops_lead\n"
ASKED = "Any issues yet?"
SIZES = (DESKTOP, ViewportSize(width=390, height=844))


def plan_with(patience_s: int) -> str:
    """ALAWAEL's plan, with its first decision point right after the switch, and so many seconds on each rung."""
    silence = "".join(f"        {name}: {patience_s}\n" for name in ("deputy_after_s", "leader_after_s"))
    now = FIVE.replace("minute: 5", "minute: 0") + silence + f"        escalate_after_s: {patience_s}\n"
    text = PLAN_FILE.read_text(encoding="utf-8")
    assert FIVE in text
    return text.replace(FIVE, now)


@pytest.fixture
async def day(_whole_day: Day, request: pytest.FixtureRequest) -> Day:
    """A day with so many seconds of patience on each rung, ten minutes unless the test says less."""
    await _whole_day.begin(plan_with(getattr(request, "param", 600)))
    return _whole_day


async def _three(visitors: Visitors) -> tuple[Page, Page, Page]:
    lead, manager, reader = await asyncio.gather(
        visitors.person("DevOps lead", "/board"),
        visitors.person("Project manager", "/timeline"),
        visitors.person("Executive", "/switch"),
    )
    for page in (lead, manager, reader):
        await is_live(page)
        await page.evaluate("window.wasNeverLoadedAgain = true")
    return lead, manager, reader


async def test_the_lead_answers_and_all_see_it(day: Day, visitors: Visitors) -> None:
    lead, manager, reader = await _three(visitors)
    await day.on_green()
    dialog = lead.get_by_role("dialog", name=ASKED)
    await expect(dialog).to_be_visible()
    await expect(lead.locator("#alarm")).to_contain_text("You are asked.")
    for page in (manager, reader):
        await expect(page.locator("#banner")).to_contain_text("Decision at minute 0: DevOps lead has")
        await expect(page.locator("#mission")).to_contain_text("DevOps lead has")
        assert await page.get_by_role("dialog", name=ASKED).count() == 0

    # No key answers by accident: neither Enter in the reason, nor Esc, which only puts the dialog aside.
    reason = lead.get_by_label("Reason (kept with the answer, not required)")
    await reason.fill("Memory levels off")
    await reason.press("Enter")
    await lead.keyboard.press("Escape")
    await expect(lead.locator("#decision-form")).to_be_hidden()
    await expect(lead.locator("#decision-title")).to_be_visible()
    await lead.locator("#decision-summary").press("Enter")
    await expect(lead.locator("#answer-continue")).to_be_visible()
    assert await reason.input_value() == "Memory levels off\n"

    # The bar is never under it: the cover can be lifted over the open dialog, and "Roll back…" lifts it.
    await lead.keyboard.press("Escape")
    await lead.keyboard.press("Shift+R")
    await expect(lead.locator("#rollback-cover")).to_be_focused()
    await lead.locator("#decision-summary").click()
    await lead.locator("#answer-rollback").click()
    await expect(lead.locator("#rollback [data-press]")).to_be_focused()
    await lead.keyboard.press("Escape")
    assert await day.state() == "switched"

    await lead.locator("#decision-summary").click()
    await lead.wait_for_timeout(450)  # the answers rest for the first 400 ms
    await lead.locator("#answer-watch").click()
    await expect(lead.get_by_role("dialog", name=ASKED)).to_have_count(0)
    for page in (manager, reader):
        await expect(page.locator("#mission")).to_contain_text("watched")
        await expect(page.locator("#banner [data-key^='decision']")).to_have_count(0)
        assert await page.evaluate("window.wasNeverLoadedAgain")
    await manager.goto(day.url("/decisions"))
    await expect(manager.locator("#point-0")).to_contain_text("WATCH CLOSELY")
    await expect(manager.locator("#point-0")).to_contain_text("Memory levels off")
    await day["DevOps lead"].post("/rollback")
    await expect(manager.locator("h1")).to_contain_text("Rolled back: the decision points are void.")
    await day.arrived("rollback")


@pytest.mark.parametrize("day", [4], indirect=True)
async def test_silence_asks_the_manager_then_shows_everybody_whom_to_call(day: Day, visitors: Visitors) -> None:
    lead, manager, reader = await _three(visitors)
    await day.on_green()
    await expect(lead.get_by_role("dialog", name=ASKED)).to_be_visible()
    await expect(manager.get_by_role("dialog", name=ASKED)).to_be_visible()
    for page in (lead, manager, reader):
        await expect(page.locator("#banner")).to_contain_text("call VP Operations", timeout=40_000)
    await expect(lead.locator(".dialog-call")).to_contain_text("Nobody answered in time")
    assert await reader.get_by_role("dialog", name=ASKED).count() == 0
    await manager.wait_for_timeout(450)
    await manager.locator("#answer-continue").click()
    await expect(reader.locator("#banner [data-key^='decision']")).to_have_count(0)
    await expect(lead.get_by_role("dialog", name=ASKED)).to_have_count(0)
    assert await day.state() == "switched"


async def test_pages_with_an_open_decision_and_an_incident(day: Day, visitors: Visitors) -> None:
    """Accessible and whole, light and dark, wide and narrow; an incident comes by itself to who checks."""
    inspection = Inspection()
    backend = await visitors.person("Backend lead", "/incidents")
    await is_live(backend)
    await day["Support and communications"].post("/incidents/raise", title="Response time spiked", severity="critical")
    report = {"text": "Payment fails", "customers": "2", "link": "", "severity": "warning"}
    await day["Support and communications"].post("/incidents/reports", **report)
    await expect(backend.locator("#incidents")).to_contain_text("Backend lead checks the logs")
    await expect(backend.locator("#reports")).to_contain_text("Payment fails")
    await day.on_green()
    lead = await visitors.person("DevOps lead", "/decisions")
    await expect(lead.get_by_role("dialog", name=ASKED)).to_be_visible()
    for theme in ("light", "dark"):
        cookie = {"name": "gonogo_theme", "value": theme, "url": day.installation.url}
        for page in (lead, backend):
            await page.context.add_cookies([cookie])  # type: ignore[list-item]
        await lead.goto(day.url("/decisions"))
        await inspection.look(lead, f"decision open, {theme}", only_colours=theme == "dark")
        await lead.locator("#decision-summary").click()
        await inspection.look(lead, f"decision put aside, {theme}", only_colours=theme == "dark")
        await lead.goto(day.url("/incidents"))
        await lead.locator("#decision-summary").click()
        await inspection.look(lead, f"incidents, DevOps lead, {theme}", only_colours=theme == "dark")
        await backend.goto(day.url("/incidents"))
        await inspection.look(backend, f"incidents, Backend lead, {theme}", only_colours=theme == "dark")
    await backend.locator("[id^='check-'] textarea").fill("A slow query")
    await backend.get_by_role("button", name="Say it").click()
    await expect(lead.locator("#incidents")).to_contain_text("A slow query")
    support = await visitors.person("Support and communications", "/incidents")
    await inspection.look(support, "incidents, Support")
    inspection.report()
    assert re.search(r"switched|switching", await day.state())


async def test_a_killed_workers_clock_goes_on(day: Day, visitors: Visitors) -> None:
    """The worker that keeps the clock dies a moment before a point is due: another one opens it, once."""
    await day.on_green()

    async def due_in_a_moment(session: AsyncSession) -> str:
        at = await database_now(session) - timedelta(minutes=10) + timedelta(seconds=0.5)
        await session.execute(update(Deployment).where(Deployment.id == day.id).values(switched_at=at))
        lease = select(WorkerLease.owner).where(WorkerLease.duty == "decisions")
        return (await session.scalars(lease)).one()

    async def opened(session: AsyncSession) -> Decision | None:
        wanted = select(Decision).where(Decision.deployment_id == day.id, Decision.minute == 10)
        return (await session.scalars(wanted)).one_or_none()

    owner = await day.database.run(due_in_a_moment)
    number = int(re.match(r"worker-(\d+)", owner)[1])  # type: ignore[index]
    await asyncio.to_thread(day.installation.kill_worker, number)
    row = await day.until(opened, 15, "another worker opens the point")
    found = await day.database.read(lambda session: session.scalar(select(Deployment.switched_at).filter_by(id=day.id)))
    late_s = (row.opened_at - found).total_seconds() - 600
    assert late_s < 8, f"opened {late_s:.1f} s late"
    lines = select(Event.text).where(Event.chain == day.id, Event.text.startswith("Decision point, minute 10"))
    assert len(list(await day.database.read(lambda session: session.scalars(lines)))) == 1
