"""POST /d/{id}/checklists/{checklist}/{item} and the command behind it."""

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.checklists.commands import TEXT_LIMIT, record_item
from app.checklists.forms import ItemForm
from app.checklists.queries import states_of
from app.db.engine import Database
from app.db.tables import Deployment
from app.deployments.commands import lock
from app.domain.errors import Rejected
from app.web.access import Forbidden, NotFound, Scope
from tests.conftest import Web
from tests.signoffs.cast import ScopeOf, events, tick

HTMX = {"hx-request": "true"}


async def states(database: Database, deployment: Deployment) -> dict[str, tuple[str, str, int]]:
    async def read(session: AsyncSession) -> dict[str, tuple[str, str, int]]:
        rows = await states_of(session, await session.get_one(Deployment, deployment.id))
        return {key: (row.state, row.evidence, row.version) for key, row in rows.items()}

    return await database.read(read)


async def send(database: Database, scope: Scope, checklist: str, item: str, **form: object) -> None:
    await database.run(lambda s: record_item(s, scope, checklist, item, ItemForm.model_validate(form)))


async def test_an_item_is_confirmed_changed_reopened_and_fails(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    scope = await scope_of(deployment, "devops_2")
    await tick(database, scope, "database_backups", "alawael-1100")
    await tick(database, scope, "database_backups", "alawael-1334")
    await tick(database, scope, "database_backups", "the restore was not tried", "open")
    await tick(database, scope, "database_backups", "the restore fails", "failed")
    assert await states(database, deployment) == {"database_backups": ("failed", "the restore fails", 4)}
    said = await events(database, deployment, "checklists.")
    assert [event.kind for event in said] == [
        "checklists.item.done",
        "checklists.item.done",
        "checklists.item.reopened",
        "checklists.item.failed",
    ]
    assert said[0].text == "“Database backups completed” confirmed: alawael-1100"


async def test_sent_twice_it_changes_once(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    scope = await scope_of(deployment, "support")
    for _ in range(2):
        await send(database, scope, "before_production", "support_briefed", state="done", text="by mail", version=0)
    assert await states(database, deployment) == {"support_briefed": ("done", "by mail", 1)}
    assert len(await events(database, deployment, "checklists.")) == 1


async def test_a_page_that_showed_something_older_is_told_who_was_faster(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await tick(database, await scope_of(deployment, "devops_1"), "database_backups", "alawael-1100")
    second = await scope_of(deployment, "devops_2")
    with pytest.raises(Rejected) as refused:
        await send(database, second, "before_production", "database_backups", state="done", text="other", version=0)
    assert refused.value.conflict
    assert refused.value.reason.startswith("DevOps 1")
    assert (await states(database, deployment))["database_backups"][1] == "alawael-1100"


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"state": "done", "text": " "}, "This item needs evidence."),
        ({"state": "failed", "text": ""}, "A reason is missing."),
        ({"state": "open", "text": "\n"}, "A reason is missing."),
        ({"state": "done", "text": "x" * (TEXT_LIMIT + 1)}, f"This has {TEXT_LIMIT + 1} characters"),
    ],
)
async def test_texts_that_are_refused(
    database: Database, deployment: Deployment, scope_of: ScopeOf, form: dict[str, object], sentence: str
) -> None:
    scope = await scope_of(deployment, "devops_1")
    with pytest.raises(Rejected, match=sentence) as refused:
        await send(database, scope, "before_production", "database_backups", **form)
    assert refused.value.code == "text"
    assert await states(database, deployment) == {}


