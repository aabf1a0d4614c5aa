"""What a drill presses is what the pages offer: the team of ALAWAEL through the whole application, without a range."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from app.db.tables import ChangeFreeze, Custody, CustomerReport, DutyDone, EmergencyPatch, EvidenceFile, Incident
from app.db.tables import PersonalTick as OwnTick
from app.domain.plan import Plan
from app.drill.deeds import Deeds
from app.drill.press_script import offered, press_run
from app.drill.team import Member, Team
from app.providers.script.folder import ScriptFolder
from app.providers.script.running import Surroundings
from app.scripts.queries import Bound
from app.scripts.tasks import Runs
from app.seed import seat_name
from tests.conftest import Web, make_scope_of
from tests.phases.ready import running

CONFIG = "alawael-phase2-github-config.sh"


async def team_of(web: Web, plan: Plan) -> Team:
    members: dict[str, Member] = {}
    for position in plan.positions:
        for seat in range(1, position.seats + 1):
            login = position.key if position.seats == 1 else f"{position.key}_{seat}"
            title = seat_name(position, seat)
            members[title] = Member(title, await web.client_as(login), f"/d/{web.deployment.id}")
    return Team(members)


async def count(web: Web, table: Any, *where: Any) -> int:
    statement = select(func.count()).select_from(table).where(*where)
    return await web.database.read(lambda session: session.scalar(statement)) or 0


@pytest.mark.timeout(240)
async def test_every_deed_of_the_day_is_done_through_the_pages_that_offer_it(web: Web, plan: Plan) -> None:
    deeds = Deeds(await team_of(web, plan), plan)
    assert "customer reports" in list(deeds.missing())
    await deeds.arrive()
    await deeds.own_lists()
    await deeds.duties("before")
    await deeds.freeze()
    await deeds.patch()
    await deeds.evidence(plan.production.checklist)
    await deeds.hand_over()
    await deeds.customers_report()
    await deeds.incident()
    assert list(deeds.missing()) == []
    own = [item for checklist in plan.checklists if checklist.kind == "personal" for item in checklist.items]
    people = deeds.counts["arrived"]
    assert await count(web, OwnTick) == people * sum(item.check is None for item in own)
    before = sum(len(position.duties.before) for position in plan.positions)
    assert (await count(web, DutyDone), deeds.counts["duties"]) == (before, before)
    assert await count(web, ChangeFreeze) == 1
    assert await count(web, EmergencyPatch, EmergencyPatch.verdict == "approved") == 1
    assert await count(web, EvidenceFile) == 1
    assert await count(web, Custody, Custody.offered_to.is_(None), Custody.person_id.is_not(None)) == 1
    assert await count(web, CustomerReport, CustomerReport.state == "explained") == 1
    assert await count(web, Incident, Incident.outcome == "watch") == 1
    assert deeds.counts["findings"] == len(plan.incident_checks)
    await deeds.lift_freeze()
    assert await count(web, ChangeFreeze, ChangeFreeze.lifted_at.is_(None)) == 0


async def test_a_script_is_pressed_where_its_page_offers_it_and_watched_while_it_prints(
    web: Web, plan: Plan, settings: Any, tmp_path: Path
) -> None:
    lead = await make_scope_of(web.database, settings)(web.deployment, "devops_lead")
    member = Member("DevOps lead", await web.client_as("devops_lead"), f"/d/{web.deployment.id}")
    (tmp_path / CONFIG).write_text("for n in 1 2 3 4 5; do echo line $n; sleep 0.4; done; echo 'HTTP 403 Forbidden'")
    folder = ScriptFolder(Surroundings(tmp_path))
    web.app.state.scripts = Bound(folder, str(tmp_path), "", is_here=True)
    assert offered(await member.page("/phases/github")) == {}, "its phase does not run yet"
    await running(web.database, web.deployment, plan, lead)
    found = offered(await member.page("/phases/github"))
    address, version = found["configure_github"]
    runs = Runs(web.database, folder, "worker-1")

    async def work() -> None:
        while True:
            await runs.sweep()
            await asyncio.sleep(0.1)

    worker = asyncio.create_task(work())
    try:
        watched = await press_run(member, address, version, 30)
    finally:
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker
    assert watched.text.splitlines() == [*(f"line {n}" for n in range(1, 6)), "HTTP 403 Forbidden"]
    assert watched.live_pieces >= 2
    assert "configure_github" not in offered(await member.page("/phases/github")), "a failure is decided first"
