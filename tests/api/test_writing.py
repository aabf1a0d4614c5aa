"""Readings and the rollback by machines."""

from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, update

from app.db.tables import Deployment, Event, Operation, Reading

from .test_tokens import assert_problem


async def moment(web: Any, seconds_ago: float = 1) -> str:
    async def query(session: Any) -> str:
        now = (await session.execute(select(func.clock_timestamp()))).scalar_one()
        return str((now - timedelta(seconds=seconds_ago)).isoformat())

    return str(await web.database.read(query))


async def reading(web: Any, **change: Any) -> dict[str, Any]:
    at = await moment(web)
    return {"metric": "error_rate", "side": "GREEN", "value": 0.02, "samples": 120, "at": at} | change


async def stored(web: Any) -> list[Reading]:
    async def query(session: Any) -> list[Reading]:
        return list(await session.scalars(select(Reading).order_by(Reading.id)))

    found: list[Reading] = await web.database.read(query)
    return found


async def test_readings_are_stored_with_their_source(web: Any, machine: Any) -> None:
    client = await machine("readings", deployment=web.deployment.id)
    body = {"readings": [await reading(web), await reading(web, side="BLUE", value=None, samples=0)]}
    answer = await client.post(f"/deployments/{web.deployment.id}/readings", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json() == {"stored": 2}
    rows = await stored(web)
    assert [(row.side, row.value, row.source) for row in rows] == [
        ("GREEN", 0.02, "token test"),
        ("BLUE", None, "token test"),
    ]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"metric": "happiness"}, "reading"),
    ({"side": "RED"}, "unreadable"),
    ({"value": -1}, "reading"),
    ({"samples": -1}, "unreadable"),
    ({"at": "2026-03-06T14:10:00"}, "unreadable"),
    ({"at": "2020-03-06T14:10:00Z"}, "reading"),
    ({"surprise": 1}, "unreadable"),
]


async def test_one_bad_reading_stores_none(web: Any, machine: Any) -> None:
    client = await machine("readings")
    for change, code in REFUSED:
        body = {"readings": [await reading(web), await reading(web, **change)]}
        answer = await client.post(f"/deployments/{web.deployment.id}/readings", json=body)
        assert_problem(answer, 422, code)
    assert await stored(web) == []


async def test_a_broken_body_is_a_problem(web: Any, machine: Any) -> None:
    client = await machine("readings")
    headers = {"content-type": "application/json"}
    for text in ('{"readings": [', "[]", "null", '{"readings": []}', '{"readings": "x"}'):
        answer = await client.post(f"/deployments/{web.deployment.id}/readings", content=text, headers=headers)
        assert_problem(answer, 422, "unreadable")


async def test_a_huge_body_is_refused(web: Any, machine: Any) -> None:
    client = await machine("readings")
    answer = await client.post(f"/deployments/{web.deployment.id}/readings", content=b"x" * 300_000)
    assert_problem(answer, 413, "too_large")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_reading_is_not_posting(web: Any, machine: Any) -> None:
    client = await machine("read", "rollback", deployment=web.deployment.id)
    body = {"readings": [await reading(web)]}
    assert_problem(await client.post(f"/deployments/{web.deployment.id}/readings", json=body), 403, "forbidden")
    assert await stored(web) == []


async def test_a_rollback_needs_its_own_scope(web: Any, machine: Any) -> None:
    await web.database.run(lambda s: s.execute(update(Deployment).values(state="switched")))
    client = await machine("read", "readings")
    answer = await client.post(f"/deployments/{web.deployment.id}/rollback", json={"key": "12345678"})
    assert_problem(answer, 403, "forbidden")


async def test_with_it_a_rollback_is_accepted_once(web: Any, machine: Any) -> None:
    await web.database.run(lambda s: s.execute(update(Deployment).values(state="switched")))
    client = await machine("rollback", deployment=web.deployment.id)
    url = f"/deployments/{web.deployment.id}/rollback"
    body = {"key": "alert-4711-1", "cause": "error budget is burnt"}
    answers = [await client.post(url, json=body) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 202], answers[0].text
    first = answers[0].json()
    assert first["kind"] == "rollback"
    assert first["want_blue"] == 100
    assert first["requested_by"] == "Token test"
    assert {answer.json()["id"] for answer in answers} == {first["id"]}

    async def written(session: Any) -> tuple[int, str, str]:
        operations = (await session.execute(select(func.count()).select_from(Operation))).scalar_one()
        newest = select(Event.kind, Event.actor).where(Event.chain == web.deployment.id).order_by(Event.seq.desc())
        event = (await session.execute(newest.limit(1))).one()
        return operations, event.kind, event.actor

    assert await web.database.read(written) == (1, "traffic.rollback.requested", "Token test")


async def test_nothing_to_roll_back_is_a_conflict(web: Any, machine: Any) -> None:
    client = await machine("rollback", deployment=web.deployment.id)
    answer = await client.post(f"/deployments/{web.deployment.id}/rollback", json={"key": "12345678"})
    assert_problem(answer, 409, "state")


async def test_no_words_keep_a_rollback_from_happening(web: Any, machine: Any) -> None:
    await web.database.run(lambda s: s.execute(update(Deployment).values(state="switched")))
    client = await machine("rollback", deployment=web.deployment.id)
    body = {"key": "alert-4711-1", "cause": "error\x00 budget\u202e is burnt" + "!" * 5000}
    answer = await client.post(f"/deployments/{web.deployment.id}/rollback", json=body)
    assert answer.status_code == 202, answer.text
    assert answer.json()["cause"].startswith("error budget is burnt!!!")
    assert len(answer.json()["cause"]) == 500


async def test_a_rollback_that_cannot_be_read(web: Any, machine: Any) -> None:
    client = await machine("rollback", deployment=web.deployment.id)
    for body in ({}, {"key": "short"}, {"key": "x" * 41}, {"key": "with space 1"}, {"key": "12345678", "x": 1}):
        answer = await client.post(f"/deployments/{web.deployment.id}/rollback", json=body)
        assert_problem(answer, 422, "unreadable")