async def test_evidence_of_the_limit_is_taken(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    await tick(database, await scope_of(deployment, "devops_1"), "database_backups", "x" * TEXT_LIMIT)
    assert len((await states(database, deployment))["database_backups"][1]) == TEXT_LIMIT


@pytest.mark.parametrize(
    "login", ["devops_lead", "operations", "support", "security_officer", "backend_1", "executive"]
)
async def test_an_item_is_its_owners(database: Database, deployment: Deployment, scope_of: ScopeOf, login: str) -> None:
    with pytest.raises(Forbidden):
        await tick(database, await scope_of(deployment, login), "database_backups", "alawael-1100")


async def test_the_project_manager_can_see_to_any_item(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await tick(database, await scope_of(deployment, "project_manager"), "database_backups", "alawael-1100")
    assert (await states(database, deployment))["database_backups"][0] == "done"


async def test_nobody_ticks_what_machines_check(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    with pytest.raises(Rejected):
        await tick(database, await scope_of(deployment, "devops_1"), "green_running", "looks fine")


@pytest.mark.parametrize(("checklist", "item"), [("nothing", "caffeine"), ("before_production", "github_cli")])
async def test_items_the_plan_does_not_have(
    database: Database, deployment: Deployment, scope_of: ScopeOf, checklist: str, item: str
) -> None:
    with pytest.raises(NotFound):
        await send(database, await scope_of(deployment, "operations"), checklist, item, state="done")


async def test_checklists_do_not_share_items(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    scope = await scope_of(deployment, "devops_1")
    await tick(database, scope, "database_backup", "staging-7", checklist="before_staging")
    assert await states(database, deployment) == {"before_staging.database_backup": ("done", "staging-7", 1)}
    assert await events(database, deployment, "signoffs.outdated") == []


@pytest.mark.parametrize("state", ["switching", "switched", "rolled_back", "completed"])
async def test_the_production_checklist_closes_with_the_switch_and_the_others_do_not(
    database: Database, deployment: Deployment, scope_of: ScopeOf, state: str
) -> None:
    async def move(session: AsyncSession) -> None:
        (await lock(session, deployment.id)).state = state

    await database.run(move)
    scope = await scope_of(deployment, "support")
    with pytest.raises(Rejected) as refused:
        await tick(database, scope, "support_briefed")
    assert refused.value.conflict
    await tick(database, scope, "slack_channel", checklist="before_github")


# ── over HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_confirming_draws_the_list_anew(web: Web) -> None:
    client = await web.client_as("devops_1")
    base = f"/d/{web.deployment.id}/checklists"
    form = {"state": "done", "text": "see https://backups.example/1334?a=1&b=2.", "version": "0"}
    answer = await client.post(f"{base}/before_production/database_backups", data=form, headers=HTMX)
    assert answer.status_code == 200
    assert 'id="item-before_production-database_backups" data-state="done"' in answer.text
    link = '<a href="https://backups.example/1334?a=1&amp;b=2" rel="noopener noreferrer" target="_blank">'
    assert link in answer.text
    plain = await client.post(f"{base}/before_production/database_backups?show=mine", data=form)
    assert (plain.status_code, plain.headers["location"]) == (303, f"{base}?show=mine")


async def test_hostile_evidence_stays_text_and_is_no_link(web: Web) -> None:
    client = await web.client_as("devops_1")
    address = f"/d/{web.deployment.id}/checklists/before_production/database_backups"
    hostile = 'javascript:alert(1) <script>alert(2)</script> https://x.example/"onmouseover="alert(3) \x00'
    answer = await client.post(address, data={"state": "done", "text": hostile, "version": "0"}, headers=HTMX)
    assert answer.status_code == 200
    assert "<script" not in answer.text
    assert 'href="javascript' not in answer.text
    assert 'href="https://x.example/"' in answer.text
    assert '"onmouseover="alert' not in answer.text


async def test_an_error_stands_at_the_field_with_what_was_typed(web: Web) -> None:
    client = await web.client_as("devops_1")
    address = f"/d/{web.deployment.id}/checklists/before_production/database_backups"
    typed = "y" * (TEXT_LIMIT + 1)
    for headers in (HTMX, {}):
        answer = await client.post(address, data={"state": "done", "text": typed, "version": "0"}, headers=headers)
        assert answer.status_code == 422
        field = "text-before_production-database_backups-done"
        assert f'aria-describedby="{field}-error" aria-invalid="true">{typed}</textarea>' in answer.text


async def test_wrong_positions_get_403(web: Web) -> None:
    address = f"/d/{web.deployment.id}/checklists/before_production/database_backups"
    for login in ("security_officer", "executive", "admin", "support"):
        client = await web.client_as(login)
        answer = await client.post(address, data={"state": "done", "text": "z", "version": "0"}, headers=HTMX)
        assert (login, answer.status_code) == (login, 403)
    assert await states(web.database, web.deployment) == {}


TAMPERED: tuple[dict[str, str], ...] = (
    {},
    {"state": "gone"},
    {"state": "done", "version": "-1"},
    {"state": "done", "version": str(2**63)},
    {"state": "done", "version": "1; drop table"},
)


async def test_tampered_forms_change_nothing(web: Web) -> None:
    client = await web.client_as("support")
    address = f"/d/{web.deployment.id}/checklists/before_production/support_briefed"
    for form in TAMPERED:
        answer = await client.post(address, data=form, headers=HTMX)
        assert answer.status_code == 422
        assert answer.headers["hx-retarget"] == "#notice"
    assert await states(web.database, web.deployment) == {}
