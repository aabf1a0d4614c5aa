"""One whole installation and one Chromium for all end-to-end tests; a fresh rehearsal for each."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from app.rehearsal.supervisor import Installation
from tests.e2e.browsers import Browsers
from tests.e2e.day import Day
from tests.e2e.visitors import Visitors, executable

BASE_PORT = 8700
CUSTOMERS_A_SECOND = 10
PATIENCE_S = 300
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where all run in one process they come last: what is broken elsewhere shows sooner (see tests/sharing_out.py)."""
    mine = [item for item in items if item.path.is_relative_to(HERE)]
    for item in mine:
        item.add_marker(pytest.mark.e2e)
        item.add_marker(pytest.mark.timeout(PATIENCE_S))
    others = [item for item in items if not item.path.is_relative_to(HERE)]
    items[:] = [*others, *mine]


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        # No GPU to be emulated: nobody looks at the pixels, and drawing them twice is a sixth of Chromium's computing.
        browser = await playwright.chromium.launch(executable_path=executable(playwright), args=["--disable-gpu"])
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
async def installation(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    """Asked for after the browser: without one nothing is started."""
    running = Installation(
        tmp_path_factory.mktemp("gonogo"),
        base_port=BASE_PORT,
        quiet=True,
        customers_rps=CUSTOMERS_A_SECOND,
        fast_database=True,
    )
    await asyncio.to_thread(running.start)
    try:
        yield running
    finally:
        await asyncio.to_thread(running.stop)


@pytest.fixture(scope="session")
async def _whole_day(installation: Installation) -> AsyncIterator[Day]:
    day = Day(installation)
    yield day
    await day.aclose()


@pytest.fixture
async def day(_whole_day: Day) -> Day:
    """A fresh rehearsal: sign-offs open, all traffic on BLUE."""
    await _whole_day.begin()
    return _whole_day


@pytest.fixture
async def any_day(_whole_day: Day) -> Day:
    """For tests that only look: a rehearsal in which nobody did anything, shared with others that only look."""
    if not _whole_day.is_untouched:
        await _whole_day.begin()
        _whole_day.is_untouched = True
    return _whole_day


@pytest.fixture(scope="session")
async def _browsers(browser: Browser, installation: Installation) -> AsyncIterator[Browsers]:
    browsers = Browsers(browser, installation.url)
    yield browsers
    await browsers.aclose()


@pytest.fixture
async def visitors(_browsers: Browsers, _whole_day: Day) -> AsyncIterator[Visitors]:
    """Browsers of people. No page may break the content security policy or write an error to its console."""
    _browsers.complaints.clear()
    visitors = Visitors(_browsers, _whole_day)
    yield visitors
    await visitors.aclose()
    assert not visitors.unexpected
