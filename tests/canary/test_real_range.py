"""A canary on a real range: a second front, real customers, real probes, the worker's own parts; and real worker
processes, of which the one that keeps the canary is killed while a share dwells."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.bindings import AgentTarget, SideSite
from app.canary.commands import take_back
from app.canary.queries import newest_run
from app.canary.tasks import Kept, Watched, keep_all
from app.config import ROOT, Settings
from app.db.engine import Database
from app.db.tables import CanaryRun, Deployment, Operation, TargetState, WorkerLease
from app.domain.observation import Share
from app.domain.plan import Plan
from app.domain.sides import Release, Side, Weights
from app.providers.agent_balancer import AgentBalancer
from app.providers.clock import SystemClock
from app.providers.side_address import SideAddress
from app.traffic.tasks import Drives, Steered
from app.web.access import Scope
from app.wiring import BoundTarget, Ports, RangeSite, Site
from tests.canary.ready import PHASE, begin, ended, form_of, operation_of, staging_runs
from tests.conftest import ScopeOf, Seeder, make_scope_of
from tests.rehearsal.running_range import RunningRange, running_range

pytestmark = pytest.mark.range


@pytest.fixture(scope="module")
def staging_range(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRange]:
    with running_range(tmp_path_factory.mktemp("range"), with_staging=True) as running:
        yield running


def site_of(running: RunningRange) -> Site:
    sides = {side: SideSite(url=running.url_of(side)) for side in Side}
    staging = AgentTarget(
        provider="agent",
        public_url=f"http://127.0.0.1:{running.ports.staging}",
        sides=sides,
        agent_url=f"{running.control_url}/staging/balancer",
        agent_token_file=running.agent_token,
    )
    control = RangeSite(
        control_url=running.control_url,
        token_file=running.control_token,
        customers={"staging": f"{running.control_url}/staging"},
    )
    return Site(kind="range", targets={"staging": staging}, range=control)


class Working:
    """What a worker does for a canary: drives its operations and keeps it."""

    def __init__(self, database: Database, url: str, ports: Ports, name: str) -> None:
        self._database, self._ports = database, ports
        self._bound: dict[str, BoundTarget] = {}
        self.drives = Drives(database, SystemClock(), self._steer, name)
        self._tasks: list[asyncio.Task[None]] = []

    def _bind(self, plan: Plan, target: str, releases: dict[Side, Release]) -> BoundTarget:
        if target not in self._bound:
            self._bound[target] = self._ports.bind(plan, target, releases)
        return self._bound[target]

    def _steer(self, plan: Plan, target: str, releases: dict[Side, Release]) -> Steered:
        bound = self._bind(plan, target, releases)
        return Steered(bound.traffic, bound.prober, bound.customers)

    def _watch(self, kept: Kept) -> Watched:
        bound = self._bind(kept.plan, kept.target, kept.releases)
        return Watched(bound.traffic, bound.prober, bound.metrics)

    def go(self) -> None:
        self._tasks = [
            asyncio.create_task(keep_all(self._database, SystemClock(), self._watch)),
            asyncio.create_task(self._sweep()),
        ]

    async def _sweep(self) -> None:
        while True:
            await self.drives.sweep()
            await asyncio.sleep(0.2)

    async def stop(self) -> None:
        tasks = [*self._tasks, *self.drives.running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for bound in self._bound.values():
            await bound.aclose()


@pytest.fixture
async def working(committed_db: Database, database_url: str, staging_range: RunningRange) -> AsyncIterator[Working]:
    worker = Working(committed_db, database_url, Ports(site_of(staging_range)), "worker-1")
    worker.go()
    yield worker
    await worker.stop()
    staging_range.call("POST", "/knobs/reset")


async def until(database: Database, deployment: Deployment, *states: str, within: float = 60) -> CanaryRun:
    async with asyncio.timeout(within):
        while True:
            run = await database.read(lambda session: newest_run(session, deployment.id, "staging"))
            if run is not None and run.state in states:
                return run
            await asyncio.sleep(0.1)


def customers(running: RunningRange) -> dict[str, int]:
    found: dict[str, int] = json.loads(running.call("GET", "/staging/customers?failures=500"))
    return found


async def test_a_tenth_arrives_and_a_failing_green_goes_back_by_itself(
    committed_db: Database, seed: Seeder, settings: object, staging_range: RunningRange, working: Working, plan: Plan
) -> None:
    deployment = await seed(committed_db)
    await staging_runs(committed_db, deployment)
    scope_of: ScopeOf = make_scope_of(committed_db, settings)  # type: ignore[arg-type]
    lead = await scope_of(deployment, "devops_lead")
    await begin(committed_db, lead)

    run = await until(committed_db, deployment, "dwelling", "waiting", "rolling_back")
    operation: Operation = await operation_of(committed_db, deployment)
    seen = Share(operation.probes_agreeing, operation.probes_total)
    assert run.state == "dwelling", run.reason
    assert seen.is_at(10, at_least=100), str(seen)
    assert json.loads(staging_range.call("GET", "/status"))["balancer"]["routes"][0]["green"] == 0, "production moved"

    staging_range.call("PATCH", "/knobs", json.dumps({"green": {"unavailable": True}}))
    run = await until(committed_db, deployment, "rolled_back", within=30)
    assert "health check" in run.reason
    operation = await operation_of(committed_db, deployment)
    assert (operation.want_blue, operation.kind) == (100, "shift")
    counted = customers(staging_range)
    by_blue = [failure for failure in counted["failures"] if failure["side"] != "GREEN"]  # type: ignore[attr-defined]
    assert by_blue == [], "customers of BLUE had to suffer"
    assert (await form_of(committed_db, deployment)).version == run.version


# ── a worker dies ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Keepers:
    """Two worker processes on a canary that was just begun."""

    database: Database
    deployment: Deployment
    lead: Scope
    processes: dict[str, subprocess.Popen[bytes]]

    async def until(self, *states: str, after: float = 0.0) -> CanaryRun:
        """The run in one of these states, its balancer read after a moment (seconds since 1970)."""
        async with asyncio.timeout(90):
            while True:
                run = await self.database.read(lambda s: newest_run(s, self.deployment.id, PHASE))
                is_fresh = run is not None and (
                    not after or (run.read_at is not None and run.read_at.timestamp() > after)
                )
                if run is not None and run.state in states and is_fresh:
                    return run
                await asyncio.sleep(0.05)

    async def keeper(self) -> str:
        async def query(session: AsyncSession) -> str:
            return await session.scalar(select(WorkerLease.owner).where(WorkerLease.duty == "canary")) or ""

        return (await self.database.read(query)).partition(".")[0]


async def a_tenth_is_there(database: Database, deployment: Deployment, lead: Scope, running: RunningRange) -> None:
    """The shift has ended, as a worker would have ended it: how it gets there is another test's. The range remembers
    the epochs of the tests before, and the database is new."""
    sides = {side: SideAddress(running.url_of(side)) for side in Side}
    front = AgentBalancer("staging", f"{running.control_url}/staging/balancer", running.agent_token, sides)

    async def no_fence() -> None:
        return

    try:
        known = (await front.read()).epoch
        await database.run(lambda session: _add(session, TargetState(target="staging", epoch=known)))
        await begin(database, lead)
        operation = await operation_of(database, deployment)
        await front.write(Weights(90, 10), epoch=operation.epoch, fence=no_fence)
    finally:
        await front.aclose()
    await ended(database, deployment)


async def _add(session: AsyncSession, row: TargetState) -> None:
    session.add(row)


def start_worker(name: str, environment: dict[str, str], folder: Path) -> subprocess.Popen[bytes]:
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "app.worker"],
            env={**environment, "GONOGO_WORKER_NAME": name},
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )


@pytest.fixture
async def keepers(
    committed_db: Database,
    database_url: str,
    seed: Seeder,
    settings: Settings,
    staging_range: RunningRange,
    tmp_path: Path,
) -> AsyncIterator[Keepers]:
    deployment = await seed(committed_db)
    await staging_runs(committed_db, deployment)
    lead = await make_scope_of(committed_db, settings)(deployment, "devops_lead")
    settings = replace(settings, site_file=tmp_path / "site.yaml")
    settings.site_file.write_text(site_of(staging_range).model_dump_json(warnings=False))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GONOGO_")}
    environment = {
        **kept,
        "GONOGO_DATABASE_URL": database_url,
        "GONOGO_SITE": str(settings.site_file),
        "GONOGO_MODE": "range",
        "GONOGO_DATA": str(tmp_path),
    }
    await a_tenth_is_there(committed_db, deployment, lead, staging_range)
    processes = {name: start_worker(name, environment, tmp_path) for name in ("worker-1", "worker-2")}
    yield Keepers(committed_db, deployment, lead, processes)
    for process in processes.values():
        process.kill()
        await asyncio.to_thread(process.wait)
    staging_range.call("POST", "/knobs/reset")


@pytest.mark.timeout(300)
async def test_a_keeper_that_dies_while_a_share_dwells_is_replaced(keepers: Keepers) -> None:
    await keepers.until("dwelling", after=1.0)
    first = await keepers.keeper()
    keepers.processes[first].send_signal(signal.SIGKILL)
    died_at = time.time()
    async with asyncio.timeout(30):
        while await keepers.keeper() == first:
            await asyncio.sleep(0.05)
    assert await keepers.keeper() == ({*keepers.processes} - {first}).pop()
    run = await keepers.until("dwelling", "inconclusive", after=time.time())
    assert run.read_at is not None
    assert run.read_at.timestamp() - died_at < 15, "about 3 s on a machine with nothing else to do"
    assert run.read_green == 10

    form = await form_of(keepers.database, keepers.deployment)
    await keepers.database.run(lambda session: take_back(session, keepers.lead, PHASE, form))
    over = await keepers.until("rolled_back")
    assert over.read_green in (0, 10)
    back = await keepers.database.read(lambda s: s.get_one(Operation, over.operation_id, populate_existing=True))
    assert back.want_blue == 100
    assert back.verified_at is not None
