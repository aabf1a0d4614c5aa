"""People's own notes."""

import asyncio
import re
from typing import Any

from sqlalchemy import select

from app.db.tables import Event
from app.eventlog.log import versions_of
from app.timeline.commands import NOTE

HTMX = {"hx-request": "true"}


async def notes(web: Any) -> list[Event]:
    async def query(session: Any) -> list[Event]:
        return list(await session.scalars(select(Event).where(Event.kind == NOTE).order_by(Event.seq)))

    found: list[Event] = await web.database.read(query)
    return found


def url(web: Any) -> str:
    return f"/d/{web.deployment.id}/timeline/notes"


async def test_a_note_is_a_line_signed_by_its_author_and_tells_the_browsers(web: Any) -> None:
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


async def test_without_script_the_page_comes_back(web: Any) -> None:
    client = await web.client_as("operations")
    answer = await client.post(url(web), data={"text": "seen"})
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/d/{web.deployment.id}/timeline"


async def test_the_same_press_sent_many_times_is_one_note(web: Any) -> None:
    client = await web.client_as("operations")
    send = [client.post(url(web), data={"text": "seen", "_key": "one press"}, headers=HTMX) for _ in range(8)]
    answers = await asyncio.gather(*send)
    assert {answer.status_code for answer in answers} == {200}
    assert len(await notes(web)) == 1
    await client.post(url(web), data={"text": "seen", "_key": "another"}, headers=HTMX)
    other = await web.client_as("backend_lead")
    await other.post(url(web), data={"text": "mine", "_key": "another"}, headers=HTMX)
    assert [note.text for note in await notes(web)] == ["seen", "seen", "mine"]


async def test_an_empty_or_endless_note_is_refused_at_its_field(web: Any) -> None:
    client = await web.client_as("operations")
    for text, said in (("", "is empty."), ("   ", "is empty."), ("x" * 2001, "longer than 2000")):
        for headers in (HTMX, {}):
            answer = await client.post(url(web), data={"text": text}, headers=headers)
            assert answer.status_code == 422
            assert said in answer.text
            assert 'aria-invalid="true"' in answer.text
            assert text.strip() in answer.text, "what was written is not lost"
    assert await notes(web) == []


async def test_two_thousand_characters_are_a_note(web: Any) -> None:
    client = await web.client_as("operations")
    assert (await client.post(url(web), data={"text": "é" * 2000}, headers=HTMX)).status_code == 200
    assert len((await notes(web))[0].text) == 2000


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "a\x00b\x1b[31mred",
    "\u202eevil",
)


async def test_what_people_write_is_only_text(web: Any) -> None:
    client = await web.client_as("operations")
    for text in HOSTILE:
        assert (await client.post(url(web), data={"text": text}, headers=HTMX)).status_code == 200
    body = (await client.get(f"/d/{web.deployment.id}/timeline")).text.split('id="timeline-list"')[1]
    for live in ("<script", "<img", "\x00", "\x1b"):
        assert live not in body
    assert "{{ 7 * 7 }}" in body
    assert "ab[31mred" in body


async def test_who_only_observes_writes_nothing(web: Any) -> None:
    client = await web.client_as("executive")
    assert (await client.post(url(web), data={"text": "hello"}, headers=HTMX)).status_code == 403
    page = (await client.get(f"/d/{web.deployment.id}/timeline")).text
    assert not re.search(r"<textarea", page)
    assert await notes(web) == []
