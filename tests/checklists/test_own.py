"""What people tick for themselves and for their position: personal checklists and duties."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.checklists.commands_own import tick_duty, tick_own
from app.checklists.forms import TickForm
from app.checklists.queries import bound_parts, progress_view, states_of
from app.checklists.queries_duties import duties_now, duties_view
from app.checklists.queries_personal import personal_view
from app.checklists.views import DutyLine
from app.db.engine import Database
from app.db.tables import Deployment, DutyDone, PersonalTick, PhaseRun
from app.deployments.commands import database_now, lock
from app.domain.errors import Rejected
from app.web.access import Forbidden, NotFound, Scope
from tests.conftest import Web
from tests.signoffs.cast import ScopeOf, events

HTMX = {"hx-request": "true"}


async def own(database: Database, scope: Scope, **form: str) -> None:
    await database.run(lambda s: tick_own(s, scope, TickForm.model_validate(form)))


async def duty(database: Database, scope: Scope, **form: str) -> None:
    await database.run(lambda s: tick_duty(s, scope, TickForm.model_validate(form)))


async def line_of(database: Database, scope: Scope, key: str) -> DutyLine:
    view = await database.read(lambda s: duties_view(s, scope))
    return next(line for place in view.positions for group in place.groups for line in group.lines if line.key == key)


async def run_phase(database: Database, deployment: Deployment, since: timedelta) -> None:
    """Let the production phase run since so long."""
    at = func.clock_timestamp() - since
    where = (PhaseRun.deployment_id == deployment.id) & (PhaseRun.phase == "production")
    await database.run(lambda s: s.execute(update(PhaseRun).where(where).values(state="running", state_since=at)))


# ── personal ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_everybody_ticks_their_own(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    support, officer = await scope_of(deployment, "support"), await scope_of(deployment, "security_officer")
    await own(database, support, done="readiness.phone")
    mine = await database.read(lambda s: personal_view(s, support))
    theirs = await database.read(lambda s: personal_view(s, officer))
    assert [(each.key, len(each.lines)) for each in mine.lists] == [("readiness", 8), ("before_you_start", 16)]
    assert mine.first_open == "readiness"
    assert [line.key for each in mine.lists for line in each.lines if line.state == "done"] == ["readiness.phone"]
    assert theirs.done == mine.done - 1
    await own(database, support, undo="readiness.phone")
    assert (await database.read(lambda s: personal_view(s, support))).done == theirs.done
    said = await events(database, deployment, "checklists.own")
    assert [event.kind for event in said] == ["checklists.own.done", "checklists.own.reopened"]
    assert said[0].text == "“Phone fully charged”: ready"


async def test_sent_twice_it_is_ticked_once(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    scope = await scope_of(deployment, "support")
    for _ in range(2):
        await own(database, scope, done="readiness.phone")
    assert len(await events(database, deployment, "checklists.own")) == 1
    for _ in range(2):
        await own(database, scope, undo="readiness.phone")
    assert len(await events(database, deployment, "checklists.own")) == 2


async def test_no_vote_is_bound_to_what_people_tick_for_themselves(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    scope = await scope_of(deployment, "support")
    await own(database, scope, done="readiness.phone")
    bound = await database.read(lambda s: _bound(s, scope))
    assert not [key for key in bound if "phone" in key or "readiness" in key]
    assert len(bound) == 7


async def _bound(session: AsyncSession, scope: Scope) -> dict[str, str]:
    return bound_parts(scope.plan, await states_of(session, scope.deployment))


async def test_a_new_attempt_begins_unticked(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    scope = await scope_of(deployment, "support")
    before = await database.read(lambda s: personal_view(s, scope))
    await own(database, scope, done="readiness.phone")

    async def next_attempt(session: AsyncSession) -> None:
        (await lock(session, deployment.id)).attempt += 1

    await database.run(next_attempt)
    assert (await database.read(lambda s: personal_view(s, scope))).done == before.done


async def test_what_a_machine_answers_nobody_ticks(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    scope = await scope_of(deployment, "support")
    with pytest.raises(Rejected, match="checked by machine"):
        await own(database, scope, done="before_you_start.escalation")
    view = await database.read(lambda s: personal_view(s, scope))
    lines = {line.key: line for each in view.lists for line in each.lines}
    assert lines["before_you_start.escalation"].state == "unmet"
    assert lines["before_you_start.escalation"].found == "no number in the plan: VP Operations"
    assert lines["before_you_start.dashboards"].found == "none of 7 dashboards has an address"


@pytest.mark.parametrize(
    "name", ["", "readiness", "readiness.tea", "before_production.caffeine", "x" * 120, "readiness.phone\n"]
)
async def test_lines_the_plan_does_not_have(
    database: Database, deployment: Deployment, scope_of: ScopeOf, name: str
) -> None:
    scope = await scope_of(deployment, "operations")
    if name.strip() == "readiness.phone":
        await own(database, scope, done=name)  # white space around it is nothing
        return
    with pytest.raises(NotFound):
        await own(database, scope, done=name)


async def test_who_leads_sees_each_person(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    await own(database, await scope_of(deployment, "devops_2"), done="readiness.phone")
    lead = await scope_of(deployment, "project_manager")
    people = {
        name: (done, total) for name, done, total in (await database.read(lambda s: progress_view(s, lead))).people
    }
    assert people["DevOps 2"] == (1, 21)
    assert people["DevOps 1"] == (0, 21)
    assert "Executive" not in people


# ── duties ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_duty_is_ticked_by_its_position(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    scope = await scope_of(deployment, "devops_1")
    await duty(database, scope, done="devops.before-1")
    await duty(database, await scope_of(deployment, "devops_2"), done="devops.before-1")  # done already
    line = await line_of(database, scope, "devops.before-1")
    assert (line.is_done, line.times, line.who) == (True, 1, "DevOps 1")
    await duty(database, scope, undo="devops.before-1")
    assert not (await line_of(database, scope, "devops.before-1")).is_done
    assert [event.kind for event in await events(database, deployment, "checklists.duty")] == [
        "checklists.duty.done",
        "checklists.duty.reopened",
    ]


@pytest.mark.parametrize("login", ["devops_lead", "support", "project_manager"])
async def test_a_duty_is_its_positions(
    database: Database, deployment: Deployment, scope_of: ScopeOf, login: str
) -> None:
    with pytest.raises(Forbidden):
        await duty(database, await scope_of(deployment, login), done="devops.before-1")


@pytest.mark.parametrize(
    "name", ["", "devops", "devops.before-9", "devops.before-0", "captain.before-1", "devops.repeated-1"]
)
async def test_duties_the_plan_does_not_have(
    database: Database, deployment: Deployment, scope_of: ScopeOf, name: str
) -> None:
    with pytest.raises(NotFound):
        await duty(database, await scope_of(deployment, "devops_1"), done=name)


async def test_a_repeated_duty_is_due_again_by_time(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    scope, lead = await scope_of(deployment, "support"), await scope_of(deployment, "project_manager")
    assert not (await line_of(database, scope, "support.repeated-1")).is_late  # nothing runs yet
    await run_phase(database, deployment, timedelta(minutes=4))
    assert not (await line_of(database, scope, "support.repeated-1")).is_late
    await run_phase(database, deployment, timedelta(minutes=6))
    assert (await line_of(database, scope, "support.repeated-1")).is_late
    late = (await database.read(lambda s: progress_view(s, lead))).late
    assert "Support and communications: Send Slack updates every 5 minutes (not done yet)" in late
    await duty(database, scope, done="support.repeated-1")
    line = await line_of(database, scope, "support.repeated-1")
    assert (line.is_late, line.times, line.every) == (False, 1, "every 5\u00a0min")
    await _age(database, timedelta(minutes=5, seconds=1))
    assert (await line_of(database, scope, "support.repeated-1")).is_late


async def _age(database: Database, by: timedelta) -> None:
    await database.run(lambda s: s.execute(update(DutyDone).values(at=func.clock_timestamp() - by)))


async def test_a_double_click_is_one_press_and_a_later_one_another(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    scope = await scope_of(deployment, "support")
    for _ in range(2):
        await duty(database, scope, done="support.repeated-1")
    assert (await line_of(database, scope, "support.repeated-1")).times == 1
    await _age(database, timedelta(seconds=6))
    await duty(database, scope, done="support.repeated-1")
    assert (await line_of(database, scope, "support.repeated-1")).times == 2


async def test_an_aborted_day_keeps_its_duties(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    scope = await scope_of(deployment, "support")

    async def end(session: AsyncSession) -> None:
        (await lock(session, deployment.id)).state = "aborted"

    await database.run(end)
    with pytest.raises(Rejected) as refused:
        await duty(database, scope, done="support.before-1")
    assert refused.value.conflict
    with pytest.raises(Rejected):
        await own(database, scope, done="readiness.phone")


async def test_a_phase_of_days_asks_for_nothing_every_five_minutes(database: Database, deployment: Deployment) -> None:
    at = func.clock_timestamp() - timedelta(days=1)
    where = (PhaseRun.deployment_id == deployment.id) & (PhaseRun.phase == "monitoring")
    await database.run(lambda s: s.execute(update(PhaseRun).where(where).values(state="running", state_since=at)))

    async def read(session: AsyncSession) -> object:
        row = await session.get_one(Deployment, deployment.id)
        return (await duties_now(session, row, await database_now(session))).running_since

    assert await database.read(read) is None


# ── over HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_one_press_on_the_home_page(web: Web) -> None:
    client = await web.client_as("support")
    home = (await client.get(f"/d/{web.deployment.id}")).text
    assert 'id="own-done-readiness.phone"' in home
    assert 'id="duty-done-support.before-1"' in home
    base = f"/d/{web.deployment.id}/checklists"
    answer = await client.post(f"{base}/personal", data={"done": "readiness.phone"}, headers=HTMX)
    assert answer.status_code == 200
    assert 'id="own-undo-readiness.phone"' in answer.text
    answer = await client.post(f"{base}/duties", data={"done": "support.before-1"}, headers=HTMX)
    assert 'id="duty-undo-support.before-1"' in answer.text
    plain = await client.post(f"{base}/duties", data={"undo": "support.before-1"})
    assert (plain.status_code, plain.headers["location"]) == (303, base)
    page = (await client.get(base)).text
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


async def test_who_only_reads_has_nothing_to_tick(web: Web) -> None:
    for login in ("executive", "admin"):
        client = await web.client_as(login)
        assert "own-done-" not in (await client.get(f"/d/{web.deployment.id}/checklists")).text
        answer = await client.post(
            f"/d/{web.deployment.id}/checklists/personal", data={"done": "readiness.phone"}, headers=HTMX
        )
        assert answer.status_code == 403
    rows = await web.database.read(lambda s: s.scalar(select(func.count()).select_from(PersonalTick)))
    assert rows == 0
