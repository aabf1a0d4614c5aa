"""One simulated canary: the real driver, the real keeper of canaries, several workers, and people at its page."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from app.canary.commands import Look
from app.canary.tasks import Keeper, Kept, Watched, keep_found
from app.domain.canary import JUDGED, State
from app.domain.canary_evidence import AlertSeen
from app.domain.canary_gate import Verdict
from app.domain.errors import Rejected
from app.domain.operations import SHIFT_SCRIPT
from app.domain.plan import CanaryStep, Plan
from app.domain.sides import Side
from app.orchestrator.driver import Job
from app.ports.metrics import Sample
from app.ports.traffic import ProviderError
from tests.orchestrator.ledger import COMMIT_S
from tests.orchestrator.virtual_time import run
from tests.orchestrator.world import RELEASES, now
from tests.simulate.books import AwayStore, Books, StoreAway
from tests.simulate.canary_books import DUTY_LEASE_S, CanaryBooks, since_start
from tests.simulate.course import PATIENCE_OF_PEOPLE, Run, Simulation, Worker
from tests.simulate.life import Life, Through
from tests.simulate.outside import ANSWERS_S, Balancer, Customers, Outside, Probes, elapsed
from tests.simulate.scenario import CanaryCourse, CanaryPress, Scenario, Window

PHASE, TARGET = "staging", "staging"
THE_DUTY = -1
"""In the balancer's record of readings: the keeper's, not an operation's."""
RENEW_S = 0.6
WELL = {"response_time": 40.0, "error_rate": 0.02, "db_connections": 5.0, "memory": 40.0, "cpu": 20.0}
SUSTAINED_S = 6.0
RATE = 100
"""Probes a second while a share moves: enough to tell half from less within the time that is looked back."""
HOT = 40


def plan_of_the_canary(plan: Plan, shares: tuple[int, ...], dwell_s: float, *, is_automatic: bool) -> Plan:
    """The plan with these shares, in a quarter of a minute what takes half an hour."""
    phase = plan.phase(PHASE)
    assert phase.canary_gate is not None
    quick = tuple(
        line.model_copy(update={"sustained_s": min(line.sustained_s, SUSTAINED_S)})
        for line in phase.canary_gate.rollback_if
    )
    gate = phase.canary_gate.model_copy(
        update={"rollback_if": quick, "advance": "automatic" if is_automatic else "lead"}
    )
    steps = tuple(CanaryStep(percent=percent, dwell_s=dwell_s) for percent in shares)
    staging = phase.model_copy(update={"canary": steps, "canary_gate": gate})
    probes = plan.target(TARGET).probes.model_copy(update={"operation_rate": RATE, "window": 10, "span_s": 0.1})
    target = plan.target(TARGET).model_copy(update={"probes": probes})
    return plan.model_copy(
        update={
            "phases": tuple(staging if one.key == PHASE else one for one in plan.phases),
            "targets": tuple(target if one.key == TARGET else one for one in plan.targets),
        }
    )


class GreenMetrics:
    """ports.metrics.MetricsSource of GREEN."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    async def measure(self, _side: Side) -> tuple[Sample, ...]:
        await asyncio.sleep(ANSWERS_S)
        fault = self._outside.active(self._outside.scenario.metrics)
        if fault:
            self._outside.note(f"metrics.{fault}", "measure")
        match fault:
            case "dark":
                raise ProviderError("no answer")
            case "nan":
                return tuple(Sample(key, float("nan"), 50) for key in WELL)
            case "stale":
                return tuple(Sample(key, None, 0) for key in WELL)
            case "hot":
                return tuple(Sample(key, value * HOT, 50) for key, value in WELL.items())
        return tuple(Sample(key, value, 50) for key, value in WELL.items())


class Measured:
    """The keeper asks `read`; here it is a call of its own name, so that a worker can die in it."""

    def __init__(self, source: Any) -> None:
        self._source = source

    async def read(self, side: Side) -> tuple[Sample, ...]:
        found: tuple[Sample, ...] = await self._source.measure(side)
        return found

    async def aclose(self) -> None:
        return None


class Desk:
    """What a worker writes and reads of canaries and of its duty."""

    def __init__(self, books: CanaryBooks, worker: str, kept: Callable[[], list[Kept]]) -> None:
        self._books, self._worker, self._kept = books, worker, kept

    async def hold(self) -> bool:
        """As `app.jobs.duties.hold`: the duty's lease."""
        await asyncio.sleep(COMMIT_S)
        owner, until = self._books.duty
        at = now()
        if owner not in ("", self._worker) and until >= at:
            return False
        if owner != self._worker:
            self._books.tell(f"{self._worker} keeps the canary")
        self._books.duty = self._worker, at + timedelta(seconds=DUTY_LEASE_S)
        return True

    async def find(self) -> list[Kept]:
        await asyncio.sleep(COMMIT_S)
        return self._kept()

    async def keep(self, number: int, look: Look, monotonic: Callable[[], float]) -> None:
        await asyncio.sleep(COMMIT_S)
        self._books.keep(number, look, monotonic)


