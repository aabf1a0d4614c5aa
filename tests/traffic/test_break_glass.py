"""Taking a spool in: each line once, the epoch raised, the running operation ended, the state moved, the alarm on the
pages until somebody who leads has acknowledged it."""

import asyncio
import dataclasses
import re
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.db.engine import Database
from app.db.tables import BreakGlass, BreakGlassLine, Deployment, Event, Operation, Person, TargetState, WorkerCapsule
from app.deployments import commands
from app.domain.capsule import Order
from app.domain.errors import Rejected
from app.domain.plan import Plan
from app.domain.sides import Release, Side, Weights
from app.domain.spool import Line
from app.eventlog.log import verify_chain
from app.ports.traffic import HandStep, RouteWeights, TargetReading
from app.providers.capsule_file import CapsuleFolder, capsule_key
from app.providers.clock import SystemClock
from app.providers.spool_file import RESERVED, SpoolFolder
from app.traffic.commands_break_glass import UnknownDeployment, acknowledge, notice_newer_epoch, take_in
from app.traffic.tasks_capsule import Capsules, Place
from app.web.sharing import KEEP_S
from tests.conftest import ScopeOf, Web
from tests.traffic.armed import count_events, operations_of, press_rollback, press_switch, prove, state_of, target_of

KEY = capsule_key(b"0" * 32)
AT = datetime(2026, 3, 6, 19, 31, 7, tzinfo=UTC)


def run_of(deployment: Deployment, *whats: str, epoch: int = 1999, run: str = "run-1", **end: Any) -> list[Line]:
    """A spool: its beginning, then lines of these kinds."""
    begin = {
        "who": "dana as gonogo",
        "host": "worker-1.example",
        "reason": "all is dark",
        "deployment": deployment.id,
        "target": deployment.target,
        "epoch": epoch,
        "zone": "America/New_York",
    }
    lines = [Line(run, 1, AT, "begin", "dana rolls Production back", begin)]
    for seq, what in enumerate(whats, 2):
        detail = end if what == "end" else {}
        lines.append(Line(run, seq, AT + timedelta(seconds=seq), what, f"line {seq}", detail))
    return lines


DONE = ("read", "check", "intent", "applied", "read", "probes", "end")


async def take(database: Database, lines: list[Line], *, is_over: bool = True) -> int:
    return await database.run(partial(take_in, lines=lines, is_over=is_over, worker="worker-1"))


async def runs_of(database: Database) -> list[BreakGlass]:
    async def query(session: AsyncSession) -> list[BreakGlass]:
        return list(await session.scalars(select(BreakGlass).order_by(BreakGlass.run)))

    return await database.read(query)


async def test_a_switch_that_was_in_flight_is_over(database: Database, armed: Deployment, scope_of: ScopeOf) -> None:
    switch = await press_switch(database, await scope_of(armed, "devops_lead"), "k1")
    assert await take(database, run_of(armed, *DONE, code=0, ending="on_blue")) == 8
    (operation,) = await operations_of(database)
    assert (operation.id, operation.state) == (switch.id, "superseded")
    assert operation.reason == "dana as gonogo (break-glass) rolled back on worker-1.example"
    assert operation.finished_at is not None
    assert (await target_of(database)).epoch == 1999
    assert await state_of(database, armed) == "rolled_back"
    (run,) = await runs_of(database)
    assert (run.who, run.host, run.reason, run.outcome) == (
        "dana as gonogo",
        "worker-1.example",
        "all is dark",
        "on_blue",
    )
    assert await database.read(lambda session: verify_chain(session, armed.id)) is None


async def test_each_line_is_an_event_of_the_person_at_its_own_time(database: Database, armed: Deployment) -> None:
    await take(database, run_of(armed, *DONE))
    statement = select(Event).where(Event.kind == "traffic.break_glass.applied")
    event = await database.read(lambda session: session.scalar(statement))
    assert event is not None
    assert event.actor == "dana as gonogo (break-glass)"
    assert event.text == "line 5 (14:31:12 on worker-1.example)"
    assert (event.payload["run"], event.payload["line"], event.payload["taken_in_by"]) == ("run-1", 5, "worker-1")
    assert event.cause == "all is dark"


