"""Points of `make matrix` with real processes: a worker is killed in a switch, another is frozen in a rollback; the web
process is killed around the COMMIT of a press; PostgreSQL is killed in a rollback."""

from collections.abc import AsyncIterator

import pytest

from app.rehearsal.supervisor import Installation
from tests.bench.matrix import Matrix, play
from tests.bench.points import Point

pytestmark = [pytest.mark.range, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
async def matrix(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Matrix]:
    """One installation for all deaths: each round is a new attempt, and what was struck comes back."""
    folder = tmp_path_factory.mktemp("deaths")
    environment = {"GONOGO_FAULT_FILE": str(folder / "fault.json")}
    with Installation(
        folder / "data",
        base_port=9100,
        quiet=True,
        workers=3,
        customers_rps=20,
        fast_database=True,
        environment=environment,
    ) as installation:
        made = await Matrix.make(installation)
        yield made
        await made.aclose()


async def test_killed_in_a_switch_and_frozen_in_a_rollback(matrix: Matrix) -> None:
    killed = Point("switch", "write", 1, True, "KILL")
    frozen = Point("rollback", "record_outcome", 1, True, "STOP")
    found = await play(matrix, [(killed, frozen)])
    assert found["points reached"] == 2
    assert found["ok"], found


async def test_a_web_process_killed_after_the_click_leaves_one_intent_or_none(matrix: Matrix) -> None:
    """Before the COMMIT nothing was pressed and the browser's repeat is the press; after it the repeat is the same one.
    And PostgreSQL is killed while a rollback's write is announced."""
    before, after = (Point("switch", "press", 1, is_before, "WEB") for is_before in (True, False))
    rollback = Point("rollback", "press", 1, False, "WEB")
    database = Point("rollback", "write", 1, True, "POSTGRES")
    found = await play(matrix, [(before, rollback), (after, database)])
    assert found["points reached"] == 4
    assert found["ok"], found
