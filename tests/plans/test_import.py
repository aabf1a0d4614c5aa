"""Plan versions over HTTP: the list, import by an administrator, and nothing taken up that was not seen before."""

import asyncio
import re

import httpx
import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, Event, Person, PlanVersion
from app.deployments.commands import database_now
from app.domain.plan import plan_hash
from app.plans.views_versions import VersionsView
from app.providers.plan_yaml import MAX_CHARACTERS, load_plan
from app.web.page import PageView
from app.web.security import PLAN_LIMIT
from app.web.templates import page_templates
from tests.conftest import PLAN_FILE, Web
from tests.plans.breaking import MINIMAL, broken
from tests.plans.test_hostile_plans import HOSTILE

HASH = plan_hash(load_plan(MINIMAL, "shop.yaml"))
ALAWAEL = PLAN_FILE.read_text(encoding="utf-8")


async def send(client: httpx.AsyncClient, text: str, *, path: str = "/plans/check", **fields: str) -> httpx.Response:
    files = {"text": (None, text), **{name: (None, value) for name, value in fields.items()}}
    return await client.post(path, files=files)


async def count(web: Web) -> int:
    found: int | None = await web.database.read(lambda s: s.scalar(select(func.count()).select_from(PlanVersion)))
    return found or 0


async def test_everybody_reads_the_list_and_only_who_sits_there_sees_the_deployment(web: Web) -> None:
    for login in ("support", "project_manager", "admin"):
        answer = await (await web.client_as(login)).get("/plans")
        assert answer.status_code == 200
        assert f"/d/{web.deployment.id}" in answer.text
        assert ('id="import-form"' in answer.text) == (login == "admin")
    assert "/plans" in (await (await web.client_as("support")).get("/")).text


async def test_a_stranger_sees_the_plan_but_no_deployment(web: Web) -> None:
    async def write(session: AsyncSession) -> None:
        session.add(Person(login="stranger", name="Stranger", created_at=await database_now(session)))

    await web.database.run(write)
    answer = await (await web.client_as("stranger")).get("/plans")
    assert "1 deployment without you" in answer.text
    assert f'href="/d/{web.deployment.id}"' not in answer.text


async def test_a_plan_is_looked_at_then_taken_up_and_nothing_running_changes(web: Web) -> None:
    admin = await web.client_as("admin")
    seen = await send(admin, MINIMAL)
    assert seen.status_code == 200
    assert "The plan is good: take it up?" in seen.text
    assert await count(web) == 1, "a look stores nothing"
    form = re.search(r'name="hash" value="([0-9a-f]{64})"', seen.text)
    assert form is not None
    assert form[1] == HASH
    before = await web.database.read(lambda s: s.scalar(select(Deployment.plan_version_id)))
    taken = await send(admin, MINIMAL, path="/plans", hash=HASH)
    assert (taken.status_code, taken.headers["location"]) == (303, f"/plans/{HASH}")
    page = await admin.get(f"/plans/{HASH}")
    assert "Shop" in page.text
    assert await web.database.read(lambda s: s.scalar(select(Deployment.plan_version_id))) == before
    stored = await web.database.read(lambda s: s.scalar(select(PlanVersion.source).where(PlanVersion.hash == HASH)))
    assert stored == MINIMAL
    events = await web.database.read(
        lambda s: s.scalars(select(Event.text).where(Event.kind == "plans.version.taken_up"))
    )
    assert list(events) == [f"Administrator took up plan shop@{HASH[:12]}: Shop"]


async def test_twice_and_at_the_same_time_is_one_version_and_one_line_in_the_log(web: Web) -> None:
    admin = await web.client_as("admin")
    answers = await asyncio.gather(*(send(admin, MINIMAL, path="/plans", hash=HASH) for _ in range(3)))
    answers.append(await send(admin, MINIMAL.replace("\n", "\r\n"), path="/plans", hash=HASH))
    assert {(answer.status_code, answer.headers["location"]) for answer in answers} == {(303, f"/plans/{HASH}")}
    assert await count(web) == 2
    lines = select(func.count()).where(Event.kind == "plans.version.taken_up")
    assert await web.database.read(lambda s: s.scalar(lines)) == 1
    assert "known here already" in (await send(admin, MINIMAL)).text


