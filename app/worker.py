"""The worker process: `python -m app.worker`. Drives operations, watches targets, collects metrics, keeps gates.

Crash-only: whatever ends it, its leases run out and another worker goes on.
"""

import asyncio
import contextlib
import secrets
import signal
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import procrastinate
import structlog
import uvloop

from app import reactions
from app.canary.tasks import Kept
from app.canary.tasks import Watched as CanaryWatched
from app.canary.tasks import keep_all as keep_canaries
from app.checklists.tasks import look_at_dashboards
from app.config import Settings, from_env
from app.db.engine import Database, make_engine
from app.db.tables import Deployment
from app.decisions.tasks import keep_clocks as keep_decision_clocks
from app.deployments.commands import database_now
from app.deployments.tasks import keep_gates
from app.domain.plan import Plan
from app.domain.sides import Release, Side
from app.eventlog.log import bind_reactions
from app.incidents.tasks import keep_clocks as keep_incident_clocks
from app.jobs.duties import hold
from app.jobs.queue import ROLLBACK_QUEUE, SCRIPT_QUEUE, TRAFFIC_QUEUE, make_app
from app.jobs.wake import listen_for_jobs
from app.logs import configure_logs
from app.metrics.tasks import collect
from app.phases.tasks import keep_phases
from app.ports.probe import Prober
from app.providers.bounded_fetch import BoundedFetcher
from app.providers.capsule_file import capsule_key
from app.providers.clock import SystemClock
from app.rehearsal.fault_point import FaultPoint
from app.scripts.tasks import Runs
from app.signoffs.tasks import keep_votes
from app.traffic.tasks import Drives, Steered
from app.traffic.tasks_capsule import Capsules, Place
from app.traffic.watch import Watch, Watched, find_watched
from app.triggers.tasks import Guarded, guard_all
from app.wiring import BoundTarget, Ports, hosts_of, make_ports, snapshot_of

log = structlog.get_logger()

SWEEP_EVERY_S = 0.5
DUTY_RENEW_S = 0.6
LET_OTHERS_FIRST_S = 0.02
GATES_EVERY_S = 1.0
READY_EVERY_S = 5.0
CAPSULES_EVERY_S = 1.0
CLOCKS_EVERY_S = 1.0
DASHBOARDS_EVERY_S = 10.0
ROLLBACKS_AT_ONCE = 4
JOBS_AT_ONCE = 8
SCRIPTS_AT_ONCE = 4
IDLE_S = 4
"""A worker that stands still in the middle of a transaction keeps the others from what it locked for no longer."""