async def test_taking_it_in_again_and_piece_by_piece_is_taking_it_in_once(
    database: Database, armed: Deployment, scope_of: ScopeOf
) -> None:
    await press_switch(database, await scope_of(armed, "devops_lead"), "k1")
    lines = run_of(armed, *DONE, ending="on_blue")
    counts = [await take(database, lines[:end], is_over=False) for end in (1, 4, 4, 6, 8, 8)]
    assert counts == [1, 3, 0, 2, 2, 0]
    assert await take(database, lines) == 0
    assert await count_events(database, "traffic.break_glass.begin") == 1
    assert await count_events(database, "traffic.break_glass.rolled_back") == 1
    kept = await database.read(lambda session: session.scalar(select(func.count()).select_from(BreakGlassLine)))
    assert kept == 8
    assert len(await runs_of(database)) == 1


async def test_an_operation_that_came_after_it_is_left_alone(
    database: Database, armed: Deployment, scope_of: ScopeOf
) -> None:
    """The spool of a machine that was off for a day tells its story; it moves nothing any more."""
    await database.run(lambda session: session.execute(update(TargetState).values(epoch=2000)))
    switch = await press_switch(database, await scope_of(armed, "devops_lead"), "k1")
    await take(database, run_of(armed, *DONE, ending="on_blue"))
    (operation,) = await operations_of(database)
    assert (operation.id, operation.state, operation.epoch) == (switch.id, "accepted", 2001)
    assert await state_of(database, armed) == "switching"
    assert (await target_of(database)).epoch == 2001
    assert await count_events(database, "traffic.break_glass.applied") == 1


async def test_a_refused_one_changes_nothing_but_the_log(
    database: Database, armed: Deployment, scope_of: ScopeOf
) -> None:
    switch = await press_switch(database, await scope_of(armed, "devops_lead"), "k1")
    await take(database, run_of(armed, "read", "check", "end", ending="blue_unhealthy"))
    (operation,) = await operations_of(database)
    assert (operation.id, operation.state) == (switch.id, "accepted")
    assert (await target_of(database)).epoch == 1001
    assert await state_of(database, armed) == "switching"


async def test_what_it_began_and_did_not_bring_home_the_product_does(
    database: Database, armed: Deployment, scope_of: ScopeOf
) -> None:
    """Killed between the announcement and the answer: the write may have landed or not. Every intent ends (I9)."""
    await press_switch(database, await scope_of(armed, "devops_lead"), "k1")
    lines = run_of(armed, "read", "check", "intent")
    await take(database, lines, is_over=False)
    assert [operation.state for operation in await operations_of(database)] == ["superseded"]
    await take(database, lines, is_over=True)
    await take(database, lines, is_over=True)
    switch, back = await operations_of(database)
    assert (back.kind, back.state, back.requested_by, back.epoch) == ("rollback", "accepted", "gonogo", 2000)
    assert back.epoch > 1999 > switch.epoch
    assert "broken_off" in back.cause
    assert await state_of(database, armed) == "rolling_back"


async def test_a_rollback_that_was_under_way_is_over_too(
    database: Database, armed: Deployment, scope_of: ScopeOf
) -> None:
    devops = await scope_of(armed, "devops_lead")
    await press_switch(database, devops, "k1")
    await press_rollback(database, devops, "k2")
    await take(database, run_of(armed, *DONE, ending="on_blue"))
    assert [operation.state for operation in await operations_of(database)] == ["superseded", "superseded"]
    assert await state_of(database, armed) == "rolled_back"


async def test_a_spool_about_something_else_is_refused(database: Database, armed: Deployment) -> None:
    lines = run_of(armed, *DONE)
    begin = lines[0]
    for detail in ({"deployment": armed.id + 1000}, {"target": "staging"}):
        stranger = dataclasses.replace(begin, detail={**begin.detail, **detail})
        with pytest.raises(UnknownDeployment):
            await take(database, [stranger, *lines[1:]])
    with pytest.raises(UnknownDeployment):
        await take(database, lines[1:])
    assert await runs_of(database) == []


