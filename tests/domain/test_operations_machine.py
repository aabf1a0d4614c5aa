"""Operations as a whole: presses, deaths, writes that are refused, lost or land late, in any order. Hypothesis plays
the driver, the balancer and the people; the domain decides each step."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.domain.operations import (
    ENDED,
    GREEN_HEALTHY,
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
    Stage,
    State,
    Verified,
    Wait,
    Write,
    next_step,
)
from app.domain.sides import Side, Weights

ZERO = datetime(2026, 3, 6, 19, 10, tzinfo=UTC)
SCRIPT = Script(
    stages=(Stage(-5, ("green_healthy", "balancer_ready")), Stage(0, ("all_observed",)), Stage(30, ("still_normal",))),
    criteria=("balancer_on_blue", "health_passing"),
    within=timedelta(seconds=30),
)
BLUE, GREEN = Weights(100, 0), Weights(0, 100)


class Operations(RuleBasedStateMachine):
    """The balancer keeps no epoch here: only the machine's own rules stand between a late call and the customers."""

    def __init__(self) -> None:
        super().__init__()
        self.now = ZERO
        self.weights = BLUE
        self.green_is_well = True
        self.operation: Operation | None = None
        self.epoch = 0
        self.landing: list[tuple[datetime, Weights, int]] = []
        self.landed: set[int] = set()
        self.paged_at: datetime | None = None

    # ── people ──────────────────────────────────────────────────────────────

    def _accept(self, kind: Kind) -> None:
        self.epoch += 1
        want = Weights.all_to(Side.BLUE if kind is Kind.ROLLBACK else Side.GREEN)
        self.operation = Operation(self.epoch, kind, self.epoch, want, State.ACCEPTED, self.now, self.now)

    @precondition(lambda self: self.operation is None or self.operation.state in (State.DONE, State.REFUSED))
    @rule()
    def press_switch(self) -> None:
        if self.weights == BLUE and not self.landing:
            self._accept(Kind.SWITCH)

    @precondition(lambda self: self.operation is not None and self.operation.kind is Kind.SWITCH)
    @rule()
    def press_rollback(self) -> None:
        if self.operation is not None and self.operation.state is not State.REFUSED:
            self._accept(Kind.ROLLBACK)

    # ── the world ───────────────────────────────────────────────────────────

    @rule(seconds=st.sampled_from((0.05, 0.5, 2.0, 16.0)))
    def time_passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        for at, weights, epoch in sorted(self.landing, key=lambda one: one[0]):
            if at <= self.now:
                self.landing.remove((at, weights, epoch))
                self._land(weights, epoch)

    @rule(is_well=st.booleans())
    def green_changes(self, is_well: bool) -> None:
        self.green_is_well = is_well

    @precondition(lambda self: self.operation is not None)
    @rule()
    def the_worker_dies(self) -> None:
        """What it knew by itself is gone; the record stays."""
        assert self.operation is not None
        self.operation = replace(self.operation, asserted_at=None, confirmed_at=None)

    def _land(self, weights: Weights, epoch: int) -> None:
        self.weights = weights
        self.landed.add(epoch)

    # ── the driver ──────────────────────────────────────────────────────────

    @precondition(lambda self: self.operation is not None)
    @rule(
        fate=st.sampled_from(("applied", "applied", "applied", "refused", "lost", "vanished", "late", "died")),
        late_s=st.floats(0.1, 8),
    )
    def step(self, fate: str, late_s: float) -> None:
        assert self.operation is not None
        match next_step(self.operation, SCRIPT, self.now):
            case RunChecks(names):
                checks = {name: self._answer(name) for name in names}
                self._set(checks={**self.operation.checks, **checks})
            case Write(weights):
                self._write(weights, fate, late_s)
            case ReadBack():
                self._read_back(fate, late_s)
            case Assert():
                self._set(asserted_at=self.now)
                if self.weights == self.operation.want:
                    self._set(confirmed_at=self.now)
                else:
                    self._write(self.operation.want, fate, late_s)
            case Escalate():
                self._set(escalated_at=self.now)
                self.paged_at = self.now
            case Verified():
                self._set(verified_at=self.now)
            case Wait():
                if self.operation.written_at and self.weights == self.operation.want:
                    self._set(observed_100_at=self.operation.observed_100_at or self.now)
                self.time_passes(0.5)
            case Finish(state, _, restore):
                self._finish(state, restore=restore)
            case Done():
                assert self.operation.state in ENDED

    def _set(self, **changed: Any) -> None:
        assert self.operation is not None
        self.operation = replace(self.operation, **changed)

    def _answer(self, name: str) -> Outcome:
        assert self.operation is not None
        is_yes = {
            "green_healthy": self.green_is_well,
            "balancer_on_blue": self.weights == BLUE,
            "balancer_ready": True,
        }.get(name, True)
        return Outcome(Answer.YES if is_yes else Answer.NO, name, "asked", self.now)

    def _write(self, weights: Weights, fate: str, late_s: float) -> None:
        operation = self.operation
        assert operation is not None
        assert operation.epoch == self.epoch, "I6"
        if weights.green:
            health = operation.checks[GREEN_HEALTHY]
            if self.now - health.at > HEALTH_LIMIT:  # the driver asks again before a late second write
                return
            assert health.answer is Answer.YES, "I2"
            assert operation.kind is Kind.SWITCH, "I4"
        match fate:
            case "refused":
                return
            case "applied":
                self._land(weights, operation.epoch)
                self._written()
            case "late":
                self.landing.append((self.now + timedelta(seconds=late_s), weights, operation.epoch))
                self._written()
            case "lost" | "died":
                self._land(weights, operation.epoch)
                self._set(open_intent=True, may_have_written=True)
            case "vanished":
                self._set(open_intent=True, may_have_written=True)

    def _written(self) -> None:
        assert self.operation is not None
        guard = self.now + GUARD_FOR if self.operation.kind is Kind.ROLLBACK else None
        self._set(
            may_have_written=True,
            open_intent=False,
            written_at=self.operation.written_at or self.now,
            guard_until=self.operation.guard_until or guard,
        )

    def _read_back(self, fate: str, late_s: float) -> None:
        assert self.operation is not None
        agrees = self.weights == self.operation.want
        if self.operation.written_at is None:
            self._set(open_intent=False)
            if agrees:
                self._written()
        elif agrees:
            self._set(read_back_at=self.now)
        else:
            self._write(self.operation.want, fate, late_s)

    def _finish(self, state: State, *, restore: bool) -> None:
        operation = self.operation
        assert operation is not None
        if state is State.REFUSED:
            assert operation.epoch not in self.landed, "refused means that nothing was written"
            assert all(epoch != operation.epoch for _, _, epoch in self.landing)
        if operation.kind is Kind.ROLLBACK and state is State.DONE:
            assert self.weights == BLUE
            assert not any(weights.green for _, weights, _ in self.landing), (
                "the guard ended before the last call landed"
            )
        self._set(state=state)
        if restore:
            self._accept(Kind.ROLLBACK)

    @invariant()
    def a_rollback_pages_after_30_s_and_not_before(self) -> None:
        if self.operation is not None and self.operation.escalated_at is not None:
            assert self.operation.escalated_at - self.operation.clicked_at >= SCRIPT.within


TestOperations = Operations.TestCase
TestOperations.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