class CanaryWorker(Worker):
    """Carries the duty beside the drives, as app/worker.py does."""

    def __init__(self, simulation: "CanarySimulation", life: Life, off_s: float) -> None:
        super().__init__(simulation, life, off_s)
        self._canaries = simulation
        self._desk = simulation.desk(life)

    async def live(self) -> None:
        duty = asyncio.ensure_future(self._duty())
        try:
            await super().live()
        finally:
            duty.cancel()
            await asyncio.gather(duty, return_exceptions=True)

    async def _duty(self) -> None:
        running: asyncio.Task[None] | None = None
        try:
            while True:
                try:
                    holds = await self._desk.hold()
                except StoreAway:
                    holds = False
                if holds and (running is None or running.done()):
                    running = asyncio.ensure_future(keep_found(self._desk.find, self._keeper, self._clock))
                elif not holds and running is not None:
                    running.cancel()
                    await asyncio.gather(running, return_exceptions=True)
                    running = None
                await self._clock.sleep(RENEW_S)
        finally:
            if running is not None:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    def _keeper(self, kept: Kept) -> Keeper:
        outside, life = self._canaries.run.outside, self.life
        balancer = Balancer(outside, life, THE_DUTY, self._canaries.looks)
        metrics = Through(GreenMetrics(outside), life)
        bound = Watched(Through(balancer, life), Probes(outside), Measured(metrics))  # type: ignore[arg-type]

        async def record(look: Look) -> None:
            await self._desk.keep(kept.run_id, look, self._clock.monotonic)
            self._canaries.wake()

        return Keeper(record, self._clock, kept, bound)