# ── a newer epoch and no spool ──────────────────────────────────────────────


def reading(epoch: int, weights: Weights) -> TargetReading:
    return TargetReading((RouteWeights("public", weights),), epoch, "configuration-1")


async def test_a_newer_epoch_on_the_target_ends_what_is_in_flight(
    database: Database, armed: Deployment, scope_of: ScopeOf
) -> None:
    await press_switch(database, await scope_of(armed, "devops_lead"), "k1")
    seen = reading(1999, Weights(100, 0))
    assert await database.run(lambda session: notice_newer_epoch(session, armed.id, seen))
    assert not await database.run(lambda session: notice_newer_epoch(session, armed.id, seen))
    assert [operation.state for operation in await operations_of(database)] == ["superseded"]
    assert await state_of(database, armed) == "rolled_back"
    (run,) = await runs_of(database)
    assert (run.outcome, run.epoch) == ("unseen", 1999)
    # The spool comes later: it takes the place of the guess.
    await take(database, run_of(armed, *DONE, ending="on_blue"))
    assert [run.run for run in await runs_of(database)] == ["run-1"]


async def test_a_newer_epoch_that_left_traffic_elsewhere_is_answered_with_a_rollback(
    database: Database, armed: Deployment, scope_of: ScopeOf
) -> None:
    await press_switch(database, await scope_of(armed, "devops_lead"), "k1")
    await database.run(lambda session: notice_newer_epoch(session, armed.id, reading(1999, Weights(40, 60))))
    _, back = await operations_of(database)
    assert (back.kind, back.epoch) == ("rollback", 2000)


async def test_an_epoch_that_we_gave_out_is_none_of_it(database: Database, armed: Deployment) -> None:
    assert not await database.run(lambda session: notice_newer_epoch(session, armed.id, reading(1000, Weights(100, 0))))
    assert await runs_of(database) == []


# ── the alarm ───────────────────────────────────────────────────────────────


async def test_the_alarm_stands_on_every_page_until_it_is_acknowledged(
    web: Web, arm_web: Any, web_scope_of: ScopeOf
) -> None:
    await arm_web()
    await press_switch(web.database, await web_scope_of(web.deployment, "devops_lead"), "k1")
    await take(web.database, run_of(web.deployment, *DONE, ending="on_blue"))
    lead, operations = await web.client_as("devops_lead"), await web.client_as("operations")
    home = f"/d/{web.deployment.id}"
    title = "Break-glass was used at 14:31 by dana as gonogo on worker-1.example"
    for path in ("", "/board", "/switch", "/timeline", "/checklists", "/plan", "/_banner"):
        assert title in (await operations.get(home + path)).text, path
    page = (await lead.get(f"{home}/switch")).text
    assert "all traffic on BLUE" in page
    assert "line 5" in page
    assert "take the alarm off" in page
    page = (await operations.get(f"{home}/switch")).text
    assert "take the alarm off" not in page
    assert "Project manager or DevOps lead can acknowledge it" in page
    assert (await operations.post(f"{home}/break-glass/acknowledge")).status_code == 403
    assert (await lead.post(f"{home}/break-glass/acknowledge")).status_code == 303
    assert title not in (await operations.get(home)).text
    assert await count_events(web.database, "traffic.break_glass.acknowledged") == 1
    assert (await lead.post(f"{home}/break-glass/acknowledge")).status_code == 303
    assert await count_events(web.database, "traffic.break_glass.acknowledged") == 1


async def test_a_second_use_raises_the_alarm_again(database: Database, armed: Deployment, scope_of: ScopeOf) -> None:
    await take(database, run_of(armed, *DONE))
    lead = await scope_of(armed, "project_manager")
    assert await database.run(lambda session: acknowledge(session, lead)) == 1
    await take(database, run_of(armed, *DONE, run="run-2"))
    assert [run.acknowledged_by for run in await runs_of(database)] == ["Project manager", ""]


