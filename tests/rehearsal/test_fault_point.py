"""The point at which tests kill a worker: exact, once, and never in a live installation."""

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.config import Misconfigured, from_env
from app.rehearsal.fault_point import FaultPoint


class Port:
    def __init__(self) -> None:
        self.calls: list[str] = []

    async def read(self) -> None:
        self.calls.append("read")

    async def write(self, *, fence: Any) -> None:
        await fence()
        self.calls.append("write")


@dataclass(frozen=True)
class Job:
    traffic: Any
    operation_id: int = 7


@dataclass(frozen=True)
class Deps:
    store: Any


def order_it(file: Path, order: dict[str, Any]) -> None:
    file.write_text(json.dumps(order))


async def strike_at(file: Path, **order: Any) -> None:
    """Read twice and write once through the point; in a process of its own."""
    order_it(file, {"after": 0, "nth": 1, "before": True, "signal": "KILL", **order})
    job, _ = FaultPoint(file, "worker-1.ab").on(Job(Port()), Deps(Port()))

    async def fence() -> None:
        return

    for name in ("read", "read", "write"):
        await (job.traffic.write(fence=fence) if name == "write" else job.traffic.read())
    print(",".join(job.traffic._inner.calls))


async def run(file: Path, **order: Any) -> tuple[int, str]:
    strike = f"asyncio.run(strike_at(Path({str(file)!r}), **{order!r}))"
    code = f"import asyncio; from tests.rehearsal.test_fault_point import *; {strike}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.getcwd()}
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode().strip()


@pytest.mark.parametrize("order", [{"call": "read", "nth": 2, "before": False}, {"call": "send"}])
async def test_it_strikes_at_its_point_and_takes_the_order_away(tmp_path: Path, order: dict[str, Any]) -> None:
    file = tmp_path / "fault.json"
    code, _ = await run(file, **order)
    assert code == -signal.SIGKILL
    assert not file.exists()
    assert [name for name in os.listdir(tmp_path) if name.endswith(".worker-1.ab")]


@pytest.mark.parametrize("order", [{"call": "read", "after": 7}, {"call": "read", "nth": 3}])
async def test_whatever_is_not_the_point_goes_on(tmp_path: Path, order: dict[str, Any]) -> None:
    file = tmp_path / "fault.json"
    assert await run(file, **order) == (0, "read,read,write")
    assert file.exists()


def test_a_live_installation_refuses_it(tmp_path: Path) -> None:
    env = {"GONOGO_DATABASE_URL": "postgresql+psycopg://x@/x", "GONOGO_DATA": str(tmp_path), "GONOGO_FAULT_FILE": "/f"}
    with pytest.raises(Misconfigured, match="GONOGO_FAULT_FILE"):
        from_env({**env, "GONOGO_MODE": "live"})
    assert from_env({**env, "GONOGO_MODE": "range"}).fault_file == Path("/f")
    assert from_env({key: value for key, value in env.items() if key != "GONOGO_FAULT_FILE"}).fault_file is None
