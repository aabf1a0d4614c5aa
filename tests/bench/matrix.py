"""Real workers, real PostgreSQL, the real range: a worker is killed or frozen at every call of a switch and of a
rollback, the web process around the COMMIT of a press, PostgreSQL in the middle of both. Each round is a switch and a
rollback with one fault each; what must hold is checked after each.

`python -m tests.bench.matrix [--rounds 5] [--only web]`; the last line is one JSON object, the exit code 0 if all was
right.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database, make_engine
from app.db.tables import Deployment, Operation, TargetState
from app.domain.operations import State
from app.drill.team import Team, gather_team, sign_off, tick
from app.eventlog.log import verify_chain
from app.providers.range_control import RangeControl
from app.rehearsal.supervisor import Installation
from app.worker import IDLE_S
from tests.bench.canary_rounds import canary_round, is_of_a_canary
from tests.bench.outages import without_postgres, without_web
from tests.bench.points import FAMILIES, ORDERED, Finding, Pair, Point, Struck, pairs_of
from tests.bench.rounds import SIGN_IN_AGAIN_S, SIGNERS, received_writes

TAKEOVER_S = 3.0
FROZEN_S = IDLE_S + 1.0
"""A frozen worker may hold its operation's row in an open transaction, which PostgreSQL ends after IDLE_S."""
FAULT_FILE = "fault.json"
BASE_PORT = 8900
SETTLE_S = 12.0
MAY_LEAVE_LATE = (" before send 1", "rollback STOP after newest_epoch 1")
"""Nothing is asked any more once a call is being sent; and all to BLUE leaves on an old answer of the fence too:
nothing may hold a way back. The balancer itself refuses what is of an older epoch."""


