""" "What do I do now?": every state × every position of ALAWAEL's plan, and the rules that come before the table."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.deployments import State
from app.domain.operations import Kind
from app.domain.operations import State as Progress
from app.domain.plan import Plan
from app.domain.signoffs import Difference, Gate, GateVerdict, Verdict, Vote, VoteLine, VoteState
from app.overview.queries_now import now_for, role_of
from app.overview.queries_now_table import TABLE, Role
from app.overview.views import AskedNow, FreezeNow, NowFacts, NowView, OperationNow, TriggerNow
from app.web.access import capabilities_of
from app.web.mission import HealthView

NOW = datetime(2026, 11, 27, 18, 41, tzinfo=UTC)
"""13:41 in New York; the switch is planned for 14:00."""
PLANNED = datetime(2026, 11, 27, 19, 0, tzinfo=UTC)

NAMES = {
    State.PREPARING: ("ign-offs are open", "Hold", "GO"),
    State.PROCEEDED: ("roceeded", "Arm"),
    State.ARMED: ("rmed",),
    State.SWITCHING: ("Switching to GREEN",),
    State.SWITCHED: ("On GREEN",),
    State.ROLLING_BACK: ("Rolling back",),
    State.ROLLED_BACK: ("Rolled back",),
    State.ON_HOLD: ("On hold",),
    State.COMPLETED: ("complete",),
    State.ABORTED: ("Aborted",),
}
"""What of a sentence names the state."""

POSITIONS = (
    *("project_manager", "devops_lead", "devops", "backend_lead", "backend"),
    *("security_officer", "operations", "support", "executive", "admin"),
)


def vote(question: str, position: str, verdict: Verdict = Verdict.GO, comment: str = "checked") -> Vote:
    return Vote(question, position, 1, position, verdict, comment, {"plan": "a"}, NOW, NOW + timedelta(hours=1))


def gate_with(plan: Plan, states: Mapping[str, VoteState], other: VoteState = VoteState.WAITING) -> Gate:
    """The gate with each question's line in the given state."""
    spec = plan.production.signoffs
    assert spec is not None
    lines = []
    for question in spec.questions:
        state = states.get(question.key, other)
        verdict = Verdict.NO_GO if state is VoteState.NO_GO else Verdict.GO
        given = None if state is VoteState.WAITING else vote(question.key, question.position, verdict)
        changed = (Difference("checklist.caffeine", "open", "done"),) if state is VoteState.OUTDATED else ()
        lines.append(VoteLine(question, state, given, changed))
    missing = tuple(line for line in lines if line.state is not VoteState.GO)
    verdict_now = GateVerdict.PENDING if missing else GateVerdict.PASSED
    if any(line.state is VoteState.NO_GO for line in lines):
        verdict_now = GateVerdict.FAILED
    return Gate(verdict_now, tuple(lines), missing)


FactsOf = Callable[..., NowFacts]


@pytest.fixture(scope="module")
def facts_of(plan: Plan) -> FactsOf:
    """`facts_of("devops_lead", State.ARMED)`: that position's facts; by default every vote is GO, nothing is open."""

    def make(position: str, state: State, **changes: object) -> NowFacts:
        is_admin = position == "admin"
        positions = frozenset() if is_admin else frozenset({position})
        spec = plan.production.signoffs
        assert spec is not None
        facts = NowFacts(
            plan=plan,
            state=state,
            gate=gate_with(plan, {}, VoteState.GO),
            own=frozenset(question.key for question in spec.questions if question.position == position),
            rights=capabilities_of(plan, positions, is_admin=is_admin),
            blue="0.9.4",
            green="1.0.0",
            planned_at=PLANNED,
            now=NOW,
            position="" if is_admin else position,
            reason="Key rotation has no evidence",
            switched_at=NOW - timedelta(minutes=7) if state in (State.SWITCHED, State.COMPLETED) else None,
        )
        return replace(facts, **changes)  # type: ignore[arg-type]  # the fields are named by the tests

    return make


def test_the_positions_are_the_plans(plan: Plan) -> None:
    assert {position.key for position in plan.positions} | {"admin"} == set(POSITIONS)


