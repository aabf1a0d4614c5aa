"""A version as a page, what differs from another, its dry run; a rehearsal of it, and the schema for editors."""

import json
from datetime import UTC, datetime

import httpx
import pytest
from sqlalchemy import func, insert, select, update

from app.config import ROOT
from app.db.tables import Deployment, Event, PlanVersion, TargetState
from app.domain.plan import plan_hash
from app.eventlog.log import Actor
from app.plans import queries_versions
from app.plans.commands import take_up
from app.providers.plan_yaml import load_plan, plan_schema
from app.web.access import Viewer
from tests.conftest import PLAN_FILE, Web
from tests.plans.breaking import MINIMAL

ALAWAEL = PLAN_FILE.read_text(encoding="utf-8")
CHANGED = ALAWAEL.replace("Escalate immediately", "Escalate at once")
OLD, NEW = (plan_hash(load_plan(text, "x")) for text in (ALAWAEL, CHANGED))
HARBOUR = (ROOT / "plans" / "harbour.yaml").read_text(encoding="utf-8")
NOWHERE = "0" * 64


async def stored(web: Web, source: str) -> str:
    plan = load_plan(source, "x")
    return await web.database.run(lambda session: take_up(session, plan, source, Actor("Somebody")))


async def rehearse(client: httpx.AsyncClient, web: Web, digest: str) -> httpx.Response:
    return await client.post(f"/d/{web.deployment.id}/range/rehearsals", data={"plan": digest})


async def end(web: Web) -> None:
    """The rehearsal that the fixture made is over, and BLUE serves."""
    await web.database.run(lambda session: session.execute(update(Deployment).values(state="aborted")))


async def test_a_version_is_a_runbook_without_people(web: Web) -> None:
    await stored(web, HARBOUR)
    digest = plan_hash(load_plan(HARBOUR, "x"))
    client = await web.client_as("support")
    page = (await client.get(f"/plans/{digest}")).text
    for text in ("Cargo booking: the plan of a day", "Do bookings and declarations agree?", "2 seats", "02:30"):
        assert text in page
    assert "Nobody on the roster" not in page
    assert "nothing in this deployment" not in page
    source = await client.get(f"/plans/{digest}/source")
    assert source.text == HARBOUR
    assert f'filename="harbour-{digest[:12]}.yaml"' in source.headers["content-disposition"]
    assert (await client.get(f"/plans/{digest}/print.css")).headers["content-type"].startswith("text/css")


@pytest.mark.parametrize("path", ["", "/source", "/print.css", "/dry-run"])
async def test_no_such_version(web: Web, path: str) -> None:
    client = await web.client_as("support")
    assert (await client.get(f"/plans/{NOWHERE}{path}")).status_code == 404
    assert (await client.get(f"/plans/{'x' * 64}{path}")).status_code in (404, 422)


async def test_the_list_names_the_newest_deployments_of_a_version_and_counts_the_others(web: Web) -> None:
    """Thousands of rehearsals of one plan make no longer page, and no more rows are fetched for it."""
    first = web.deployment.id
    columns = [column.name for column in Deployment.__table__.columns if column.name != "id"]
    again = select(*(getattr(Deployment, name) for name in columns), func.generate_series(1, 300))
    copies = again.where(Deployment.id == first).subquery()
    await web.database.run(
        lambda s: s.execute(insert(Deployment).from_select(columns, select(*(copies.c[name] for name in columns))))
    )
    admin = (await (await web.client_as("admin")).get("/plans")).text
    assert admin.count(">Rehearsal ") == 4
    assert f">Rehearsal {first + 300}<" in admin
    assert "and 297 more" in admin
    seated = (await (await web.client_as("support")).get("/plans")).text
    assert seated.count(">Rehearsal ") == 1
    assert "300 deployments without you" in seated
    now = datetime.now(UTC)
    viewer = Viewer(0, "Administrator", "admin", True, "", now, b"", now)
    versions = await web.database.read(lambda s: queries_versions.versions(s, viewer))
    assert [(len(row.uses), row.more, row.others) for row in versions.rows] == [(4, 297, 0)]


