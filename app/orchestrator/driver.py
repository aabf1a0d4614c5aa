"""Drive one operation to its end: load, ask the domain, do one thing, record, again.

Whoever holds the lease may drive. A worker that was killed leaves an intent without an outcome, which the next one
answers by reading the balancer; a worker that was frozen finds a newer epoch or a lost lease right before its effect.
"""

import asyncio
import contextlib
import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from app.domain.observation import SHARE_LOOK_BACK_S, is_steady, share_of
from app.domain.operations import (
    FENCE_COUNTS_FOR,
    GUARD_FOR,
    HEALTH_LIMIT,
    Answer,
    Assert,
    Done,
    Escalate,
    Finish,
    Kind,
    Operation,
    Outcome,
    ReadBack,
    RunChecks,
    Script,
    State,
    Step,
    Verified,
    Wait,
    Write,
    next_step,
)
from app.domain.plan import Plan, TargetSpec
from app.domain.sides import Release, Side, Weights
from app.orchestrator.anchor import DatabaseClock
from app.orchestrator.checks import Ground, run_check
from app.orchestrator.observer import Observer
from app.ports.clock import Clock
from app.ports.customers import CustomerCount, Customers
from app.ports.operations import OperationStore, Progress, Superseded
from app.ports.probe import Prober
from app.ports.traffic import ProviderError, StaleEpoch, TrafficTarget

log = structlog.get_logger()

RENEW_EVERY_S = 0.5
ASK_TIME_AT_MOST = 3
"""Claims before the first step, when the answers take so long that they do not tell the time."""
LOOK_EVERY_S = 0.2
"""How long a waiting worker may go without reading the operation's record: a rollback may have ended it."""
PUBLISH_EVERY_S = 0.25
WATCH_RATE = 20
"""Probes a second once traffic has arrived."""
LOOK_BACK = timedelta(seconds=5)
"""Probes looked at again and again while traffic arrives; what older ones showed is recorded already."""
SHARE_LOOK_BACK = timedelta(seconds=SHARE_LOOK_BACK_S)
SHARE_EVERY_S = 0.5
RETRY_FIRST_S = 0.05
RETRY_MOST_S = 0.5


@dataclass(frozen=True)
class Job:
    """One operation with everything that driving it needs."""

    operation_id: int
    script: Script
    plan: Plan
    target: TargetSpec
    releases: dict[Side, Release]
    configuration: str
    traffic: TrafficTarget
    prober: Prober
    customers: Customers | None


@dataclass(frozen=True)
class Deps:
    store: OperationStore
    clock: Clock
    chance: random.Random


class GrownOld(StaleEpoch):
    """The answer of the fence, or the proof of GREEN, is older than it may be: ask again before anything leaves."""


async def drive(job: Job, deps: Deps) -> bool:
    """Drive until the operation ends or this worker may no longer. True if this worker drove at all."""
    time = DatabaseClock(deps.clock)
    for _ in range(ASK_TIME_AT_MOST):
        asked = time.ask()
        claimed_at = await deps.store.claim(job.operation_id)
        if claimed_at is None:
            return False
        time.answered(asked, claimed_at)
        if time.is_sharp:
            break
    run = _Run(job, deps, time)
    try:
        await run.to_the_end()
    except (Superseded, StaleEpoch) as reason:
        log.info("operation.left", operation=job.operation_id, reason=str(reason))
    finally:
        await run.close()
    return True


