"""Faults of canaries that are put into the product, to see whether the simulator notices (mutants.py)."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from app.domain import canary, canary_gate, operations
from app.domain.canary import Change, State
from app.domain.canary_evidence import Word
from app.domain.canary_gate import Line, Met, Verdict
from app.domain.operations import Operation
from app.orchestrator import driver
from app.ports.operations import Progress
from tests.orchestrator.world import now
from tests.simulate.canary_books import CanaryBooks, Row
from tests.simulate.mutants import MUTANTS, Mutant, Patches, mutant, no_epoch_check, no_health_gate, verify_once

_judge = canary_gate.judge
_raise = CanaryBooks._raise
_record = CanaryBooks._record


def _put(name: str, make: Any, by: str) -> None:
    """A mutant of the switch, hunted on a canary too."""
    MUTANTS[name] = Mutant(make, by)


_put("a share without an epoch check", no_epoch_check, "canary: taken back 16 ms after a share was ordered")
_put("a share without a health gate", no_health_gate, "canary: GREEN is ill from the start")
_put("a canary's way back is verified once", verify_once, "canary: the longest call lands after it was taken back")


# ── the gate ────────────────────────────────────────────────────────────────


@mutant("canary: pressed on without the backend team's word")
def the_canarys_gate_is_skipped() -> Patches:
    yield patch.object(canary, "demand_passed", lambda _judgement: None)


@mutant("canary: who leads presses whatever the page says")
def the_dwell_is_not_observed() -> Patches:
    yield patch.object(canary, "has_dwelt", lambda _run, _phase: True)


@mutant("canary: the backend team approves the first share only")
def an_approval_of_an_older_share_counts() -> Patches:
    def keeps(self: CanaryBooks, row: Row, change: Change) -> None:
        said = row.approved
        _raise(self, row, change)
        row.approved = said

    def judge(*arguments: Any, **named: Any) -> Any:
        plan, phase, percent, since, evidence, at = arguments
        said = evidence.approved and Word(evidence.approved.by, at)
        return _judge(plan, phase, percent, since, replace(evidence, approved=said), at, **named)

    yield patch.object(CanaryBooks, "_raise", keeps)
    yield patch.object(canary_gate, "judge", judge)


@mutant("canary: metrics go dark while it dwells")
def an_inconclusive_reading_counts_as_proceed() -> Patches:
    def judge(*arguments: Any, **named: Any) -> Any:
        found = _judge(*arguments, **named)
        if found.verdict is not Verdict.INCONCLUSIVE:
            return found
        return replace(found, verdict=Verdict.PASSED if named["has_dwelt"] else Verdict.PENDING)

    yield patch.object(canary_gate, "judge", judge)


@mutant("canary: the balancer fails while it dwells")
def the_dwell_grows_in_the_dark() -> Patches:
    counted = canary.counted

    def anyway(run: Any, judgement: Any, plan_now: datetime, at: datetime) -> Any:
        found = counted(run, replace(judgement, verdict=Verdict.PENDING), plan_now, at)
        return replace(found, dark_since=counted(run, judgement, plan_now, at).dark_since)

    yield patch.object(canary, "counted", anyway)


@mutant("canary: nobody keeps it for a while")
def the_dwell_grows_while_nobody_looks() -> Patches:
    yield patch.object(canary, "LONGEST_GAP", timedelta(hours=1))


@mutant("canary: the phase is held while it dwells")
def the_dwell_grows_while_the_phase_is_held() -> Patches:
    seen = canary.seen

    def counts(run: Any, phase: Any, judgement: Any, plan_now: datetime | None, at: datetime) -> Any:
        found, change = seen(run, phase, judgement, at, at)
        return found, change if plan_now is not None or change is Change.ROLL_BACK else None

    yield patch.object(canary, "seen", counts)


@mutant("canary: the balancer fails while it dwells")
def a_look_at_the_balancer_never_grows_old() -> Patches:
    yield patch.object(canary_gate, "LOOK_COUNTS_FOR", timedelta(hours=1))


@mutant("canary: somebody else moves it while it dwells")
def what_the_balancer_reads_back_is_not_compared() -> Patches:
    def any_share(percent: int, _evidence: Any, _now: datetime) -> Line:
        return Line("read_back", f"Balancer reads back {percent} %", Met.YES, "")

    yield patch.object(canary_gate, "_share", any_share)


@mutant("canary: the keeper stands still with a look in its hands")
def a_look_is_as_old_as_its_record() -> Patches:
    yield patch.object(CanaryBooks, "_record", lambda self, row, look, _at: _record(self, row, look, now()))


@mutant("canary: GREEN falls ill while it dwells")
def failing_health_takes_nothing_back() -> Patches:
    yield patch.object(canary_gate, "FAILING_CHECKS", 10**6)


@mutant("canary: a critical alert while half is on its way")
def the_gate_sleeps_while_a_share_is_on_its_way() -> Patches:
    yield patch.object(canary, "may_serve", lambda run: run.state in canary.JUDGED)


@mutant("canary: readings are too high")
def a_breach_takes_nothing_back() -> Patches:
    def never(_plan: Any, line: Any, *_: Any) -> Line:
        return Line(line.kind, line.title, Met.NO, "")

    yield patch.object(canary_gate, "_rolls_back", never)


# ── what moves it ───────────────────────────────────────────────────────────


@mutant("canary: taken back while it dwells, and pressed on")
def a_canary_that_was_taken_back_goes_on() -> Patches:
    table = {**canary.TRANSITIONS, (State.ROLLED_BACK, Change.ADVANCE): State.SHIFTING}
    yield patch.object(canary, "TRANSITIONS", table)
    yield patch.object(canary, "demand_passed", lambda _judgement: None)


@mutant("canary: taken back 16 ms after a share was ordered")
def the_way_back_waits_for_the_share() -> Patches:
    order = CanaryBooks._order

    def waits(self: CanaryBooks, row: Row, percent: int) -> None:
        if percent == 0:
            self._demand_still()
        order(self, row, percent)

    yield patch.object(CanaryBooks, "_order", waits)


@mutant("canary: the front is stuck")
def the_share_that_was_wanted_counts_as_observed() -> Patches:
    async def as_wanted(self: Any, operation: Operation, _written_at: datetime) -> Operation:
        if operation.read_back_at is None:
            return operation
        progress = Progress(observed_100_at=self.now(), probes_agreeing=operation.want.green * 10, probes_total=1000)
        return await self._record(operation, progress)  # type: ignore[no-any-return]

    yield patch.object(driver._Run, "_record_share", as_wanted)


@mutant("canary: the front is stuck")
def a_share_may_take_an_hour() -> Patches:
    yield patch.object(operations, "SHIFT_WITHIN", timedelta(hours=1))


@mutant("canary: nothing is taken")
def a_shift_that_failed_counts_as_arrived() -> Patches:
    after = canary.after_shift

    def hopeful(shift: operations.State) -> Change | None:
        return Change.ARRIVE if after(shift) is not None else None

    yield patch.object(canary, "after_shift", hopeful)
