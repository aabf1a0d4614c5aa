"""plans/harbour.yaml: a quite different team needs no code, and shares nothing with ALAWAEL but words of the schema."""

from app.domain.plan import Plan, plan_hash
from app.plans.queries_phases import phase_view
from tests.known_plans import ALAWAEL, HARBOUR


def keys(plan: Plan) -> set[str]:
    parts = (plan.positions, plan.targets, plan.metrics, plan.phases, plan.checklists, plan.triggers, plan.contacts)
    steps = {action.key for phase in plan.phases for action in phase.actions}
    gate = plan.production.signoffs
    return {entry.key for part in parts for entry in part} | steps | {q.key for q in (gate.questions if gate else ())}


def test_it_shares_no_key_with_alawael() -> None:
    assert not keys(HARBOUR) & keys(ALAWAEL)
    assert plan_hash(HARBOUR) != plan_hash(ALAWAEL)


def test_it_is_whole_and_another_kind_of_day() -> None:
    gate = HARBOUR.production.signoffs
    assert gate is not None
    assert len(gate.questions) == 3
    assert {phase.kind for phase in HARBOUR.phases} == {"steps", "blue_green", "rollback", "monitoring", "decommission"}
    assert not any(phase.canary for phase in HARBOUR.phases)
    assert HARBOUR.production.rollback is not None
    assert {trigger.mode for trigger in HARBOUR.triggers} == {"automatic", "recommend"}
    assert {trigger.kind for trigger in HARBOUR.triggers} == {"metric", "probe", "alert", "button"}
    assert HARBOUR.targets[0].identity.header is None


def test_its_runbook_is_in_its_own_words() -> None:
    view = phase_view(HARBOUR, HARBOUR.production, is_current=True)
    assert (view.when, view.duration) == ("2026-10-25 01:15", "1\u00a0h 40\u00a0min")
    assert [mark.at for mark in view.timeline] == ["01:15", "01:30", "02:55"]
    assert view.decisions[0].position == "Harbour master"