@dataclass(frozen=True)
class Worker:
    name: str
    settings: Settings
    database: Database
    ports: Ports
    drives: Drives
    capsules: Capsules
    runs: Runs
    bound: dict[tuple[str, str], BoundTarget]
    holding: set[str]
    """The duties that this worker carries now."""
    fault: FaultPoint | None = None

    @classmethod
    def make(cls, settings: Settings) -> "Worker":
        database = Database(make_engine(settings.database_url, idle_s=IDLE_S))
        ports = make_ports(settings)
        bound: dict[tuple[str, str], BoundTarget] = {}

        def bind(plan: Plan, target: str, releases: dict[Side, Release]) -> Steered:
            found = bind_once(ports, bound, plan, target, releases)
            return Steered(found.traffic, found.prober, found.customers)

        # A process that was started again is another worker: it must not take an old lease for its own.
        name = f"{settings.worker_name}.{secrets.token_hex(2)}"
        fault = FaultPoint(settings.fault_file, name) if settings.fault_file else None
        drives = Drives(database, SystemClock(), bind, name, strike=fault.on if fault else None)

        def describe(plan: Plan, target: str, releases: dict[Side, Release]) -> Place:
            traffic = bind_once(ports, bound, plan, target, releases).traffic
            binding = snapshot_of(ports.site, target)
            return Place(binding, hosts_of(binding), lambda weights, epoch: traffic.by_hand(weights, epoch=epoch))

        capsules = Capsules(
            database, SystemClock(), settings.data_dir, capsule_key(settings.secret), settings.worker_name, describe
        )
        # Of their own: whatever scripts print, a rollback never waits for a connection.
        connections = Database(make_engine(settings.database_url, pool_size=4, idle_s=IDLE_S))
        runs = Runs(connections, ports.scripts(), name)
        return cls(name, settings, database, ports, drives, capsules, runs, bound, set(), fault)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. Any loop that ends by itself ends the process; the supervisor starts another."""
        with contextlib.suppress(Exception):
            # Before anything is driven: an operation that break-glass ended must not be taken up again first.
            await self.capsules.take_in()
        tasks = [
            asyncio.create_task(self._queue(ROLLBACK_QUEUE, ROLLBACKS_AT_ONCE), name="queue.rollback"),
            asyncio.create_task(self._queue(TRAFFIC_QUEUE, JOBS_AT_ONCE), name="queue.traffic"),
            asyncio.create_task(self._queue(SCRIPT_QUEUE, SCRIPTS_AT_ONCE, every_s=5.0), name="queue.scripts"),
            asyncio.create_task(listen_for_jobs(self.settings.database_url, self._heard), name="wake"),
            asyncio.create_task(self._repeat(SWEEP_EVERY_S, self.drives.sweep), name="sweep"),
            asyncio.create_task(self._repeat(SWEEP_EVERY_S, self.runs.sweep), name="scripts"),
            asyncio.create_task(self._repeat(READY_EVERY_S, self._keep_ready), name="ready"),
            asyncio.create_task(self._repeat(CAPSULES_EVERY_S, self.capsules.keep), name="capsules"),
            asyncio.create_task(self._repeat(CAPSULES_EVERY_S, self.capsules.take_in), name="break-glass"),
            asyncio.create_task(self._carry_duties(), name="duties"),
            asyncio.create_task(stop.wait(), name="stop"),
        ]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await self.runs.stop()
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            if task.get_name() != "stop":
                log.error("worker.loop.ended", loop=task.get_name(), error=str(task.exception()))

    async def _queue(self, queue: str, concurrency: int, *, every_s: float = 0.5) -> None:
        app = make_app(self.settings.database_url)
        if queue == SCRIPT_QUEUE:
            app.task(name=reactions.RUN_SCRIPT, queue=queue)(self._run_script)
        else:
            app.task(name=reactions.DRIVE, queue=queue)(self._drive)
        async with app.open_async():
            await app.run_worker_async(
                queues=[queue],
                concurrency=concurrency,
                name=f"{self.name}-{queue}",
                # Workers hear of a job in `_heard`; if each asked the queue at that moment too, they would only keep
                # each other, and the one that drives, waiting.
                listen_notify=False,
                fetch_job_polling_interval=every_s,
                stalled_worker_timeout=3600,
                install_signal_handlers=False,
                delete_jobs=procrastinate.jobs.DeleteJobCondition.SUCCESSFUL,
            )

    async def _drive(self, operation_id: int) -> None:
        await self.drives.ensure(operation_id)

    async def _run_script(self, run_id: int) -> None:
        await self.runs.ensure(run_id)

    def _heard(self, task: str, arguments: Mapping[str, Any]) -> None:
        """The worker that watches the targets has enough to do: it lets another one take the operation, if there is
        one."""
        if task == reactions.RUN_SCRIPT:
            self.runs.begin(arguments["run_id"])
        if task != reactions.DRIVE:
            return
        pause = LET_OTHERS_FIRST_S if "watch" in self.holding else 0.0
        asyncio.get_running_loop().call_later(pause, self.drives.begin, arguments["operation_id"])

    async def _repeat(self, every_s: float, work: Callable[[], Awaitable[Any]]) -> None:
        while True:
            try:
                await work()
            except Exception as error:
                # PostgreSQL away, most likely: the next round tries again.
                log.warning("worker.round.failed", work=getattr(work, "__name__", ""), error=str(error)[:300])
            await asyncio.sleep(every_s)

    # ── duties: one worker at a time ────────────────────────────────────────

    async def _carry_duties(self) -> None:
        """Carry each duty while this worker holds its lease; another takes it up 2 s after we are gone."""
        works: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "gates": self._keep_gates,
            "watch": self._watch_all,
            "triggers": self._guard_all,
            "canary": self._keep_canaries,
            "dashboards": self._look_at_dashboards,
            "decisions": self._keep_clocks,
        }
        running: dict[str, asyncio.Task[None]] = {}
        while True:
            try:
                held = await self.database.run_alone(lambda session: hold(session, sorted(works), self.name))
            except Exception as error:
                log.warning("worker.duties.unsure", error=str(error)[:200])
                held = frozenset()
            self.holding.clear()
            self.holding.update(held)
            for name, task in running.items():
                if name not in held and not task.cancelling():
                    # Once: it may be closing what it used. Nobody waits for that, the other leases must be renewed.
                    task.cancel()
            for name in held:
                if name not in running or running[name].done():
                    running[name] = asyncio.create_task(works[name](), name=name)
            await asyncio.sleep(DUTY_RENEW_S)

    async def _keep_gates(self) -> None:
        """What time does to gates, votes and phases."""

        async def keep() -> None:
            await keep_gates(self.database)
            await keep_votes(self.database)
            await keep_phases(self.database)

        await self._repeat(GATES_EVERY_S, keep)

    async def _keep_clocks(self) -> None:
        """Open decision points when they are due, and escalate what nobody answers."""

        async def keep() -> None:
            await keep_decision_clocks(self.database)
            await keep_incident_clocks(self.database)

        await self._repeat(CLOCKS_EVERY_S, keep)

    async def _look_at_dashboards(self) -> None:
        """Whether the plan's dashboards answer, for the checklists that ask a machine."""
        await self._repeat(DASHBOARDS_EVERY_S, lambda: look_at_dashboards(self.database, BoundedFetcher()))

    async def _keep_ready(self) -> None:
        """Every worker holds plan and connections of every target, so that an operation finds nothing to set up."""
        for watched in await self.database.read(find_watched):
            bind_once(self.ports, self.bound, watched.plan, watched.target, watched.releases)

    async def _watch_all(self) -> None:
        """Watch every target and collect its metrics; look again each second whether another deployment took it."""
        running: dict[tuple[int, str], asyncio.Task[None]] = {}
        try:
            while True:
                for watched in await self.database.read(find_watched):
                    key = (watched.deployment_id, watched.target)
                    if key in running and not running[key].done():
                        continue
                    for old in [other for other in running if other[1] == watched.target]:
                        running.pop(old).cancel()
                    running[key] = asyncio.create_task(self._watch(watched), name=f"watch-{watched.target}")
                await asyncio.sleep(1.0)
        finally:
            for task in running.values():
                task.cancel()
            await asyncio.gather(*running.values(), return_exceptions=True)

    async def _guard_all(self) -> None:
        """Repeat smoke tests and judge triggers of every deployment that has a way back."""

        def bind(guarded: Guarded) -> Prober:
            releases = {Side.BLUE: guarded.plan.releases.blue, Side.GREEN: guarded.plan.releases.green}
            known = {side: Release(spec.version, spec.digest) for side, spec in releases.items()}
            return bind_once(self.ports, self.bound, guarded.plan, guarded.target, known).prober

        await guard_all(self.database, self.settings.database_url, self.ports.clock, bind)

    async def _keep_canaries(self) -> None:
        """Watch the targets of canaries, judge their gates and let follow what follows."""

        def bind(kept: Kept) -> CanaryWatched:
            bound = bind_once(self.ports, self.bound, kept.plan, kept.target, kept.releases)
            return CanaryWatched(bound.traffic, bound.prober, bound.metrics)

        strike = self.fault.on_record if self.fault else None
        await keep_canaries(self.database, self.ports.clock, bind, strike=strike)

    async def _watch(self, watched: Watched) -> None:
        bound = bind_once(self.ports, self.bound, watched.plan, watched.target, watched.releases)
        watch = Watch(
            self.database,
            self.ports.clock,
            watched,
            Steered(bound.traffic, bound.prober, bound.customers, bound.follower),
        )
        deployment = await self.database.read(lambda s: s.get_one(Deployment, watched.deployment_id))
        stop = asyncio.Event()
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client, asyncio.TaskGroup() as group:

            async def exercise(side: Side) -> None:
                with contextlib.suppress(httpx.HTTPError):
                    await client.get(bound.side_urls[side] + "/")

            group.create_task(watch.run())
            group.create_task(collect(self.database, bound.metrics, deployment, watched.plan, stop, exercise=exercise))


def bind_once(
    ports: Ports, bound: dict[tuple[str, str], BoundTarget], plan: Plan, target: str, releases: dict[Side, Release]
) -> BoundTarget:
    """One set of connections a target and pair of releases in this process."""
    key = (target, "".join(releases[side].digest for side in Side))
    if key not in bound:
        bound[key] = ports.bind(plan, target, releases)
    return bound[key]


async def serve(settings: Settings) -> None:
    worker = Worker.make(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await worker.database.read(database_now)
    log.info("worker.started", worker=worker.name)
    try:
        await worker.run(stop)
    finally:
        for bound in worker.bound.values():
            await bound.aclose()
        await worker.runs.database.aclose()
        await worker.database.aclose()


def main() -> None:
    configure_logs()
    bind_reactions(reactions.TABLE)
    uvloop.run(serve(from_env()))


if __name__ == "__main__":
    main()