# ── a worker's round ────────────────────────────────────────────────────────


def steps(weights: Weights, epoch: int) -> tuple[HandStep, ...]:
    return (HandStep("Set it", f"set {weights} {epoch}"),)


def describe(_plan: Plan, _target: str, _releases: dict[Side, Release]) -> Place:
    return Place({"provider": "agent", "public_url": "http://127.0.0.1:9"}, ("localhost",), steps)


@pytest.fixture
def capsules(committed_db: Database, tmp_path: Path) -> Capsules:
    return Capsules(committed_db, SystemClock(), tmp_path, KEY, "worker-1", describe, host="here")


def on_disk(tmp_path: Path) -> Order:
    return CapsuleFolder(tmp_path / "capsules").open("production", KEY)


async def reported(database: Database) -> list[WorkerCapsule]:
    async def query(session: AsyncSession) -> list[WorkerCapsule]:
        return list(await session.scalars(select(WorkerCapsule)))

    return await database.read(query)


async def test_arming_puts_a_capsule_on_the_disk_and_disarming_takes_it_away(
    committed_db: Database, committed: Deployment, committed_scope_of: ScopeOf, capsules: Capsules, tmp_path: Path
) -> None:
    await capsules.keep()
    order = on_disk(tmp_path)
    assert (order.deployment_id, order.epoch, order.weights) == (committed.id, 1999, Weights(100, 0))
    assert order.addresses["localhost"]
    assert order.by_hand[0].command == "set 100 / 0 1999"
    assert timedelta(minutes=14) < order.expires_at - datetime.now(UTC) <= timedelta(minutes=15)
    assert (tmp_path / "break-glass" / RESERVED).exists()
    assert "set 100 / 0 1999" in (tmp_path / "capsules" / "production.txt").read_text()
    (row,) = await reported(committed_db)
    assert (row.worker, row.host, row.epoch, row.problem) == ("worker-1", "here", 1999, "")
    leader = await committed_scope_of(committed, "project_manager")
    await committed_db.run(lambda session: commands.hold(session, leader, "A customer called."))
    await capsules.keep()
    assert CapsuleFolder(tmp_path / "capsules").targets() == ()
    assert not (tmp_path / "break-glass" / RESERVED).exists()
    assert await reported(committed_db) == []


async def test_a_disk_without_room_refuses_new_effects(
    committed_db: Database, committed: Deployment, committed_scope_of: ScopeOf, capsules: Capsules, tmp_path: Path
) -> None:
    (tmp_path / "capsules").write_text("no folder can be made here")
    await capsules.keep()
    (row,) = await reported(committed_db)
    assert "File exists" in row.problem
    with pytest.raises(Rejected, match="Rollback capsules: worker-1: File exists"):
        await press_switch(committed_db, await committed_scope_of(committed, "devops_lead"), "k1")
    (tmp_path / "capsules").unlink()
    await capsules.keep()
    await press_switch(committed_db, await committed_scope_of(committed, "devops_lead"), "k1")


async def test_a_worker_takes_in_what_is_over_and_puts_it_away(
    committed_db: Database, committed: Deployment, capsules: Capsules, tmp_path: Path
) -> None:
    folder = SpoolFolder(tmp_path / "break-glass")
    spool = folder.begin(KEY)
    lines = run_of(committed, *DONE, ending="on_blue")
    spool.write("begin", lines[0].text, **lines[0].detail)
    await capsules.take_in()
    assert folder.runs() == [spool.path]
    for line in lines[1:]:
        spool.write(line.what, line.text, **line.detail)  # type: ignore[arg-type]
    spool.close()
    await capsules.take_in()
    await capsules.take_in()
    assert folder.runs() == []
    (run,) = await runs_of(committed_db)
    assert (run.run, run.outcome) == (spool.run, "on_blue")
    assert await state_of(committed_db, committed) == "rolled_back"


