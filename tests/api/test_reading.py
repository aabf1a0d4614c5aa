"""What the API answers to those who may read."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update

from app.db.tables import Deployment, Operation, TargetState
from app.domain.plan import Plan
from app.eventlog.log import SYSTEM, Entry, append

from .test_tokens import assert_problem


async def test_deployments_come_newest_first_page_by_page(web: Any, machine: Any, seed: Any) -> None:
    ids = [web.deployment.id, (await seed(web.database)).id, (await seed(web.database)).id]
    client = await machine("read")
    first = (await client.get("/deployments?limit=2")).json()
    assert [item["id"] for item in first["items"]] == ids[:0:-1]
    rest = (await client.get(f"/deployments?limit=2&before={first['next_before']}")).json()
    assert [item["id"] for item in rest["items"]] == ids[:1]
    assert rest["next_before"] is None


async def test_a_deployment(web: Any, machine: Any, plan: Plan) -> None:
    client = await machine("read")
    found = (await client.get(f"/deployments/{web.deployment.id}")).json()
    assert found["state"] == "preparing"
    assert found["mode"] == "rehearsal"
    assert found["blue"] == {"version": "0.9.4", "digest": plan.releases.blue.digest}
    assert found["green"]["version"] == "1.0.0"
    assert found["plan"]["key"] == "alawael"
    assert len(found["plan"]["hash"]) == 64
    assert found["hold"] is None
    for moment in ("planned_at", "created_at", "state_since"):
        assert found[moment].endswith(("Z", "+00:00"))
        assert datetime.fromisoformat(found[moment]).utcoffset() is not None


async def test_a_hold_is_told_with_its_reason(web: Any, machine: Any) -> None:
    values = {"state": "on_hold", "hold_reason": "Database backup late", "held_by": "Project manager"}
    await web.database.run(lambda s: s.execute(update(Deployment).values(**values)))
    client = await machine("read")
    found = (await client.get(f"/deployments/{web.deployment.id}")).json()
    assert found["hold"] == {"reason": "Database backup late", "by": "Project manager"}


async def test_signoffs_say_what_is_missing(web: Any, machine: Any, plan: Plan) -> None:
    client = await machine("read")
    found = (await client.get(f"/deployments/{web.deployment.id}/signoffs")).json()
    assert found["verdict"] == "PENDING"
    assert plan.production.signoffs is not None
    keys = [question.key for question in plan.production.signoffs.questions]
    assert [question["key"] for question in found["questions"]] == keys
    assert found["missing"] == keys
    assert {question["state"] for question in found["questions"]} == {"waiting"}
    assert {question["vote"] for question in found["questions"]} == {None}


async def test_phases_say_what_is_planned_and_how_far_each_step_is(web: Any, machine: Any, plan: Plan) -> None:
    client = await machine("read")
    found = (await client.get(f"/deployments/{web.deployment.id}/phases")).json()
    assert [item["key"] for item in found["items"]] == [phase.key for phase in plan.phases]
    github = found["items"][0]
    assert (github["number"], github["state"], github["started_at"]) == ("2", "planned", None)
    assert [step["state"] for step in github["steps"]] == ["open"] * 7
    assert datetime.fromisoformat(github["planned_at"]).utcoffset() is not None
    assert found["clock"] == {"plan_now": found["at"], "speed": 1}
    rollback = next(item for item in found["items"] if item["key"] == "rollback")
    assert rollback["planned_at"] is None
    assert (await client.post(f"/deployments/{web.deployment.id}/phases/github/start")).status_code == 404


async def test_traffic_says_what_is_set_what_was_seen_and_what_runs(web: Any, machine: Any) -> None:
    await web.database.run(lambda s: _move(s, web.deployment.id))
    client = await machine("read")
    found = (await client.get(f"/deployments/{web.deployment.id}/traffic")).json()
    assert (found["set"]["blue"], found["set"]["green"]) == (0, 100)
    assert (found["observed"]["blue"], found["observed"]["green"]) == (2, 98)
    assert found["green"]["is_healthy"] is True
    assert found["blue"] == {"is_healthy": None, "found": "", "at": None}
    operation = found["operation"]
    assert operation["kind"] == "switch"
    assert operation["want_green"] == 100
    assert operation["accepted_ms"] == 20
    assert operation["observed_95_ms"] == 400
    assert operation["observed_100_ms"] is None


async def _move(session: Any, deployment_id: int) -> None:
    now = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    state = await session.get(TargetState, "production") or TargetState(target="production")
    state.epoch, state.set_blue, state.set_at = 1, 0, now
    state.probed_blue, state.probed_green, state.probed_at = 2, 98, now
    state.green_is_healthy, state.green_found, state.green_at = True, "1 of 1", now
    session.add(state)
    from datetime import timedelta

    session.add(
        Operation(
            deployment_id=deployment_id,
            attempt=1,
            target="production",
            kind="switch",
            state="observing",
            epoch=1,
            want_blue=0,
            idempotency_key="k",
            requested_by="DevOps lead",
            frozen_signoffs={},
            clicked_at=now,
            accepted_at=now + timedelta(milliseconds=5),
            written_at=now + timedelta(milliseconds=20),
            observed_95_at=now + timedelta(milliseconds=400),
        )
    )


async def test_the_timeline_is_read_in_order_and_followed(web: Any, machine: Any) -> None:
    for number in range(5):
        entry = Entry("traffic.weights.written", f"line {number}", cause="epoch 1", severity="warn")
        await web.database.run(lambda s, e=entry: append(s, web.deployment.id, e, SYSTEM))
    client = await machine("read")
    url = f"/deployments/{web.deployment.id}/timeline"
    first = (await client.get(f"{url}?limit=4")).json()
    assert [item["seq"] for item in first["items"]] == [1, 2, 3, 4]
    assert first["has_more"] is True
    rest = (await client.get(f"{url}?limit=4&after_seq={first['next_after_seq']}")).json()
    assert [item["text"] for item in rest["items"]] == ["line 3", "line 4"]
    assert rest["has_more"] is False
    end = (await client.get(f"{url}?after_seq={rest['next_after_seq']}")).json()
    assert end == {"items": [], "next_after_seq": 6, "has_more": False}
    line = rest["items"][0]
    assert (line["actor"], line["cause"], line["severity"]) == ("gonogo", "epoch 1", "warn")
    assert len(line["hash"]) == 64


async def test_an_unreadable_question_names_the_field(web: Any, machine: Any) -> None:
    client = await machine("read")
    for query in ("limit=0", "limit=501", "limit=x", "after_seq=-1", f"after_seq={2**70}"):
        answer = await client.get(f"/deployments/{web.deployment.id}/timeline?{query}")
        assert_problem(answer, 422, "unreadable")
        assert f"query.{query.split('=')[0]}" in answer.json()["detail"]


async def test_an_unknown_deployment(web: Any, machine: Any) -> None:
    client = await machine("read")
    for number in (4711, 0, -1):
        assert_problem(await client.get(f"/deployments/{number}"), 404, "not_found")
    assert (await client.get(f"/deployments/{2**80}")).status_code in (404, 422)


async def test_other_paths_and_methods_are_problems_too(web: Any, machine: Any) -> None:
    client = await machine("read")
    assert_problem(await client.get("/nothing"), 404, "http")
    assert_problem(await client.delete("/deployments"), 405, "http")