class _Run:
    def __init__(self, job: Job, deps: Deps, time: DatabaseClock) -> None:
        self.job, self.store, self.clock, self.chance = job, deps.store, deps.clock, deps.chance
        self._time = time
        self.observer = Observer(job.prober, deps.clock, self.now, rate=job.target.probes.operation_rate)
        self._renewal: asyncio.Task[None] | None = None
        self._lost: BaseException | None = None
        self._asserted_at: datetime | None = None
        self._confirmed_at: datetime | None = None
        self._published_at = 0.0
        self._customers: CustomerCount | None = None
        self._is_counted = False
        self._failures = 0
        self._arrival_recorded: tuple[object, ...] = ()
        self._unrecorded: dict[str, Outcome] = {}
        self._looked_at = 0.0
        self._is_written = asyncio.Event()

    def now(self) -> datetime:
        return self._time.now()

    async def close(self) -> None:
        await self.observer.stop()
        if self._renewal is not None:
            self._renewal.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._renewal

    async def to_the_end(self) -> None:
        self._renewal = asyncio.create_task(self._keep_lease(), name="operation.lease")
        counting = asyncio.create_task(self._count_customers_first(), name="operation.customers")
        try:
            operation = await self._look()
            while True:
                if self._lost is not None:
                    raise Superseded("the lease is gone") from self._lost
                if operation.written_at is not None:
                    self._is_written.set()
                    self.observer.start()
                operation = await self._record_arrival(operation)
                step = next_step(operation, self.job.script, self.now())
                if isinstance(step, Done):
                    return
                if self._unrecorded and not isinstance(step, Write):
                    await self._record_checks(operation)
                operation = await self._take(step, operation)
        finally:
            counting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await counting

    async def _look(self) -> Operation:
        """The operation as recorded. Nobody else writes to it while this worker holds the lease, except to end it: what
        this worker records is carried on in memory, and the record is read again after effects and now and then."""
        self._looked_at = self.clock.monotonic()
        operation = await self.store.load(self.job.operation_id)
        return replace(operation, asserted_at=self._asserted_at, confirmed_at=self._confirmed_at)

    async def _record(self, operation: Operation, progress: Progress) -> Operation:
        await self.store.record(operation.id, progress)
        return progress.on(operation)

    async def _take(self, step: Step, operation: Operation) -> Operation:
        """One step; the operation after it."""
        match step:
            case RunChecks(names):
                return await self._run_checks(names, operation)
            case Write(weights):
                return await self._write(weights, operation)
            case ReadBack():
                return await self._read_back(operation)
            case Assert():
                return await self._assert(operation)
            case Escalate(reason):
                await self.store.record(operation.id, Progress(escalated=reason))
            case Verified():
                await self.store.record(operation.id, Progress(state=State.VERIFYING, verified_at=self.now()))
            case Wait(until):
                await self._wait(until, operation)
                if self.clock.monotonic() - self._looked_at < LOOK_EVERY_S:
                    return operation
            case Finish(state, reason, restore):
                await self._count_customers_last(operation)
                if state is State.DONE:
                    await self._settle_intents(operation)
                # Counting took time, and in a frozen worker any: what the end rests on may have grown old meanwhile.
                if next_step(operation, self.job.script, self.now()) == step:
                    await self.store.finish(operation.id, state, reason, restore=restore)
            case Done():
                pass
        return await self._look()

    async def _keep_lease(self) -> None:
        while True:
            await self.clock.sleep(RENEW_EVERY_S)
            try:
                asked = self._time.ask()
                renewed_at = await self.store.claim(self.job.operation_id)
                if renewed_at is None:
                    raise Superseded("another worker holds the lease, or the operation has ended")
                self._time.answered(asked, renewed_at)
            except Superseded as reason:
                self._lost = reason
                self.observer.changed.set()
                return
            except Exception as reason:
                # PostgreSQL is away: the lease may run out meanwhile, and every effect asks for the epoch first.
                log.warning("operation.lease.unsure", operation=self.job.operation_id, error=str(reason)[:200])

    # ── evidence ────────────────────────────────────────────────────────────

    async def _run_checks(self, names: tuple[str, ...], operation: Operation) -> Operation:
        """Ask and record. What is asked before the write is kept back, to be recorded in one transaction with the
        intent that it allows."""
        ground = Ground(
            self.job.traffic,
            self.job.prober,
            self.job.customers,
            self.store,
            self.observer,
            self.job.plan,
            self.job.target,
            self.job.releases,
            self.job.configuration,
            self._customers,
            self.clock,
            self.now,
        )
        outcomes = await asyncio.gather(*(self._check(name, operation, ground) for name in names))
        state = State.CHECKING if operation.written_at is None else State.VERIFYING
        if operation.is_way_back and operation.observed_100_at is None:
            state = State.OBSERVING
        progress = Progress(state=state, checks=dict(zip(names, outcomes, strict=True)))
        if operation.written_at is None:
            self._unrecorded |= progress.checks
            return progress.on(operation)
        return await self._record(operation, progress)

    async def _record_checks(self, operation: Operation) -> None:
        found, self._unrecorded = self._unrecorded, {}
        await self.store.record(operation.id, Progress(state=State.CHECKING, checks=found))

    async def _check(self, name: str, operation: Operation, ground: Ground) -> Outcome:
        recorded = _from_record(name, operation, self.now())
        return recorded or await run_check(name, operation, ground)

    async def _record_arrival(self, operation: Operation) -> Operation:
        """Record what the probes have shown so far, once for each new finding."""
        if operation.written_at is None or operation.observed_100_at is not None:
            return operation
        if operation.kind is Kind.SHIFT:
            # From nine in ten to all, or back from one in ten: a short window of probes agrees before customers do.
            return await self._record_share(operation, operation.written_at)
        probes = self.job.target.probes
        # From the acceptance on: the first probe to see the new side may leave before the write's answer comes.
        since = max(operation.accepted_at, self.now() - LOOK_BACK)
        seen = self.observer.arrival(operation.side, since=since, window=probes.window, span_s=probes.span_s)
        marks = (seen.first_at, seen.at_95, seen.at_99, seen.at_100)
        if marks == self._arrival_recorded or seen.first_at is None:
            return operation
        self._arrival_recorded = marks
        operation = await self._record(
            operation,
            Progress(
                observed_95_at=seen.at_95,
                observed_99_at=seen.at_99,
                observed_100_at=seen.at_100,
                probes_agreeing=seen.agreeing,
                probes_total=seen.total,
                checks=_arrival_checks(operation, seen.first_at, seen.at_100, probes.window),
            ),
        )
        await self._publish(operation, at_once=True)
        if seen.at_100 is not None:
            self.observer.slow_down(min(WATCH_RATE, probes.operation_rate))
        return operation

    async def _record_share(self, operation: Operation, written_at: datetime) -> Operation:
        """What probes sent since the write say of a share. Those of long ago are left out: a balancer may apply what it
        accepted seconds later."""
        probes = self.job.target.probes
        since = max(written_at, self.now() - SHARE_LOOK_BACK)
        sent = self.observer.sent_since(since)
        seen, wanted = share_of(sent), operation.want.green
        is_seen = seen.is_at(wanted, at_least=probes.window) and is_steady(sent, wanted)
        if not operation.is_partial:
            # One that failed, or told no side, may have met the side that is to have nothing.
            is_seen = is_seen and seen.total == len(sent)
        has_arrived = operation.read_back_at is not None and is_seen
        if not has_arrived and self.clock.monotonic() - self._published_at < SHARE_EVERY_S:
            return operation
        self._published_at = self.clock.monotonic()
        at = self.now()
        progress = Progress(
            observed_100_at=at if has_arrived else None, probes_agreeing=seen.green, probes_total=seen.total
        )
        if has_arrived:
            self.observer.slow_down(min(WATCH_RATE, probes.operation_rate))
        return await self._record(operation, progress)

    async def _wait(self, until: datetime, operation: Operation) -> None:
        await self._publish(operation)
        self.observer.changed.clear()
        rest = max(0.0, (until - self.now()).total_seconds())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._something_changed(operation), min(rest, 1.0))

    async def _something_changed(self, operation: Operation) -> None:
        if operation.observed_100_at is not None:
            await self.clock.sleep(1.0)
            return
        await self.observer.changed.wait()
        await self.clock.sleep(0.02)  # Let a few probes come together: each look costs a transaction.

    async def _publish(self, operation: Operation, *, at_once: bool = False) -> None:
        if operation.kind is Kind.SHIFT:
            return  # the bar of every page shows production; a canary has a page of its own
        if not at_once and self.clock.monotonic() - self._published_at < PUBLISH_EVERY_S:
            return
        self._published_at = self.clock.monotonic()
        latest = self.observer.latest()
        await self.store.publish_shares(operation.id, latest.blue, latest.green, operation.want.blue)

    async def _count_customers_first(self) -> None:
        if self.job.customers is None:
            return
        with contextlib.suppress(ProviderError):
            self._customers = await self.job.customers.count()
            await self._is_written.wait()  # it must not take time from the write
            await self.store.record(
                self.job.operation_id, Progress(customers=(self._customers.requests, self._customers.failed))
            )

    async def _count_customers_last(self, operation: Operation) -> None:
        if self.job.customers is None or self._is_counted:
            return
        self._is_counted = True  # once: an end that is decided again must not wait for it again
        with contextlib.suppress(ProviderError):
            last = await self.job.customers.count()
            await self.store.record(operation.id, Progress(customers=(last.requests, last.failed)))

    # ── effects ─────────────────────────────────────────────────────────────

    async def _fence(self, operation: Operation, proven_at: datetime | None) -> None:
        """Right before a call leaves: is this still the newest operation, and ours? A call that raises GREEN (it has a
        `proven_at`) also needs an answer and a proof that did not grow old while this worker was frozen."""
        if self._lost is not None:
            raise Superseded("the lease is gone")
        asked_at = self.now()
        newest = await self.store.newest_epoch(operation.id)
        if newest != operation.epoch:
            raise StaleEpoch(operation.epoch, newest)
        if proven_at is not None and (
            self.now() - asked_at > FENCE_COUNTS_FOR or self.now() - proven_at > HEALTH_LIMIT
        ):
            raise GrownOld(operation.epoch, newest)

    async def _issue(self, weights: Weights, operation: Operation) -> datetime | None:
        """Intent, fence, write, outcome. When the balancer accepted, or None; retries are the caller's next steps."""
        proven_at = None
        if weights.green > 0:
            proven_at = await self._green_proven_at(operation)
            if proven_at is None:
                return None
        checks, self._unrecorded = self._unrecorded, {}
        effect = await self.store.record_intent(operation.id, weights, checks)
        # From here on probes are worth their price; before, they would only take time from the write.
        self.observer.start()
        left = 0

        async def fence() -> None:
            nonlocal left
            await self._fence(operation, proven_at)
            left += 1

        try:
            routes = await self.job.traffic.write(weights, epoch=operation.epoch, fence=fence)
        except (StaleEpoch, Superseded) as stale:
            # Of several routes some may have been written before the fence closed.
            await self.store.record_outcome(effect, "unknown" if left else "stale", str(stale))
            if isinstance(stale, GrownOld):
                return None
            raise
        except ProviderError as error:
            outcome = _outcome_of(error)
            await self.store.record_outcome(effect, outcome, error.message, error.routes)
            log.warning("operation.write.failed", operation=operation.id, outcome=outcome, error=error.message)
            await self._back_off(error.retry_after)
            return None
        accepted_at = self.now()
        self._failures = 0
        await self.store.record_outcome(effect, "applied", f"BLUE {weights.blue}, GREEN {weights.green}", routes)
        return accepted_at

    async def _green_proven_at(self, operation: Operation) -> datetime | None:
        """I2: no call that raises GREEN without a passing health check of the right digest, at most 15 s old. None if
        there is none."""
        health = operation.checks.get("green_healthy")
        if health is None or self.now() - health.at > HEALTH_LIMIT:
            health = (await self._run_checks(("green_healthy",), operation)).checks["green_healthy"]
        return health.at if health.answer is Answer.YES else None

    async def _back_off(self, retry_after: float | None) -> None:
        self._failures += 1
        pause = min(RETRY_MOST_S, RETRY_FIRST_S * 2 ** min(self._failures, 6))
        await self.clock.sleep(max(pause * self.chance.uniform(0.5, 1.0), min(retry_after or 0.0, RETRY_MOST_S)))

    async def _write(self, weights: Weights, operation: Operation) -> Operation:
        accepted_at = await self._issue(weights, operation)
        if accepted_at is None:
            return await self._look()
        return await self._record_written(operation, "accepted", accepted_at)

    async def _record_written(self, operation: Operation, how: str, at: datetime) -> Operation:
        took = (at - operation.clicked_at).total_seconds()
        proof = f"{how} {took:.2f} s after the press, epoch {operation.epoch}"
        outcome = Outcome(Answer.YES, f"BLUE {operation.want.blue} / GREEN {operation.want.green}", proof, at)
        guard = at + GUARD_FOR if operation.is_way_back else None
        progress = Progress(
            state=State.OBSERVING, written_at=at, guard_until=guard, checks={"weights_written": outcome}
        )
        return replace(await self._record(operation, progress), open_intent=False, may_have_written=True)

    async def _read_back(self, operation: Operation) -> Operation:
        try:
            reading = await self.job.traffic.read()
        except ProviderError as error:
            log.warning("operation.read.failed", operation=operation.id, error=error.message)
            await self._back_off(error.retry_after)
            return await self._look()
        agrees = reading.agrees(operation.want)
        if operation.written_at is None:
            # The outcome of an earlier write is unknown: the target says whether it was applied.
            await self.store.resolve_intents(operation.id, "applied" if agrees else "not applied")
            if agrees:
                return await self._record_written(operation, "found applied", self.now())
            return await self._look()
        if not agrees:
            # It may apply what it accepted a moment later: its API is not hammered meanwhile.
            await self._back_off(None)
            await self._issue(operation.want, operation)
            return await self._look()
        at = self.now()
        took = (at - operation.clicked_at).total_seconds()
        routes = len(reading.routes)
        proof = f"{routes} route{'s' if routes != 1 else ''} read back {took:.2f} s after the press"
        outcome = Outcome(Answer.YES, f"BLUE {operation.want.blue} / GREEN {operation.want.green}", proof, at)
        return await self._record(operation, Progress(read_back_at=at, checks={"read_back": outcome}))

    async def _settle_intents(self, operation: Operation) -> None:
        """The target is as wanted to the end: that answers every question that an earlier write left open."""
        if (await self._look()).open_intent:
            await self.store.resolve_intents(operation.id, "applied")

    async def _assert(self, operation: Operation) -> Operation:
        """Something may have moved the target after us: a late call of a dead worker, or somebody else."""
        self._asserted_at = looked_at = self.now()
        self._confirmed_at = None  # what an earlier look found says nothing any more
        with contextlib.suppress(ProviderError):
            reading = await self.job.traffic.read()
            if reading.agrees(operation.want):
                self._confirmed_at = looked_at
            else:
                log.warning("operation.guard.reasserts", operation=operation.id, found=str(reading.weights))
                await self._issue(operation.want, operation)
        return await self._look()