def test_the_table_has_a_line_for_every_state_and_role() -> None:
    assert set(TABLE) == set(State)
    assert all(set(row) == set(Role) for row in TABLE.values())


@pytest.mark.parametrize("others", [VoteState.GO, VoteState.WAITING, VoteState.NO_GO, VoteState.OUTDATED])
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("position", POSITIONS)
def test_everybody_is_told_the_state_and_a_move(
    facts_of: FactsOf, plan: Plan, position: str, state: State, others: VoteState
) -> None:
    facts = facts_of(position, state)
    own = dict.fromkeys(facts.own, VoteState.GO)
    view = now_for(replace(facts, gate=gate_with(plan, own, others)))
    said = f"{view.headline} {view.advice}"
    assert any(name in said for name in NAMES[state]), said
    reads_well(view)
    assert view.moves or state is State.ABORTED, said
    allowed = {"proceed": "proceed", "arm": "arm"}
    assert all(allowed.get(move.goal, "observe") in facts.rights for move in view.moves)


def reads_well(view: NowView) -> None:
    """Whole sentences, no hole where a word was missing, none of the words people should not read."""
    said = f"{view.headline} {view.advice}"
    assert 8 <= len(view.headline) <= 140
    assert not view.headline.endswith((".", ":", ","))
    assert view.headline[0].isupper()
    assert "  " not in said
    assert not any(hole in said for hole in ("{", "}", "None", " .", ": .", "..", ": ,", "!", "please", "Please"))
    assert not view.advice or view.advice.rstrip("”").endswith((".", "?")), view.advice
    assert len(view.moves) <= 2
    for each in view.also:
        assert each.text[0].isupper()
        assert each.text.endswith((".", "”"))
        assert each.move.title


@pytest.mark.parametrize(
    ("position", "role"),
    [
        ("project_manager", Role.LEAD),
        ("devops_lead", Role.DRIVER),
        ("devops", Role.DRIVER),
        ("backend_lead", Role.WATCHER),
        ("backend", Role.WATCHER),
        ("security_officer", Role.WATCHER),
        ("operations", Role.WATCHER),
        ("support", Role.COMMS),
        ("executive", Role.READER),
        ("admin", Role.READER),
    ],
)
def test_roles_come_from_rights(facts_of: FactsOf, position: str, role: Role) -> None:
    assert role_of(facts_of(position, State.PREPARING).rights) is role


# ── what is one's own to do comes first ───────────────────────────────────────────────────────────────────────────


def test_items_come_before_the_vote_that_is_bound_to_them(facts_of: FactsOf, plan: Plan) -> None:
    facts = facts_of("operations", State.PREPARING, gate=gate_with(plan, {}))
    view = now_for(replace(facts, open_items=("Dashboards open", "Caffeine acquired")))
    assert view.headline == "Confirm two items now, then vote"
    assert "Dashboards open and Caffeine acquired" in view.advice
    assert [move.goal for move in view.moves] == ["checklist", "vote"]
    early = replace(facts, open_items=("Dashboards open",), now=NOW - timedelta(minutes=30))
    assert now_for(early).headline == "Confirm one item before 13:30, then vote"


def test_a_failed_item_of_ones_own_is_said(facts_of: FactsOf) -> None:
    view = now_for(facts_of("devops", State.PREPARING, failed_items=("Database backups completed",)))
    assert (view.headline, view.tone) == ("One of your items failed", "warn")
    assert "Database backups completed" in view.advice


@pytest.mark.parametrize("state", [State.PREPARING, State.PROCEEDED, State.ARMED])
def test_a_voter_is_asked_to_vote(facts_of: FactsOf, plan: Plan, state: State) -> None:
    view = now_for(facts_of("security_officer", state, gate=gate_with(plan, {})))
    assert view.headline == "Give your GO or NO-GO"
    assert "“All security checks passed?”" in view.advice
    assert view.moves[0].goal == "vote"


