"""Reads of a home page: the facts of "what to do now", and the views of its panels."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.checklists import queries as checklists
from app.checklists.queries_duties import duties_view
from app.checklists.queries_machine import facts_of as machine_facts
from app.checklists.queries_machine import machine_item
from app.checklists.queries_personal import has_personal, is_open, own_open, personal_view
from app.checklists.views import Facts
from app.db.tables import Operation
from app.decisions.queries import open_decision
from app.decisions.queries_words import call_words
from app.domain.deployments import State
from app.domain.metrics import health
from app.domain.operations import Kind
from app.domain.operations import State as Progress
from app.domain.triggers import Stage as TriggerStage
from app.freeze.queries import freeze_line, waiting_patches
from app.incidents.queries import open_incidents, own_check
from app.incidents.queries_reports import reports_panel
from app.metrics.queries import decisions, latest
from app.metrics.queries import panel as metrics_panel
from app.metrics.views import ReadingNow
from app.overview import queries_panels as panels
from app.overview.mission import newest_operation
from app.overview.queries_brief import brief
from app.overview.queries_layout import Layout, layout_of
from app.overview.queries_now import now_for
from app.overview.queries_now_words import own_line
from app.overview.views import (
    FRESH_SIGN_IN,
    Also,
    AskedNow,
    FreezeNow,
    Goal,
    HomeView,
    Move,
    NowFacts,
    NowPanel,
    OperationNow,
    TriggerNow,
)
from app.phases.queries_span import when
from app.phases.queries_waiting import waiting_for
from app.roster.queries import is_expected
from app.roster.queries_hand import hand_now, hand_view
from app.signoffs.queries_board import Ground, gate_view, ground_of, votes_view
from app.triggers.queries import alarms
from app.triggers.queries_words import cause_of
from app.web.access import Scope
from app.web.figures import hm, hms
from app.web.mission import HealthView

PAGES: Mapping[Goal, str] = {
    "checklist": "/checklists?show=mine",
    "gate": "/board#gate",
    "switch": "/switch",
    "wall": "/wall",
    "timeline": "/timeline",
    "plan": "/plan",
    "proceed": "/proceed",
    "arm": "/arm",
    "phase": "/phases",
    "decisions": "/decisions",
    "incidents": "/incidents",
    "triggers": "/triggers",
    "hand": "/roster#hand",
    "freeze": "/freeze",
    "personal": "/checklists#personal",
    "arrive": "/roster/arrive",
}
"""Where a move leads, below /d/{id}."""


async def facts_of(session: AsyncSession, ground: Ground) -> NowFacts:
    """What "what to do now" is answered from, for the person of this ground."""
    found = await machine_facts(session, ground.deployment, ground.scope.plan, ground.now)
    operation = await newest_operation(session, ground.deployment)
    readings = await latest(session, ground.deployment, ground.scope.plan, ground.now)
    facts = _facts(ground, found, operation, tuple(readings.values()))
    waiting = await waiting_for(session, ground.scope, ground.deployment, ground.now)
    return replace(facts, waiting=waiting, **await _asked(session, ground), **await _own(session, ground))


async def _own(session: AsyncSession, ground: Ground) -> dict[str, Any]:
    """What waits for this very person: the offered hand, a patch to approve, lines of their own, their arrival."""
    scope, now, deployment = ground.scope, ground.now, ground.deployment
    hand = await hand_now(session, scope.id, scope.plan)
    known: dict[str, Any] = {"offered_by": hand.name if hand.offered_to == scope.viewer.person_id else ""}
    frozen = await freeze_line(session, scope.id, now)
    if frozen is not None:
        is_far = frozen.until - now > timedelta(hours=20)
        until = (when if is_far else hm)(frozen.until, scope.plan.timezone)
        known["freeze"] = FreezeNow(until, frozen.reason, await waiting_patches(session, scope))
    if has_personal(scope) and is_open(deployment):
        known["own_open"] = await own_open(session, scope, deployment)
    known["is_expected"] = await is_expected(session, scope, deployment.attempt)
    return known


async def _asked(session: AsyncSession, ground: Ground) -> dict[str, Any]:
    """What asks for somebody's answer now: a trigger's countdown, an open decision point, the worst open incident."""
    scope, plan, now = ground.scope, ground.scope.plan, ground.now
    running = await alarms(session, ground.deployment, plan, now)
    decision, _ = await open_decision(session, ground.deployment, plan, now)
    incidents = await open_incidents(session, ground.deployment, plan, now)
    found: dict[str, Any] = {"call": call_words(plan)}
    if running:
        first = running[0]
        found["trigger"] = TriggerNow(
            found=cause_of(plan, first.rule, first.found),
            fires_at=hms(first.found.fires_at, plan.timezone) if first.found.fires_at else "",
            is_held=first.stage is TriggerStage.HELD,
            is_recommended=first.stage is TriggerStage.RECOMMENDED,
        )
    if decision is not None:
        until = hms(decision.until, plan.timezone) if decision.until else ""
        is_yours = scope.viewer.person_id in decision.people
        title = f"Decision at minute {decision.minute}"
        found["decision"] = AskedNow(title, decision.question, decision.asked, is_yours, until)
    if incidents:
        worst = incidents[0]
        until = hms(worst.asked.until, plan.timezone) if worst.asked.until else ""
        is_yours = scope.viewer.person_id in worst.people and bool(scope.capabilities & {"decide", "proceed"})
        check = await own_check(session, worst.row, plan, scope.positions)
        found["incident"] = AskedNow(worst.row.title, "", worst.who, is_yours, until, check)
    return found


def _facts(ground: Ground, found: Facts, operation: Operation | None, readings: tuple[ReadingNow, ...]) -> NowFacts:
    scope, deployment = ground.scope, ground.deployment
    checklist = checklists.production_checklist(scope.plan)
    items = checklist.items if checklist else ()
    mine = [i for i in items if i.check is None and i.owner in scope.positions and scope.may("check")]
    rows = {item.key: ground.checklist.get(item.key) for item in mine}
    failed = [item for item in mine if (row := rows[item.key]) is not None and row.state == "failed"]
    left = [item for item in mine if (row := rows[item.key]) is None or row.state == "open"]
    machine = [i for i in items if i.check not in (None, "team_present")]
    return NowFacts(
        plan=scope.plan,
        state=State(deployment.state),
        gate=ground.gate,
        own=ground.own,
        rights=scope.capabilities,
        blue=deployment.blue_version,
        green=deployment.green_version,
        planned_at=deployment.planned_at,
        position=scope.seats[0].position if scope.seats else "",
        now=ground.now,
        open_items=tuple(item.text for item in left),
        failed_items=tuple(item.text for item in failed),
        unmet=tuple(i.text for i in machine if machine_item(i.check or "", found).state != "yes"),
        absent=found.team.absent,
        operation=_operation(operation),
        health=_health(readings),
        alarms=decisions(scope.plan, readings),
        reason=deployment.hold_reason,
        held_by=deployment.held_by,
        switched_at=deployment.switched_at,
    )


def _health(readings: tuple[ReadingNow, ...]) -> HealthView:
    """The mission bar's word, from readings that are read already."""
    found = health(reading.verdict for reading in readings)
    return HealthView(found.state, found.word)