async def test_what_differs(web: Web) -> None:
    await stored(web, CHANGED)
    client = await web.client_as("operations")
    page = (await client.get(f"/plans/diff?from={OLD}&to={NEW}")).text
    assert "One thing differs" in page
    assert "decision at minute 10, answer escalate: text" in page
    assert "<del>Escalate immediately</del>" in page
    assert "<ins>Escalate at once</ins>" in page
    assert f"/plans/diff?from={OLD}&amp;to={NEW}" in (await client.get("/plans")).text
    assert "Nothing differs" in (await client.get(f"/plans/diff?from={OLD}&to={OLD}")).text
    for query in ("", f"?from={OLD}", f"?from={OLD}&to={NOWHERE}"):
        assert (await client.get(f"/plans/diff{query}")).status_code == 404


async def test_a_dry_run_lists_what_happens_when(web: Web) -> None:
    client = await web.client_as("backend_lead")
    page = (await client.get(f"/plans/{OLD}/dry-run")).text
    assert "Phase 4 takes 40\u00a0min on paper" in page
    assert page.index("Votes open: 5 questions") < page.index("Minute 5: Any issues yet?")
    other = (await client.get(f"/plans/{OLD}/dry-run?phase=monitoring")).text
    assert "Review the report" in other
    assert (await client.get(f"/plans/{OLD}/dry-run?phase=nothing")).status_code == 404


async def test_nobody_reads_nothing_but_the_schema(web: Web) -> None:
    client = await web.client_as(None)
    for path in ("/plans", f"/plans/{OLD}", f"/plans/{OLD}/source", f"/plans/{OLD}/dry-run", "/plans/diff"):
        assert (await client.get(path)).status_code == 303, path
    answer = await client.get("/plans/schema.json")
    assert answer.status_code == 200
    assert "max-age=86400" in answer.headers["cache-control"]
    assert answer.headers["content-type"] == "application/schema+json"
    assert json.loads(answer.text) == plan_schema()
    assert answer.text == (ROOT / "plans" / "plan.schema.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("login", ["admin", "project_manager"])
async def test_a_rehearsal_of_another_version(web: Web, login: str) -> None:
    await stored(web, CHANGED)
    client = await web.client_as(login)
    open_one = (await client.get(f"/plans/{NEW}")).text
    assert "is under way" in open_one
    assert 'aria-disabled="true"' in open_one
    assert (await rehearse(client, web, NEW)).status_code == 409
    await end(web)
    assert 'name="plan" value="' + NEW in (await client.get(f"/plans/{NEW}")).text
    answer = await rehearse(client, web, NEW)
    assert answer.status_code == 303
    made = int(answer.headers["location"].rpartition("/")[2])
    of_plan = (
        select(PlanVersion.hash)
        .join(Deployment, Deployment.plan_version_id == PlanVersion.id)
        .where(Deployment.id == made)
    )
    assert await web.database.read(lambda session: session.scalar(of_plan)) == NEW
    line = select(Event.text).where(Event.kind == "range.rehearsal.begun")
    assert f"of plan alawael@{NEW[:12]}" in str(await web.database.read(lambda session: session.scalar(line)))


async def test_a_plan_that_steers_something_else_needs_a_range_of_its_own(web: Web) -> None:
    digest = await stored(web, HARBOUR)
    await end(web)
    admin = await web.client_as("admin")
    assert "This range steers production, and the plan steers booking." in (await admin.get(f"/plans/{digest}")).text
    assert (await rehearse(admin, web, digest)).status_code == 422
    assert await web.database.read(lambda session: session.scalar(select(func.count(Deployment.id)))) == 1
    assert await web.database.read(lambda session: session.scalar(select(func.count()).select_from(TargetState))) == 1


async def test_who_may_not_begins_none(web: Web) -> None:
    digest = await stored(web, CHANGED)
    await end(web)
    client = await web.client_as("devops_lead")
    assert 'id="rehearsal-form"' not in (await client.get(f"/plans/{digest}")).text
    assert (await rehearse(client, web, digest)).status_code == 403
    admin = await web.client_as("admin")
    for bad in ("x", NOWHERE):
        assert (await rehearse(admin, web, bad)).status_code == 404


async def test_a_small_plan_has_a_page_too(web: Web) -> None:
    digest = await stored(web, MINIMAL)
    client = await web.client_as("executive")
    for path in ("", "/dry-run", "/dry-run?phase=trial"):
        assert (await client.get(f"/plans/{digest}{path}")).status_code == 200