def test_an_outdated_or_expired_vote_is_to_be_given_again(facts_of: FactsOf, plan: Plan) -> None:
    outdated = gate_with(plan, {"security": VoteState.OUTDATED}, VoteState.GO)
    view = now_for(facts_of("security_officer", State.PREPARING, gate=outdated))
    assert (view.headline, view.tone) == ("You must vote again: the checklist changed", "warn")
    expired = gate_with(plan, {"security": VoteState.EXPIRED}, VoteState.GO)
    assert now_for(facts_of("security_officer", State.ARMED, gate=expired)).headline.endswith("vote again")


@pytest.mark.parametrize("state", [State.PREPARING, State.PROCEEDED, State.ARMED, State.ON_HOLD])
def test_ones_own_no_go_is_remembered(facts_of: FactsOf, plan: Plan, state: State) -> None:
    view = now_for(facts_of("backend_lead", state, gate=gate_with(plan, {"application": VoteState.NO_GO})))
    assert view.headline == "Your NO-GO holds the deployment"
    assert "“checked”" in view.advice


def test_nobody_is_asked_for_a_vote_of_somebody_else(facts_of: FactsOf, plan: Plan) -> None:
    for position in ("devops", "backend", "support", "executive", "admin"):
        view = now_for(facts_of(position, State.PREPARING, gate=gate_with(plan, {})))
        assert view.headline == "Sign-offs are open: five still to come"
        assert all(move.goal not in ("vote", "proceed", "arm") for move in view.moves)


# ── the course of the day ─────────────────────────────────────────────────────────────────────────────────────────


def test_only_who_may_proceed_is_told_to(facts_of: FactsOf) -> None:
    lead = now_for(facts_of("project_manager", State.PREPARING, absent=("Backend 2",)))
    assert lead.headline == "All five are GO: proceed to phase 4"
    assert lead.moves[0].goal == "proceed"
    assert "Not here: Backend 2." in lead.advice
    other = now_for(facts_of("operations", State.PREPARING))
    assert other.headline == "All five are GO: the project manager proceeds next"


def test_a_no_go_makes_the_lead_hold(facts_of: FactsOf, plan: Plan) -> None:
    gate = gate_with(plan, {"security": VoteState.NO_GO, "monitoring": VoteState.WAITING}, VoteState.GO)
    view = now_for(facts_of("project_manager", State.PREPARING, gate=gate))
    assert view.headline == "Hold: one NO-GO, one still to come"
    assert "Speak with the security officer" in view.advice
    assert [move.goal for move in view.moves] == ["gate"]
    facts = facts_of("project_manager", State.PREPARING, gate=gate_with(plan, {"security": VoteState.NO_GO}))
    own = now_for(replace(facts, open_items=("Executives briefed",)))
    assert own.headline == "Hold: one NO-GO, four still to come"
    assert own.advice.endswith("Yours to confirm: Executives briefed.")
    assert [move.goal for move in own.moves] == ["gate", "vote"]


def test_devops_arms_and_switches(facts_of: FactsOf) -> None:
    arm = now_for(facts_of("devops", State.PROCEEDED, unmet=("BLUE environment running stable",)))
    assert (arm.headline, arm.moves[0].goal) == ("Arm the switch", "arm")
    assert "Not confirmed by machine: BLUE environment running stable." in arm.advice
    switch = now_for(facts_of("devops_lead", State.ARMED))
    assert (switch.headline, switch.moves[0].goal) == ("Armed: switch to GREEN when all are ready", "switch")


@pytest.mark.parametrize("state", [State.PROCEEDED, State.ARMED])
def test_a_gate_that_closed_again_is_said_to_all(facts_of: FactsOf, plan: Plan, state: State) -> None:
    gate = gate_with(plan, {"monitoring": VoteState.OUTDATED}, VoteState.GO)
    for position in ("project_manager", "devops_lead", "support", "executive"):
        view = now_for(facts_of(position, state, gate=gate))
        assert (view.headline, view.tone) == ("The gate is closed again: one outdated vote", "warn")