@dataclass
class Matrix:
    """One installation, one deployment, a new attempt for each round."""

    installation: Installation
    file: Path
    database: Database
    control: RangeControl
    number: int
    """Of the deployment."""
    team: Team
    signed_in_at: float
    findings: list[Finding] = field(default_factory=list)
    rounds: int = 0

    @classmethod
    async def make(cls, installation: Installation) -> "Matrix":
        database = Database(make_engine(installation.environment["GONOGO_DATABASE_URL"], pool_size=4))
        control = RangeControl(
            f"http://127.0.0.1:{installation.ports.control}", installation.range_folder / "control.token"
        )
        await asyncio.sleep(SETTLE_S)
        number = await database.read(lambda session: session.scalar(select(Deployment.id).limit(1))) or 0
        team = await gather_team(installation.url, number)
        file = Path(installation.environment["GONOGO_FAULT_FILE"])
        return cls(installation, file, database, control, number, team, time.monotonic())

    async def aclose(self) -> None:
        await self.team.aclose()
        await self.control.aclose()
        await self.database.aclose()

    # ── one round ───────────────────────────────────────────────────────────

    async def arm(self) -> None:
        """Everything up to the armed switch; after the first round a new attempt."""
        await self._forget_closed_connections()
        await self._sign_in_again()
        if self.rounds:
            await self.team["Project manager"].post("/reopen")
        self.rounds += 1
        for member in self.team.members.values():
            await tick(member, "before_production")
        for title in SIGNERS:
            await sign_off(self.team[title])
        await self.team["Project manager"].post("/proceed")
        await self._arm_when_proven()

    async def _sign_in_again(self) -> None:
        """Before the last time is too long ago for what asks for a fresh one."""
        if time.monotonic() - self.signed_in_at < SIGN_IN_AGAIN_S:
            return
        old, self.team = self.team, await gather_team(self.installation.url, self.number)
        self.signed_in_at = time.monotonic()
        await old.aclose()

    async def _forget_closed_connections(self) -> None:
        """A web process that was killed closed them; a form must not be the first to find out."""
        for member in self.team.members.values():
            with contextlib.suppress(httpx.TransportError):
                await member.client.get("/healthz")

    async def _arm_when_proven(self) -> None:
        """Right after a worker that carried the watch was frozen the proof may be old for some seconds."""
        give_up = time.monotonic() + 20
        while True:
            done = await self.team["DevOps lead"].post("/arm", expect=(200, 204, 303, 409, 422))
            if done.status_code < 400:
                return
            if time.monotonic() > give_up:
                raise TimeoutError("the way back is not proven within 20 s")
            await asyncio.sleep(0.5)

    async def round(self, at_switch: Point | None, at_rollback: Point | None) -> None:
        """A switch and a rollback, each with a fault if there is one."""
        failed_before = (await self.control.customers())["failed"]
        await self.arm()
        if at_switch is not None:
            await self._with_fault(at_switch, "observed_100_at", confirm="yes")
        else:
            await self.press("/switch", confirm="yes")
            await self.until("switch", "observed_100_at", 30)
        if at_rollback is not None:
            await self._with_fault(at_rollback, "verified_at")
        else:
            await self.press("/rollback")
        rollback = await self.until("rollback", "finished_at", 60)
        failed = (await self.control.customers())["failed"] - failed_before
        for finding in self.findings[-2:]:
            if failed:
                finding.wrong.append(f"{failed} customers' requests failed in this round")
            if rollback is None or rollback.state not in (State.DONE, State.ESCALATED):
                finding.wrong.append(f"the rollback ended {rollback.state if rollback else 'never'}")
            if (stuck := await self._stuck()) > 0:
                finding.wrong.append(f"{stuck} operations stuck")
        blue = await self.database.read(_set_blue)
        if blue != 100 and self.findings:
            self.findings[-1].wrong.append(f"the end is BLUE {blue}")

    async def press(self, path: str, **form: str) -> None:
        await self._forget_closed_connections()
        await self.team["DevOps lead"].post(path, **form)

    async def _with_fault(self, point: Point, mark: str, **form: str) -> None:
        finding = Finding(str(point))
        self.findings.append(finding)
        newest = await self.newest_id()
        self.order(point, newest)
        if point.signal == "WEB":
            await without_web(self, finding, point, newest, form)
            await self._arrival(finding, point, mark)
            return
        await self.press(f"/{point.kind}", **form)
        struck = await self.wait_struck(12 if point.kind == "switch" else 20)
        if struck is None:
            self.file.unlink(missing_ok=True)
            return
        finding.is_reached = True
        if point.signal == "POSTGRES":
            await without_postgres(self, finding, point, struck, mark)
            await self._arrival(finding, point, mark)
            return
        await self.takeover(finding, point.kind, struck)
        await self._arrival(finding, point, mark)
        if point.signal == "STOP":
            await self._thaw(finding, struck)

    def order(self, point: Point, after: int) -> None:
        """A death or a freeze at this point of what is newer than `after`."""
        for old in self.file.parent.glob(f"{self.file.name}*"):
            old.unlink()
        order = {"after": after, "call": point.call, "nth": point.nth, "before": point.is_before}
        draft = self.file.with_suffix(".draft")
        draft.write_text(json.dumps({**order, "signal": ORDERED[point.signal]}), encoding="utf-8")
        draft.rename(self.file)

    async def _arrival(self, finding: Finding, point: Point, mark: str) -> None:
        moved = await self.until(point.kind, mark, 40)
        if moved is None:
            finding.wrong.append(f"no {mark} within 40 s")
            return
        finding.moved_ms = round((getattr(moved, mark) - moved.clicked_at).total_seconds() * 1000)
        finding.state = moved.state

    async def wait_struck(self, within_s: float) -> Struck | None:
        """Who was struck, and when; None if the operation came through without."""
        give_up = time.monotonic() + within_s
        while time.monotonic() < give_up:
            for taken in self.file.parent.glob(f"{self.file.name}.taken.*"):
                pid, _, worker = taken.name.removeprefix(f"{self.file.name}.taken.").partition(".")
                return Struck(int(pid), worker, taken.stat().st_ctime)
            await asyncio.sleep(0.01)
        return None

    async def takeover(self, finding: Finding, kind: str, struck: Struck) -> None:
        """Until another worker holds the operation, or it has ended."""
        while time.time() < struck.at + 15:
            row = await self._newest(kind)
            if row is not None and (row.finished_at is not None or row.lease_owner not in ("", struck.worker)):
                finding.takeover_ms = round((time.time() - struck.at) * 1000)
                within = FROZEN_S if " STOP " in finding.point else TAKEOVER_S
                if finding.takeover_ms > within * 1000:
                    finding.wrong.append(f"taken over after {finding.takeover_ms} ms")
                return
            await asyncio.sleep(0.02)
        finding.wrong.append("not taken over within 15 s")

    async def _thaw(self, finding: Finding, struck: Struck) -> None:
        """Long past its lease the worker comes back; whatever it still sends is late."""
        await asyncio.sleep(max(0.0, struck.at + 4 - time.time()))
        before = len(await received_writes(self.installation))
        os.kill(struck.pid, signal.SIGCONT)
        await asyncio.sleep(1.5)
        late = (await received_writes(self.installation))[before:]
        finding.late_calls = sum(not one["is_stale"] for one in late)
        finding.refused_calls = sum(one["is_stale"] for one in late)
        if late and not finding.point.endswith(MAY_LEAVE_LATE):
            finding.wrong.append(f"{len(late)} calls left after the thaw")

    # ── looking ─────────────────────────────────────────────────────────────

    async def newest_id(self) -> int:
        """Of the operations of all kinds; 0 without any."""
        return await self.database.read(lambda session: session.scalar(select(func.max(Operation.id)))) or 0

    async def since(self, operation_id: int) -> int:
        """How many operations are newer than that one."""
        statement = select(func.count()).select_from(Operation).where(Operation.id > operation_id)
        return await self.database.read(lambda session: session.scalar(statement)) or 0

    async def _newest(self, kind: str) -> Operation | None:
        statement = select(Operation).where(Operation.kind == kind).order_by(Operation.id.desc()).limit(1)
        return await self.database.read(lambda session: session.scalar(statement))

    async def until(self, kind: str, names: str | tuple[str, ...], within_s: float) -> Operation | None:
        """The newest operation of a kind once it has one of `names`; None if that does not come."""
        wanted = (names,) if isinstance(names, str) else names
        give_up = time.monotonic() + within_s
        while time.monotonic() < give_up:
            found = await self._newest(kind)
            if found is not None and any(getattr(found, name) is not None for name in wanted):
                return found
            await asyncio.sleep(0.1)
        return None

    async def _stuck(self) -> int:
        statement = select(func.count()).select_from(Operation).where(Operation.finished_at.is_(None))
        return await self.database.read(lambda session: session.scalar(statement)) or 0

    async def chain_is_whole(self) -> bool:
        """I7: the log of the deployment verifies."""
        return await self.database.read(lambda session: verify_chain(session, self.team_deployment)) is None

    @property
    def team_deployment(self) -> int:
        return int(self.team["DevOps lead"].deployment.rpartition("/")[2])


