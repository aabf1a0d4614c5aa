"""The one next step of an operation, for whatever a dead worker may have left behind."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import operations as machine
from app.domain.operations import (
    ADVISORY,
    ARRIVE_WITHIN,
    ENDED,
    GREEN_HEALTHY,
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
    Step,
    Verified,
    Wait,
    Write,
    next_step,
)
from app.domain.plan import Plan
from app.domain.sides import Side, Weights
from app.providers import exchange

ZERO = datetime(2026, 3, 6, 19, 10, tzinfo=UTC)
SCRIPT = Script(
    stages=(
        Stage(-5, ("green_healthy", "balancer_ready", "team_present")),
        Stage(0, ("weights_written",)),
        Stage(1, ("all_observed",)),
        Stage(5, ("smoke_tests",)),
        Stage(30, ("still_normal",)),
    ),
    criteria=("balancer_on_blue", "error_rate", "health_passing"),
    within=timedelta(seconds=30),
)


def after(seconds: float) -> datetime:
    return ZERO + timedelta(seconds=seconds)


def found(answer: Answer = Answer.YES, seconds: float = 0.0, words: str = "as found") -> Outcome:
    return Outcome(answer, words, "proof", after(seconds))


def all_found(*names: str, seconds: float = 0.0) -> dict[str, Outcome]:
    return {name: found(seconds=seconds) for name in names}


READY = all_found("green_healthy", "balancer_ready", "team_present")
SWITCH = Operation(1, Kind.SWITCH, 7, Weights.all_to(Side.GREEN), State.ACCEPTED, ZERO, ZERO)
ROLLBACK = replace(SWITCH, kind=Kind.ROLLBACK, want=Weights.all_to(Side.BLUE))
WRITTEN = replace(
    SWITCH,
    checks={**READY, **all_found("weights_written", "all_observed")},
    written_at=after(0.2),
    read_back_at=after(0.3),
    observed_100_at=after(0.4),
)


# ── the switch ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_switch_asks_all_of_t_minus_5_at_once() -> None:
    assert next_step(SWITCH, SCRIPT, after(0.01)) == RunChecks(("green_healthy", "balancer_ready", "team_present"))


def test_after_a_takeover_only_what_is_missing_is_asked() -> None:
    half = replace(SWITCH, checks=all_found("green_healthy", "team_present"))
    assert next_step(half, SCRIPT, after(1)) == RunChecks(("balancer_ready",))


def test_all_yes_is_written() -> None:
    assert next_step(replace(SWITCH, checks=READY), SCRIPT, after(1)) == Write(Weights(0, 100))


@pytest.mark.parametrize("answer", [Answer.NO, Answer.UNKNOWN])
def test_what_is_not_yes_refuses_and_says_so(answer: Answer) -> None:
    said = replace(SWITCH, checks={**READY, "balancer_ready": found(answer, words="it is set to BLUE 90")})
    step = next_step(said, SCRIPT, after(1))
    assert isinstance(step, Finish)
    assert step.state is State.REFUSED
    assert "it is set to BLUE 90" in step.reason
    assert not step.restore


def test_an_unknown_names_what_is_unknown() -> None:
    silent = replace(SWITCH, checks={**READY, "balancer_ready": found(Answer.UNKNOWN, words="no answer")})
    assert next_step(silent, SCRIPT, after(1)) == Finish(State.REFUSED, "balancer ready is unknown: no answer")


def test_an_absent_team_warns_and_does_not_refuse() -> None:
    alone = replace(SWITCH, checks={**READY, "team_present": found(Answer.NO)})
    assert next_step(alone, SCRIPT, after(1)) == Write(Weights(0, 100))


def test_health_older_than_15_s_is_asked_again() -> None:
    late_acceptance = replace(SWITCH, accepted_at=after(10), checks=READY)
    assert next_step(late_acceptance, SCRIPT, after(15)) == Write(Weights(0, 100))
    assert next_step(late_acceptance, SCRIPT, after(15.01)) == RunChecks((GREEN_HEALTHY,))


def test_a_plan_that_forgets_greens_health_does_not_get_round_it() -> None:
    bare = replace(SCRIPT, stages=(Stage(-5, ("balancer_ready",)), *SCRIPT.stages[1:]))
    half = replace(SWITCH, checks=all_found("balancer_ready"))
    assert next_step(half, bare, after(1)) == RunChecks((GREEN_HEALTHY,))
    sick = replace(half, checks={**half.checks, GREEN_HEALTHY: found(Answer.NO, words="GREEN is not healthy")})
    assert next_step(sick, bare, after(1)) == Finish(State.REFUSED, "GREEN is not healthy")


def test_a_write_without_an_outcome_is_read_before_anything_else() -> None:
    open_question = replace(SWITCH, checks=READY, open_intent=True, may_have_written=True)
    assert next_step(open_question, SCRIPT, after(1)) == ReadBack()


def test_what_may_have_been_written_is_never_refused_but_taken_back() -> None:
    landed = replace(SWITCH, may_have_written=True, checks={**READY, GREEN_HEALTHY: found(Answer.NO)})
    step = next_step(landed, SCRIPT, after(1))
    assert isinstance(step, Finish)
    assert (step.state, step.restore) == (State.FAILED, True)


@pytest.mark.parametrize(
    "operation",
    [
        replace(SWITCH, checks=READY, accepted_at=after(-1)),
        replace(SWITCH, checks=READY, open_intent=True, accepted_at=after(-1)),
        replace(WRITTEN, read_back_at=None, observed_100_at=None, accepted_at=after(-1)),
        replace(WRITTEN, observed_100_at=None, accepted_at=after(-1)),
    ],
    ids=["not written", "unknown outcome", "not read back", "not observed"],
)
def test_what_has_not_arrived_after_15_s_is_taken_back(operation: Operation) -> None:
    in_time, too_late = ARRIVE_WITHIN.total_seconds() - 1, ARRIVE_WITHIN.total_seconds() - 0.9
    assert not isinstance(next_step(operation, SCRIPT, after(in_time)), Finish)
    step = next_step(operation, SCRIPT, after(too_late))
    assert isinstance(step, Finish)
    assert (step.state, step.restore) == (State.FAILED, True)


def test_an_arrived_switch_is_never_late() -> None:
    assert next_step(WRITTEN, SCRIPT, after(300)) == RunChecks(("smoke_tests",))


def test_stages_wait_for_their_second() -> None:
    assert next_step(WRITTEN, SCRIPT, after(3)) == Wait(after(5.2))
    assert next_step(WRITTEN, SCRIPT, after(5.2)) == RunChecks(("smoke_tests",))
    smoked = replace(WRITTEN, checks={**WRITTEN.checks, **all_found("smoke_tests")})
    assert next_step(smoked, SCRIPT, after(6)) == Wait(after(30.2))
    assert next_step(smoked, SCRIPT, after(30.2)) == RunChecks(("still_normal",))


def test_the_end_names_the_lines_that_are_not_yes() -> None:
    checks = {**WRITTEN.checks, "smoke_tests": found(Answer.NO, words="4 of 5 passed"), "still_normal": found()}
    assert next_step(replace(WRITTEN, checks=checks), SCRIPT, after(31)) == Finish(State.DONE, "4 of 5 passed")


# ── the rollback ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_rollback_writes_first_and_asks_afterwards() -> None:
    assert next_step(ROLLBACK, SCRIPT, after(0.01)) == Write(Weights(100, 0))


def test_an_open_write_of_a_rollback_is_read_too() -> None:
    assert next_step(replace(ROLLBACK, open_intent=True), SCRIPT, after(1)) == ReadBack()


BACK = replace(ROLLBACK, written_at=after(0.2), read_back_at=after(0.3), guard_until=after(10.2))


def test_the_guard_asserts_every_second_until_its_end() -> None:
    assert next_step(BACK, SCRIPT, after(0.4)) == Assert()
    asserted = replace(BACK, asserted_at=after(0.4))
    assert next_step(asserted, SCRIPT, after(0.5)) == RunChecks(SCRIPT.criteria)
    assert next_step(asserted, SCRIPT, after(1.4)) == Assert()
    assert next_step(asserted, SCRIPT, after(29)) == Assert(), "as long as it is not verified"


def test_only_what_is_not_yes_is_asked_again_and_not_at_once() -> None:
    seen = {**all_found("balancer_on_blue", seconds=1), "error_rate": found(Answer.UNKNOWN, 1)}
    seen["health_passing"] = found(Answer.NO, 1)
    looked = replace(BACK, asserted_at=after(1), checks=seen)
    assert next_step(looked, SCRIPT, after(1.2)) == Wait(after(1.5))
    assert next_step(looked, SCRIPT, after(1.5)) == RunChecks(("error_rate", "health_passing"))


def test_all_yes_is_verified_then_guarded_then_done() -> None:
    good = replace(BACK, checks=all_found(*SCRIPT.criteria, seconds=2))
    assert next_step(good, SCRIPT, after(2.1)) == Verified()
    verified = replace(good, verified_at=after(2.1), asserted_at=after(9.8), confirmed_at=after(9.8))
    assert isinstance(next_step(verified, SCRIPT, after(9.9)), Wait)
    last_look = replace(verified, asserted_at=after(10.2), confirmed_at=after(10.2))
    assert next_step(last_look, SCRIPT, after(10.2)) == Finish(State.DONE)


def test_the_guard_ends_with_a_look_that_found_blue_and_not_by_the_clock() -> None:
    good = replace(BACK, checks=all_found(*SCRIPT.criteria, seconds=2), verified_at=after(2.1))
    early = replace(good, asserted_at=after(9.8), confirmed_at=after(9.8))
    assert next_step(early, SCRIPT, after(11)) == Assert()
    in_vain = replace(early, asserted_at=after(11))
    assert isinstance(next_step(in_vain, SCRIPT, after(11.5)), Wait), "the balancer did not answer"
    assert next_step(in_vain, SCRIPT, after(12)) == Assert()
    step = next_step(replace(in_vain, asserted_at=after(601)), SCRIPT, after(601.5))
    assert isinstance(step, Finish)
    assert (step.state, step.reason) == (
        State.ESCALATED,
        "The balancer does not confirm BLUE any more; the team takes over",
    )


def test_the_guard_is_longer_than_any_call_that_may_still_be_in_flight() -> None:
    assert machine.GUARD_FOR > machine.FENCE_COUNTS_FOR + machine.LONGEST_CALL + machine.LONGEST_LATE
    assert machine.LONGEST_CALL.total_seconds() >= exchange.WHOLE


def test_it_escalates_at_30_s_whatever_is_going_on() -> None:
    for stuck in (ROLLBACK, replace(ROLLBACK, open_intent=True), replace(BACK, read_back_at=None), BACK):
        assert not isinstance(next_step(stuck, SCRIPT, after(29.9)), Escalate)
        assert next_step(stuck, SCRIPT, after(30)) == Escalate("3 of 3 checks are not YES after 30 s")


def test_after_the_escalation_it_goes_on_trying() -> None:
    told = replace(BACK, escalated_at=after(30), asserted_at=after(30.5))
    assert next_step(told, SCRIPT, after(31)) == RunChecks(SCRIPT.criteria)
    good = replace(told, checks=all_found(*SCRIPT.criteria, seconds=40))
    assert next_step(good, SCRIPT, after(40.1)) == Verified()
    verified = replace(good, verified_at=after(40.1), asserted_at=after(40.5), confirmed_at=after(40.5))
    assert next_step(verified, SCRIPT, after(41)) == Finish(State.ESCALATED)


# ── properties ────────────────────────────────────────────────────────────────────────────────────────────────────

moments = st.none() | st.floats(-5, 700).map(after)
outcomes = st.builds(
    Outcome, st.sampled_from(list(Answer)), st.just("found"), st.just("proof"), st.floats(-60, 700).map(after)
)
names = st.sampled_from([*(name for stage in SCRIPT.stages for name in stage.checks), *SCRIPT.criteria])


@st.composite
def any_operation(draw: st.DrawFn) -> Operation:
    """Whatever could stand in the rows, sensible or not."""
    kind = draw(st.sampled_from([Kind.SWITCH, Kind.ROLLBACK]))
    return Operation(
        id=1,
        kind=kind,
        epoch=7,
        want=Weights.all_to(Side.GREEN if kind is Kind.SWITCH else Side.BLUE),
        state=draw(st.sampled_from(list(State))),
        clicked_at=ZERO,
        accepted_at=after(draw(st.floats(0, 2))),
        open_intent=draw(st.booleans()),
        may_have_written=draw(st.booleans()),
        written_at=draw(moments),
        read_back_at=draw(moments),
        observed_100_at=draw(moments),
        asserted_at=draw(moments),
        confirmed_at=draw(moments),
        verified_at=draw(moments),
        escalated_at=draw(moments),
        guard_until=draw(moments),
        checks=draw(st.dictionaries(names, outcomes)),
    )


any_now = st.floats(0, 700).map(after)


def there_is_always_the_same_step(operation: Operation, now: datetime, step: Step) -> None:
    assert isinstance(step, Step)
    assert next_step(operation, SCRIPT, now) == step


def nothing_follows_the_end(operation: Operation, now: datetime, step: Step) -> None:
    assert (step == Done()) == (operation.state in ENDED)


def green_is_never_raised_without_a_fresh_yes(operation: Operation, now: datetime, step: Step) -> None:
    if isinstance(step, Write) and step.weights.green > 0:
        health = operation.checks[GREEN_HEALTHY]
        assert health.answer is Answer.YES
        assert now - health.at <= HEALTH_LIMIT
        assert not operation.open_intent
        for name in SCRIPT.before_write:
            assert operation.checks[name].answer is Answer.YES or name in ADVISORY


def a_rollback_never_raises_green_and_never_restores(operation: Operation, now: datetime, step: Step) -> None:
    if operation.kind is Kind.ROLLBACK:
        assert not (isinstance(step, Write) and step.weights.green)
        assert not (isinstance(step, Finish) and step.restore)


def refused_means_that_nothing_can_have_been_written(operation: Operation, now: datetime, step: Step) -> None:
    if isinstance(step, Finish) and step.state is State.REFUSED:
        assert operation.written_at is None
        assert not operation.open_intent
        assert not operation.may_have_written


def a_switch_is_done_only_when_all_was_seen_on_green(operation: Operation, now: datetime, step: Step) -> None:
    if operation.kind is Kind.SWITCH and isinstance(step, Finish) and step.state is State.DONE:
        assert operation.written_at
        assert operation.read_back_at
        assert operation.observed_100_at
        assert all(name in operation.checks for stage in SCRIPT.after_write for name in stage.checks)


def a_rollback_is_done_only_with_every_criterion_yes(operation: Operation, now: datetime, step: Step) -> None:
    is_claimed = isinstance(step, Verified) or (isinstance(step, Finish) and step.state is State.DONE)
    if operation.kind is Kind.ROLLBACK and is_claimed:
        assert all(operation.checks[name].answer is Answer.YES for name in SCRIPT.criteria)


def waits_end_and_a_rollback_never_sleeps_past_its_next_look(operation: Operation, now: datetime, step: Step) -> None:
    if isinstance(step, Wait):
        assert step.until > now
        if operation.kind is Kind.ROLLBACK:
            assert step.until - now <= timedelta(seconds=1)


def a_rollback_is_done_only_after_a_look_beyond_its_guard(operation: Operation, now: datetime, step: Step) -> None:
    if operation.kind is Kind.ROLLBACK and isinstance(step, Finish) and step.state is State.DONE:
        assert operation.guard_until is not None
        assert operation.confirmed_at is not None
        assert operation.confirmed_at >= operation.guard_until


PROPERTIES = (
    a_rollback_is_done_only_after_a_look_beyond_its_guard,
    there_is_always_the_same_step,
    nothing_follows_the_end,
    green_is_never_raised_without_a_fresh_yes,
    a_rollback_never_raises_green_and_never_restores,
    refused_means_that_nothing_can_have_been_written,
    a_switch_is_done_only_when_all_was_seen_on_green,
    a_rollback_is_done_only_with_every_criterion_yes,
    waits_end_and_a_rollback_never_sleeps_past_its_next_look,
)


@settings(max_examples=250)
@given(any_operation(), any_now)
def test_whatever_the_rows_say_the_rules_hold(operation: Operation, now: datetime) -> None:
    step = next_step(operation, SCRIPT, now)
    for rule in PROPERTIES:
        rule(operation, now, step)


def test_the_script_is_the_plans(plan: Plan) -> None:
    script = machine.script_of(plan.production)
    assert script.before_write == ("green_healthy", "balancer_ready", "monitoring_live", "team_present")
    assert [stage.at_s for stage in script.after_write] == [0, 1, 5, 30]
    assert len(script.criteria) == 7
    assert script.within == timedelta(seconds=30)
