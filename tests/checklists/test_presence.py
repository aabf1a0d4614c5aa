"""The arrivals item: machine-helped, never ticked in silence, and gone on without only by who leads, with a reason."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.checklists.commands import record_item
from app.checklists.forms import ItemForm
from app.checklists.queries import one_list
from app.checklists.views import ItemView
from app.db.engine import Database
from app.db.tables import ChecklistState, Deployment, Event, Person, RosterSeat
from app.deployments.commands import database_now
from app.domain.errors import Rejected
from app.domain.phases import Change
from app.domain.plan import Plan
from app.domain.presence import SEEN
from app.signoffs.queries import binding_of
from app.web.access import Forbidden
from tests.conftest import ScopeOf, Web
from tests.phases.ready import checklist_done, press

LIST, ITEM = "before_production", "team_present"


async def here(database: Database, deployment: Deployment, *but: tuple[str, int]) -> None:
    """Everybody was seen just now, but for those on these seats."""

    async def write(session: AsyncSession) -> None:
        now = await database_now(session)
        mine = update(RosterSeat).where(RosterSeat.deployment_id == deployment.id)
        await session.execute(mine.values(seen_at=now))
        for position, seat in but:
            one = mine.where(RosterSeat.position == position, RosterSeat.seat == seat)
            await session.execute(one.values(seen_at=now - SEEN - timedelta(minutes=2)))

    await database.run(write)


async def get_up(database: Database, deployment: Deployment, position: str, seat: int) -> None:
    gone = delete(RosterSeat).where(
        RosterSeat.deployment_id == deployment.id, RosterSeat.position == position, RosterSeat.seat == seat
    )
    await database.run(lambda session: session.execute(gone))


async def item_of(database: Database, deployment: Deployment, scope_of: ScopeOf, login: str) -> ItemView:
    scope = await scope_of(deployment, login)
    view = await database.read(lambda session: one_list(session, scope, LIST, only_mine=False))
    return next(item for item in view.machine if item.key == ITEM)


async def send(
    database: Database, deployment: Deployment, scope_of: ScopeOf, login: str, state: str = "done", **more: Any
) -> None:
    values = {"text": "Emre is ill, Dana covers for both", "version": 0, "state": state, **more}
    if "shown" not in more:
        values["shown"] = (await item_of(database, deployment, scope_of, login)).missing
    scope, form = await scope_of(deployment, login), ItemForm.model_validate(values)
    await database.run(lambda session: record_item(session, scope, LIST, ITEM, form))


async def events(database: Database, kind: str) -> list[Event]:
    async def query(session: AsyncSession) -> list[Event]:
        return list(await session.scalars(select(Event).where(Event.kind == kind).order_by(Event.id)))

    return await database.read(query)


async def test_both_seats_of_devops_and_of_backend_are_demanded(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await here(database, deployment)
    assert (await item_of(database, deployment, scope_of, "executive")).state == "machine"
    await here(database, deployment, ("devops", 2))
    await get_up(database, deployment, "backend", 2)
    item = await item_of(database, deployment, scope_of, "executive")
    assert item.state == "unmet"
    said = item.proof[0].text
    assert said == "8 of 10 required seats are there; 0 said “I am here”; missing: DevOps 2, Backend 2"
    by_key = {row.key: row for row in item.seats}
    assert by_key["devops"].text == "1 of 2 there, 1 on a page now"
    assert by_key["devops"].gaps == ("DevOps 2 was not seen for 12\u00a0min",)
    assert by_key["backend"].gaps == ("Backend 2: nobody sits there",)
    assert by_key["support"].is_complete


async def test_nobody_ticks_it_in_silence(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    await here(database, deployment, ("devops", 2))
    for login in ("devops_lead", "operations", "support"):
        with pytest.raises(Forbidden, match="only the project manager goes on without"):
            await send(database, deployment, scope_of, login)
    for empty in ("", "   "):
        with pytest.raises(Rejected, match="A reason is missing") as refused:
            await send(database, deployment, scope_of, "project_manager", text=empty)
        assert refused.value.code == "text"
    with pytest.raises(Rejected, match="checked by machine"):
        await send(database, deployment, scope_of, "project_manager", state="failed")
    assert (await item_of(database, deployment, scope_of, "project_manager")).state == "unmet"


async def test_who_leads_goes_on_with_a_reason_that_is_recorded(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await here(database, deployment, ("devops", 2))
    before = await item_of(database, deployment, scope_of, "project_manager")
    assert before.can_excuse
    assert not (await item_of(database, deployment, scope_of, "devops_lead")).can_excuse
    for _ in range(2):  # the same press, sent twice
        await send(database, deployment, scope_of, "project_manager")
    item = await item_of(database, deployment, scope_of, "executive")
    assert (item.state, item.who) == ("excused", "Project manager")
    said = "".join(piece.text for piece in item.proof)
    assert said == "Emre is ill, Dana covers for both (missing then: DevOps 2)"
    (event,) = await events(database, "checklists.presence.excused")
    assert event.severity == "warn"
    assert event.cause == "DevOps 2 was not seen for 12\u00a0min"
    assert event.text.endswith("confirmed without DevOps 2: Emre is ill, Dana covers for both")
    assert event.payload["without"] == ["devops-2"]
    scope = await scope_of(deployment, "executive")
    view = await database.read(lambda session: one_list(session, scope, LIST, only_mine=False))
    assert view.done == 1, "it counts"


async def test_it_counts_for_those_who_were_missing_then_and_for_no_other(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await here(database, deployment, ("devops", 2))
    await send(database, deployment, scope_of, "project_manager")
    await here(database, deployment, ("devops", 2), ("support", 1))
    item = await item_of(database, deployment, scope_of, "project_manager")
    assert (item.state, item.can_excuse, item.version) == ("unmet", True, 1)
    assert item.proof[0].text.endswith("Project manager went on without DevOps 2 before")
    await here(database, deployment)
    assert (await item_of(database, deployment, scope_of, "project_manager")).state == "machine"
    await here(database, deployment, ("devops", 2))
    assert (await item_of(database, deployment, scope_of, "project_manager")).state == "excused"


async def test_it_is_taken_back_and_refused_where_it_is_stale_or_not_needed(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await here(database, deployment)
    with pytest.raises(Rejected, match="Everybody is there"):
        await send(database, deployment, scope_of, "project_manager")
    await here(database, deployment, ("devops", 2))
    await send(database, deployment, scope_of, "project_manager")
    with pytest.raises(Rejected, match="changed this item") as refused:
        await send(database, deployment, scope_of, "project_manager", text="Another reason", version=0)
    assert (refused.value.code, refused.value.conflict) == ("stale", True)
    await send(database, deployment, scope_of, "project_manager", state="open", text="He is on his way", version=1)
    assert (await item_of(database, deployment, scope_of, "project_manager")).state == "unmet"
    (event,) = await events(database, "checklists.item.reopened")
    assert event.text.endswith("is open again: He is on his way")


async def test_nobody_is_gone_on_without_whom_the_page_did_not_show(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await here(database, deployment, ("devops", 2))
    shown = (await item_of(database, deployment, scope_of, "project_manager")).missing
    assert shown == "devops-2"
    await here(database, deployment, ("devops", 2), ("security_officer", 1))
    for stale in (shown, ""):
        with pytest.raises(Rejected, match=r"more are missing: .*[Ss]ecurity officer") as refused:
            await send(database, deployment, scope_of, "project_manager", shown=stale)
        assert (refused.value.code, refused.value.conflict) == ("stale", True)
    assert not await events(database, "checklists.presence.excused")
    await here(database, deployment, ("devops", 2))
    await send(database, deployment, scope_of, "project_manager", shown="devops-2 security_officer-1")
    (event,) = await events(database, "checklists.presence.excused")
    assert event.payload["without"] == ["devops-2"], "who came meanwhile is not gone on without"


async def test_a_decision_to_go_on_waits_for_no_seat_that_was_given_away(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await here(database, deployment, ("devops", 2))
    manager = await scope_of(deployment, "project_manager")
    mine = RosterSeat.person_id == manager.viewer.person_id
    await database.run(lambda s: s.execute(delete(RosterSeat).where(mine)))
    form = ItemForm(state="done", text="He is ill", shown="devops-2 project_manager-1")
    with pytest.raises(Forbidden, match="given to somebody else"):
        await database.run(lambda s: record_item(s, manager, LIST, ITEM, form))


async def test_a_new_attempt_asks_anew(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    await here(database, deployment, ("devops", 2))
    await send(database, deployment, scope_of, "project_manager")
    again = update(Deployment).where(Deployment.id == deployment.id).values(attempt=2)
    await database.run(lambda session: session.execute(again))
    assert (await item_of(database, deployment, scope_of, "project_manager")).state == "unmet"
    with pytest.raises(Rejected, match="A new attempt opened this item again") as refused:
        await send(database, deployment, scope_of, "project_manager", version=1)
    assert refused.value.code == "stale"


async def test_a_phase_waits_for_the_whole_team_or_for_the_decision_to_go_on(
    database: Database, deployment: Deployment, scope_of: ScopeOf, plan: Plan
) -> None:
    lead, manager = await scope_of(deployment, "devops_lead"), await scope_of(deployment, "project_manager")
    await checklist_done(database, deployment, plan, "github")
    await here(database, deployment, ("backend", 2))
    with pytest.raises(Rejected, match="All team members on the Zoom call"):
        await press(database, lead, "github", Change.START)
    form = ItemForm(state="done", text="The second developer joins at noon", version=0, shown="backend-2")
    await database.run(lambda session: record_item(session, manager, "before_github", ITEM, form))
    await press(database, lead, "github", Change.START)


async def test_over_http_the_form_is_the_managers_and_its_error_stands_at_the_field(web: Web) -> None:
    base = f"/d/{web.deployment.id}/checklists"
    manager, lead = await web.client_as("project_manager"), await web.client_as("devops_lead")
    page = (await manager.get(base)).text
    assert f'id="without-form-{LIST}-{ITEM}"' in page
    assert f'id="without-form-{LIST}-{ITEM}"' not in (await lead.get(base)).text
    assert "Seat by seat" in page
    url = f"{base}/{LIST}/{ITEM}"
    htmx = {"hx-request": "true"}
    refused = await manager.post(url, data={"state": "done", "text": " ", "version": 0}, headers=htmx)
    assert refused.status_code == 422
    field = re.search(rf'<textarea[^>]*id="without-text-{LIST}-{ITEM}"[^>]*aria-invalid="true"', refused.text)
    assert field is not None
    assert (await lead.post(url, data={"state": "done", "text": "all well", "version": 0})).status_code == 403
    evil = "<script>alert(1)</script>"
    shown = re.search(rf'id="without-shown-{LIST}-{ITEM}" value="([^"]*)"', page)
    assert shown is not None
    values = {"state": "done", "text": evil, "version": 0, "shown": shown[1]}
    sent = await manager.post(url, data=values, headers=htmx)
    assert sent.status_code == 200
    assert 'data-state="excused"' in sent.text
    assert evil not in sent.text
    assert "&lt;script&gt;" in sent.text


async def test_everybody_who_works_on_the_day_can_say_that_they_arrived(web: Web) -> None:
    """Whatever a position's home shows: the sentence and the button stand with what to do now, and on the Roster."""
    base = f"/d/{web.deployment.id}"
    for login in ("devops_1", "backend_2", "security_officer"):
        client = await web.client_as(login)
        for path in ("", "/roster"):
            assert f'action="{base}/roster/arrive"' in (await client.get(base + path)).text, (login, path)
        assert (await client.post(f"{base}/roster/arrive")).status_code == 303
        for path in ("", "/roster"):
            assert f'action="{base}/roster/arrive"' not in (await client.get(base + path)).text, (login, path)
    reader = await web.client_as("executive")
    assert f'action="{base}/roster/arrive"' not in (await reader.get(base)).text

    async def rows(session: AsyncSession) -> set[str]:
        names = select(Person.login).join(RosterSeat, RosterSeat.person_id == Person.id)
        return set(await session.scalars(names.where(RosterSeat.arrived_at.is_not(None))))

    assert await web.database.read(rows) == {"devops_1", "backend_2", "security_officer"}


async def test_the_row_of_it_is_no_part_of_what_votes_are_bound_to(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await here(database, deployment, ("devops", 2))
    await send(database, deployment, scope_of, "project_manager")
    row = await database.read(lambda session: session.get(ChecklistState, (deployment.id, 1, ITEM)))
    assert row is not None
    assert (row.state, row.without) == ("done", ["devops-2"])
    scope = await scope_of(deployment, "operations")
    current = scope.deployment
    bound = await database.read(lambda session: binding_of(session, current, scope.plan, scope.plan_hash))
    assert f"checklist.{ITEM}" not in bound
