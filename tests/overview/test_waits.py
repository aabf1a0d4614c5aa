"""What the home page names of this very person's: from the tables to the sentence."""

import re
from typing import Any

from sqlalchemy import select

from app.db.tables import EmergencyPatch, Person
from app.domain.deployments import State
from tests.conftest import Web
from tests.overview.test_home import put


def said(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html).replace("\u00a0", " "))


async def now_of(web: Web, login: str) -> str:
    client = await web.client_as(login)
    answer = await client.get(f"/d/{web.deployment.id}/home/_now")
    assert answer.status_code == 200
    return answer.text


async def post(web: Web, login: str, path: str, **data: Any) -> None:
    client = await web.client_as(login)
    answer = await client.post(f"/d/{web.deployment.id}{path}", data=data)
    assert answer.status_code in (204, 303), answer.text[:500]


async def person(web: Web, login: str) -> int:
    found: int = await web.database.read(lambda s: s.scalar(select(Person.id).where(Person.login == login)))
    return found


async def test_the_hand_that_is_offered_to_me(web: Web) -> None:
    await post(web, "devops_lead", "/roster/hand/offer", person=await person(web, "devops_2"))
    mine = await now_of(web, "devops_2")
    assert "DevOps lead offers you the hand on the rollback" in said(mine)
    assert 'href="#hand"' in mine
    page = await (await web.client_as("devops_2")).get(f"/d/{web.deployment.id}")
    assert 'id="hand"' in page.text, "the move leads to something"
    assert "offers you the hand" not in await now_of(web, "devops_1")
    await post(web, "devops_2", "/roster/hand/accept")
    assert "offers you the hand" not in await now_of(web, "devops_2")


async def test_a_freeze_and_the_patch_that_waits_for_my_answer(web: Web) -> None:
    await post(web, "project_manager", "/freeze/set", reason="deployment day", minutes=240)
    for login in ("backend_1", "executive", "security_officer"):
        assert "Changes are frozen until" in said(await now_of(web, login))
    await post(web, "backend_1", "/freeze/patches", text="raise the pool to 40")
    mine = said(await now_of(web, "security_officer"))
    assert "An emergency patch waits for your answer" in mine
    assert "Backend 1: raise the pool to 40" in mine
    assert "waits for your answer" not in said(await now_of(web, "backend_1"))
    patch = await web.database.read(lambda s: s.scalar(select(EmergencyPatch.id)))
    await post(web, "security_officer", f"/freeze/patches/{patch}/answer", verdict="approved", comment="looked at it")
    assert "emergency patch" not in said(await now_of(web, "security_officer"))
    await post(web, "project_manager", "/freeze/lift")
    assert "frozen" not in said(await now_of(web, "backend_1"))


async def test_my_own_lines_and_that_i_have_arrived(web: Web) -> None:
    mine = said(await now_of(web, "backend_1"))
    assert "Get yourself ready: 21 lines to tick" in mine
    assert "Nobody knows yet that you have arrived. I am here" in mine
    await post(web, "backend_1", "/roster/arrive")
    await post(web, "backend_1", "/checklists/personal", done="readiness.early")
    mine = said(await now_of(web, "backend_1"))
    assert "Get yourself ready: 20 lines to tick" in mine
    assert "you have arrived" not in mine
    assert "of your own to tick" in said(await now_of(web, "project_manager"))
    await put(web, State.SWITCHED)
    assert "of your own" not in said(await now_of(web, "backend_1"))


async def test_what_people_wrote_is_only_text(web: Web) -> None:
    evil = "<script>alert(1)</script>"
    await post(web, "project_manager", "/freeze/set", reason=evil, minutes=240)
    await post(web, "backend_1", "/freeze/patches", text=evil)
    page = await now_of(web, "security_officer")
    assert evil not in page
    assert "&lt;script&gt;" in page, "the patch"
    other = await now_of(web, "operations")
    assert evil not in other
    assert "&lt;script&gt;" in other, "the reason"
