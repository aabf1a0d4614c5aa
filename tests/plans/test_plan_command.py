"""`gonogo plan …` as a person uses it: exit codes, places, differences, a clock that runs fast."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.command_line import app
from app.command_plan import in_time
from app.config import ROOT
from app.domain.dry_run import dry_run
from app.providers.plan_yaml import plan_schema, read_plan
from tests.plans.breaking import MINIMAL, broken

ALAWAEL = str(ROOT / "plans" / "alawael.yaml")
HARBOUR = str(ROOT / "plans" / "harbour.yaml")


def gonogo(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["plan", *arguments])


@pytest.fixture
def bad(tmp_path: Path) -> str:
    file = tmp_path / "shop.yaml"
    file.write_text(broken("warning: 300", "warning: 100"))
    return str(file)


def test_good_plans() -> None:
    done = gonogo("check", ALAWAEL, HARBOUR)
    assert done.exit_code == 0
    assert [line.partition(": ")[2].partition(",")[0] for line in done.stdout.splitlines()] == [
        "ALAWAEL",
        "Cargo booking",
    ]


def test_one_bad_plan_is_told_with_its_place_and_fails_the_lot(bad: str) -> None:
    done = gonogo("check", HARBOUR, bad)
    assert done.exit_code == 1
    assert f"{bad}:25:84: metrics[0].warning: The warning (100) lies below the target (200). Order them" in done.stderr
    assert "Cargo booking" in done.stdout


def test_a_file_that_is_not_there() -> None:
    done = gonogo("check", "/nowhere/plan.yaml")
    assert done.exit_code == 1
    assert "/nowhere/plan.yaml:1:1: The file can't be read" in done.stderr


def test_the_schema() -> None:
    done = gonogo("schema")
    assert json.loads(done.stdout) == plan_schema()
    assert done.stdout == (ROOT / "plans" / "plan.schema.json").read_text()


def test_differences_and_their_exit_codes(tmp_path: Path, bad: str) -> None:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(MINIMAL)
    new.write_text("# a comment is no difference\n" + MINIMAL)
    assert (gonogo("diff", str(old), str(new)).exit_code, gonogo("diff", str(old), str(new)).stdout) == (0, "")
    new.write_text(broken("warning: 300", "warning: 310"))
    done = gonogo("diff", str(old), str(new))
    assert done.exit_code == 1
    assert done.stdout.splitlines()[0] == "Critical metrics"
    assert done.stdout.splitlines()[1].endswith("warning: 300 → 310")
    assert gonogo("diff", str(old), bad).exit_code == 2


def test_a_dry_run_at_once() -> None:
    done = gonogo("dry-run", ALAWAEL, "--speed", "max", "--day", "2026-03-06")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[1].startswith("Fri 13:00:00  checklist")
    assert any(line.startswith("Fri 14:10:00  switch") and line.endswith("[DevOps lead]") for line in lines)
    assert lines[-1].startswith("Fri 14:40:00  end")


@pytest.mark.parametrize("arguments", [("--phase", "nothing"), ("--speed", "0"), ("--speed", "fast")])
def test_a_dry_run_that_cannot_be(arguments: tuple[str, str]) -> None:
    assert gonogo("dry-run", ALAWAEL, *arguments).exit_code == 2


async def test_forty_five_minutes_pass_in_two() -> None:
    run = dry_run(read_plan(Path(HARBOUR)), "freeze", datetime(2026, 10, 24, 20, tzinfo=UTC))
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    async for _ in in_time(run, 22.5, sleep):
        pass
    # No time passes in this test's sleep, so each wait is counted from the beginning.
    assert waits[-1] == pytest.approx(run.length_s / 22.5, abs=1)


async def test_the_clock_is_kept_in_real_time() -> None:
    run = dry_run(read_plan(Path(HARBOUR)), "freeze", datetime(2026, 10, 24, 20, tzinfo=UTC))
    clock = asyncio.get_running_loop().time
    began = clock()
    at = [(clock() - began, line.at_s - run.first_s) async for line in in_time(run, run.length_s / 0.4)]
    assert 0.4 <= at[-1][0] < 5
    assert all(real >= planned / run.length_s * 0.4 - 0.01 for real, planned in at)
