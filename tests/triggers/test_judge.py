"""What the judge makes of evidence: countdown, fire, latch, merge, recommend; all of a fire is one transaction."""

import asyncio

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Deployment, Operation
from app.deployments.commands import database_now
from app.domain.plan import Plan
from app.eventlog.log import verify_chain
from app.triggers.commands import IncomingAlert, fire, follow, record_alert
from app.triggers.queries import Standing, standings
from app.web.figures import SPACE
from tests.conftest import ScopeOf
from tests.traffic.armed import arm, jobs, operations_of, press_rollback, press_switch, prove, state_of
from tests.triggers.breached import checked, events, judge, kinds, read, row, stages


async def rollbacks(database: Database) -> list[Operation]:
    return [operation for operation in await operations_of(database) if operation.kind == "rollback"]


async def test_two_minutes_of_errors_roll_back_once(database: Database, on_green: Deployment, plan: Plan) -> None:
    await read(database, on_green, *[2.6] * 62)
    await judge(database, on_green, plan)
    await judge(database, on_green, plan)
    (back,) = await rollbacks(database)
    assert back.requested_by == "gonogo"
    assert "trigger error_rate: error rate on GREEN 2.6 %, above 2 % for 120 s" in back.cause.replace(SPACE, " ")
    assert await state_of(database, on_green) == "rolling_back"
    assert ("rollback", "traffic.drive", back.id) in await jobs(database)
    fired = await row(database, "error_rate")
    assert (fired.stage, fired.operation_id) == ("fired", back.id)
    assert (await kinds(database)).count("triggers.fired") == 1
    assert await database.read(lambda session: verify_chain(session, on_green.id)) is None


async def test_it_counts_down_first_and_says_until_when(database: Database, on_green: Deployment, plan: Plan) -> None:
    await read(database, on_green, *[0.1] * 20, *[2.6] * 24)
    left_s = await judge(database, on_green, plan)
    await judge(database, on_green, plan)
    assert left_s == pytest.approx(74, abs=2)
    (told,) = await events(database)
    assert told.kind == "triggers.breach.began"
    assert "automatic rollback armed" in told.text
    assert "fires at" in told.cause
    assert await rollbacks(database) == []


async def test_a_single_bad_reading_is_not_told(database: Database, on_green: Deployment, plan: Plan) -> None:
    await read(database, on_green, *[0.1] * 20, 2.6)
    await judge(database, on_green, plan)
    assert await kinds(database) == []
    assert await stages(database, on_green) == {"error_rate": "breaching"}


async def test_recovery_is_told_and_ends_it(database: Database, on_green: Deployment, plan: Plan) -> None:
    await read(database, on_green, *[2.6] * 10, ended_s=40)
    await judge(database, on_green, plan)
    await read(database, on_green, *[0.1] * 19)
    await judge(database, on_green, plan)
    assert await kinds(database) == ["triggers.breach.began", "triggers.breach.ended"]
    assert (await stages(database, on_green))["error_rate"] == "quiet"


async def test_blues_errors_and_those_before_the_switch_are_nothing_to_it(
    database: Database, on_green: Deployment, plan: Plan
) -> None:
    await read(database, on_green, *[9.0] * 200, side="BLUE")
    await read(database, on_green, *[9.0] * 200, ended_s=601)
    await judge(database, on_green, plan)
    assert await rollbacks(database) == []
    assert await kinds(database) == []


async def test_no_figure_never_fires(database: Database, on_green: Deployment, plan: Plan) -> None:
    await read(database, on_green, *[None] * 200)
    await judge(database, on_green, plan)
    assert await rollbacks(database) == []
    found = await database.read(
        lambda session: (
            standings(session, on_green, plan, session.info["now"])
            if "now" in session.info
            else _standings(session, on_green, plan)
        )
    )
    assert found[0].stage == "unknown"


async def _standings(session: AsyncSession, deployment: Deployment, plan: Plan) -> tuple[Standing, ...]:
    current = await session.get_one(Deployment, deployment.id, populate_existing=True)
    return await standings(session, current, plan, await database_now(session))


