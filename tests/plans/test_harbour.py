"""plans/harbour.yaml: a quite different team needs no code, and shares nothing with ALAWAEL but words of the schema."""

from app.domain.plan import Plan, plan_hash
from app.plans.queries_phases import phase_view
from app.rehearsal.site_file import SCRIPTS
from tests.known_plans import ALAWAEL, HARBOUR

RIGHTS = ("ask_patch", "approve_patch", "communicate", "raise_alert")


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
    kinds = [phase.kind for phase in HARBOUR.phases]
    assert kinds == ["steps", "canary", "blue_green", "rollback", "monitoring", "decommission"]
    trial = HARBOUR.phase("trial").canary_gate
    assert trial is not None
    assert (trial.advance, HARBOUR.phase("trial").target) == ("automatic", "berth_seven")
    assert {line.kind for line in (*trial.proceed_if, *trial.rollback_if)} == {"metric", "approval", "alert", "report"}
    assert HARBOUR.production.rollback is not None
    assert {trigger.mode for trigger in HARBOUR.triggers} == {"automatic", "recommend"}
    assert {trigger.kind for trigger in HARBOUR.triggers} == {"metric", "probe", "alert", "button"}
    assert HARBOUR.targets[0].identity.header is None


def test_its_runbook_is_in_its_own_words() -> None:
    view = phase_view(HARBOUR, HARBOUR.production, is_current=True)
    assert (view.when, view.duration) == ("2026-10-25 01:15", "1\u00a0h 40\u00a0min")
    assert [mark.at for mark in view.timeline] == ["01:15", "01:30", "02:55"]
    assert view.decisions[0].position == "Harbour master"


def test_it_has_every_newer_part_of_a_plan_in_its_own_way() -> None:
    rights = {capability: [p.key for p in HARBOUR.positions if capability in p.capabilities] for capability in RIGHTS}
    assert rights == {
        "ask_patch": ["platform_engineer"],
        "approve_patch": ["data_steward"],
        "communicate": ["cargo_desk"],
        "raise_alert": ["cargo_desk"],
    }
    scripts = [action for phase in HARBOUR.phases for action in phase.actions if action.kind == "script"]
    assert [script.key for script in scripts] == ["copy_tables", "early_compare"]
    for script in scripts:
        assert script.success_signals
        assert script.failure_signals
        assert script.on_failure
        assert (SCRIPTS / script.command[1]).is_file()
    assert [script.idempotent for script in scripts] == [False, True]
    assert any(checklist.kind == "personal" for checklist in HARBOUR.checklists)
    assert any(position.duties.repeated for position in HARBOUR.positions)
    assert len(HARBOUR.incident_checks) == 3
    assert {point.position for point in HARBOUR.production.decisions} == {"harbour_master", "data_steward"}
    required = [item for each in HARBOUR.checklists for item in each.items if item.evidence == "required"]
    assert len(required) >= 4
