"""The door of a live installation: nobody is offered a seat, name and password are asked for."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from app.config import ROOT
from app.rehearsal.child import Child
from app.rehearsal.ports import Reservation
from app.rehearsal.supervisor import Installation, answers
from app.wiring import read_site
from tests.e2e.conftest import BASE_PORT
from tests.e2e.inspection import Inspection
from tests.e2e.visitors import Visitors


@pytest.fixture
async def live_url(installation: Installation, tmp_path: Path) -> AsyncIterator[str]:
    """Another web process on the same database, in live mode."""
    reservation = Reservation()
    port = reservation.take(BASE_PORT + 50)
    url = f"http://127.0.0.1:{port}"
    site = tmp_path / "site.yaml"
    site.write_text(
        json.dumps({**read_site(installation.site_file).model_dump(mode="json"), "kind": "live", "range": None})
    )
    live = {"GONOGO_MODE": "live", "GONOGO_SITE": str(site), "GONOGO_INSECURE_COOKIES": "1"}
    command = [sys.executable, "-m", "uvicorn", "app.main:create_app", "--factory", "--port", str(port)]
    environment = {**installation.environment, **live}
    ready = answers(f"{url}/readyz")
    web = Child("live web", command, log=tmp_path / "web.log", environment=environment, folder=ROOT, ready=ready)
    await asyncio.to_thread(web.start)
    yield url
    await asyncio.to_thread(web.stop)
    reservation.release()


async def test_the_live_door_asks_for_a_password(live_url: str, visitors: Visitors) -> None:
    visitors.tolerate("422")
    inspection = Inspection()
    page = await visitors.somebody()
    await page.goto(f"{live_url}/d/1/board")
    await expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    await expect(page.locator("button.seat")).to_have_count(0)
    await page.get_by_label("Name").fill("devops_lead")
    await page.get_by_label("Password").fill("a guess of an outsider")
    await page.keyboard.press("Enter")
    await expect(page.locator("#password")).to_be_focused()
    await expect(page.locator("#password")).to_have_attribute("aria-invalid", "true")
    await expect(page.locator("#login")).to_have_value("devops_lead")
    await inspection.look(page, "/sign-in, wrong password")
    await page.goto(f"{live_url}/password")
    await inspection.look(page, "/password")
    inspection.report()