async def test_before_a_switch_all_are_off(database: Database, deployment: Deployment, plan: Plan) -> None:
    await read(database, deployment, *[9.0] * 200)
    await judge(database, deployment, plan)
    found = await database.read(lambda session: _standings(session, deployment, plan))
    assert {each.stage for each in found} == {"off"}
    assert {each.found.why for each in found} == {"no switch yet"}


async def test_two_failing_payments_roll_back_with_what_failed(
    database: Database, on_green: Deployment, plan: Plan
) -> None:
    await checked(database, on_green, "payment", False, True)
    await judge(database, on_green, plan)
    assert await rollbacks(database) == []
    await checked(database, on_green, "payment", None, True)
    await judge(database, on_green, plan)
    (back,) = await rollbacks(database)
    assert "500 instead of 200" in back.cause
    assert {key for key, stage in (await stages(database, on_green)).items() if stage == "fired"} == {"payment"}


async def test_several_at_once_are_one_rollback(database: Database, on_green: Deployment, plan: Plan) -> None:
    for test in ("orders", "sign_in", "payment"):
        await checked(database, on_green, test, True, True)
    await judge(database, on_green, plan)
    assert len(await rollbacks(database)) == 1
    assert (await kinds(database)).count("triggers.fired") == 3


async def test_an_alert_rolls_back_and_its_end_changes_nothing(
    database: Database, on_green: Deployment, plan: Plan
) -> None:
    alert = IncomingAlert("Intrusion", "firing", "critical", "security")
    await database.run(lambda session: record_alert(session, on_green.id, "pager", alert))
    await judge(database, on_green, plan)
    assert len(await rollbacks(database)) == 1
    over = IncomingAlert("Intrusion", "resolved", "critical", "security")
    await database.run(lambda session: record_alert(session, on_green.id, "pager", over))
    await judge(database, on_green, plan)
    assert (await stages(database, on_green))["security_alert"] == "fired"
    assert len(await rollbacks(database)) == 1


@pytest.mark.parametrize(
    ("state", "severity", "category"),
    [("firing", "warning", "security"), ("firing", "critical", "storage"), ("resolved", "critical", "security")],
)
async def test_other_alerts_are_kept_and_move_nothing(
    database: Database, on_green: Deployment, plan: Plan, state: str, severity: str, category: str
) -> None:
    alert = IncomingAlert("Something", state, severity, category)
    await database.run(lambda session: record_alert(session, on_green.id, "pager", alert))
    await judge(database, on_green, plan)
    assert await rollbacks(database) == []


async def test_an_alert_about_a_canarys_target_never_rolls_production_back(
    database: Database, on_green: Deployment, plan: Plan
) -> None:
    alert = IncomingAlert("Intrusion", "firing", "critical", "security")
    await database.run(lambda session: record_alert(session, on_green.id, "pager", alert, target="staging"))
    await judge(database, on_green, plan)
    assert await rollbacks(database) == []
    await database.run(lambda session: record_alert(session, on_green.id, "pager", alert, target=on_green.target))
    await judge(database, on_green, plan)
    assert len(await rollbacks(database)) == 1


async def test_an_unhealthy_blue_makes_it_recommend_loudly(
    database: Database, on_green: Deployment, plan: Plan
) -> None:
    await prove(database, blue_is_healthy=False, blue_found="unhealthy, 0 of 1 targets")
    await read(database, on_green, *[2.6] * 62)
    await judge(database, on_green, plan)
    await judge(database, on_green, plan)
    assert await rollbacks(database) == []
    (told,) = await events(database)
    assert (told.kind, told.severity) == ("triggers.rollback.recommended", "crit")
    assert "BLUE is unhealthy" in told.cause
    await prove(database)
    await judge(database, on_green, plan)
    assert len(await rollbacks(database)) == 1, "BLUE is well again, and the breach still stands"


