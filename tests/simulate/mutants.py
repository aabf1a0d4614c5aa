"""Faults that are put into the product to see whether the simulator notices: one small patch each, of one rule."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from app.domain import deployments, operations, sides, signoffs
from app.domain.deployments import Change
from app.domain.operations import Answer, Finish, Operation, State, Wait
from app.domain.sides import Weights
from app.domain.signoffs import VoteState
from app.orchestrator import anchor, checks, driver
from app.ports.operations import Superseded
from app.ports.traffic import TargetReading
from tests.simulate import books, course

Patches = Iterator[Any]


@dataclass(frozen=True)
class Mutant:
    """`by` is the directed scenario (directed.py) that is made for it."""

    make: Callable[[], Patches]
    by: str


MUTANTS: dict[str, Mutant] = {}

_next_step = operations.next_step
_read_back = driver._Run._read_back
_assert = driver._Run._assert
_run_check = checks.run_check
_judge = signoffs.judge


def mutant(by: str) -> Callable[[Callable[[], Patches]], Callable[[], Patches]]:
    def take(make: Callable[[], Patches]) -> Callable[[], Patches]:
        MUTANTS[make.__name__.replace("_", " ")] = Mutant(make, by)
        return make

    return take


@contextmanager
def put_in(name: str) -> Iterator[None]:
    with ExitStack() as stack:
        for change in MUTANTS[name].make():
            stack.enter_context(change)
        yield


def _steps(change: Callable[[Operation], Operation]) -> Any:
    """The driver decides from an operation that was changed first."""
    return patch.object(driver, "next_step", lambda operation, script, now: _next_step(change(operation), script, now))


def _instead(kind: type, other: Callable[[Any, Operation, datetime], Any]) -> Any:
    """The driver takes another step wherever the domain says `kind`."""

    def step(operation: Operation, script: Any, now: datetime) -> Any:
        found = _next_step(operation, script, now)
        return other(found, operation, now) if isinstance(found, kind) else found

    return patch.object(driver, "next_step", step)


# ── reliability.md's five ───────────────────────────────────────────────────


@mutant("a rollback 16 ms after the switch")
def no_epoch_check() -> Patches:
    async def fence(self: Any, operation: Operation, _proven_at: Any) -> None:
        with suppress(Superseded):
            await self.store.newest_epoch(operation.id)

    yield patch.object(driver._Run, "_fence", fence)


@mutant("GREEN is sick from the start")
def no_health_gate() -> Patches:
    async def unproven(self: Any, _operation: Operation) -> datetime:
        return self.now()  # type: ignore[no-any-return]

    yield patch.object(operations, "ADVISORY", operations.ADVISORY | {"green_healthy"})
    yield patch.object(driver._Run, "_green_proven_at", unproven)


@mutant("the longest call lands after a rollback")
def verify_once() -> Patches:
    async def no_guard(self: Any, _operation: Operation) -> Operation:
        self._asserted_at = self._confirmed_at = self.now()
        return await self._look()  # type: ignore[no-any-return]

    yield patch.object(driver._Run, "_assert", no_guard)


@mutant("twice no trace of a write")
def retry_without_reading() -> Patches:
    async def blind(self: Any, operation: Operation) -> Operation:
        if operation.written_at is not None:
            return await _read_back(self, operation)
        await self.store.resolve_intents(operation.id, "not applied")
        return await self._look()  # type: ignore[no-any-return]

    yield patch.object(driver._Run, "_read_back", blind)


@mutant("nothing happens")
def empty_set_write() -> Patches:
    issue = driver._Run._issue

    async def lowers_first(self: Any, weights: Weights, operation: Operation) -> Any:
        await issue(self, Weights(0, 0), operation)
        return await issue(self, weights, operation)

    yield patch.object(sides.Weights, "__post_init__", lambda _self: None)
    yield patch.object(driver._Run, "_issue", lowers_first)


# ── the driver ──────────────────────────────────────────────────────────────


@mutant("frozen 0.8 s after newest_epoch")
def the_answer_of_the_fence_never_grows_old() -> Patches:
    yield patch.object(driver, "FENCE_COUNTS_FOR", timedelta(hours=1))


@mutant("frozen 20 s before record_intent")
def a_proof_of_green_never_grows_old() -> Patches:
    yield patch.object(driver, "HEALTH_LIMIT", timedelta(hours=1))
    yield patch.object(operations, "HEALTH_LIMIT", timedelta(hours=1))


@mutant("the proof of GREEN was old when it was recorded")
def a_proof_is_as_old_as_its_record() -> Patches:
    async def recorded(name: str, operation: Operation, ground: Any) -> Any:
        return replace(await _run_check(name, operation, ground), at=ground.now())

    yield patch.object(driver, "run_check", recorded)


@mutant("nothing happens, with a rollback")
def the_lease_is_not_renewed() -> Patches:
    async def forgets(_self: Any) -> None:
        return

    yield patch.object(driver._Run, "_keep_lease", forgets)


@mutant("a rollback 16 ms after the switch")
def the_claim_is_not_looked_at() -> Patches:
    drive = driver.drive

    async def drives_anyway(job: Any, deps: Any) -> bool:
        claim = deps.store.claim

        class Anyway:
            def __getattr__(self, name: str) -> Any:
                return getattr(deps.store, name)

            async def claim(self, operation_id: int) -> datetime:
                return await claim(operation_id) or deps.clock.now()

            async def newest_epoch(self, operation_id: int) -> int:
                with suppress(Superseded):
                    await deps.store.newest_epoch(operation_id)
                return (await deps.store.load(operation_id)).epoch

        return await drive(job, replace(deps, store=Anyway()))

    yield patch.object(course, "drive", drives_anyway)


@mutant("the worker's clock is +3600 s off")
def the_workers_own_clock_is_believed() -> Patches:
    yield patch.object(anchor.DatabaseClock, "now", lambda self: self._clock.now())


@mutant("the longest call lands after a rollback")
def the_guard_is_3_s_short() -> Patches:
    yield patch.object(driver, "GUARD_FOR", operations.GUARD_FOR - timedelta(seconds=3))


@mutant("it lands while the balancer is not read")
def the_guard_ends_by_the_clock() -> Patches:
    def over(operation: Operation, _now: datetime) -> bool:
        asserted, until = operation.asserted_at, operation.guard_until
        return asserted is not None and until is not None and asserted >= until - timedelta(seconds=1)

    yield patch.object(operations, "_guard_is_over", over)


@mutant("somebody else moves it while the guard looks, and the write back is not answered")
def the_guard_only_looks() -> Patches:
    async def looks(self: Any, _operation: Operation) -> Operation:
        self._asserted_at = self._confirmed_at = self.now()
        await self.job.traffic.read()
        return await self._look()  # type: ignore[no-any-return]

    yield patch.object(driver._Run, "_assert", looks)


@mutant("somebody else moves it after the guard's time, while checks are open")
def a_look_that_found_blue_counts_for_good() -> Patches:
    async def keeps(self: Any, operation: Operation) -> Operation:
        before = self._confirmed_at
        found = await _assert(self, operation)
        self._confirmed_at = self._confirmed_at or before
        return replace(found, confirmed_at=self._confirmed_at)  # type: ignore[no-any-return]

    yield patch.object(driver._Run, "_assert", keeps)


@mutant("somebody else moves it while the worker is frozen right before the end")
def a_look_never_grows_old() -> Patches:
    yield patch.object(operations, "LOOK_COUNTS_FOR", timedelta(hours=1))


@mutant("one route of two takes it, and GREEN falls ill")
def a_write_of_which_a_route_was_carried_out_is_refused() -> Patches:
    yield patch.object(driver, "_outcome_of", lambda error: "unknown" if error.unknown_outcome else "refused")


@mutant("twice no trace of a write")
def every_unknown_outcome_is_refused() -> Patches:
    yield patch.object(driver, "_outcome_of", lambda _error: "refused")


@mutant("one route of two takes the rollback")
def one_route_that_agrees_is_enough() -> Patches:
    def agrees(self: TargetReading, weights: Weights) -> bool:
        return any(route.weights == weights for route in self.routes)

    yield patch.object(TargetReading, "agrees", agrees)


@mutant("nothing is taken")
def no_pauses() -> Patches:
    async def at_once(_self: Any, _retry_after: Any) -> None:
        return

    yield patch.object(driver._Run, "_back_off", at_once)


@mutant("somebody else moves it while the guard looks, and the write back is not answered")
def open_intents_are_not_settled() -> Patches:
    async def leaves(_self: Any, _operation: Operation) -> None:
        return

    yield patch.object(driver._Run, "_settle_intents", leaves)


# ── checks ──────────────────────────────────────────────────────────────────


@mutant("the balancer cannot be read")
def unknown_counts_as_yes() -> Patches:
    async def hopeful(name: str, operation: Operation, ground: Any) -> Any:
        found = await _run_check(name, operation, ground)
        return replace(found, answer=Answer.YES) if found.answer is Answer.UNKNOWN else found

    yield patch.object(driver, "run_check", hopeful)


@mutant("GREEN is digest from the start")
def the_digest_is_not_compared() -> Patches:
    async def healthy(side: Any, ground: Any) -> Any:
        health = await ground.traffic.health(side)
        return (Answer.YES if health.is_healthy else Answer.NO), "", ""

    yield patch.object(checks, "_side_healthy", healthy)


@mutant("metrics stale, long before the switch")
def dark_metrics_are_fresh() -> Patches:
    yield patch.object(checks, "_is_fresh", lambda _reading, _metric: True)


# ── the machine ─────────────────────────────────────────────────────────────


@mutant("dead after the write")
def takeover_forgets_the_open_intent() -> Patches:
    yield _steps(lambda operation: replace(operation, open_intent=False))


@mutant("a write that was read as lost lands later, and GREEN falls ill")
def a_late_landing_write_is_forgotten() -> Patches:
    yield _steps(lambda operation: replace(operation, may_have_written=False))


@mutant("GREEN falls ill under way")
def what_did_not_arrive_is_not_taken_back() -> Patches:
    yield _instead(Finish, lambda step, _operation, _now: replace(step, restore=False))


@mutant("GREEN falls ill under way")
def a_switch_may_take_an_hour() -> Patches:
    yield patch.object(operations, "ARRIVE_WITHIN", timedelta(hours=1))


@mutant("BLUE is ill for 50 s when it is wanted back")
def nobody_is_paged() -> Patches:
    yield _instead(operations.Escalate, lambda _step, _operation, now: Wait(now + timedelta(seconds=1)))


@mutant("BLUE is ill for 20 s when it is wanted back")
def paged_at_once() -> Patches:
    yield _steps(lambda operation: replace(operation, clicked_at=operation.clicked_at - timedelta(seconds=25)))


@mutant("nothing happens, with a rollback")
def verified_with_one_yes() -> Patches:
    def is_yes(operation: Operation, _name: str) -> bool:
        return any(outcome.answer is Answer.YES for outcome in operation.checks.values())

    yield patch.object(operations, "_is_yes", is_yes)


@mutant("nothing happens")
def done_when_written() -> Patches:
    def hasty(operation: Operation, script: Any, now: datetime) -> Any:
        if operation.written_at is not None and operation.kind is operations.Kind.SWITCH:
            return _next_step(operation, script, now) if operation.state in operations.ENDED else Finish(State.DONE)
        return _next_step(operation, script, now)

    yield patch.object(driver, "next_step", hasty)


# ── what people decide ──────────────────────────────────────────────────────


@mutant("a rollback 8 ms after the switch")
def a_rollback_waits_for_the_switch() -> Patches:
    table = {
        key: to for key, to in deployments.TRANSITIONS.items() if key != (deployments.State.SWITCHING, Change.ROLL_BACK)
    }
    yield patch.object(deployments, "TRANSITIONS", table)


@mutant("the votes have a flaw: expired")
def expired_votes_count() -> Patches:
    yield _votes(VoteState.EXPIRED)


@mutant("the votes have a flaw: outdated")
def outdated_votes_count() -> Patches:
    yield _votes(VoteState.OUTDATED)


@mutant("the votes have a flaw: no_go")
def a_no_go_counts_as_a_go() -> Patches:
    yield _votes(VoteState.NO_GO)


@mutant("the votes have a flaw: four")
def a_missing_vote_counts() -> Patches:
    yield _votes(VoteState.WAITING)


@mutant("the votes have a flaw: same_person")
def one_person_may_sign_twice() -> Patches:
    evaluate = signoffs.evaluate

    def lenient(*arguments: Any) -> Any:
        gate = evaluate(*arguments)
        return replace(gate, verdict=signoffs.GateVerdict.PASSED) if not gate.missing else gate

    yield patch.object(books, "evaluate", lenient)


def _votes(lenient: VoteState) -> Any:
    def judge(*arguments: Any) -> Any:
        line = _judge(*arguments)
        return replace(line, state=VoteState.GO) if line.state is lenient else line

    return patch.object(signoffs, "judge", judge)
