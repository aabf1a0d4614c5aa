"""A canary on a real range: a second front, real customers, real probes, the worker's own parts."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import pytest

from app.bindings import AgentTarget, SideSite
from app.canary.queries import newest_run
from app.canary.tasks import Kept, Watched, keep_all
from app.db.engine import Database
from app.db.tables import CanaryRun, Deployment, Operation
from app.domain.observation import Share
from app.domain.plan import Plan
from app.domain.sides import Release, Side
from app.providers.clock import SystemClock
from app.traffic.tasks import Drives, Steered
from app.wiring import BoundTarget, Ports, RangeSite, Site
from tests.canary.ready import begin, form_of, operation_of, staging_runs
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
