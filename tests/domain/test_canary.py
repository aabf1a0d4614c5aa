"""domain.canary: nothing advances on UNKNOWN, silence stops the dwell, and the way back is open from everywhere."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.canary import (
    JUDGED,
    LONGEST_GAP,
    OVER,
    TRANSITIONS,
    Change,
    Run,
    State,
    counted,
    demand_passed,
    follow,
    next_change,
)
from app.domain.canary_evidence import AlertSeen, Evidence, Reading, Word
from app.domain.canary_gate import Judgement, Met, Verdict, judge
from app.domain.errors import Rejected
from app.domain.metrics import Observation
from app.domain.observation import HALF_WIDTH, Seen, Share, is_steady
from app.domain.operations import SHIFT_SCRIPT, Answer, Kind, Operation, Outcome, Write, next_step
from app.domain.operations import State as OperationState
from app.domain.plan import Plan
from app.domain.sides import Side, Weights

NOW = datetime(2026, 3, 5, 15, 0, tzinfo=UTC)
SINCE = NOW - timedelta(seconds=60)
WELL = {"response_time": 40.0, "error_rate": 0.0, "db_connections": 5.0, "memory": 40.0, "cpu": 20.0}
BACKEND = Word("Omar, Backend lead", NOW)


def readings(values: dict[str, float | None], *, samples: int = 50, back_s: int = 60, until_s: int = 0) -> Evidence:
    """One reading each 2 s, from `back_s` ago to `until_s` ago."""
    found = {
        metric: [Reading(NOW - timedelta(seconds=s), value, samples) for s in range(until_s, back_s, 2)]
        for metric, value in values.items()
    }
    health = [Observation(NOW - timedelta(seconds=s), 0.0) for s in range(5)]
    return Evidence(found, health, approved=BACKEND, read_green=10, read_at=NOW)


def judged(plan: Plan, evidence: Evidence, *, has_dwelt: bool = True) -> Judgement:
    return judge(plan, plan.phase("staging"), 10, SINCE, evidence, NOW, has_dwelt=has_dwelt)


def changed(evidence: Evidence, **values: object) -> Evidence:
    return Evidence(**{name: values.get(name, getattr(evidence, name)) for name in Evidence.__dataclass_fields__})


def test_all_well_and_approved_passes_after_the_dwell_and_not_before(plan: Plan) -> None:
    assert judged(plan, readings(WELL)).verdict is Verdict.PASSED
    assert judged(plan, readings(WELL), has_dwelt=False).verdict is Verdict.PENDING


def test_the_backend_team_must_approve(plan: Plan) -> None:
    found = judged(plan, changed(readings(WELL), approved=None))
    assert found.verdict is Verdict.PENDING
    assert "Backend team approves" in found.why
    assert [line.waits_for for line in found.proceed if line.met is Met.NO] == [("backend_lead", "backend")]


@pytest.mark.parametrize("metric", ["response_time", "error_rate", "db_connections"])
def test_a_metric_that_says_nothing_is_inconclusive(plan: Plan, metric: str) -> None:
    for values in ({**WELL, metric: None}, {**WELL, metric: float("nan")}):
        assert judged(plan, readings(values)).verdict is Verdict.INCONCLUSIVE  # type: ignore[arg-type]
    assert judged(plan, readings({key: value for key, value in WELL.items() if key != metric})).verdict is (
        Verdict.INCONCLUSIVE
    )
    old = readings(WELL, until_s=20)
    assert judged(plan, old).verdict is Verdict.INCONCLUSIVE


def test_too_few_samples_say_nothing_and_say_why(plan: Plan) -> None:
    found = judged(plan, readings(WELL, samples=3))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "3 samples, 5 are needed" in found.why


def test_one_lucky_reading_does_not_cover_a_minute(plan: Plan) -> None:
    found = judged(plan, readings(WELL, back_s=2))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "of the readings are there" in found.why


def test_what_stood_before_the_share_says_nothing_of_it(plan: Plan) -> None:
    phase = plan.phase("staging")
    found = judge(plan, phase, 10, NOW, readings(WELL, until_s=2), NOW, has_dwelt=True)
    assert found.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("metric", "value"), [("response_time", 501.0), ("error_rate", 1.1), ("db_connections", 101.0)]
)
def test_a_sustained_breach_fails(plan: Plan, metric: str, value: float) -> None:
    assert judged(plan, readings({**WELL, metric: value})).verdict is Verdict.FAILED
    short = judged(plan, readings({**WELL, metric: value}, back_s=12))
    assert short.verdict is not Verdict.FAILED, "12 s are not 30"


def test_alerts_reports_and_ill_health_fail_at_once(plan: Plan) -> None:
    well = readings(WELL)
    alert = AlertSeen(NOW, "security", is_critical=True, name="Port scan")
    assert judged(plan, changed(well, alerts=(alert,))).verdict is Verdict.FAILED
    minor = AlertSeen(NOW, "security", is_critical=False, name="Odd sign-in")
    assert judged(plan, changed(well, alerts=(minor,))).verdict is Verdict.PENDING
    other = AlertSeen(NOW, "capacity", is_critical=True, name="Disk")
    assert judged(plan, changed(well, alerts=(other,))).verdict is Verdict.PASSED
    assert judged(plan, changed(well, reported=BACKEND)).verdict is Verdict.FAILED
    ill = tuple(Observation(NOW - timedelta(seconds=s), 1.0) for s in range(3))
    assert judged(plan, changed(well, health=ill)).verdict is Verdict.FAILED
    assert judged(plan, changed(well, health=ill[:2])).verdict is Verdict.PENDING


@pytest.mark.parametrize("metric", ["memory", "cpu"])
def test_memory_and_cpu_ask_scale_up_or_rollback(plan: Plan, metric: str) -> None:
    found = judged(plan, readings({**WELL, metric: 95.0}))
    assert found.verdict is Verdict.PENDING
    assert found.asks == (f"{plan.metric(metric).title} is critical (95 %): Scale up or rollback?",)


def test_a_balancer_that_says_something_else_is_inconclusive(plan: Plan) -> None:
    for green, at in ((25, NOW), (None, NOW), (10, NOW - timedelta(seconds=6)), (10, None)):
        found = judged(plan, changed(readings(WELL), read_green=green, read_at=at))
        assert found.verdict is Verdict.INCONCLUSIVE


VALUES = st.one_of(st.none(), st.just(float("nan")), st.floats(0, 1200))


@given(
    values=st.fixed_dictionaries(dict.fromkeys(WELL, VALUES)),
    samples=st.integers(0, 60),
    approved=st.booleans(),
    read=st.sampled_from([10, 11, None]),
    state=st.sampled_from(JUDGED),
    step=st.integers(0, 3),
    automatic=st.booleans(),
)
def test_nothing_ever_advances_on_unknown(
    plan: Plan,
    values: dict[str, float | None],
    samples: int,
    approved: bool,
    read: int | None,
    state: State,
    step: int,
    automatic: bool,
) -> None:
    phase = plan.phase("staging")
    assert phase.canary_gate is not None
    gate = phase.canary_gate.model_copy(update={"advance": "automatic" if automatic else "lead"})
    phase = phase.model_copy(update={"canary_gate": gate})
    evidence = changed(readings(values, samples=samples), read_green=read, approved=BACKEND if approved else None)
    found = judge(plan, phase, 10, SINCE, evidence, NOW, has_dwelt=True)
    lines = (*found.proceed, *found.rollback)
    if any(line.met is Met.UNKNOWN for line in lines):
        assert found.verdict in (Verdict.INCONCLUSIVE, Verdict.FAILED)
    run = Run(state, step, dwelt_s=10_000, dark_since=NOW - timedelta(minutes=1))
    change = next_change(run, phase, found, NOW)
    if change in (Change.ADVANCE, Change.FINISH):
        assert found.verdict is Verdict.PASSED
        assert all(line.met is Met.YES for line in found.proceed)
        assert all(line.met is Met.NO for line in found.rollback)
    if found.verdict is not Verdict.PASSED:
        with pytest.raises(Rejected):
            demand_passed(found)
    if found.verdict is Verdict.FAILED:
        assert change is Change.ROLL_BACK


@given(
    st.lists(st.tuples(st.floats(0.1, 30), st.sampled_from(list(Verdict))), max_size=30),
    st.sampled_from(JUDGED),
)
def test_the_dwell_grows_only_while_the_gate_can_be_told_and_somebody_looks(
    looks: list[tuple[float, Verdict]], state: State
) -> None:
    run, now, expected = Run(state), NOW, 0.0
    for index, (gap, verdict) in enumerate(looks):
        now += timedelta(seconds=gap)
        before = run.dwelt_s
        run = counted(run, Judgement(verdict, (), ()), now, now)
        counts = verdict is not Verdict.INCONCLUSIVE and state is State.DWELLING and index > 0
        if counts and timedelta(seconds=gap) <= LONGEST_GAP:
            expected += gap
        else:
            assert run.dwelt_s == before
    assert run.dwelt_s == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("state", [state for state in State if state not in (State.ROLLING_BACK, State.ROLLED_BACK)])
def test_the_way_back_is_open_from_everywhere(state: State) -> None:
    back = follow(Run(state, step=2), Change.ROLL_BACK)
    assert back.state is State.ROLLING_BACK
    assert follow(back, Change.BACK).state is State.ROLLED_BACK


def test_only_a_gate_leads_to_a_greater_share() -> None:
    grows = {before for (before, change) in TRANSITIONS if change is Change.ADVANCE}
    assert grows == {State.GATE}
    for state in OVER:
        with pytest.raises(Rejected):
            follow(Run(state), Change.ADVANCE)


# ── shares ────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.integers(1, 5000), st.data())
def test_an_interval_holds_its_share_and_narrows_with_more_probes(total: int, data: st.DataObject) -> None:
    green = data.draw(st.integers(0, total))
    seen = Share(green, total)
    low, high = seen.interval
    assert 0 <= low <= seen.percent + 1e-9  # type: ignore[operator]
    assert seen.percent - 1e-9 <= high <= 100  # type: ignore[operator]
    assert Share(green * 4, total * 4).half_width < seen.half_width


def test_a_share_has_arrived_when_chance_explains_the_rest() -> None:
    assert Share(96, 1000).is_at(10, at_least=100)
    assert not Share(10, 100).is_at(10, at_least=100), "too wide to say"
    assert not Share(250, 1000).is_at(10, at_least=100)
    assert not Share(0, 0).is_at(10, at_least=0)
    assert not Share(0, 300).is_at(1, at_least=100), "nobody saw GREEN"
    assert not Share(300, 300).is_at(99, at_least=100), "nobody saw BLUE"
    assert Share(2, 300).is_at(1, at_least=100)
    assert Share(78, 812).half_width < HALF_WIDTH
    assert str(Share(78, 812)) == "9.6 % ± 2.0 (812 probes)"


def test_what_moved_meanwhile_is_no_share() -> None:
    def seen(sides: str) -> list[Seen]:
        start = datetime(2026, 3, 6, 14, tzinfo=UTC)
        named = {"G": Side.GREEN, "B": Side.BLUE}
        return [Seen(start + timedelta(milliseconds=20 * n), named[side]) for n, side in enumerate(sides)]

    assert is_steady(seen("GB" * 200), 50)
    assert not is_steady(seen("G" * 200 + "B" * 200), 50)
    assert is_steady(seen("G" * 200), 100)
    assert not is_steady(seen("B" * 50 + "G" * 150), 100)
    assert is_steady([], 50), "nothing seen contradicts nothing; how many it takes is asked elsewhere"


def shift(green: int, **values: object) -> Operation:
    return Operation(1, Kind.SHIFT, 3, Weights(100 - green, green), OperationState.ACCEPTED, NOW, NOW, **values)  # type: ignore[arg-type]


@given(st.integers(1, 100), st.sampled_from(list(Answer)), st.floats(0, 60))
def test_no_share_grows_without_a_fresh_pass_of_green(green: int, answer: Answer, age_s: float) -> None:
    checked = Outcome(answer, "", "", NOW - timedelta(seconds=age_s))
    step = next_step(shift(green, checks={"green_healthy": checked}), SHIFT_SCRIPT, NOW)
    if isinstance(step, Write):
        assert answer is Answer.YES
        assert age_s <= 15


def test_a_shift_back_asks_nobody() -> None:
    step = next_step(shift(0), SHIFT_SCRIPT, NOW)
    assert step == Write(Weights.all_to(Side.BLUE))
