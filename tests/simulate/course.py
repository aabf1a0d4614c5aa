"""One simulated run: the real driver, several workers that die, freeze and come back, people who press."""

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from app.domain.errors import Rejected
from app.domain.operations import Kind, script_of
from app.domain.plan import Plan
from app.domain.sides import Side
from app.domain.signoffs import Vote
from app.orchestrator.driver import Deps, Job, drive
from tests.orchestrator.ledger import MemoryStore
from tests.orchestrator.virtual_time import START, run
from tests.orchestrator.world import RELEASES
from tests.simulate.books import AwayStore, Books, StoreAway, Weather, cast_votes
from tests.simulate.life import Killed, Life, LifeClock, Through
from tests.simulate.outside import Balancer, Customers, Outside, Probes, elapsed
from tests.simulate.scenario import Press, Scenario, Window

SWEEP_S = 0.5
YOUNG_S = 0.5
"""A fresh operation is the queue's to start for this long; then the sweep comes in (traffic/tasks._orphans)."""
WAKES_AFTER_S = 0.005
LAST_LANDING_S = 12.0
"""After the last operation ended: everything that may still land has landed."""
PATIENCE_OF_PEOPLE = 6


@dataclass
class Run:
    """What came of a scenario."""

    scenario: Scenario
    plan: Plan
    books: Books
    outside: Outside
    lives: list[Life] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often each (fault, call it struck) came about."""
    takeovers: list[tuple[float, float, str]] = field(default_factory=list)
    """(when, seconds since the last sign of life of the one before, worker)."""
    ended_at: float = 0.0

    @property
    def disturbed_s(self) -> float:
        """Seconds in which the store, the balancer's reads or every worker may have been away: added to deadlines."""
        windows = (*self.scenario.store, *self.scenario.reads, *self.scenario.cloud)
        frozen = sum(ends - begins for life in self.lives for begins, ends in life.away)
        deaths = sum(life.dead.is_set() for life in self.lives)
        late = sum(float(text.partition(":")[2]) + 3 for text in self.scenario.writes)
        return (
            sum(w.ends - w.begins + 8 for w in windows)
            + frozen
            + 6 * deaths
            + late
            + 9 * len(self.scenario.lost_commits)
        )


