"""Canaries in `make matrix`: a worker dies or stands still around the effect of a share, while the share dwells, and on
the way back. The phase is begun in the tables; everything else goes through HTTP, workers and the range.
"""

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import CanaryRun, Operation, PhaseRun, TargetState, WorkerLease
from app.domain.canary import State
from app.domain.observation import Share
from app.domain.sides import Side, Weights
from app.providers.range_control import RangeControl
from app.wiring import BoundTarget, Ports, read_site
from tests.bench.points import OF_A_CANARY, Finding, Pair, Point, Struck
from tests.bench.rounds import plan_and_releases

if TYPE_CHECKING:
    from tests.bench.matrix import Matrix

PHASE, TARGET = "staging", "staging"
PRESSER = "DevOps lead"
PERCENT = 10
STRUCK_WITHIN_S = 40.0
"""A way back ends long after all was back: when its guard and its last checks have."""
ARRIVES_WITHIN_S = 45.0
BACK_WITHIN_S = 45.0
DUTY_WITHIN_S = 4.0
"""A duty's lease lasts 2 s and is asked for each 0.6 s; then comes the first look."""
PROBES = 60


def is_of_a_canary(pair: Pair) -> bool:
    return any(point is not None and point.kind in OF_A_CANARY for point in pair)


async def canary_round(matrix: "Matrix", up: Point | None, back: Point | None) -> None:
    """A canary to its first share and back, with a fault at the share or while it dwells, and one on the way back."""
    plan, releases = plan_and_releases()
    bound = Ports(read_site(matrix.installation.site_file)).bind(plan, TARGET, releases)
    url = f"http://127.0.0.1:{matrix.installation.ports.control}/staging"
    customers = RangeControl(url, matrix.installation.range_folder / "control.token")
    findings = [Finding(str(point)) for point in (up, back) if point is not None]
    matrix.findings += findings
    try:
        failed = (await customers.customers())["failed"]
        await _up(matrix, up, findings[0], bound)
        await _back(matrix, back, findings[-1], bound)
        failed = (await customers.customers())["failed"] - failed
        if failed:
            findings[-1].wrong.append(f"{failed} requests of the canary's customers failed in this round")
        blue = await matrix.database.read(_set_blue)
        if blue not in (None, 100):
            findings[-1].wrong.append(f"production is set to BLUE {blue}")
    finally:
        await customers.aclose()
        await bound.aclose()


async def _up(matrix: "Matrix", point: Point | None, finding: Finding, bound: BoundTarget) -> None:
    await matrix.database.run(lambda session: _begin_phase(session, matrix.team_deployment))
    before = await _newest(matrix)
    number = before.id if before else 0
    if point is not None and point.kind == "shift":
        matrix.order(point, await matrix.newest_id())
    await matrix.team[PRESSER].post(f"/phases/{PHASE}/canary/start", run=str(number))
    struck = await _strike(matrix, finding) if point is not None and point.kind == "shift" else None
    if struck is not None:
        await matrix.takeover(finding, "shift", struck)
    run = await _until(matrix, ARRIVES_WITHIN_S, State.DWELLING, State.INCONCLUSIVE)
    if run is None or run.id == number:
        finding.wrong.append(f"the share did not arrive within {ARRIVES_WITHIN_S:.0f} s")
        return
    await _stands(matrix, run, finding, bound)
    if point is not None and point.kind == "keep":
        matrix.order(point, run.id - 1)
        struck = await _strike(matrix, finding)
        if struck is not None:
            await _kept_on(matrix, struck, finding)
    await _thaw(point, struck)


async def _stands(matrix: "Matrix", run: CanaryRun, finding: Finding, bound: BoundTarget) -> None:
    """The share is where it is said to be."""
    operation = await matrix.database.read(lambda session: session.get_one(Operation, run.operation_id))
    finding.state = run.state
    if operation.observed_100_at is not None:
        finding.moved_ms = round((operation.observed_100_at - operation.clicked_at).total_seconds() * 1000)
    share = Share(operation.probes_agreeing, operation.probes_total)
    if not share.is_at(PERCENT, at_least=100):
        finding.wrong.append(f"{PERCENT} % were said to be there, and probes saw {share}")
    reading = await bound.traffic.read()
    if not reading.agrees(Weights(100 - PERCENT, PERCENT)):
        finding.wrong.append(f"the balancer says {reading.weights}")