def test_a_refused_switch_says_why(facts_of: FactsOf) -> None:
    refused = OperationNow(Kind.SWITCH, Progress.REFUSED, "GREEN's last passing check is 23 s old")
    view = now_for(facts_of("devops_lead", State.ARMED, operation=refused))
    assert view.headline == "The switch was refused; no traffic moved"
    assert "23 s old" in view.advice
    assert view.tone == "warn"


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (OperationNow(Kind.SWITCH, Progress.CHECKING, is_running=True), "nothing has moved yet"),
        (OperationNow(Kind.SWITCH, Progress.OBSERVING, is_running=True, is_written=True), "probes follow"),
        (
            OperationNow(Kind.SWITCH, Progress.VERIFYING, is_running=True, is_written=True, is_observed=True),
            "Probes see 100 % on GREEN",
        ),
    ],
)
def test_a_running_switch_is_told_step_by_step(facts_of: FactsOf, operation: OperationNow, words: str) -> None:
    for position in POSITIONS:
        assert words in now_for(facts_of(position, State.SWITCHING, operation=operation)).advice


def test_the_plans_duty_of_the_position_is_the_move(facts_of: FactsOf) -> None:
    headlines = {
        ("backend_lead", State.SWITCHING): "Switching to GREEN: watch the application logs",
        ("security_officer", State.SWITCHED): "On GREEN: monitor for security alerts",
        ("operations", State.SWITCHED): "On GREEN: monitor the dashboards",
        ("backend", State.COMPLETED): "Phase 4 is complete: run comprehensive tests",
    }
    for (position, state), headline in headlines.items():
        assert now_for(facts_of(position, state)).headline == headline


@pytest.mark.parametrize("state", [State.SWITCHING, State.SWITCHED, State.COMPLETED])
def test_a_critical_metric_is_everybodys_headline(facts_of: FactsOf, state: State) -> None:
    bad = HealthView("crit", "1 critical")
    for position in POSITIONS:
        facts = facts_of(position, state, health=bad)
        view = now_for(replace(facts, alarms=("GREEN error rate 4 %: Continue or rollback?",)))
        assert view.tone == "crit"
        assert "1 critical" in view.headline
        assert view.advice.startswith("GREEN error rate 4 %: Continue or rollback? ")
        assert ("roll back?" in view.headline) is ("rollback" in facts.rights)
        reads_well(view)


def test_before_the_switch_a_metric_is_no_headline(facts_of: FactsOf) -> None:
    bad = HealthView("crit", "1 critical")
    assert now_for(facts_of("devops_lead", State.ARMED, health=bad)).tone == "calm"


@pytest.mark.parametrize("state", [State.ROLLING_BACK, State.ROLLED_BACK])
def test_an_escalated_rollback_calls_for_people(facts_of: FactsOf, state: State) -> None:
    escalated = OperationNow(Kind.ROLLBACK, Progress.VERIFYING, "2 of 7 checks are not YES after 30 s", True)
    lead = now_for(facts_of("devops_lead", state, operation=escalated))
    assert (lead.headline, lead.tone) == ("The rollback is not verified: escalate now", "crit")
    assert "Call VP Operations." in lead.advice
    assert now_for(facts_of("executive", state, operation=escalated)).tone == "crit"


def test_the_next_decision_point_is_named_until_the_last_has_passed(facts_of: FactsOf) -> None:
    facts = facts_of("devops_lead", State.SWITCHED)
    assert "Next decision point: minute 10, “Still looking good?”" in now_for(facts).advice
    late = replace(facts_of("project_manager", State.SWITCHED), switched_at=NOW - timedelta(minutes=31))
    assert now_for(late).headline == "On GREEN for 31 min: complete phase 4"


def test_a_hold_names_its_reason_and_cuts_an_endless_one(facts_of: FactsOf) -> None:
    assert "Key rotation has no evidence." in now_for(facts_of("executive", State.ON_HOLD)).advice
    endless = now_for(facts_of("executive", State.ON_HOLD, reason="{blue} " + "x" * 1000))
    assert len(endless.advice) < 300
    assert "{blue}" in endless.advice


def test_a_time_gone_by_is_said_with_its_age(facts_of: FactsOf, plan: Plan) -> None:
    late = facts_of("executive", State.PREPARING, gate=gate_with(plan, {}), now=PLANNED + timedelta(minutes=12))
    assert "planned for 14:00, 12\u00a0min ago" in now_for(late).advice


# ── what asks for an answer ───────────────────────────────────────────────────────────────────────────────────────

