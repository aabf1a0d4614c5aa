"""The point at which tests kill a worker or the web process: exact, once, and never in a live installation."""

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

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


class Base(DeclarativeBase):
    pass


class Operation(Base):
    """As the product's, by the name of its table."""

    __tablename__ = "operation"
    id: Mapped[int] = mapped_column(primary_key=True)


class Other(Base):
    __tablename__ = "other"
    id: Mapped[int] = mapped_column(primary_key=True)


async def press_at(file: Path, **order: Any) -> None:
    """Another transaction, then a press with a savepoint in it, as a job is queued; in a process of its own."""
    order_it(file, {"after": 0, "call": "press", "nth": 1, "signal": "KILL", **order})
    FaultPoint(file, "web").on_presses()
    with Session(create_engine(f"sqlite:///{file}.db")) as session:
        session.add(Other())
        session.commit()
    with Session(create_engine(f"sqlite:///{file}.db")) as session:
        session.add(Operation())
        session.flush()
        with session.begin_nested():
            session.add(Other())
        session.commit()
    print("answered")


async def run(file: Path, doing: str = "strike_at", **order: Any) -> tuple[int, str]:
    strike = f"asyncio.run({doing}(Path({str(file)!r}), **{order!r}))"
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


@pytest.mark.parametrize(
    ("order", "kept", "is_struck"),
    [({"before": True}, 0, True), ({"before": False}, 1, True), ({"after": 1}, 1, False)],
)
async def test_the_web_process_dies_on_either_side_of_the_commit_of_a_press(
    tmp_path: Path, order: dict[str, Any], kept: int, is_struck: bool
) -> None:
    file = tmp_path / "fault.json"
    engine = create_engine(f"sqlite:///{file}.db")
    Base.metadata.create_all(engine)
    code, said = await run(file, "press_at", **{"before": True, **order})
    assert (code, said) == ((-signal.SIGKILL, "") if is_struck else (0, "answered"))
    assert file.exists() is not is_struck
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(Operation)) == kept
        assert session.scalar(select(func.count()).select_from(Other)) == 1 + kept
    engine.dispose()


def test_a_live_installation_refuses_it(tmp_path: Path) -> None:
    env = {"GONOGO_DATABASE_URL": "postgresql+psycopg://x@/x", "GONOGO_DATA": str(tmp_path), "GONOGO_FAULT_FILE": "/f"}
    with pytest.raises(Misconfigured, match="GONOGO_FAULT_FILE"):
        from_env({**env, "GONOGO_MODE": "live"})
    assert from_env({**env, "GONOGO_MODE": "range"}).fault_file == Path("/f")
    assert from_env({key: value for key, value in env.items() if key != "GONOGO_FAULT_FILE"}).fault_file is None