async def test_it_joins_a_rollback_that_somebody_pressed(
    database: Database, on_green: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    await read(database, on_green, *[2.6] * 62)
    await press_rollback(database, await scope_of(on_green, "devops_1"), "k2")
    await judge(database, on_green, plan)
    (back,) = await rollbacks(database)
    assert back.requested_by == "DevOps 1"
    assert await kinds(database) == [], "once it runs there is nothing to trigger"


async def test_a_press_after_it_fired_is_the_same_rollback_and_the_log_says_both(
    database: Database, on_green: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    await read(database, on_green, *[2.6] * 62)
    await judge(database, on_green, plan)
    pressed = await press_rollback(database, await scope_of(on_green, "devops_1"), "k2")
    await press_rollback(database, await scope_of(on_green, "devops_1"), "k3")
    (back,) = await rollbacks(database)
    assert pressed.id == back.id
    assert "DevOps 1 asked for it too" in back.cause
    joined = await events(database, "traffic.rollback.joined")
    assert [event.text for event in joined] == ["DevOps 1 asked for the rollback too; gonogo had started it"]


async def test_a_press_in_the_instant_before_it_fires_is_joined_and_told(
    database: Database, on_green: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    """The press gets the lock between the judgement and the fire."""
    await read(database, on_green, *[2.6] * 62)

    async def judged(session: AsyncSession) -> tuple[Standing, ...]:
        return (await standings(session, on_green, plan, await database_now(session)))[:1]

    ready = await database.run(judged)
    pressed = await press_rollback(database, await scope_of(on_green, "devops_1"), "k2")

    async def late(session: AsyncSession) -> None:
        await fire(session, on_green.id, plan, ready, await database_now(session))

    await database.run(late)
    (back,) = await rollbacks(database)
    assert (back.id, back.requested_by) == (pressed.id, "DevOps 1")
    assert "gonogo asked for it too" in back.cause
    (told,) = await events(database, "triggers.fired")
    assert told.text.startswith("Trigger fired; DevOps 1 had started the rollback already, both asked")


async def test_judge_and_press_at_once_are_one_rollback(
    committed_db: Database, committed_on_green: Deployment, plan: Plan, committed_scope_of: ScopeOf
) -> None:
    await read(committed_db, committed_on_green, *[2.6] * 62)
    devops = await committed_scope_of(committed_on_green, "devops_1")
    await asyncio.gather(
        *(judge(committed_db, committed_on_green, plan) for _ in range(3)),
        press_rollback(committed_db, devops, "k2"),
    )
    assert len(await rollbacks(committed_db)) == 1
    assert (await kinds(committed_db)).count("triggers.fired") <= 1
    assert await committed_db.read(lambda session: verify_chain(session, committed_on_green.id)) is None


async def test_it_pre_empts_a_running_switch(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    await arm(database, deployment, scope_of)
    await press_switch(database, await scope_of(deployment, "devops_lead"), "k1")
    await checked(database, deployment, "orders", True)
    await asyncio.sleep(0.01)
    await checked(database, deployment, "orders", True)
    await judge(database, deployment, plan)
    first, second = await operations_of(database)
    assert (first.state, second.kind) == ("superseded", "rollback")
    assert second.epoch == first.epoch + 1


async def test_all_of_a_fire_is_one_transaction(
    committed_db: Database, committed_on_green: Deployment, plan: Plan
) -> None:
    await read(committed_db, committed_on_green, *[2.6] * 62)

    async def write(session: AsyncSession) -> None:
        await follow(session, committed_on_green.id, plan)
        raise KeyError("the worker dies before the commit")

    with pytest.raises(KeyError):
        await committed_db.run(write)
    assert await rollbacks(committed_db) == []
    assert await stages(committed_db, committed_on_green) == {}
    assert await kinds(committed_db) == []
    await judge(committed_db, committed_on_green, plan)
    assert len(await rollbacks(committed_db)) == 1


async def test_a_new_attempt_is_judged_anew(database: Database, on_green: Deployment, plan: Plan) -> None:
    await read(database, on_green, *[2.6] * 62)
    await judge(database, on_green, plan)
    await database.run(lambda session: session.execute(update(Deployment).values(attempt=2, state="preparing")))
    found = await database.read(lambda session: _standings(session, on_green, plan))
    assert {each.stage for each in found} == {"off"}