def _outcome_of(error: ProviderError) -> str:
    """A write of which any route may have been carried out is not refused, whatever the others say."""
    said = {line.outcome for line in error.routes}
    return "unknown" if error.unknown_outcome or not said.isdisjoint(("applied", "unknown")) else "refused"


def _from_record(name: str, operation: Operation, now: datetime) -> Outcome | None:
    """Lines that the steps fill; after a takeover the record answers them."""
    if name == "weights_written" and operation.written_at is not None:
        return Outcome(Answer.YES, "written", "recorded by an earlier worker", operation.written_at)
    if name == "read_back" and operation.read_back_at is not None:
        return Outcome(Answer.YES, "read back", "recorded by an earlier worker", operation.read_back_at)
    if name in ("first_answer", "all_observed") and operation.observed_100_at is not None:
        return Outcome(Answer.YES, f"100 % on {operation.side}", "seen by probes", operation.observed_100_at)
    if name in ("weights_written", "read_back", "first_answer", "all_observed"):
        return Outcome(Answer.UNKNOWN, "not seen", "nothing recorded", now)
    return None


def _arrival_checks(
    operation: Operation, first_at: datetime, at_100: datetime | None, window: int
) -> dict[str, Outcome]:
    first = (first_at - operation.clicked_at).total_seconds()
    found: dict[str, Outcome] = {}
    if "first_answer" not in operation.checks:
        proof = f"first answer {first:.2f} s after the press"
        found["first_answer"] = Outcome(Answer.YES, f"{operation.side} answers", proof, first_at)
    if at_100 is not None:
        took = (at_100 - operation.clicked_at).total_seconds()
        proof = f"{window} of {window} consecutive probes, from {took:.2f} s after the press"
        found["all_observed"] = Outcome(Answer.YES, f"100 % on {operation.side}", proof, at_100)
    return found
