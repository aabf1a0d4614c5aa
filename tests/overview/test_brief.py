"""The briefing: one calm page for those who are told of the day, right in every state, with nothing to press."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import ROOT
from app.db.tables import BreakGlass, Deployment, Person, PhaseRun, ProbeSummary, Reading, TargetState
from app.deployments.commands import database_now
from app.domain.deployments import State
from app.domain.plan import Plan
from app.domain.sides import Side
from app.eventlog.log import touch
from tests.conftest import Web, make_scope_of
from tests.decisions.conftest import on_green
from tests.overview.test_home import LOGINS, put
from tests.signoffs.cast import vote

JARGON = ("BLUE", "GREEN", "probe", "canary", "weights", "epoch", "p95", "INCONCLUSIVE", "PENDING", "UNKNOWN", "None")


async def page_of(web: Web, login: str = "executive") -> str:
    answer = await (await web.client_as(login)).get(f"/d/{web.deployment.id}/brief")
    assert answer.status_code == 200, answer.text[:2000]
    return answer.text


def said(html: str) -> str:
    """The briefing's own words, without the frame around it."""
    own = html.split('id="brief"', 1)[1].split("</main>", 1)[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", own).replace("\u00a0", " "))


async def serves(web: Web, new: int, *, ago_s: float = 1, failed: int = 0, values: float = 1.0) -> None:
    """Traffic as probes see it, every metric read, customers counted."""

    async def write(session: AsyncSession) -> None:
        now = await database_now(session)
        at = now - timedelta(seconds=ago_s)
        seen = {"probed_blue": 100 - new, "probed_green": new, "probed_at": at, "set_blue": 100 - new, "read_at": now}
        await session.execute(update(TargetState).values(read_error="", **seen))
        for metric in web_plan.metrics:
            for side in Side:
                row = Reading(deployment_id=web.deployment.id, metric=metric.key, side=side.value, source="test")
                row.at, row.value, row.samples = now, values * metric.target / 2, 500
                session.add(row)
        for ago, requests, bad in ((290, 1000, 0), (2, 9000, failed)):
            second = (now - timedelta(seconds=ago)).replace(microsecond=0)
            row = ProbeSummary(target="production", second=second, blue=4, green=0, unknown=0, failed=0, slowest_ms=4.0)
            row.customers_requests, row.customers_failed = requests, bad
            await session.merge(row)
        await touch(session, web.deployment.id, ("traffic", "metrics"))

    web_plan = (await make_scope_of(web.database, web.app.state.settings)(web.deployment, "executive")).plan
    await web.database.run(write)


@pytest.mark.parametrize("login", LOGINS)
async def test_everybody_on_the_roster_finds_it_and_nobody_can_press_anything(web: Web, login: str) -> None:
    client = await web.client_as(login)
    page = await page_of(web, login)
    assert page.count("<h1") == 1
    own = page.split('id="brief"', 1)[1].split("</main>", 1)[0]
    assert "<form" not in own
    assert "<button" not in own
    assert f'href="/d/{web.deployment.id}/brief"' in (await client.get(f"/d/{web.deployment.id}/board")).text
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    nobody = await web.client_as(None)
    assert (await nobody.get(f"/d/{web.deployment.id}/brief")).status_code == 303


@pytest.mark.parametrize("state", State)
async def test_it_says_in_every_state_which_version_customers_use(web: Web, state: State) -> None:
    is_new = state in (State.SWITCHED, State.COMPLETED)
    await serves(web, 100 if is_new else 0)
    await put(web, state, hold_reason="the disk is <full>", switched_at=web.deployment.created_at if is_new else None)
    page = await page_of(web)
    text = said(page)
    assert f"Everybody is on the {'new version 1.0.0' if is_new else 'old version 0.9.4'}." in text
    assert "<full>" not in page
    assert [word for word in JARGON if word in text] == []
    headline = re.search(r"<h1>(.*?)</h1>", page)
    assert headline is not None
    assert re.search(r"old version 0\.9\.4|new version 1\.0\.0", headline[1])
    assert ("all is well" in headline[1]) == is_new


async def test_what_is_not_known_is_not_guessed(web: Web) -> None:
    text = said(await page_of(web))
    assert "Which version customers are on is not known at this moment." in text
    assert "Not known now" in text
    assert "Customers notice nothing" not in text
    await serves(web, 100, ago_s=20)
    assert re.search(r"not known at this moment; last known 2\d s ago", said(await page_of(web)))


async def test_the_way_of_the_votes(web: Web) -> None:
    assert "0 of 5 said go so far; all must." in said(await page_of(web))
    scope_of = make_scope_of(web.database, web.app.state.settings)
    await vote(web.database, await scope_of(web.deployment, "operations"), "monitoring")
    no = "Key rotation has no <b>evidence</b>"
    await vote(web.database, await scope_of(web.deployment, "security_officer"), "security", "nogo", no)
    page = await page_of(web)
    text = said(page)
    assert "One of five said no: nothing goes on until it is mended." in text
    assert "Operations says go" in text
    assert "Security officer says no" in text
    assert "<b>evidence</b>" not in page


async def test_whether_customers_are_fine(web: Web) -> None:
    await serves(web, 0)
    text = said(await page_of(web))
    assert "Customers notice nothing" in text
    assert "0 taken in, 0 wait for an answer" in text
    support = await web.client_as("support")
    form = {"text": "Payment fails", "customers": "7", "severity": "critical", "link": ""}
    assert (await support.post(f"/d/{web.deployment.id}/incidents/reports", data=form)).status_code == 303
    text = said(await page_of(web))
    assert "Customers report trouble 1 report of customers waits for an answer." in text
    assert "1 taken in, 1 wait for an answer" in text


async def test_failed_requests_and_limits_that_are_exceeded_are_said(web: Web) -> None:
    await serves(web, 0, failed=12)
    assert "Some customers meet errors 12 of 8,000 requests failed in 5 min." in said(await page_of(web))
    await serves(web, 0, values=40)
    text = said(await page_of(web))
    assert "Customers feel trouble API response time, error rate and 3 more: far too high." in text


async def test_open_matters_stand_with_who_decides_until_when(web: Web) -> None:
    assert "Nothing is open: nobody waits for a decision." in said(await page_of(web))
    support = await web.client_as("support")
    sent = {"title": "Response time spiked", "severity": "critical"}
    assert (await support.post(f"/d/{web.deployment.id}/incidents/raise", data=sent)).status_code == 303
    text = said(await page_of(web))
    assert re.search(r"Response time spiked Raised by Support and communications at .* DevOps lead decides by", text)
    clock = await on_green(web.database, web.deployment, make_scope_of(web.database, web.app.state.settings))
    await clock.at(5.01)
    page = await page_of(web)
    text = said(page)
    assert "The decision after 5 minutes is open “Any issues yet?” DevOps lead is asked until" in text
    assert 'data-tone="crit"' in page

    async def glass(session: AsyncSession) -> None:
        now = await database_now(session)
        session.add(
            BreakGlass(
                run="r", deployment_id=web.deployment.id, target="production", who="dana", host="worker-1", epoch=9,
                started_at=now, taken_in_at=now,
            )
        )  # fmt: skip
        await touch(session, web.deployment.id, ("traffic",))

    await web.database.run(glass)
    assert "The emergency way back was used from a machine dana" in said(await page_of(web))


async def test_planned_and_actual_and_how_far_the_day_is(web: Web, plan: Plan) -> None:
    page = await page_of(web)
    shown = re.findall(r'id="brief-phase-(\w+)"', page)
    assert shown == [phase.key for phase in plan.phases if phase.kind != "rollback"]
    assert "0 of 5 phases are over 0 %" in said(page)

    async def half(session: AsyncSession) -> None:
        now = await database_now(session)
        mine = update(PhaseRun).where(PhaseRun.deployment_id == web.deployment.id)
        first = mine.where(PhaseRun.phase == "github")
        done = {"state": "completed", "started_at": now - timedelta(hours=3), "finished_at": now - timedelta(hours=2)}
        await session.execute(first.values(planned_at=now - timedelta(hours=3, minutes=10), is_moved=True, **done))
        runs = {
            "state": "running",
            "started_at": now - timedelta(minutes=25),
            "planned_at": now - timedelta(minutes=25),
        }
        await session.execute(mine.where(PhaseRun.phase == "staging").values(**runs))
        await touch(session, web.deployment.id, ("phases",))

    await web.database.run(half)
    text = said(await page_of(web))
    assert "1 of 5 phases are over 30 %" in text
    assert "2. GitHub organisation setup Done" in text
    assert "10 min late, 15 min longer than planned" in text
    assert "3. Staging deployment Under way" in text
    assert "Under way: staging deployment." in text
    assert "Phase 2 took longer 15 min" in text
    assert re.search(r"\w{3} \d+ \w{3}, \d\d:\d\d to .* Phase 5: seven days of monitoring", text)


async def test_a_rollback_and_another_attempt_are_costs(web: Web) -> None:
    clock = await on_green(web.database, web.deployment, make_scope_of(web.database, web.app.state.settings))
    devops = await web.client_as("devops_lead")
    sent = await devops.post(f"/d/{web.deployment.id}/rollback", data={"_key": "k1", "although_blue_unhealthy": "yes"})
    assert sent.status_code in (200, 303), sent.text[:300]
    text = said(await page_of(web))
    assert "Going back to the old version 0.9.4 now" in text
    assert "Times the old version was taken back 1" in text
    await clock.database.run(
        lambda session: session.execute(update(Deployment).values(attempt=2, state="preparing", switched_at=None))
    )
    assert "Attempts 2" in said(await page_of(web))


async def test_an_executives_home_is_the_briefing(web: Web) -> None:
    await serves(web, 0)
    client = await web.client_as("executive")
    page = (await client.get(f"/d/{web.deployment.id}")).text
    assert page.count("<h1") == 1
    assert 'id="brief-experience"' in page
    assert "Customers notice nothing" in page
    assert 'id="home-traffic"' not in page, "no panel of the trade's own"


async def test_it_is_rendered_once_for_all_and_asked_for_again(web: Web) -> None:
    client = await web.client_as("executive")
    for path, is_page in (("/brief/_brief", False), ("/brief/_brief?page=1", True)):
        answer = await client.get(f"/d/{web.deployment.id}{path}", headers={"hx-request": "true"})
        assert answer.status_code == 200
        assert answer.text.lstrip().startswith('<div class="brief" id="brief"')
        assert ("<h1>" in answer.text) == is_page
        assert f'hx-get="/d/{web.deployment.id}{path}"' in answer.text


async def test_it_says_whom_to_ask_and_prints_with_plan_and_time(web: Web) -> None:
    async def phones(session: AsyncSession) -> None:
        await session.execute(update(Person).where(Person.login == "support").values(phone="+1 555 0142"))

    await web.database.run(phones)
    page = await page_of(web)
    text = said(page)
    assert "Support and communications +1 555 0142" in text
    assert "VP Operations" in text
    assert re.search(r"REHEARSAL · ALAWAEL 0\.9\.4 → 1\.0\.0 · briefing at \d\d:\d\d:\d\d America/New_York", text)
    assert re.search(r"plan alawael@[0-9a-f]{8}", text)


def test_it_is_made_for_paper_and_for_a_phone() -> None:
    style = (ROOT / "static" / "css" / "overview.css").read_text(encoding="utf-8")
    printed = style.split("@media print", 1)[1]
    assert ".brief-head { display: block" in printed
    assert re.search(r"max-width: 47\.5rem\) \{ \.brief \{ grid-template-columns: minmax\(0, 1fr\)", style)
