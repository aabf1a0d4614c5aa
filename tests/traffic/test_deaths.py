"""Points of `make matrix` with real processes: a worker is killed in a switch, another is frozen in a rollback; the web
process is killed around the COMMIT of a press; PostgreSQL is killed in a rollback."""

from pathlib import Path
from typing import Any

import pytest

from app.rehearsal.supervisor import Installation
from tests.bench.matrix import measure_matrix
from tests.bench.points import Pair, Point


async def through(folder: Path, *pairs: Pair) -> dict[str, Any]:
    environment = {"GONOGO_FAULT_FILE": str(folder / "fault.json")}
    with Installation(
        folder / "data", base_port=9100, quiet=True, workers=3, fast_database=True, environment=environment
    ) as installation:
        return await measure_matrix(installation, list(pairs))


@pytest.mark.range
@pytest.mark.timeout(300)
async def test_killed_in_a_switch_and_frozen_in_a_rollback(tmp_path: Path) -> None:
    killed = Point("switch", "write", 1, True, "KILL")
    frozen = Point("rollback", "record_outcome", 1, True, "STOP")
    found = await through(tmp_path, (killed, frozen))
    assert found["points reached"] == 2
    assert found["ok"], found


@pytest.mark.range
@pytest.mark.timeout(400)
async def test_a_web_process_killed_after_the_click_leaves_one_intent_or_none(tmp_path: Path) -> None:
    """Before the COMMIT nothing was pressed and the browser's repeat is the press; after it the repeat is the same one.
    And PostgreSQL is killed while a rollback's write is announced."""
    before, after = (Point("switch", "press", 1, is_before, "WEB") for is_before in (True, False))
    rollback = Point("rollback", "press", 1, False, "WEB")
    database = Point("rollback", "write", 1, True, "POSTGRES")
    found = await through(tmp_path, (before, rollback), (after, database))
    assert found["points reached"] == 4
    assert found["ok"], found