class CanarySimulation(Simulation):
    _has_left = False
    """Who leads has gone home: nothing is pressed any more but what the scenario says."""

    @property
    def books(self) -> CanaryBooks:
        assert isinstance(self.run.books, CanaryBooks)
        return self.run.books

    @property
    def course_of_people(self) -> CanaryCourse:
        assert self.scenario.canary is not None
        return self.scenario.canary

    def _open_books(self) -> Books:
        return CanaryBooks(tell=self.tell, plan=self.plan, phase=self.plan.phase(PHASE))

    def _hire(self, life: Life, off_s: float) -> Worker:
        return CanaryWorker(self, life, off_s)

    def desk(self, life: Life) -> Any:
        return Through(AwayStore(Desk(self.books, life.name, self._kept), self.books, self.weather), life)

    def _kept(self) -> list[Kept]:
        return [Kept(row.number, self.plan, TARGET, RELEASES) for row in self.books.runs if row.finished_at is None]

    def job(self, operation_id: int, life: Life) -> Job:
        outside = self.run.outside
        balancer = Balancer(outside, life, operation_id, self.looks)
        return Job(
            operation_id=operation_id,
            script=SHIFT_SCRIPT,
            plan=self.plan,
            target=self.plan.target(TARGET),
            releases=RELEASES,
            configuration="c1",
            traffic=Through(balancer, life),  # type: ignore[arg-type]
            prober=Through(Probes(outside), life, without=frozenset({"probe"})),  # type: ignore[arg-type]
            customers=Through(Customers(), life),  # type: ignore[arg-type]
        )

    def _disturb_metrics(self, window: Window) -> None:
        """The readings of production are not looked at."""

    def _mend_metrics(self, good: Any) -> None:
        return

    def _is_over(self) -> bool:
        row = self.books.canary
        return (row is None or row.finished_at is not None) and super()._is_over()

    # ── people ──────────────────────────────────────────────────────────────

    def _people(self) -> list[Coroutine[Any, Any, None]]:
        course = self.course_of_people
        return [
            *(self._press_canary(press) for press in course.presses),
            *(self._alarm(*alert) for alert in course.alerts),
            self._leading(course),
            self._backend(course),
        ]

    async def _press_canary(self, press: CanaryPress) -> None:
        await asyncio.sleep(press.at)
        if press.times > 1:
            self.note("clicks", press.what)
        keys = [f"{press.what}-{press.at}-{0 if press.is_one_page else n}" for n in range(press.times)]
        await asyncio.gather(*(self._say(press.what, key, None) for key in keys))

    async def _alarm(self, at: float, category: str, is_critical: bool) -> None:
        await asyncio.sleep(at)
        self.note("alert", category)
        self.books.alerts.append(AlertSeen(now(), category, is_critical, "An alert"))

    async def _say(self, what: str, key: str, version: int | None) -> None:
        """A request to the web process; when the database is away the person presses again."""
        for _ in range(PATIENCE_OF_PEOPLE):
            try:
                await self.weather.pass_through("request")
                await asyncio.sleep(0.002)
                self.books.press(what, key, version)
                if self.weather.loses_commit("request"):
                    self.books.press(what, key, version)
                self.wake()
                return
            except StoreAway:
                self.wake()
                await asyncio.sleep(0.5)
            except Rejected as refusal:
                if what in ("take_back", "report") and self.books.canary is not None:
                    self.books.refused_backs.append((elapsed(), str(refusal)))
                self.tell(f"{what} is refused: {refusal!s}")
                return

    async def _leading(self, course: CanaryCourse) -> None:
        await self._lead(course)
        self._has_left = True

    async def _lead(self, course: CanaryCourse) -> None:
        """Who leads the phase: presses what the page offers, and begins again as often as the course says."""
        again = course.starts_again
        presses = 0
        while elapsed() < course.patience_s:
            await asyncio.sleep(course.lead_looks_s)
            row = self.books.canary
            if row is None:
                continue
            if row.finished_at is not None:
                if row.run.state is State.DONE or not again:
                    return
                again -= 1
                await self._say("start", f"again-{again}", None)
                continue
            if not (course.is_hasty or self._is_offered()):
                continue
            presses, version = presses + 1, row.run.version
            await asyncio.sleep(course.lead_thinks_s)
            await self._say("go_on", f"lead-{presses}", version)
        await self._say("take_back", "patience", None)

    def _is_offered(self) -> bool:
        """Whether the page offers the next share, or one that was refused once more."""
        row = self.books.canary
        if row is None or not self.books.is_running:
            return False
        if row.run.state is State.WAITING:
            return True
        is_last = row.run.step == len(self.books.phase.canary) - 1
        return row.run.state is State.GATE and not is_last and self.books.judgement(row).verdict is Verdict.PASSED

    async def _backend(self, course: CanaryCourse) -> None:
        presses = 0
        while not self._has_left:
            await asyncio.sleep(0.5)
            row = self.books.canary
            if row is None or row.run.state not in JUDGED or row.approved is not None or row.step_since is None:
                continue
            if row.run.step > course.approves_until or elapsed() - since_start(row.step_since) < course.backend_s:
                continue
            presses += 1
            await self._say("approve", f"approve-{presses}", row.run.version)


def simulate_canary(scenario: Scenario, plan: Plan, *, is_traced: bool = False) -> Run:
    """Carry out one scenario in virtual time. Raises AssertionError when it never ends."""
    course = scenario.canary
    assert course is not None
    quick = plan_of_the_canary(plan, course.shares, course.dwell_s, is_automatic=course.is_automatic)
    simulation = CanarySimulation(scenario, quick, is_traced=is_traced)
    return run(simulation.course())
