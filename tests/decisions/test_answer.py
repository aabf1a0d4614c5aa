"""Answering: whoever is asked, once, with a reason; everybody else is told why not, and who was faster."""

import asyncio
import re

import pytest
from sqlalchemy import update

from app.db.engine import Database
from app.db.tables import Decision
from app.decisions.commands import answer
from app.decisions.forms import AnswerForm
from app.domain.decisions import Rung
from app.domain.errors import Rejected
from tests.conftest import Web
from tests.decisions.conftest import Clock
from tests.traffic.armed import press_rollback


async def give(clock: Clock, login: str, said: str, *, minute: int = 5, key: str = "", reason: str = "") -> None:
    scope = await clock.scope_of(clock.deployment, login)
    form = AnswerForm.model_validate({"answer": said, "reason": reason, "_key": key})
    await clock.database.run(lambda session: answer(session, scope, minute, form))


async def refused(clock: Clock, login: str, said: str, *, minute: int = 5, key: str = "") -> Rejected:
    with pytest.raises(Rejected) as refusal:
        await give(clock, login, said, minute=minute, key=key)
    return refusal.value


@pytest.mark.parametrize(("said", "words"), [("continue", "continue"), ("watch", "watch closely")])
async def test_the_lead_answers_with_a_reason(clock: Clock, said: str, words: str) -> None:
    await clock.at(5.01)
    await give(clock, "devops_lead", said, reason="Memory levels off")
    row = await clock.newest()
    assert (row.closing, row.answer, row.reason, row.answered_by) == (
        "answered",
        said,
        "Memory levels off",
        "DevOps lead",
    )
    event = (await clock.events())[-1]
    assert (event.text, event.cause) == (f"DevOps lead decided at minute 5: {words}", "Memory levels off")


@pytest.mark.parametrize("login", ["devops_1", "project_manager"])
async def test_who_is_not_asked_yet_does_not_answer(clock: Clock, login: str) -> None:
    await clock.at(5.01)
    refusal = await refused(clock, login, "continue")
    assert refusal.code == "not_asked"
    assert (await clock.newest()).closed_at is None


async def test_the_manager_answers_once_silence_lasted_even_before_it_was_recorded(clock: Clock) -> None:
    await clock.at(5.01)
    await clock.silence(61)
    await give(clock, "project_manager", "continue")
    assert (await clock.newest()).answered_by == "Project manager"


async def test_the_same_press_twice_is_one_answer_and_another_names_who_was_faster(clock: Clock) -> None:
    await clock.at(5.01)
    for _ in range(2):
        await give(clock, "devops_lead", "continue", key="press-1")
    assert len(await clock.events()) == 2
    refusal = await refused(clock, "project_manager", "watch")
    assert refusal.conflict
    assert re.match(r"DevOps lead answered .+ ago: continue\. Nothing was recorded twice\.", refusal.reason)


async def test_a_stale_page_answers_neither_a_folded_point_nor_one_to_come(clock: Clock) -> None:
    await clock.at(5.01)
    await clock.at(10.01)
    assert (await refused(clock, "devops_lead", "continue", minute=5)).code == "folded"
    assert (await refused(clock, "devops_lead", "continue", minute=15)).code == "not_open"
    await give(clock, "devops_lead", "continue", minute=10)


async def test_after_a_rollback_nothing_is_answered(clock: Clock) -> None:
    await clock.at(5.01)
    await press_rollback(clock.database, await clock.scope_of(clock.deployment, "devops_1"), "r1")
    assert (await refused(clock, "devops_lead", "continue")).code == "void"


async def test_escalating_asks_everybody_at_once_and_wants_an_answer_still(clock: Clock) -> None:
    await clock.at(5.01)
    await give(clock, "devops_lead", "escalate", reason="Two customers cannot pay")
    row = await clock.newest()
    assert (row.rung, row.escalated_by, row.closed_at) == (Rung.EVERYBODY, "DevOps lead", None)
    assert (await clock.events())[-1].severity == "crit"
    assert (await refused(clock, "devops_lead", "escalate")).code == "escalated"
    await give(clock, "project_manager", "continue")
    assert (await clock.newest()).answer == "continue"


async def test_a_rollback_is_no_answer(clock: Clock) -> None:
    await clock.at(5.01)
    assert (await refused(clock, "devops_lead", "rollback")).code == "guard"


async def test_two_answers_at_once_one_wins(committed_clock: Clock, committed_db: Database) -> None:
    clock = committed_clock
    await clock.at(5.01)
    await clock.silence(61)
    pairs = (("devops_lead", "continue"), ("project_manager", "watch"))
    outcomes = await asyncio.gather(*(give(clock, *pair) for pair in pairs), return_exceptions=True)
    losers = [outcome for outcome in outcomes if isinstance(outcome, Rejected)]
    assert len(losers) == 1
    winner = (await clock.newest()).answered_by
    assert losers[0].reason.startswith(f"{winner} answered")
    answered = [event for event in await clock.events() if event.kind == "decisions.point.answered"]
    assert len(answered) == 1