RUNNING = TriggerNow("error rate on GREEN 2.6 %, above 2 % for 46 s", "14:24:40")


@pytest.mark.parametrize("position", ["devops_lead", "devops", "project_manager"])
def test_a_running_countdown_comes_first_for_whoever_can_do_something(facts_of: FactsOf, position: str) -> None:
    asked = AskedNow("Decision at minute 5", "Any issues yet?", "DevOps lead", is_yours=True, until="14:15:00")
    found = now_for(facts_of(position, State.SWITCHED, trigger=RUNNING, decision=asked))
    assert found.headline == "GREEN rolls back by itself at 14:24:40"
    assert found.tone == "crit"
    held = replace(RUNNING, is_held=True)
    assert "held" in now_for(facts_of(position, State.SWITCHED, trigger=held)).headline
    recommended = replace(RUNNING, is_recommended=True, fires_at="")
    assert "recommended" in now_for(facts_of(position, State.SWITCHED, trigger=recommended)).headline


@pytest.mark.parametrize("position", ["operations", "backend_lead", "support", "executive"])
def test_a_countdown_is_not_the_business_of_the_others(facts_of: FactsOf, position: str) -> None:
    with_it = now_for(facts_of(position, State.SWITCHED, trigger=RUNNING))
    assert with_it == now_for(facts_of(position, State.SWITCHED))


def test_an_open_decision_is_named_to_those_asked(facts_of: FactsOf) -> None:
    mine = AskedNow("Decision at minute 5", "Any issues yet?", "DevOps lead", is_yours=True, until="14:15:00")
    found = now_for(facts_of("devops_lead", State.SWITCHED, decision=mine))
    assert found.headline == "Decision at minute 5: answer by 14:15:00"
    assert [move.goal for move in found.moves] == ["decisions"]
    others = replace(mine, is_yours=False)
    reads = now_for(facts_of("executive", State.SWITCHED, decision=others))
    assert reads.headline == now_for(facts_of("executive", State.SWITCHED)).headline
    assert "Decision at minute 5 is open: DevOps lead is asked." in reads.advice
    nobody = replace(others, until="")
    for position in POSITIONS:
        escalated = facts_of(position, State.SWITCHED, decision=nobody, call="VP Operations (+1 555 0100)")
        assert now_for(escalated).headline == "Decision at minute 5: call VP Operations (+1 555 0100)"


def test_an_incident_is_named_to_who_decides_and_who_checks(facts_of: FactsOf) -> None:
    mine = AskedNow("Slow", "", "DevOps lead", is_yours=True, until="14:15:00")
    assert (
        now_for(facts_of("devops_lead", State.SWITCHED, incident=mine)).headline == "Incident, Slow: decide by 14:15:00"
    )
    check = replace(mine, is_yours=False, check="checks the logs")
    found = now_for(facts_of("backend_lead", State.PREPARING, incident=check))
    assert found.headline == "Incident, Slow: say what you find"
    assert "Your position checks the logs." in found.advice


def test_the_phase_is_completed_after_its_last_point_is_answered(facts_of: FactsOf) -> None:
    late = {"switched_at": NOW - timedelta(minutes=31)}
    last = AskedNow("Decision at minute 30", "Is phase 4 complete?", "DevOps lead", is_yours=False, until="14:40:00")
    found = now_for(facts_of("project_manager", State.SWITCHED, decision=last, **late))
    assert "complete phase" not in found.headline
    assert "Decision at minute 30 is open: DevOps lead is asked." in found.advice
    assert "complete phase 4" in now_for(facts_of("project_manager", State.SWITCHED, **late)).headline


# ── what waits for this very person ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("state", [state for state in State if state is not State.ABORTED])
def test_an_offered_hand_is_named_to_whom_it_is_offered(facts_of: FactsOf, state: State) -> None:
    found = now_for(facts_of("devops", state, offered_by="Dana Ortiz"))
    assert found.headline == "Dana Ortiz offers you the hand on the rollback"
    assert [move.goal for move in found.moves] == ["hand"]
    assert any(name.lower() in found.advice.lower() for name in NAMES[state])
    reads_well(found)