async def test_what_was_not_seen_is_not_taken_up(web: Web) -> None:
    admin = await web.client_as("admin")
    other = MINIMAL.replace("Shop", "Shop, changed on the way")
    assert (await send(admin, other, path="/plans", hash=HASH)).status_code == 409
    assert (await send(admin, MINIMAL, path="/plans")).status_code == 409
    assert await count(web) == 1


async def test_a_file_counts_before_text_and_keeps_its_name(web: Web) -> None:
    admin = await web.client_as("admin")
    files = {"file": ("shop.yaml", b"\xef\xbb\xbf" + MINIMAL.encode(), "text/yaml"), "text": (None, "nonsense")}
    answer = await admin.post("/plans/check", files=files)
    assert answer.status_code == 200
    assert "shop.yaml" in answer.text
    answer = await admin.post("/plans/check", files={"file": ("latin.yaml", b"key: shop\ntitle: Caf\xe9\n", "a/b")})
    assert answer.status_code == 422
    assert "The file is not UTF-8 from here on." in answer.text
    assert "latin.yaml" in answer.text


async def test_what_is_wrong_stands_beside_its_line(web: Web) -> None:
    admin = await web.client_as("admin")
    answer = await send(admin, broken("warning: 300", "warning: 100"))
    assert answer.status_code == 422
    assert "One thing is wrong with the pasted text" in answer.text
    assert "The warning (100) lies below the target (200)." in answer.text
    assert "Order them: target, warning, critical." in answer.text
    assert re.search(r"<bdi>25:\d+</bdi> <code[^>]*>metrics\[0\]\.warning</code>", answer.text)
    assert re.search(r"warning: <mark>1</mark>00", answer.text)
    assert "key: shop" in answer.text, "the text comes back to be mended"
    assert await count(web) == 1


async def test_what_is_written_in_a_plan_is_never_markup(web: Web) -> None:
    admin = await web.client_as("admin")
    evil = "<script>alert(1)</script></textarea><b>"
    for text in (f"{evil}: 1\n", MINIMAL.replace("title: Shop", f"title: '{evil}'")):
        answer = await send(admin, text)
        assert "<script>alert" not in answer.text
        assert "</textarea><b>" not in answer.text


@pytest.mark.timeout(120)
async def test_hostile_texts_are_refused_and_store_nothing(web: Web) -> None:
    admin = await web.client_as("admin")
    for name, text in HOSTILE.items():
        if "\ud800" in text:
            continue  # cannot be sent as UTF-8
        answer = await send(admin, text)
        assert answer.status_code in (413, 422), f"{name}: {answer.status_code}"
        if answer.status_code == 422:
            assert "plan-problems" in answer.text, name
    escaped = broken("title: Shop", 'title: "Shop \\0 \\ud800"')
    answer = await send(admin, escaped)
    assert answer.status_code == 422, answer.text[:500]
    assert await count(web) == 1


async def test_as_long_as_the_reader_takes_and_no_longer(web: Web) -> None:
    admin = await web.client_as("admin")
    filler = "# " + "ع" * 1000 + "\n"
    text = MINIMAL + filler * ((MAX_CHARACTERS - len(MINIMAL)) // len(filler))
    assert len(text.encode()) > 480_000
    assert (await send(admin, text)).status_code == 200
    too_long = await send(admin, text + filler)
    assert too_long.status_code == 422
    assert "the limit is 262,144" in too_long.text
    huge = await admin.post("/plans/check", files={"file": ("x.yaml", b"a" * (PLAN_LIMIT + 1), "text/yaml")})
    assert huge.status_code == 413
    small = await admin.post("/tokens", data={"name": "a" * 300_000})
    assert small.status_code == 413, "other forms keep their limit"


@pytest.mark.parametrize("login", ["project_manager", "devops_lead", "support", None])
async def test_only_an_administrator_brings_plans_in(web: Web, login: str | None) -> None:
    client = await web.client_as(login)
    for path in ("/plans/check", "/plans"):
        answer = await send(client, MINIMAL, path=path, hash=HASH)
        assert answer.status_code == (403 if login else 303)
    assert await count(web) == 1


@pytest.mark.parametrize("may_import", [True, False])
def test_an_empty_installation_says_what_belongs_here(may_import: bool) -> None:
    environment = page_templates()
    context = {"page": PageView(), "mission": None, "csrf_token": "t", "check": None}
    html = environment.get_template("plans/versions.html").render(view=VersionsView((), 0, may_import), **context)
    assert "No plan is known here yet" in html
    assert ('id="import-form"' in html) == may_import
