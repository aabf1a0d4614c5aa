"""Two points of `make matrix` with real processes: a worker is killed in a switch, another is frozen in a rollback."""

from pathlib import Path

import pytest

from app.rehearsal.supervisor import Installation
from tests.bench.matrix import Point, measure_matrix


@pytest.mark.range
@pytest.mark.timeout(300)
async def test_killed_in_a_switch_and_frozen_in_a_rollback(tmp_path: Path) -> None:
    environment = {"GONOGO_FAULT_FILE": str(tmp_path / "fault.json")}
    installation = Installation(
        tmp_path / "data", base_port=9100, quiet=True, workers=3, fast_database=True, environment=environment
    )
    killed = Point("switch", "write", 1, True, "KILL")
    frozen = Point("rollback", "record_outcome", 1, True, "STOP")
    with installation:
        found = await measure_matrix(installation, 1, ((killed, frozen),))
    assert found["points reached"] == 2
    assert found["ok"], found
