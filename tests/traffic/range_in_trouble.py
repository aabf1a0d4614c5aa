"""A real installation, armed and switched, whose database, web and workers can be taken away at once."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import ROOT
from app.db.engine import Database, make_engine
from app.db.tables import Deployment, Operation, Reading, TargetState, WorkerCapsule
from app.drill.team import Team, gather_team, sign_off, tick
from app.providers.range_control import RangeControl
from app.rehearsal.supervisor import Installation

SIGNERS = ("DevOps lead", "Backend lead", "Security officer", "Operations", "Project manager")
Value = TypeVar("Value")


@dataclass
class Trouble:
    """`begin` gathers the team; then `armed`, `switched`, `everything_dies`, `rollback_now`, `everything_returns`."""

    installation: Installation
    database: Database
    control: RangeControl
    team: Team
    deployment_id: int

    @classmethod
    async def begin(cls, installation: Installation) -> "Trouble":
        database = Database(make_engine(installation.environment["GONOGO_DATABASE_URL"], pool_size=3), patience_s=2)
        control = RangeControl(
            f"http://127.0.0.1:{installation.ports.control}", installation.range_folder / "control.token"
        )
        statement = select(Deployment.id).order_by(Deployment.id.desc()).limit(1)
        deployment_id = await _until(database, lambda session: session.scalar(statement), 20, "a deployment")
        team = await gather_team(installation.url, deployment_id)
        return cls(installation, database, control, team, deployment_id)

    async def aclose(self) -> None:
        await self.team.aclose()
        await self.control.aclose()
        await self.database.aclose()

    async def until(
        self, query: Callable[[AsyncSession], Awaitable[Value | None]], within_s: float, what: str
    ) -> Value:
        return await _until(self.database, query, within_s, what)

    async def armed(self, *, is_first: bool = True) -> None:
        """Signed off by five, proceeded, armed, and a fresh capsule reported by every worker."""
        if not is_first:
            await self.team["Project manager"].post("/reopen")
        for member in self.team.members.values():
            await tick(member, "before_production")
        await self.until(_is_measured, 60, "both sides are measured and the pre-flight is in")
        for title in SIGNERS:
            await sign_off(self.team[title])
        await self.team["Project manager"].post("/proceed")
        await self.team["DevOps lead"].post("/arm")
        workers = self.installation.worker_count
        await self.until(lambda s: _capsules_are_out(s, workers), 20, "every worker reports its capsule")

    async def switched(self) -> None:
        await self.team["DevOps lead"].post("/switch", confirm="yes")
        statement = select(Operation).where(Operation.kind == "switch").order_by(Operation.id.desc()).limit(1)

        async def has_arrived(session: AsyncSession) -> bool:
            found = await session.scalar(statement)
            return found is not None and found.observed_100_at is not None

        await self.until(has_arrived, 30, "the switch arrives")

    def rollback_now(self, *arguments: str, is_hasty: bool = False) -> "Done":
        """The command as a person types it, with nothing of gonogo's in the environment. `is_hasty`: Ctrl-C as soon as
        traffic is on BLUE, instead of waiting for the guard."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GONOGO_")}
        began = time.monotonic()
        with subprocess.Popen(
            [sys.executable, "-m", "app.cli", "rollback-now", "--data", str(self.installation.data_dir), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env={**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        ) as process:
            lines: list[str] = []
            observed: float | None = None
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line.rstrip())
                if "100 % of traffic observed on BLUE" in line:
                    observed = time.monotonic() - began
                if is_hasty and "Guarding BLUE" in line:
                    process.send_signal(signal.SIGINT)
            code = process.wait(30)
        return Done(code, tuple(lines), observed)


@dataclass(frozen=True)
class Done:
    """`observed_s` counts from before the process was started to the line on the terminal."""

    code: int
    lines: tuple[str, ...]
    observed_s: float | None


async def _until(
    database: Database, query: Callable[[AsyncSession], Awaitable[Value | None]], within_s: float, what: str
) -> Value:
    give_up = time.monotonic() + within_s
    while time.monotonic() < give_up:
        found = await database.read(query)
        if found:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"not seen within {within_s:.0f} s: {what}")


async def _is_measured(session: AsyncSession) -> bool:
    state = await session.scalar(select(TargetState))
    count = len((await session.scalars(select(Reading.metric).where(Reading.value.is_not(None)).limit(40))).all())
    is_well = state is not None and bool(state.blue_is_healthy and state.green_is_healthy and state.preflight_at)
    return is_well and count >= 40


async def _capsules_are_out(session: AsyncSession, workers: int) -> bool:
    rows = (await session.scalars(select(WorkerCapsule))).all()
    return len([row for row in rows if row.written_at is not None and not row.problem]) >= workers
