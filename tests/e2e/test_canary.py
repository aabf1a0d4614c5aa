"""A canary in browsers: begun by the lead, approved by the backend team, taken back by a report of theirs."""

import os
import re
from pathlib import Path

from playwright.async_api import ViewportSize, expect
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, PhaseRun
from app.domain.plan_clock import run_at
from tests.e2e.day import Day
from tests.e2e.inspection import Inspection
from tests.e2e.visitors import DESKTOP, Visitors, is_live

PHONE = ViewportSize(width=390, height=844)
SHOTS = os.environ.get("GONOGO_SHOTS")


async def _runs(day: Day) -> None:
    """Phase 3 runs, on a clock that is ten times as fast."""

    async def write(session: AsyncSession) -> None:
        deployment: Deployment = await day.deployment(session)
        mine = (PhaseRun.deployment_id == deployment.id) & (PhaseRun.phase == "staging")
        await session.execute(update(PhaseRun).where(mine).values(state="running"))
        deployment.set_plan_clock(run_at(deployment.plan_clock, 10, deployment.created_at))

    await day.database.run(write)


async def test_a_canary_from_its_start_to_a_report(day: Day, visitors: Visitors) -> None:
    await _runs(day)
    lead = await visitors.person("DevOps lead", "/phases/staging/canary")
    await is_live(lead)
    await expect(lead.locator("h1")).to_have_text("The canary can begin with 10 %")
    await lead.locator("#button-canary-start").click()
    await expect(lead.locator("h1")).to_contain_text("10 % on GREEN", timeout=60_000)
    await expect(lead.locator("#shares")).to_contain_text(re.compile(r"\d+\.\d % ± \d\.\d \(\d+ probes\)"))
    await expect(lead.locator("#button-canary-go_on")).to_have_attribute("aria-disabled", "true")

    backend = await visitors.person("Backend lead", viewport=PHONE)
    await expect(backend.locator("#now h1")).to_contain_text(
        re.compile("canary waits for your word|Your step in phase 3")
    )
    await backend.goto(re.sub(r"(/d/\d+).*", r"\1/phases/staging/canary", backend.url))
    await is_live(backend)
    await backend.locator("#way-summary-canary-approve").click()
    await backend.locator("#button-canary-approve").click()
    await expect(lead.locator("#proceed-lines")).to_contain_text("Backend")
    await expect(lead.locator("h1")).to_have_text("The gate after 10 % passed", timeout=90_000)
    await lead.locator("#button-canary-go_on").click()
    await expect(lead.locator("h1")).to_contain_text("25 % on GREEN", timeout=60_000)
    inspection = Inspection()
    await lead.set_viewport_size(DESKTOP)
    if SHOTS:
        for scheme in ("light", "dark"):
            await lead.emulate_media(color_scheme=scheme)
            for width in (1440, 390):
                await lead.set_viewport_size(ViewportSize(width=width, height=900))
                await lead.screenshot(path=Path(SHOTS) / f"canary-{scheme}-{width}.png", full_page=True)
        await lead.emulate_media(color_scheme="light")
    await inspection.look(lead, "canary at 25 %")

    await backend.locator("#way-summary-canary-report").click()
    await backend.locator("#text-canary-report").fill("orders are slow")
    await backend.locator("#button-canary-report").click()
    await expect(lead.locator("h1")).to_have_text("The canary was rolled back: all is on BLUE", timeout=60_000)
    await expect(lead.locator("#canary")).to_contain_text("orders are slow")
    inspection.report()