async def _set_blue(session: AsyncSession) -> int | None:
    return await session.scalar(select(TargetState.set_blue).where(TargetState.target == "production"))


async def measure_matrix(installation: Installation, pairs: list[Pair]) -> dict[str, Any]:
    """A round for each pair, once the installation has settled."""
    matrix = await Matrix.make(installation)
    try:
        return await play(matrix, pairs)
    finally:
        await matrix.aclose()


async def play(matrix: Matrix, pairs: list[Pair]) -> dict[str, Any]:
    """A round for each pair; what came of these."""
    known = len(matrix.findings)
    for number, pair in enumerate(pairs, 1):
        before = len(matrix.findings)
        if is_of_a_canary(pair):
            await canary_round(matrix, *pair)
        else:
            await matrix.round(*pair)
        for finding in matrix.findings[before:]:
            print(f"{number}/{len(pairs)} {_line(finding)}", flush=True)
    return summary(matrix.findings[known:], is_chain_whole=await matrix.chain_is_whole())


def _line(finding: Finding) -> str:
    if not finding.is_reached:
        return f"{finding.point:44} not reached"
    late = f", {finding.refused_calls} refused by the balancer" if finding.refused_calls else ""
    taken = f"taken over {finding.takeover_ms} ms, " if finding.takeover_ms is not None else ""
    if finding.back_ms is not None:
        late += f", back after {finding.back_ms} ms"
    if finding.resolved_ms is not None:
        late += f", resolved {finding.resolved_ms} ms after that"
    if finding.repeat:
        late += f"; {finding.repeat}"
    wrong = f"  WRONG: {'; '.join(finding.wrong)}" if finding.wrong else ""
    moved = f"{finding.moved_ms} ms" if finding.moved_ms is not None else "never"
    return f"{finding.point:44} {taken}moved {moved}{late}{wrong}"


def summary(findings: list[Finding], *, is_chain_whole: bool) -> dict[str, Any]:
    reached = [finding for finding in findings if finding.is_reached]
    wrong = [finding for finding in findings if finding.wrong]
    takeovers = [finding.takeover_ms for finding in reached if finding.takeover_ms is not None]
    return {
        "ok": not wrong and is_chain_whole and bool(reached),
        "points": len(findings),
        "points reached": len(reached),
        "not reached": [finding.point for finding in findings if not finding.is_reached],
        "wrong": [asdict(finding) for finding in wrong],
        "web back, slowest ms": max((f.back_ms for f in reached if " WEB " in f.point and f.back_ms), default=None),
        "resolved after PostgreSQL was back, slowest ms": max(
            (finding.resolved_ms for finding in reached if finding.resolved_ms is not None), default=None
        ),
        "takeover, slowest ms": max(takeovers, default=None),
        "takeover, median ms": sorted(takeovers)[len(takeovers) // 2] if takeovers else None,
        "calls after a thaw": sum(finding.late_calls for finding in reached),
        "stale calls, refused by the balancer": sum(finding.refused_calls for finding in reached),
        "the log's chain verifies": is_chain_whole,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="make matrix")
    parser.add_argument("--rounds", type=int, default=99, help="at most as many, spread over all points")
    parser.add_argument("--only", nargs="+", choices=FAMILIES, default=FAMILIES, help="whose deaths")
    parser.add_argument("--customers", type=int, default=120, help="requests a second")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gonogo-matrix-") as folder:
        environment = {"GONOGO_FAULT_FILE": str(Path(folder) / FAULT_FILE)}
        # Three workers: one may still be on its way back when the next is struck.
        with Installation(
            Path(folder) / "installation",
            base_port=BASE_PORT,
            customers_rps=arguments.customers,
            workers=3,
            environment=environment,
        ) as installation:
            found = asyncio.run(measure_matrix(installation, pairs_of(tuple(arguments.only), arguments.rounds)))
    print(json.dumps(found, ensure_ascii=False))
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
