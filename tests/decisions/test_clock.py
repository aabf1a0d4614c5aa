"""What the clock records: points opened once with a frozen snapshot, silence that escalates, a rollback that voids."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.db.engine import Database, make_engine
from app.db.tables import Decision, Event
from app.decisions.commands import follow
from app.decisions.queries_snapshot import UNREADABLE, snapshot_view
from app.decisions.tasks import keep_clocks
from app.domain.decisions import Rung
from app.domain.plan import Plan
from app.incidents.commands_reports import take_in
from app.incidents.forms import ReportForm
from app.rehearsal.postgres import EmbeddedPostgres
from tests.decisions.conftest import Clock
from tests.traffic.armed import press_rollback
from tests.triggers.breached import read, switched

NOW = datetime(2026, 3, 6, 19, 15, tzinfo=UTC)


async def test_nothing_opens_before_its_minute(clock: Clock) -> None:
    await clock.at(4.9)
    assert await clock.rows() == []
    await clock.at(5.01)
    (row,) = await clock.rows()
    assert (row.minute, row.rung, row.closed_at) == (5, Rung.POSITION, None)
    (event,) = await clock.events()
    assert event.text == "Decision point, minute 5: “Any issues yet?” DevOps lead is asked"


async def test_the_snapshot_says_what_was_known_when_it_opened(clock: Clock) -> None:
    await read(clock.database, clock.deployment, 81.0, metric="memory")
    await clock.at(5.01)
    taken = (await clock.newest()).snapshot
    by_key = {each["key"]: each for each in taken["metrics"]}
    assert by_key["memory"]["green"]["value"] == 81.0
    assert by_key["memory"]["green"]["verdict"] == "WARNING"
    assert by_key["memory"]["green"]["samples"] == 500
    assert by_key["memory"]["green"]["age_s"] < 5
    assert by_key["cpu"]["green"] == {"value": None, "verdict": "UNKNOWN", "samples": 0, "age_s": None}
    assert by_key["memory"]["blue"]["verdict"] == "UNKNOWN"
    assert (taken["probes"]["green"], taken["reports"], taken["triggers"]) == (100, 0, [])
    assert taken["told"] == {"reports": 0, "customers": 0}
    assert taken["customers"] == {"requests": None, "failed": None}, "nobody counted: null, never zero"
    await read(clock.database, clock.deployment, 12.0, metric="memory")
    await clock.round()
    assert (await clock.newest()).snapshot == taken, "frozen"


async def test_a_trigger_in_breach_stands_in_the_snapshot(clock: Clock, plan: object) -> None:
    from app.triggers.commands import follow

    await read(clock.database, clock.deployment, *[2.6] * 24)
    await clock.database.run(lambda session: follow(session, clock.deployment.id, plan))  # type: ignore[arg-type]
    await clock.at(5.01)
    assert [each["key"] for each in (await clock.newest()).snapshot["triggers"]] == ["error_rate"]


async def test_customers_reports_stand_in_the_snapshot(clock: Clock) -> None:
    support = await clock.scope_of(clock.deployment, "support")
    for said, customers in (("Payment fails", 2), ("Orders are slow", 5)):
        form = ReportForm(text=said, customers=customers, severity="critical")
        await clock.database.run(lambda session, form=form: take_in(session, support, form))  # type: ignore[misc]
    await clock.at(30.01)
    row = await clock.newest()
    assert (row.minute, row.snapshot["reports"]) == (30, 2)
    assert row.snapshot["told"] == {"reports": 2, "customers": 7}
    cell = snapshot_view(row.snapshot, row.opened_at).cells[-1]
    assert (cell.value, cell.mark) == ("2 open", "warn")
    assert cell.note == "2 taken in since the switch of 7 customers"


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"of": "before"},
        {"at": "yesterday", "metrics": []},
        {"at": None, "metrics": [{"key": 1}], "probes": {}, "customers": {}, "triggers": [], "reports": 0},
        {"metrics": "none", "probes": [], "customers": 3, "reports": "x", "incidents": {}, "triggers": None},
        [],
    ],
)
def test_whatever_was_stored_is_read_or_said_to_be_unreadable(stored: Any) -> None:
    view = snapshot_view(stored, NOW)
    assert (view.at, view.cells, view.problem) == (NOW, (), UNREADABLE)


def has_no_snapshot(row: Decision, event: Event) -> bool:
    problem = snapshot_view(row.snapshot, row.opened_at).problem
    told = (event.kind, event.severity) == ("decisions.point.opened", "warn") and "could not be taken" in event.cause
    return told and problem.startswith("No snapshot: it could not be taken when this point opened (")


async def test_a_point_opens_without_a_snapshot_and_says_why(clock: Clock, plan: Plan) -> None:
    """A metric that cannot be read at all stands for any fault in what is known."""
    await switched(clock.database, clock.deployment, ago_s=301)
    broken = plan.model_copy(update={"metrics": (None,)})
    await clock.database.run(lambda session: follow(session, clock.deployment.id, broken))
    row = await clock.newest()
    assert (row.minute, row.rung, row.closed_at) == (5, Rung.POSITION, None)
    assert has_no_snapshot(row, (await clock.events())[-1])
    await clock.silence(61)
    assert (await clock.newest()).rung == Rung.LEADER, "its clock runs as ever"


async def test_a_table_that_the_database_refuses_opens_the_point_all_the_same(
    committed_clock: Clock, database_url: str, postgres: EmbeddedPostgres
) -> None:
    """A statement that fails spoils a transaction: what is asked of people must not go with it."""
    owner = make_engine(postgres.url(make_url(database_url).database or "", "owner"), pool_size=1)
    async with owner.begin() as connection:
        await connection.execute(text("revoke select on customer_report from app"))
    await owner.dispose()
    await committed_clock.at(5.01)
    (row,) = await committed_clock.rows()
    assert (row.minute, row.closed_at) == (5, None)
    assert has_no_snapshot(row, (await committed_clock.events())[-1])


async def test_silence_asks_the_manager_then_everybody_and_stays_open(clock: Clock) -> None:
    await clock.at(5.01)
    await clock.silence(59)
    assert (await clock.newest()).rung == Rung.POSITION
    await clock.silence(2)
    assert (await clock.newest()).rung == Rung.LEADER, "nobody deputises: the rung takes no time"
    await clock.silence(61)
    row = await clock.newest()
    assert (row.rung, row.closed_at, row.answer) == (Rung.EVERYBODY, None, "")
    await clock.silence(3600)
    row = await clock.newest()
    assert (row.minute, row.closed_at, row.answer) == (5, None, ""), "silence never advances"
    texts = [event.text for event in await clock.events()]
    assert "project manager is asked" in texts[1].lower()
    assert "call VP Operations" in texts[2]
    assert len(texts) == 3


async def test_a_deputy_is_asked_before_the_manager(clock: Clock) -> None:
    await clock.deputise("devops_1", "devops_lead")
    await clock.at(5.01)
    await clock.silence(61)
    assert (await clock.newest()).rung == Rung.DEPUTY
    await clock.silence(60)
    assert (await clock.newest()).rung == Rung.LEADER


async def test_a_later_point_takes_over_at_the_worst_rung(clock: Clock) -> None:
    await clock.at(5.01)
    await clock.silence(300)
    await clock.at(10.01)
    five, ten = await clock.rows()
    assert (five.closing, five.answer, ten.rung, ten.closed_at) == ("folded", "", Rung.EVERYBODY, None)
    assert "was not answered; minute 10 takes it over" in [event.text for event in await clock.events()][-2]


async def test_a_worker_that_was_away_opens_each_point_once(clock: Clock) -> None:
    await clock.at(16)
    await clock.round()
    assert [(row.minute, row.closing) for row in await clock.rows()] == [(5, "folded"), (10, "folded"), (15, "")]


async def test_a_rollback_makes_open_and_coming_points_void(clock: Clock) -> None:
    await clock.at(5.01)
    manager = await clock.scope_of(clock.deployment, "project_manager")
    await press_rollback(clock.database, manager, "r1")
    await clock.round()
    row = await clock.newest()
    assert (row.closing, row.answer, row.answered_by) == ("void", "rollback", "Project manager")
    await clock.round()
    assert len(await clock.rows()) == 1
    assert (await clock.events())[-1].text == "Decision at minute 5 is void: Project manager rolled back"


@pytest.mark.parametrize("workers", [2, 6])
async def test_many_workers_at_once_open_it_once(committed_clock: Clock, committed_db: Database, workers: int) -> None:
    await switched(committed_db, committed_clock.deployment, ago_s=301)
    await asyncio.gather(*(keep_clocks(committed_db) for _ in range(workers)))
    assert [row.minute for row in await committed_clock.rows()] == [5]
    assert [event.kind for event in await committed_clock.events()] == ["decisions.point.opened"]


async def test_a_rollback_does_not_wait_for_the_snapshot_of_a_point(
    committed_clock: Clock, committed_db: Database
) -> None:
    """Somebody keeps a table for long that only the snapshot reads; the point opens when it is free."""
    clock = committed_clock
    devops = await clock.scope_of(clock.deployment, "devops_lead")
    async with committed_db.session() as somebody:
        await somebody.execute(text("lock table customer_report in access exclusive mode"))
        turn = asyncio.create_task(clock.at(5.01))
        await asyncio.sleep(0.7)
        assert not turn.done()
        async with asyncio.timeout(3):
            await press_rollback(committed_db, devops)
        await somebody.rollback()
    await turn
    assert await clock.rows() == [], "the rollback was first: there is nothing to decide any more"