# ── over HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html).replace("\u00a0", " "))


async def test_the_dialog_is_for_those_asked_and_the_clock_for_all(web: Web, web_clock: Clock) -> None:
    await web_clock.at(5.01)
    lead, manager, reader = [await web.client_as(who) for who in ("devops_lead", "project_manager", "executive")]
    base = f"/d/{web.deployment.id}"
    for path in ("", "/board", "/switch", "/timeline", "/checklists", "/triggers", "/roster", "/plan", "/incidents"):
        asked = await lead.get(base + path)
        assert 'role="dialog"' in asked.text, path
        assert "Any issues yet?" in words(asked.text)
        other = await manager.get(base + path)
        assert 'role="dialog"' not in other.text, path
        assert re.search(r"Decision at minute 5: DevOps lead has \d+ s", words(other.text)), path
    assert "DevOps lead has" in words((await reader.get(f"{base}/_mission")).text)
    assert "DevOps lead has" in words((await reader.get(f"{base}/_banner")).text)
    await web_clock.silence(61)
    assert 'role="dialog"' in (await manager.get(f"{base}/decisions/_dialog")).text


async def test_an_answer_over_http_is_seen_by_all(web: Web, web_clock: Clock) -> None:
    await web_clock.at(5.01)
    lead, reader = await web.client_as("devops_lead"), await web.client_as("executive")
    url = f"/d/{web.deployment.id}/decisions"
    evil = "<script>alert(1)</script> & “so on”"
    sent = await lead.post(f"{url}/5/answer", data={"answer": "watch", "reason": evil, "_key": "k"})
    assert sent.status_code == 303
    shown = await reader.get(url)
    assert "<script>alert" not in shown.text
    assert "WATCH CLOSELY" in shown.text
    assert "Next decision point: minute 10" in words(shown.text)
    assert "watched" in words((await reader.get(f"/d/{web.deployment.id}/_mission")).text)
    again = await lead.post(
        f"{url}/5/answer", data={"answer": "continue", "_key": "k2"}, headers={"hx-request": "true"}
    )
    assert again.status_code == 409
    assert "DevOps lead answered" in words(again.text)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"answer": "continue", "reason": "x" * 501}, 422),
        ({"answer": "maybe"}, 422),
        ({}, 422),
        ({"answer": "rollback"}, 422),
        ({"answer": "continue", "reason": "\x00\x07 fine"}, 303),
    ],
)
async def test_hostile_and_huge_texts(web: Web, web_clock: Clock, data: dict[str, str], status: int) -> None:
    await web_clock.at(5.01)
    lead = await web.client_as("devops_lead")
    answered = await lead.post(f"/d/{web.deployment.id}/decisions/5/answer", data=data)
    assert answered.status_code == status
    row = await web_clock.newest()
    assert (row.closed_at is not None) == (status == 303)
    assert "\x00" not in row.reason


async def test_every_page_lives_on_beside_a_snapshot_that_cannot_be_read(web_clock: Clock, web: Web) -> None:
    await web_clock.at(5.01)
    await web_clock.database.run(lambda session: session.execute(update(Decision).values(snapshot={"of": "before"})))
    base = f"/d/{web.deployment.id}"
    lead, reader = await web.client_as("devops_lead"), await web.client_as("executive")
    for path in ("", "/wall", "/wall/_panel", "/decisions", "/switch", "/decisions/_dialog", "/_banner", "/home/_now"):
        for client in (lead, reader):
            assert (await client.get(base + path)).status_code == 200, path
    for path in ("", "/wall", "/decisions", "/decisions/_dialog"):
        assert "Snapshot unreadable" in (await lead.get(base + path)).text, path
    assert "Snapshot unreadable" in (await reader.get(base)).text
    answered = await lead.post(f"{base}/decisions/5/answer", data={"answer": "continue", "_key": "k"})
    assert answered.status_code == 303
    assert (await web_clock.newest()).answer == "continue"


async def test_the_rollback_cover_is_drawn_whatever_is_wrong_with_a_question(web_clock: Clock, web: Web) -> None:
    await web_clock.at(5.01)
    await web_clock.database.run(lambda session: session.execute(update(Decision).values(snapshot={"of": "before"})))
    client = await web.client_as("devops_lead")
    answer = await client.get(f"/d/{web.deployment.id}/switch")
    assert answer.status_code == 200
    assert 'id="rollback-cover"' in answer.text
