"""plans/alawael.yaml holds what the team's manual asks for: counted and spot-checked section by section."""

from collections import Counter
from hashlib import sha256

import pytest

from app.domain.plan import Plan
from tests.known_plans import ALAWAEL

QUESTIONS = {
    "infrastructure": ("devops_lead", "Infrastructure ready? GREEN healthy?"),
    "application": ("backend_lead", "Application ready? Code tested?"),
    "security": ("security_officer", "All security checks passed?"),
    "monitoring": ("operations", "Monitoring ready? Alerts configured?"),
    "requirements": ("project_manager", "All requirements met? Team ready?"),
}

THRESHOLDS = {
    "response_time": (200, 300, 500, "ms", "Continue or rollback?"),
    "error_rate": (0.1, 0.5, 1, "%", "Continue or rollback?"),
    "db_connections": (50, 75, 100, "", "Continue or rollback?"),
    "memory": (70, 80, 90, "%", "Scale up or rollback?"),
    "cpu": (60, 75, 85, "%", "Scale up or rollback?"),
}

DUTIES = {  # before, during (repeated ones too), after: the manual's "Team roles"
    "devops_lead": (4, 5, 4),
    "backend_lead": (4, 5, 4),
    "security_officer": (4, 4, 4),
}


@pytest.fixture(scope="module")
def plan() -> Plan:
    return ALAWAEL


def test_releases_are_two(plan: Plan) -> None:
    for release, version in ((plan.releases.blue, "0.9.4"), (plan.releases.green, "1.0.0")):
        assert release.version == version
        assert release.digest == "sha256:" + sha256(f"alawael {version}".encode()).hexdigest()


def test_five_questions_verbatim(plan: Plan) -> None:
    gate = plan.production.signoffs
    assert gate is not None
    assert {question.key: (question.position, question.text) for question in gate.questions} == QUESTIONS
    assert (gate.opens_before_s, gate.lifetime_s) == (30 * 60, 60 * 60)


def test_positions_and_rights(plan: Plan) -> None:
    assert len(plan.positions) == 9  # the manual's eight seats, and the executive who reads along
    can = {
        right: {p.key for p in plan.positions if right in p.capabilities}
        for p in plan.positions
        for right in p.capabilities
    }
    assert can["rollback"] == {"devops_lead", "devops", "project_manager"}
    assert can["arm"] == can["switch"] == {"devops_lead", "devops"}
    assert can["proceed"] == can["hold"] == {"project_manager"}
    assert can["decide"] == {"devops_lead"}
    assert can["communicate"] == {"support"}
    assert can["observe"] == {position.key for position in plan.positions}
    assert plan.position("executive").capabilities == ("observe",)
    assert plan.position("devops").seats == plan.position("backend").seats == 2


def test_duties(plan: Plan) -> None:
    for key, counts in DUTIES.items():
        duties = plan.position(key).duties
        assert (len(duties.before), len(duties.during) + len(duties.repeated), len(duties.after)) == counts
    for position in plan.positions:
        if position.key != "executive":
            assert position.duties.before
            assert position.duties.during
            assert position.duties.after
    repeated = {p.key: [line.every_s for line in p.duties.repeated] for p in plan.positions if p.duties.repeated}
    assert repeated == {"devops_lead": [300], "support": [300]}
    assert (len(plan.checklist("readiness").items), len(plan.avoid)) == (8, 6)


def test_operations_and_support_share_one_column_of_the_manual(plan: Plan) -> None:
    """Four duties before, four during, four after, beside the lines of the command center."""
    both = [plan.position(key).duties for key in ("operations", "support")]
    assert [sum(len(getattr(d, when)) for d in both) for when in ("before", "during", "repeated", "after")] == [
        5,
        7,
        1,
        5,
    ]


def test_checklists(plan: Plan) -> None:
    assert {checklist.key: len(checklist.items) for checklist in plan.checklists} == {
        "before_github": 6,
        "before_staging": 6,
        "before_production": 10,
        "readiness": 8,
        "before_you_start": 16,
    }
    items = {item.key: item for item in plan.checklist("before_production").items}
    assert {key: item.check for key, item in items.items() if item.check} == {
        "green_running": "green_running",
        "blue_running": "blue_running",
        "team_present": "team_present",
    }
    assert items["database_backups"].evidence == "required"