class Simulation:
    """Carries out a scenario. `is_traced` keeps a line for everything that happened."""

    def __init__(self, scenario: Scenario, plan: Plan, *, is_traced: bool = False) -> None:
        self.scenario, self.plan, self._is_traced = scenario, plan, is_traced
        self.run = Run(scenario, plan, self._open_books(), Outside(scenario, self.tell, self.note))
        self.weather = Weather(scenario, self.note, random.Random(scenario.seed + 3), extra_s=scenario.commit_s - 0.002)
        self._fenced: dict[tuple[int, str], tuple[float, dict[str, Any], bool]] = {}
        self._claimed: dict[int, tuple[str, float]] = {}
        self._pressing = 0
        self._chance = random.Random(scenario.seed + 11)
        self._script = script_of(plan.production)
        self._tasks: list[asyncio.Task[None]] = []
        self._workers: list[Worker] = []

    def _open_books(self) -> Books:
        votes, binding, holders = cast_votes(self.plan, START, self.scenario.vote_flaw)
        gate = self.plan.production.signoffs
        return Books(tell=self.tell, gate=gate, votes=votes, binding=binding, holders=holders)

    def tell(self, line: str) -> None:
        if self._is_traced:
            self.run.trace.append(f"{elapsed():9.4f} {line}")

    def note(self, fault: str, call: str) -> None:
        self.run.faults[fault, call] += 1
        self.tell(f"fault {fault} at {call}")

    async def course(self) -> Run:
        """To the end: everybody pressed, every operation ended, everything landed that was under way."""
        self._schedule()
        presses = [asyncio.ensure_future(one) for one in self._people()]
        for number in range(self.scenario.workers):
            self._start(f"w{number + 1}", list(self.scenario.strikes[number]), self.scenario.offsets_s[number])
        await asyncio.gather(*presses)
        while not self._is_over():
            await asyncio.sleep(0.25)
        self.run.ended_at = elapsed()
        # Who is frozen still comes back, and must not do any harm then.
        thawed = max(life.frozen_until for life in self.run.lives)
        await asyncio.sleep(max(0.0, thawed - elapsed()) + 1.0)
        for task in self._tasks:
            task.cancel()
        await asyncio.sleep(LAST_LANDING_S)
        self.tell(f"the end: {', '.join(str(weights) for weights in self.run.outside.weights)}")
        return self.run

    def _people(self) -> list[Coroutine[Any, Any, None]]:
        return [self._press(press) for press in self.scenario.presses]

    def _is_over(self) -> bool:
        return not self.run.books.unfinished

    def _schedule(self) -> None:
        loop = asyncio.get_running_loop()
        for at, blue in self.scenario.foreign:
            loop.call_later(at, self.run.outside.foreign, blue)
        for window in self.scenario.stuck:
            loop.call_later(window.ends, self.run.outside.serve)
        for window in self.scenario.metrics:
            loop.call_later(window.begins, self._disturb_metrics, window)
            loop.call_later(window.ends, self._mend_metrics, dict(self.run.books.readings[Side.BLUE]))

    def _disturb_metrics(self, window: Window) -> None:
        self.note(f"metrics.{window.what}", "readings")
        for side in Side:
            for key, (value, _) in list(self.run.books.readings[side].items()):
                match window.what:
                    case "dark":
                        del self.run.books.readings[side][key]
                    case "hot":
                        self.run.books.readings[side][key] = (value * 40, "CRITICAL")
                    case _:
                        self.run.books.readings[side][key] = (value, "UNKNOWN")

    def _mend_metrics(self, good: dict[str, tuple[float, str]]) -> None:
        for side in Side:
            self.run.books.readings[side] = dict(good)
        for window in self.scenario.metrics:
            if window.begins <= elapsed() < window.ends:
                self._disturb_metrics(window)

    # ── people ──────────────────────────────────────────────────────────────

    async def _press(self, press: Press) -> None:
        await asyncio.sleep(press.at)
        if press.times > 1:
            self.note("clicks", str(press.kind))
        keys = [f"{press.kind}-{press.at}-{press.who}-{0 if press.is_one_page else n}" for n in range(press.times)]
        await asyncio.gather(*(self._click(press, key) for key in keys))

    async def _click(self, press: Press, key: str) -> None:
        """A request to the web process; when the database is away the person presses again."""
        books = self.run.books
        for _ in range(PATIENCE_OF_PEOPLE):
            try:
                await self.weather.pass_through("request")
                await asyncio.sleep(0.002)
                self._accept(press, key)
                if self.weather.loses_commit("request"):
                    self._accept(press, key)
                self.wake()
                return
            except StoreAway:
                self.wake()
                await asyncio.sleep(0.5)
            except Rejected as refusal:
                if press.kind is Kind.ROLLBACK and refusal.code != "verified":
                    books.refused_rollbacks.append((elapsed(), str(refusal)))
                self.tell(f"{press.who} is told: {refusal!s}")
                return

    def _accept(self, press: Press, key: str) -> None:
        books = self.run.books
        if press.kind is Kind.ROLLBACK:
            books.request_rollback(key)
            return
        if books.course.state == "rolled_back" and not books.unfinished:
            books.reopen(self._new_votes())
        books.request_switch(key)

    def _new_votes(self) -> list[Vote]:
        at = START + timedelta(seconds=elapsed())
        return cast_votes(self.plan, at)[0]

    def wake(self) -> None:
        """The job of each fresh operation goes to one worker, or to nobody."""
        fresh, self.run.books.fresh = self.run.books.fresh, []
        for number in fresh:
            if self.scenario.lost_wakes:
                self.note("lost_wake", "queue")
                continue
            living = [worker for worker in self._workers if not worker.life.dead.is_set()]
            if living:
                worker = living[self._chance.randrange(len(living))]
                asyncio.get_running_loop().call_later(WAKES_AFTER_S, worker.ensure, number)

    # ── workers ─────────────────────────────────────────────────────────────

    def _hire(self, life: Life, off_s: float) -> "Worker":
        return Worker(self, life, off_s)

    def _start(self, name: str, strikes: list[Any], off_s: float) -> None:
        life = Life(name, strikes, self.note)
        self.run.lives.append(life)
        worker = self._hire(life, off_s)
        self._workers.append(worker)
        self._tasks.append(asyncio.ensure_future(self._supervise(worker)))

    async def _supervise(self, worker: "Worker") -> None:
        """A worker that dies is started again, under another name, as the supervisor does."""
        self.tell(f"{worker.life.name} starts")
        await worker.live()
        self.tell(f"{worker.life.name} is dead")
        await asyncio.sleep(self.scenario.restarts_after_s)
        self._workers.remove(worker)
        name = f"{worker.life.name}'"
        self._start(name, [strike for strike in worker.life.strikes if not strike.call], worker.off_s)

    def store(self, life: Life) -> Any:
        watched = _Watched(MemoryStore(self.run.books, life.name), self, life)
        return Through(AwayStore(watched, self.run.books, self.weather), life)

    def job(self, operation_id: int, life: Life) -> Job:
        balancer = Balancer(self.run.outside, life, operation_id, self.looks)
        return Job(
            operation_id=operation_id,
            script=self._script,
            plan=self.plan,
            target=self.plan.target("production"),
            releases=RELEASES,
            configuration="c1",
            traffic=Through(balancer, life),  # type: ignore[arg-type]
            prober=Through(Probes(self.run.outside), life, without=frozenset({"probe"})),  # type: ignore[arg-type]
            customers=Through(Customers(), life),  # type: ignore[arg-type]
        )

    def looks(self, operation_id: int, worker: str) -> tuple[float, dict[str, Any], bool]:
        return self._fenced.get((operation_id, worker), (-1.0, {}, False))

    def fenced(self, operation_id: int, life: Life) -> None:
        """The fence was answered: this is what the call that follows will be judged by."""
        row = self.run.books.rows[operation_id]
        self._fenced[operation_id, life.name] = (elapsed(), dict(row.operation.checks), row.owner == life.name)

    def claimed(self, operation_id: int, life: Life) -> None:
        at = elapsed()
        before, since = self._claimed.get(operation_id, ("", at))
        if before not in ("", life.name):
            self.run.takeovers.append((at, at - since, life.name))
            self.tell(f"{life.name} takes over operation {operation_id} from {before} after {at - since:.2f} s")
        self._claimed[operation_id] = (life.name, at)


