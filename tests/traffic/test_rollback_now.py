"""`gonogo rollback-now` as a process of its own, on a real range, with PostgreSQL, web and workers killed.

One installation for all of it: it is armed and switched once, and what dies comes back at the end.
"""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import BreakGlass, BreakGlassLine, Deployment, Event, Operation, TargetState
from app.eventlog.log import verify_chain
from app.orchestrator.break_glass import Ending
from app.rehearsal.supervisor import Installation
from tests.traffic.range_in_trouble import Trouble

pytestmark = [pytest.mark.range, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("a range in trouble")
    with Installation(folder, base_port=25000, quiet=True, fast_database=True, customers_rps=20) as running:
        yield running


async def test_traffic_comes_back_with_everything_else_dead_and_the_log_has_it_afterwards(
    installation: Installation,
) -> None:
    trouble = await Trouble.begin(installation)
    try:
        await _day(trouble, installation)
    finally:
        await trouble.aclose()


async def _day(trouble: Trouble, installation: Installation) -> None:
    nothing = await asyncio.to_thread(trouble.rollback_now, "--yes")
    assert nothing.code == Ending.NO_CAPSULE, nothing.lines
    await trouble.armed()
    await trouble.switched()
    asks = await asyncio.to_thread(trouble.rollback_now)
    assert asks.code == Ending.NOT_CONFIRMED, asks.lines
    assert any("all traffic from GREEN 1.0.0 to BLUE 0.9.4" in line for line in asks.lines)

    await asyncio.to_thread(installation.black_out)
    assert not installation.postgres.is_running
    await trouble.control.set_knobs({"blue": {"dead": True}})
    refused = await asyncio.to_thread(trouble.rollback_now, "--yes")
    assert refused.code == Ending.BLUE_UNHEALTHY, refused.lines
    await trouble.control.set_knobs({"blue": {"dead": False}})

    await asyncio.sleep(2)  # customers whom a cookie holds on BLUE had no answer while it was dead
    before = await trouble.control.customers()

    _break_signature(installation.data_dir / "capsules" / "production.json")
    damaged = await asyncio.to_thread(trouble.rollback_now, "--yes")
    assert damaged.code == Ending.CAPSULE_REFUSED, damaged.lines
    _break_signature(installation.data_dir / "capsules" / "production.json")

    done = await asyncio.to_thread(trouble.rollback_now, "--yes", "--reason", "all is dark")
    assert done.code == Ending.ON_BLUE, done.lines
    assert done.observed_s is not None
    spools = sorted((installation.data_dir / "break-glass").glob("*.jsonl"))
    assert len(spools) == 2  # the refusal of an unhealthy BLUE is told as well

    await asyncio.to_thread(installation.end_black_out)
    run = await trouble.until(_taken_in, 20, "the spool is taken in")
    await asyncio.sleep(4)  # what was in flight when the database died would have gone on by now
    await trouble.until(_nothing_moves, 10, "no operation is in flight")
    after = await trouble.control.customers()
    assert after["failed"] == before["failed"], after["failures"]
    assert after["requests"] > before["requests"]
    assert after["by_side"]["BLUE"] > before["by_side"]["BLUE"]
    await trouble.database.read(lambda session: _judge(session, run))
    assert (await trouble.team["Operations"].page("/board")).count("Break-glass was used at") == 1
    assert sorted((installation.data_dir / "break-glass").glob("*.jsonl")) == []


def _break_signature(path: Path) -> None:
    """Turn its first digit into another one, and back at the second call."""
    sealed = json.loads(path.read_text())
    signature = sealed["signature"]
    sealed["signature"] = ("0" if signature[0] != "0" else "1") + signature[1:]
    kept = path.with_suffix(".kept")
    if kept.exists():
        kept.replace(path)
        return
    kept.write_text(path.read_text())
    path.write_text(json.dumps(sealed))


async def _taken_in(session: AsyncSession) -> BreakGlass | None:
    found: BreakGlass | None = await session.scalar(select(BreakGlass).where(BreakGlass.outcome == "on_blue"))
    return found


async def _nothing_moves(session: AsyncSession) -> bool:
    return (await session.scalar(select(Operation.id).where(Operation.finished_at.is_(None)))) is None


async def _judge(session: AsyncSession, run: BreakGlass) -> None:
    deployment = (await session.scalars(select(Deployment))).one()
    target = (await session.scalars(select(TargetState))).one()
    operation = (await session.scalars(select(Operation))).one()
    assert deployment.state == "rolled_back"
    assert (target.epoch, run.epoch) == (1999, 1999)
    assert (operation.kind, operation.epoch) == ("switch", 1001)
    lines = (await session.scalars(select(BreakGlassLine).where(BreakGlassLine.run == run.run))).all()
    events = (await session.scalars(select(Event).where(Event.payload["run"].astext == run.run))).all()
    assert len(events) == len(lines) >= 8
    assert {event.actor for event in events} == {f"{run.who} (break-glass)"}
    assert await verify_chain(session, deployment.id) is None