async def test_a_spool_that_does_not_verify_is_kept_aside_and_moves_nothing(
    committed_db: Database, committed: Deployment, capsules: Capsules, tmp_path: Path
) -> None:
    folder = SpoolFolder(tmp_path / "break-glass")
    spool = folder.begin(capsule_key(b"somebody else's secret"))
    spool.write("begin", "x", **run_of(committed)[0].detail)
    spool.write("applied", "x")
    spool.close()
    await capsules.take_in()
    assert folder.runs() == []
    assert (folder.folder / "taken-in" / f"{spool.path.name}.damaged").exists()
    assert await runs_of(committed_db) == []
    assert await state_of(committed_db, committed) == "armed"


# ── pages ───────────────────────────────────────────────────────────────────


async def test_the_switch_page_shows_what_the_way_back_stands_on(web: Web) -> None:
    await prove(web.database)
    client = await web.client_as("devops_lead")
    page = (await client.get(f"/d/{web.deployment.id}/switch")).text
    assert "Pre-flight: the way back" in page
    assert "The agent answers" in page
    bad = {
        "key": "green_attached",
        "title": "GREEN is attached",
        "is_ok": False,
        "found": "no",
        "remedy": "Attach it at 0.",
    }
    await prove(web.database, preflight=[bad])
    page = (await client.get(f"/d/{web.deployment.id}/switch")).text
    assert "NOT PROVEN" in page
    assert "Attach it at 0." in page


async def test_the_card_says_everything_without_script(web: Web, arm_web: Any) -> None:
    client = await web.client_as("operations")
    url = f"/d/{web.deployment.id}/card"
    assert "Not armed." in (await client.get(url)).text
    await arm_web()
    phone = update(Person).where(Person.login == "devops_1").values(phone="+1 555 0100")
    await web.database.run(lambda session: session.execute(phone))
    await prove(web.database, by_hand=[{"text": "Set it at the console", "command": "aws elbv2 modify-listener"}])
    page = (await client.get(url)).text
    assert "Not armed." not in page
    for part in (
        "gonogo rollback-now --target production",
        "aws elbv2 modify-listener",
        "1999",
        "VP Operations",
        "+1 555 0100",
    ):
        assert part in page
    assert "Schema step 41 adds a column" in page
    assert "<script" not in page
    style = await client.get(f"{url}/print.css")
    assert style.headers["content-type"].startswith("text/css")
    assert "@top-left" in style.text


def test_settings_of_these_tests_make_the_key(settings: Settings) -> None:
    assert capsule_key(settings.secret) == KEY


async def test_the_guard_says_how_old_the_proof_is_and_what_is_missing(
    web: Web, arm_web: Any, web_scope_of: ScopeOf
) -> None:
    await arm_web()
    client = await web.client_as("devops_lead")
    home = f"/d/{web.deployment.id}"
    assert "not ready: capsules: no worker reports one" in (await client.get(f"{home}/_guard")).text

    async def report(session: AsyncSession) -> None:
        now = await commands.database_now(session)
        session.add(
            WorkerCapsule(
                worker="worker-1",
                target=web.deployment.target,
                deployment_id=web.deployment.id,
                host="here",
                epoch=1999,
                written_at=now,
                reported_at=now,
                problem="",
            )
        )

    await web.database.run(report)
    await asyncio.sleep(KEEP_S)
    guard = (await client.get(f"{home}/_guard")).text
    assert re.search(r'ready, proven <span data-live="traffic.proof" data-format="age">[\d.]+\s+s</span> ago', guard)
    await press_switch(web.database, await web_scope_of(web.deployment, "devops_lead"), "k1")
    operation: Operation = (await operations_of(web.database))[0]
    assert operation.epoch == 1001
    await prove(web.database, blue_is_healthy=False, blue_found="unhealthy, 0 of 1 targets")
    await asyncio.sleep(KEEP_S)
    guard = (await client.get(f"{home}/_guard")).text
    assert "not ready: BLUE unhealthy, 0 of 1 targets" in guard
    assert "Roll back although BLUE is unhealthy" in guard