def test_an_offer_waits_behind_a_countdown_and_is_named_beside_it(facts_of: FactsOf) -> None:
    found = now_for(facts_of("devops", State.SWITCHED, offered_by="Dana Ortiz", trigger=RUNNING))
    assert found.headline == "GREEN rolls back by itself at 14:24:40"
    assert [(each.text, each.move.goal) for each in found.also] == [
        ("Dana Ortiz offers you the hand on the rollback.", "hand")
    ]
    reads_well(found)


FROZEN = FreezeNow("18:00", "deployment day", ("Sam Okafor, Backend lead: raise the pool to 40",))


@pytest.mark.parametrize("state", State)
def test_a_patch_waits_for_who_approves_it(facts_of: FactsOf, state: State) -> None:
    found = now_for(facts_of("security_officer", state, freeze=FROZEN))
    assert found.headline == "An emergency patch waits for your answer"
    assert "raise the pool to 40" in found.advice
    assert [move.goal for move in found.moves] == ["freeze"]
    reads_well(found)
    two = replace(FROZEN, patches=(*FROZEN.patches, "DevOps 1: restart the agent"))
    assert now_for(facts_of("security_officer", state, freeze=two)).headline.startswith("Two emergency patches wait")


@pytest.mark.parametrize("position", POSITIONS)
def test_a_freeze_in_force_is_named_to_everybody_beside_their_own(facts_of: FactsOf, position: str) -> None:
    found = now_for(facts_of(position, State.SWITCHED, freeze=replace(FROZEN, patches=())))
    assert found.headline == now_for(facts_of(position, State.SWITCHED)).headline
    (also,) = found.also
    assert (also.text, also.move.goal) == ("Changes are frozen until 18:00: deployment day.", "freeze")


def test_a_decision_that_waits_is_never_hidden_behind_an_incident(facts_of: FactsOf) -> None:
    mine = AskedNow("Decision at minute 5", "Any issues yet?", "DevOps lead", is_yours=True, until="14:15:00")
    incident = AskedNow("Slow", "", "DevOps lead", is_yours=True, until="14:16:00")
    found = now_for(facts_of("devops_lead", State.SWITCHED, decision=mine, incident=incident))
    assert found.headline == "Incident, Slow: decide by 14:16:00"
    assert [(each.text, each.move.goal) for each in found.also] == [
        ("Decision at minute 5 waits for your answer by 14:15:00.", "decisions")
    ]
    alone = now_for(facts_of("devops_lead", State.SWITCHED, decision=mine))
    assert alone.also == (), "what the headline says is not said twice"


OWN = ("Phone fully charged", "A quiet space to work in", "No other meetings scheduled", "Coffee and snacks ready")


def test_what_is_not_ticked_for_oneself_is_named_before_traffic_moves(facts_of: FactsOf) -> None:
    pending = {"gate": gate_with(facts_of("backend", State.PREPARING).plan, {})}
    first = now_for(facts_of("backend", State.PREPARING, own_open=OWN, **pending))
    assert first.headline == "Get yourself ready: four lines to tick"
    said = "“Phone fully charged”, “A quiet space to work in”, “No other meetings scheduled” and 1 more"
    assert said in first.advice
    reads_well(first)
    voter = now_for(facts_of("operations", State.PREPARING, own_open=OWN, **pending))
    assert voter.headline == "Give your GO or NO-GO", "the vote comes first"
    assert [each.move.goal for each in voter.also] == ["personal"]
    lead = now_for(facts_of("project_manager", State.PREPARING, own_open=OWN[:1]))
    assert lead.headline.startswith("All five are GO")
    assert lead.also[0].text == "One line of your own to tick: “Phone fully charged”."
    reads_well(lead)
    assert now_for(facts_of("backend", State.SWITCHED, own_open=OWN)).also == ()


def test_who_has_not_said_that_they_are_here_is_asked_before_traffic_moves(facts_of: FactsOf) -> None:
    found = now_for(facts_of("devops", State.ARMED, is_expected=True))
    assert [each.move.goal for each in found.also] == ["arrive"]
    assert found.also[0].move.is_posted
    assert now_for(facts_of("devops", State.SWITCHED, is_expected=True)).also == ()