async def _kept_on(matrix: "Matrix", struck: Struck, finding: Finding) -> None:
    """Another worker carries the duty and has looked; nobody counted the moments in which no one did."""
    while time.time() < struck.at + 15:
        owner = await matrix.database.read(_keeper)
        run = await _newest(matrix)
        has_looked = run is not None and run.looked_at is not None and run.looked_at.timestamp() > struck.at + 0.2
        if owner != struck.worker and has_looked:
            finding.takeover_ms = round((time.time() - struck.at) * 1000)
            if finding.takeover_ms > DUTY_WITHIN_S * 1000:
                finding.wrong.append(f"nobody kept the canary for {finding.takeover_ms} ms")
            return
        await asyncio.sleep(0.02)
    finding.wrong.append("nobody took the canary up within 15 s")


async def _back(matrix: "Matrix", point: Point | None, finding: Finding, bound: BoundTarget) -> None:
    run = await _newest(matrix)
    if run is None or run.finished_at is not None:
        finding.wrong.append("the canary was over before it was taken back")
        return
    if point is not None:
        matrix.order(point, await matrix.newest_id())
    await matrix.team[PRESSER].post(f"/phases/{PHASE}/canary/take-back", version=str(run.version))
    struck = await _strike(matrix, finding) if point is not None else None
    if struck is not None and point is not None and point.call != "finish":
        await matrix.takeover(finding, "shift", struck)
    over = await _until(matrix, BACK_WITHIN_S, State.ROLLED_BACK)
    if over is None:
        finding.wrong.append(f"not back within {BACK_WITHIN_S:.0f} s")
        return
    await _thaw(point, struck)
    ended = await matrix.until("shift", "finished_at", BACK_WITHIN_S)
    if ended is None or ended.verified_at is None:
        finding.wrong.append("the way back did not end verified")
        return
    if point is not None:
        finding.state = ended.state
        finding.moved_ms = round((ended.verified_at - ended.clicked_at).total_seconds() * 1000)
    reading = await bound.traffic.read()
    if not reading.agrees(Weights.all_to(Side.BLUE)):
        finding.wrong.append(f"the end is {reading.weights}")
    sides = [(await bound.prober.probe(fresh_connection=number % 4 == 0)).side for number in range(PROBES)]
    if count := sum(side is not Side.BLUE for side in sides):
        finding.wrong.append(f"{count} of {PROBES} probes do not see BLUE at the end")


async def _strike(matrix: "Matrix", finding: Finding) -> Struck | None:
    struck = await matrix.wait_struck(STRUCK_WITHIN_S)
    if struck is None:
        matrix.file.unlink(missing_ok=True)
        return None
    finding.is_reached = True
    return struck


async def _thaw(point: Point | None, struck: Struck | None) -> None:
    """Long past its lease the worker comes back; what it still does must change nothing."""
    if struck is not None and point is not None and point.signal == "STOP":
        await asyncio.sleep(max(0.0, struck.at + 4 - time.time()))
        os.kill(struck.pid, signal.SIGCONT)
        await asyncio.sleep(1.0)


async def _until(matrix: "Matrix", within_s: float, *states: State) -> CanaryRun | None:
    give_up = time.monotonic() + within_s
    while time.monotonic() < give_up:
        run = await _newest(matrix)
        if run is not None and State(run.state) in states:
            return run
        await asyncio.sleep(0.05)
    return None


async def _newest(matrix: "Matrix") -> CanaryRun | None:
    statement = select(CanaryRun).order_by(CanaryRun.id.desc()).limit(1)
    found: CanaryRun | None = await matrix.database.read(lambda session: session.scalar(statement))
    return found


async def _keeper(session: AsyncSession) -> str:
    return await session.scalar(select(WorkerLease.owner).where(WorkerLease.duty == "canary")) or ""


async def _set_blue(session: AsyncSession) -> int | None:
    """None as long as nobody has looked."""
    return await session.scalar(select(TargetState.set_blue).where(TargetState.target == "production"))


async def _begin_phase(session: AsyncSession, deployment_id: int) -> None:
    wanted = update(PhaseRun).where(PhaseRun.deployment_id == deployment_id, PhaseRun.phase == PHASE)
    await session.execute(wanted.values(state="running"))
