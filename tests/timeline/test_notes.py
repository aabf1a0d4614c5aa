"""People's own notes."""

import asyncio
import re
from typing import Any

import sqlalchemy as sa
from sqlalchemy import select

from app.db.tables import Event
from app.eventlog.log import Actor, Entry, append, versions_of
from app.timeline.commands import AT_ONCE, MOST, NOTE
from app.timeline.queries import PAGE
from tests.conftest import Web

HTMX = {"hx-request": "true"}


async def notes(web: Web) -> list[Event]:
    async def query(session: Any) -> list[Event]:
        return list(await session.scalars(select(Event).where(Event.kind == NOTE).order_by(Event.seq)))

    found: list[Event] = await web.database.read(query)
    return found


def url(web: Web) -> str:
    return f"/d/{web.deployment.id}/timeline/notes"


async def test_a_note_is_a_line_signed_by_its_author_and_tells_the_browsers(web: Web) -> None:
    before = await web.database.read(lambda s: versions_of(s, web.deployment.id))
    client = await web.client_as("support")
    answer = await client.post(
        url(web), data={"text": "  2 customers say\r\nthat payment fails ", "_key": "k1"}, headers=HTMX
    )
    assert answer.status_code == 200
    assert 'id="note"' in answer.text
    assert "2 customers" not in answer.text, "the field comes back empty"
    [note] = await notes(web)
    assert note.text == "2 customers say\nthat payment fails"
    assert note.actor == "Support and communications"
    assert note.cause == "note"
    after = await web.database.read(lambda s: versions_of(s, web.deployment.id))
    assert after["timeline"] == before["timeline"] + 1


async def test_without_script_the_page_comes_back(web: Web) -> None:
    client = await web.client_as("operations")
    answer = await client.post(url(web), data={"text": "seen"})
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/d/{web.deployment.id}/timeline"


async def test_the_same_press_sent_many_times_is_one_note(web: Web) -> None:
    client = await web.client_as("operations")
    send = [client.post(url(web), data={"text": "seen", "_key": "one press"}, headers=HTMX) for _ in range(8)]
    answers = await asyncio.gather(*send)
    assert {answer.status_code for answer in answers} == {200}
    assert len(await notes(web)) == 1
    await client.post(url(web), data={"text": "seen", "_key": "another"}, headers=HTMX)
    other = await web.client_as("backend_lead")
    await other.post(url(web), data={"text": "mine", "_key": "another"}, headers=HTMX)
    assert [note.text for note in await notes(web)] == ["seen", "seen", "mine"]


async def test_an_empty_or_endless_note_is_refused_at_its_field(web: Web) -> None:
    client = await web.client_as("operations")
    for text, said in (("", "is empty."), ("   ", "is empty."), ("x" * 2001, "longer than 2000")):
        for headers in (HTMX, {}):
            answer = await client.post(url(web), data={"text": text}, headers=headers)
            assert answer.status_code == 422
            assert said in answer.text
            assert 'aria-invalid="true"' in answer.text
            assert text.strip() in answer.text, "what was written is not lost"
    assert await notes(web) == []


async def test_two_thousand_characters_are_a_note(web: Web) -> None:
    client = await web.client_as("operations")
    assert (await client.post(url(web), data={"text": "é" * 2000}, headers=HTMX)).status_code == 200
    assert len((await notes(web))[0].text) == 2000


async def test_one_person_adds_so_many_notes_a_minute_and_others_still_can(web: Web) -> None:
    client = await web.client_as("operations")
    for number in range(AT_ONCE):
        assert (await client.post(url(web), data={"text": f"note {number}"}, headers=HTMX)).status_code == 200
    for headers in (HTMX, {}):
        refused = await client.post(url(web), data={"text": "one more"}, headers=headers)
        assert refused.status_code == 422
        assert f"You added {AT_ONCE} notes within a minute" in refused.text
        assert "one more</textarea>" in refused.text, "what was written is not lost"
    other = await web.client_as("support")
    assert (await other.post(url(web), data={"text": "mine"}, headers=HTMX)).status_code == 200

    assert len(await notes(web)) == AT_ONCE + 1


async def test_many_at_once_of_one_person_are_counted_one_by_one(web: Web) -> None:
    client = await web.client_as("operations")
    send = [client.post(url(web), data={"text": f"note {n}"}, headers=HTMX) for n in range(AT_ONCE * 2)]
    answers = [answer.status_code for answer in await asyncio.gather(*send)]
    assert (answers.count(200), answers.count(422)) == (AT_ONCE, AT_ONCE)


async def test_a_deployment_holds_so_many_notes(web: Web) -> None:
    fill = sa.text(
        "insert into event (chain, seq, at, kind, actor, cause, text, severity, payload, previous, hash) "
        "select :chain, 100000 + n, now(), :kind, 'Support', 'note', 'seen', 'normal', '{}', '', '' "
        "from generate_series(1, :most) n"
    )
    values = {"chain": web.deployment.id, "kind": NOTE, "most": MOST - 1}
    await web.database.run(lambda session: session.execute(fill, values))
    client = await web.client_as("operations")
    assert (await client.post(url(web), data={"text": "the last"}, headers=HTMX)).status_code == 200
    refused = await client.post(url(web), data={"text": "one more"}, headers=HTMX)
    assert refused.status_code == 422
    assert f"This deployment has {MOST:,} notes, the most there can be." in refused.text
    assert len(await notes(web)) == MOST


async def test_notes_are_read_page_by_page_and_cut_in_panels(web: Web) -> None:
    long = "x" * 500

    async def write(session: Any) -> None:
        for number in range(130):
            await append(session, web.deployment.id, Entry(NOTE, f"{number} {long}", cause="note"), Actor("Support"))

    await web.database.run(write)
    client = await web.client_as("operations")
    page = (await client.get(f"/d/{web.deployment.id}/timeline?show=notes")).text
    assert len(re.findall(r'<li class="event"', page)) == PAGE
    assert f"129 {long}" in page
    earlier = re.search(r'href="([^"]+before=\d+[^"]*)"', page)
    assert earlier is not None
    older = (await client.get(earlier[1].replace("&amp;", "&"))).text
    assert len(re.findall(r'<li class="event"', older)) == 30
    for panel in ("/home/_latest", "/wall/_panel"):
        text = (await client.get(f"/d/{web.deployment.id}{panel}")).text
        assert "129 x" in text
        assert "x" * 300 not in text, "a panel has room for the beginning"


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "a\x00b\x1b[31mred",
    "\u202eevil",
)


async def test_what_people_write_is_only_text(web: Web) -> None:
    client = await web.client_as("operations")
    for text in HOSTILE:
        assert (await client.post(url(web), data={"text": text}, headers=HTMX)).status_code == 200
    body = (await client.get(f"/d/{web.deployment.id}/timeline")).text.split('id="timeline-list"')[1]
    for live in ("<script", "<img", "\x00", "\x1b"):
        assert live not in body
    assert "{{ 7 * 7 }}" in body
    assert "ab[31mred" in body


async def test_who_only_observes_writes_nothing(web: Web) -> None:
    client = await web.client_as("executive")
    assert (await client.post(url(web), data={"text": "hello"}, headers=HTMX)).status_code == 403
    page = (await client.get(f"/d/{web.deployment.id}/timeline")).text
    assert not re.search(r"<textarea", page)
    assert await notes(web) == []