def _operation(row: Operation | None) -> OperationNow | None:
    if row is None:
        return None
    return OperationNow(
        kind=Kind(row.kind),
        state=Progress(row.state),
        reason=row.reason,
        is_escalated=row.escalated_at is not None,
        is_written=row.written_at is not None,
        is_observed=row.observed_100_at is not None,
        is_running=row.finished_at is None,
    )


# ── the page ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def home(session: AsyncSession, scope: Scope) -> HomeView:
    """A position's whole home page. Versions first: what is rendered is then never older than it says."""
    ground = await ground_of(session, scope)
    layout = layout_of(scope, State(ground.deployment.state), has_question=bool(ground.own))
    shown = frozenset((*layout.main, *layout.lead, *layout.rest))
    at = (session, scope, ground.deployment, ground.now)
    return HomeView(
        url=f"/d/{scope.id}/home",
        now=_now_panel(ground, await facts_of(session, ground), layout),
        main=layout.main,
        lead=layout.lead,
        rest=layout.rest,
        versions=ground.versions,
        votes=votes_view(ground) if "votes" in shown else None,
        gate=gate_view(ground) if "gate" in shown else None,
        checklist=await panels.own_checklist(session, scope) if "checklist" in shown else None,
        progress=await checklists.progress_view(session, scope) if "progress" in shown else None,
        metrics=await metrics_panel(session, ground.deployment, scope.plan, ground.now) if "metrics" in shown else None,
        strip=await panels.strip(session, scope) if "strip" in shown else None,
        traffic=await panels.traffic(*at) if "traffic" in shown else None,
        customers=await panels.customers(*at) if "customers" in shown else None,
        reports=await reports_panel(session, scope) if "reports" in shown else None,
        team=await panels.team(session, scope, ground.now) if "team" in shown else None,
        latest=await panels.latest(session, scope) if "timeline" in shown else None,
        hand=await hand_view(session, scope) if "hand" in shown else None,
        personal=await personal_view(session, scope) if "personal" in shown else None,
        duties=await duties_view(session, scope) if "duties" in shown else None,
        reach=panels.reach(scope.plan) if "reach" in shown else None,
        brief=await brief(session, scope, is_page=False) if "brief" in shown else None,
    )


async def now_panel(session: AsyncSession, scope: Scope) -> NowPanel:
    ground = await ground_of(session, scope)
    layout = layout_of(scope, State(ground.deployment.state), has_question=bool(ground.own))
    return _now_panel(ground, await facts_of(session, ground), layout)


def _now_panel(ground: Ground, facts: NowFacts, layout: Layout) -> NowPanel:
    scope = ground.scope
    view = now_for(facts)
    line = own_line(facts)
    row = f"vote-{line.question.key}" if line is not None else "votes"
    moves = tuple(
        Move(move.title, move.goal, move.url or url_of(scope.id, move.goal, layout, row)) for move in view.moves
    )
    also = tuple(
        Also(each.text, replace(each.move, url=url_of(scope.id, each.move.goal, layout, row))) for each in view.also
    )
    must_step_up = not scope.viewer.is_stepped_up and any(move.goal in FRESH_SIGN_IN for move in moves)
    return NowPanel(
        url=f"/d/{scope.id}/home/_now",
        eyebrow=f"What to do now: {scope.seat_title}",
        now=replace(view, moves=moves, also=also),
        step_up_url=f"/step-up?next=/d/{scope.id}" if must_step_up else "",
        versions=ground.versions,
    )


def url_of(deployment_id: int, goal: Goal, layout: Layout | None = None, row: str = "votes") -> str:
    """A panel on this very page where it has one, else the page that does. `row` is the id of one's own vote."""
    if goal == "list":
        return "/"
    if goal == "vote":
        is_here = layout is not None and "votes" in layout.main
        return f"#{row}" if is_here else f"/d/{deployment_id}/board#{row}"
    here = {"gate": "gate", "checklist": "checklist", "hand": "hand", "personal": "personal"}.get(goal)
    if layout is not None and here in (*layout.main, *layout.lead, *layout.rest):
        return f"#{layout.anchor(here)}"
    return f"/d/{deployment_id}{PAGES[goal]}"