def test_metrics_and_triggers(plan: Plan) -> None:
    found = {m.key: (m.target, m.warning, m.critical, m.unit, m.decision) for m in plan.metrics}
    assert found == THRESHOLDS
    assert Counter(trigger.kind for trigger in plan.triggers) == {"metric": 2, "probe": 3, "alert": 1, "button": 1}
    limits = {t.metric: (t.above, t.sustained_s) for t in plan.triggers if t.kind == "metric"}
    assert limits == {"error_rate": (2, 120), "response_time": (1000, 120)}
    assert {trigger.mode for trigger in plan.triggers} == {"automatic"}


def test_the_strip(plan: Plan) -> None:
    stages = {stage.at_s: [line.check for line in stage.checks] for stage in plan.production.strip}
    assert {at_s: len(checks) for at_s, checks in stages.items()} == {-5: 4, 0: 2, 1: 3, 5: 4, 30: 3}
    assert stages[-5] == ["green_healthy", "balancer_ready", "monitoring_live", "team_present"]


def test_rollback_criteria(plan: Plan) -> None:
    rollback = plan.production.rollback
    assert rollback is not None
    assert rollback.within_s == 30
    assert len(rollback.criteria) == 7
    assert {c.check: c.below for c in rollback.criteria if c.below} == {"error_rate": 0.1, "response_time": 200}


def test_decision_points(plan: Plan) -> None:
    points = {point.minute: point for point in plan.production.decisions}
    assert list(points) == [5, 10, 15, 25, 30]
    for point in points.values():
        assert point.position == "devops_lead"
        assert [answer.answer for answer in point.answers] == ["continue", "watch", "escalate", "rollback"]
        assert (point.deputy_after_s, point.leader_after_s, point.escalate_after_s) == (60, 60, 60)


def test_phases_and_their_times(plan: Plan) -> None:
    assert [phase.number for phase in plan.phases] == ["2", "3", "4", "4B", "5", "6"]
    assert {phase.key: phase.duration_s / 60 for phase in plan.phases} == {
        "github": 45,
        "staging": 50,  # ruling: 25 minutes of canary
        "production": 40,  # ruling: 14:00 to 14:40, 30 minutes after the switch
        "rollback": 0.5,
        "monitoring": 7 * 24 * 60,
        "decommission": 120,
    }
    assert [(step.percent, step.dwell_s / 60) for step in plan.phase("staging").canary] == [
        (10, 5),
        (25, 5),
        (50, 10),
        (100, 5),
    ]
    assert plan.timezone == "America/New_York"
    assert {phase.key: phase.schedule.time for phase in plan.phases if phase.schedule.time} == {
        "github": "10:00",
        "staging": "14:00",
        "production": "14:00",
    }
    marks = {mark.text: mark.at_s for mark in plan.production.timeline}
    assert len(marks) == 9
    assert marks["Phase 4 is complete"] == 2400


def test_after_the_phases(plan: Plan) -> None:
    after = Counter(line.split(":")[0] for line in plan.production.after)
    assert after == {"Immediately": 6, "Next 30 minutes": 4, "Next 2 hours": 4, "Documentation": 4}


def test_one_script_for_each_move(plan: Plan) -> None:
    scripts = [action.command[-1] for phase in plan.phases for action in phase.actions if action.command]
    assert scripts == [
        "alawael-phase2-github-config.sh",
        "alawael-phase2-verification.sh",
        "alawael-phase4-switch-to-green.sh",
        "alawael-phase4-production-rollback.sh",
    ]
    configure = plan.phase("github").actions[0]
    assert (len(configure.success_signals), len(configure.failure_signals)) == (6, 5)


def test_where_to_look_and_whom_to_call(plan: Plan) -> None:
    kinds = Counter(channel.kind for channel in plan.channels)
    assert kinds["dashboard"] == 7
    assert [contact.title for contact in plan.contacts] == ["VP Operations"]


def test_smoke_tests_go_through_the_public_address(plan: Plan) -> None:
    target = plan.target("production")
    assert [test.path for test in target.smoke_tests] == ["/", "/health", "/api/orders", "/login", "/pay"]
    assert target.identity.header == "X-Release-Digest"
