"""plans/harbor.yaml: a quite different team needs no code, and shares nothing with ALAWAEL but words of the schema."""

from app.config import ROOT
from app.domain.plan import Plan, plan_hash
from app.plans.queries_phases import phase_view
from app.providers.plan_yaml import read_plan

HARBOR = read_plan(ROOT / "plans" / "harbor.yaml")
ALAWAEL = read_plan(ROOT / "plans" / "alawael.yaml")


def keys(plan: Plan) -> set[str]:
    parts = (plan.positions, plan.targets, plan.metrics, plan.phases, plan.checklists)
    return {entry.key for part in parts for entry in part}


def test_it_shares_no_key_with_alawael() -> None:
    assert not keys(HARBOR) & keys(ALAWAEL)
    assert plan_hash(HARBOR) != plan_hash(ALAWAEL)


def test_it_is_small_and_whole() -> None:
    gate = HARBOR.production.signoffs
    assert gate is not None
    assert [question.position for question in gate.questions] == [position.key for position in HARBOR.positions]
    assert HARBOR.production.rollback is not None
    assert {trigger.mode for trigger in HARBOR.triggers} == {"automatic", "recommend"}


def test_its_runbook_is_in_its_own_words() -> None:
    view = phase_view(HARBOR, HARBOR.production, is_current=True)
    assert (view.when, view.duration) == ("2026-10-03 04:30", "1\u00a0h")
    assert [mark.at for mark in view.timeline] == ["04:30", "04:40", "05:30"]
    assert view.decisions[0].position == "Harbour master"
