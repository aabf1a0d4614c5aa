"""The page: lines, filters, pages, live refresh, the log's proof."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import make_url, select, text, update

from app.db.tables import Deployment, Person
from app.eventlog.log import Actor
from app.timeline.queries import _with_days
from app.timeline.views import Line

HTMX = {"hx-request": "true"}


def whats(page: str) -> list[str]:
    """The sentences of the lines, newest first."""
    return re.findall(r'<div class="event-what"><p>(.*?)</p>', page, re.S)


async def actor(web: Any, login: str) -> Actor:
    async def query(session: Any) -> Actor:
        person = (await session.execute(select(Person).where(Person.login == login))).scalar_one()
        return Actor(person.name, person.id)

    found: Actor = await web.database.read(query)
    return found


async def test_every_event_is_a_line_with_who_why_and_when(web: Any, log: Any) -> None:
    lead = await actor(web, "devops_lead")
    await log("traffic.arrived", "Pressed “Switch to GREEN”", actor=lead, cause="gate PASSED, 5 GO")
    client = await web.client_as("operations")
    page = (await client.get(f"/d/{web.deployment.id}/timeline")).text
    assert whats(page)[0] == "Pressed “Switch to GREEN”"
    line = page.split('id="event-2"')[1].split("</li>")[0]
    assert '<span class="event-who">DevOps lead</span>' in line
    assert '<p class="cause">gate PASSED, 5 GO</p>' in line
    assert re.search(r"\d\d:\d\d:\d\d\.\d{3}", line), "what moves traffic is told to the millisecond"
    assert re.search(r"T−(29:5\d|30:00)", line), "planned half an hour from now"
    assert 'href="#i-traffic"' in line


async def test_after_the_switch_times_count_from_it(web: Any, log: Any, now: Any) -> None:
    switched = now - timedelta(minutes=65)
    await web.database.run(lambda s: s.execute(update(Deployment).values(switched_at=switched)))
    await log("metrics.critical", "GREEN error rate is CRITICAL: 2.6 %", severity="crit")
    client = await web.client_as("operations")
    line = (await client.get(f"/d/{web.deployment.id}/timeline")).text.split('id="event-2"')[1].split("</li>")[0]
    assert "T+1:05:0" in line
    assert line.startswith(' data-state="crit"')
    assert 'href="#i-crit"' in line


FILTERS: list[tuple[str, list[str]]] = [
    ("", ["note", "warned", "moved", "voted", "held"]),
    ("?show=decisions", ["voted", "held"]),
    ("?show=traffic", ["moved"]),
    ("?show=metrics", ["warned"]),
    ("?show=notes", ["note"]),
    ("?show=problems", ["warned", "held"]),
    ("?seat=backend_lead", ["voted"]),
    ("?show=traffic&seat=backend_lead", []),
    ("?seat=nobody_like_that", []),
]


async def test_filters_work_by_address_alone(web: Any, log: Any) -> None:
    lead = await actor(web, "backend_lead")
    await log("deployment.held", "held", severity="warn")
    await log("signoffs.recorded", "voted", actor=lead)
    await log("traffic.arrived", "moved")
    await log("metrics.warning", "warned", severity="warn")
    await log("timeline.note.added", "note", actor=await actor(web, "operations"))
    client = await web.client_as("executive")
    for query, expected in FILTERS:
        page = (await client.get(f"/d/{web.deployment.id}/timeline{query}")).text
        mine = [line for line in whats(page) if line in {"note", "warned", "moved", "voted", "held"}]
        assert mine == expected, query
        assert ("No such line" in page) == (not expected)


async def test_pills_count_what_they_would_show(web: Any, log: Any) -> None:
    for number in range(3):
        await log("traffic.weights.written", f"write {number}")
    await log("metrics.critical", "bad", severity="crit")
    client = await web.client_as("operations")
    page = (await client.get(f"/d/{web.deployment.id}/timeline")).text
    counts = dict(re.findall(r"<span>([\w ]+)</span> <span class=\"pill-count\">(\d+)</span>", page))
    assert counts == {
        "All": "5",
        "Decisions": "1",
        "Traffic": "3",
        "Metrics": "1",
        "Notes": "0",
        "Problems": "1",
    }


async def test_an_unreadable_choice_is_said_so(web: Any) -> None:
    client = await web.client_as("operations")
    for query in ("show=everything", "before=-1", "before=x", "probes=perhaps", f"seat={'x' * 49}"):
        assert (await client.get(f"/d/{web.deployment.id}/timeline?{query}")).status_code == 422


async def test_a_hundred_lines_a_page_and_the_rest_behind_a_link(web: Any, log: Any) -> None:
    for number in range(2, 232):
        await log("traffic.weights.written", f"line {number}")
    client = await web.client_as("operations")
    url, seen = f"/d/{web.deployment.id}/timeline?show=traffic", []
    while url:
        page = (await client.get(url)).text
        seen.append([int(what.removeprefix("line ")) for what in whats(page)])
        found = re.search(r'href="([^"]+)"><span>Show 100 earlier', page)
        url = found[1].replace("&amp;", "&") if found else ""
    assert [len(lines) for lines in seen] == [100, 100, 30]
    assert [line for lines in seen for line in lines] == list(range(231, 1, -1))
    assert "Back to the newest" in page
    assert "data-topic" not in page.split('id="timeline-list"')[1].split(">")[0], "old lines do not change"


async def test_the_list_is_one_fragment_that_refreshes(web: Any, log: Any) -> None:
    client = await web.client_as("operations")
    page = (await client.get(f"/d/{web.deployment.id}/timeline?show=traffic")).text
    root = page.split('id="timeline-list"')[1].split(">")[0]
    assert f'hx-get="/d/{web.deployment.id}/timeline/_list?show=traffic"' in root
    before = int(re.search(r'data-topic="timeline" data-version="(\d+)"', root)[1])  # type: ignore[index]
    await log("traffic.arrived", "All on GREEN")
    fresh = (await client.get(f"/d/{web.deployment.id}/timeline/_list?show=traffic", headers=HTMX)).text
    assert fresh.lstrip().startswith('<div class="stack" id="timeline-list"')
    assert int(re.search(r'data-version="(\d+)"', fresh)[1]) == before + 1  # type: ignore[index]
    assert whats(fresh) == ["All on GREEN"]


def test_days_are_set_apart() -> None:
    noon = datetime(2026, 3, 6, 17, 0, tzinfo=UTC)  # 12:00 in New York
    moments = [noon, noon - timedelta(hours=1), noon - timedelta(hours=13), noon - timedelta(days=1)]
    lines = [Line(str(n), at, "note", "", "", "", "") for n, at in enumerate(moments)]
    marked = [line.day for line in _with_days(lines, "America/New_York", noon)]
    assert marked == ["", "", "5 March 2026", ""]
    assert _with_days(lines[:1], "America/New_York", noon + timedelta(days=1))[0].day == "6 March 2026"


async def test_the_log_says_whether_it_verifies(web: Any, log: Any, postgres: Any) -> None:
    for number in range(3):
        await log("traffic.weights.written", f"line {number}")
    client = await web.client_as("executive")
    url = f"/d/{web.deployment.id}/timeline/verify"
    assert "Log verified: 4 lines" in (await client.get(url, headers=HTMX)).text
    page = (await client.get(url)).text
    assert "<!doctype html>" in page
    assert "Log verified: 4 lines" in page
    assert "Log verified" not in (await client.get(f"/d/{web.deployment.id}/timeline")).text, "only when asked"
    name = make_url(web.app.state.settings.database_url).database
    postgres.execute("update event set text = 'line one' where seq = 3", name)
    assert "Line 3 does not fit" in (await client.get(url, headers=HTMX)).text


async def test_the_application_cannot_change_or_take_out_a_line(web: Any) -> None:
    for statement in ("update event set text = ''", "delete from event", "truncate event"):
        with pytest.raises(Exception, match="permission denied"):
            await web.database.run(lambda s, sql=statement: s.execute(text(sql)))