class _Watched:
    """Sees the claims and the answers of the fence, before they are on their way back to the worker."""

    def __init__(self, inner: Any, simulation: Simulation, life: Life) -> None:
        self._inner, self._simulation, self._life = inner, simulation, life

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in ("claim", "newest_epoch"):
            return found

        async def call(operation_id: int, *args: Any, **named: Any) -> Any:
            if name == "newest_epoch":
                try:
                    return await found(operation_id, *args, **named)
                finally:
                    # A refusal is an answer too: a driver that overhears it is judged by it.
                    self._simulation.fenced(operation_id, self._life)
            result = await found(operation_id, *args, **named)
            if result is not None:
                self._simulation.claimed(operation_id, self._life)
            return result

        self.__dict__[name] = call
        return call


class Worker:
    """As app/worker.py and traffic/tasks.Drives: woken by jobs, sweeping twice a second, one drive an operation."""

    def __init__(self, simulation: Simulation, life: Life, off_s: float) -> None:
        self._simulation, self.life, self.off_s = simulation, life, off_s
        self._running: dict[int, asyncio.Task[Any]] = {}
        self._clock = LifeClock(life, off_s)
        self._chance = random.Random(simulation.scenario.seed + len(life.name))

    async def live(self) -> None:
        """Sweep until death; then nothing of this worker runs any more."""
        sweeping = asyncio.ensure_future(self._sweep_for_ever())
        try:
            await self.life.dead.wait()
        finally:
            tasks = (sweeping, *self._running.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def ensure(self, operation_id: int) -> None:
        if operation_id not in self._running and not self.life.dead.is_set() and not self.life.is_frozen:
            task = asyncio.ensure_future(self._drive(operation_id))
            self._running[operation_id] = task
            task.add_done_callback(lambda _: self._running.pop(operation_id, None))

    async def _sweep_for_ever(self) -> None:
        with _quiet():
            while True:
                await self._clock.sleep(SWEEP_S)
                for operation_id in self._orphans():
                    self.ensure(operation_id)

    def _orphans(self) -> list[int]:
        at = START + timedelta(seconds=elapsed())
        books = self._simulation.run.books
        if any(w.begins <= elapsed() < w.ends for w in self._simulation.scenario.store):
            return []
        rows = ((number, books.rows[number]) for number in books.unfinished)
        return [
            number
            for number, row in rows
            if (row.until is None or row.until < at) and at - row.operation.accepted_at > timedelta(seconds=YOUNG_S)
        ]

    async def _drive(self, operation_id: int) -> None:
        with _quiet():
            deps = Deps(self._simulation.store(self.life), self._clock, self._chance)
            await drive(self._simulation.job(operation_id, self.life), deps)


class _quiet:  # noqa: N801 - reads as a word
    """A drive that ends with the store away, or with the worker, is left; the sweep takes it up again."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, *_: object) -> bool:
        return kind is not None and issubclass(kind, StoreAway | Killed)


def leaner(plan: Plan) -> Plan:
    """The plan with fewer probes: 6 a second and windows of 5, so that a run takes milliseconds."""
    probes = plan.target("production").probes.model_copy(update={"operation_rate": 6, "window": 5})
    targets = tuple(
        target.model_copy(update={"probes": probes}) if target.key == "production" else target
        for target in plan.targets
    )
    return plan.model_copy(update={"targets": targets})


def simulate(scenario: Scenario, plan: Plan, *, is_traced: bool = False) -> Run:
    """Carry out one scenario in virtual time. Raises AssertionError when it never ends."""
    simulation = Simulation(scenario, plan, is_traced=is_traced)
    course: Coroutine[Any, Any, Run] = simulation.course()
    return run(course)
