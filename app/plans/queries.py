"""Reads the plan of a deployment as a runbook, with the people of its roster."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Person, PlanVersion, RosterSeat
from app.domain.plan import Capability, Plan, Position, TargetSpec, Trigger
from app.domain.plan_parts import Channel
from app.plans.queries_phases import phase_view, span
from app.plans.views import ReleaseRow, RoleView, RunbookView, TargetPart, TriggerRow
from app.web.access import Scope
from app.web.figures import quantity

RIGHTS: Mapping[Capability, str] = {
    "proceed": "proceeds once the gate has passed",
    "arm": "arms",
    "switch": "switches",
    "rollback": "rolls back at any moment",
    "decide": "answers the decision points",
    "hold": "holds and resumes",
    "check": "ticks own checklist items",
    "communicate": "sends updates",
    "note": "writes notes",
    "raise_alert": "reports what a trigger counts as an alert",
    "ask_patch": "asks for emergency patches",
    "approve_patch": "approves emergency patches",
    "observe": "sees every page",
    "administer": "looks after people and rosters",
}

CHANNEL_HEADINGS: Mapping[str, str] = {
    "place": "Command center",
    "slack": "Chat",
    "zoom": "Call",
    "email": "Mail",
    "status_page": "Status page",
    "dashboard": "Dashboards to have open",
}


async def runbook(session: AsyncSession, scope: Scope) -> RunbookView:
    """The whole plan in reading order, with the people of a deployment."""
    people = await _people_by_position(session, scope.id)
    deployment = scope.deployment
    bound = {deployment.target: deployment.binding}
    return RunbookView(
        **_parts(scope.plan, bound, current=deployment.phase),
        mode=deployment.mode,
        plan_hash=scope.plan_hash,
        now=scope.now,
        roles=tuple(_role_view(scope.plan, position, people, scope.positions) for position in scope.plan.positions),
    )


def runbook_of(plan: Plan, digest: str, now: datetime) -> RunbookView:
    """The same of a version that no deployment needs to have: without people, bound to nothing."""
    roles = tuple(_role_view(plan, position, {}, frozenset()) for position in plan.positions)
    return RunbookView(**_parts(plan, {}), mode="", plan_hash=digest, now=now, roles=roles)


def _parts(plan: Plan, bound: Mapping[str, Mapping[str, Any]], current: str = "") -> dict[str, Any]:
    releases = (("BLUE", plan.releases.blue), ("GREEN", plan.releases.green))
    return {
        "title": plan.title,
        "organisation": plan.organisation,
        "mission": plan.mission,
        "plan_key": plan.key,
        "zone": plan.timezone,
        "releases": tuple(ReleaseRow(side, release.version, release.digest) for side, release in releases),
        "targets": tuple(_target_part(target, bound.get(target.key, {})) for target in plan.targets),
        "phases": tuple(phase_view(plan, phase, is_current=phase.key == current) for phase in plan.phases),
        "metrics": plan.metrics,
        "triggers": tuple(_trigger_row(plan, trigger) for trigger in plan.triggers),
        "rules": plan.rules,
        "avoid": plan.avoid,
        "contacts": plan.contacts,
        "channels": _channels_by_heading(plan),
    }


async def source_of(session: AsyncSession, scope: Scope) -> str:
    """The plan's text as its author wrote it."""
    version = await session.get_one(PlanVersion, scope.deployment.plan_version_id)
    return version.source


async def _people_by_position(session: AsyncSession, deployment_id: int) -> dict[str, list[str]]:
    rows = await session.execute(
        select(RosterSeat.position, Person.name, RosterSeat.is_deputy)
        .join(Person, Person.id == RosterSeat.person_id)
        .where(RosterSeat.deployment_id == deployment_id)
        .order_by(RosterSeat.position, RosterSeat.is_deputy, RosterSeat.seat)
    )
    people: dict[str, list[str]] = {}
    for position, name, is_deputy in rows:
        people.setdefault(position, []).append(f"{name} (deputy)" if is_deputy else name)
    return people


def _target_part(target: TargetSpec, binding: Mapping[str, Any]) -> TargetPart:
    identity = target.identity
    if identity.header:
        says = f"in the response header {identity.header}"
    else:
        says = f"in the field {identity.field} of {identity.path}"
    bound_to = f"{binding.get('kind', '')} {binding.get('provider', '')} at {binding.get('public_url', '')}"
    return TargetPart(
        target.key, target.title, says, bound_to.strip() if binding else "", target.smoke_tests, target.not_undone
    )


def _trigger_row(plan: Plan, trigger: Trigger) -> TriggerRow:
    automatic = "Rolls back by itself, after a visible countdown"
    effect = automatic if trigger.mode == "automatic" else "Recommends a rollback"
    twice = f"{trigger.failing_checks} failing checks in a row" if trigger.failing_checks > 1 else "at once"
    match trigger.kind:
        case "metric":
            metric = plan.metric(trigger.metric or "")
            limit = quantity(trigger.above, metric.unit)
            held = f" for {span(trigger.sustained_s)}" if trigger.sustained_s else f", {twice}"
            rule = f"{metric.title} ({metric.statistic}) above {limit}{held}"
        case "probe":
            titles = {test.key: test.title for target in plan.targets for test in target.smoke_tests}
            tests = ", ".join(titles[key] for key in trigger.smoke_tests)
            rule = f"Fails: {tests}; {twice}"
        case "alert":
            rule = f"An alert of that kind arrives; {twice}"
        case "button":
            rule, effect = "The guard is lifted and pressed", "Rolls back at once"
    return TriggerRow(trigger.title, rule, effect)


def _role_view(plan: Plan, position: Position, people: Mapping[str, list[str]], own: frozenset[str]) -> RoleView:
    asked = any(
        question.position == position.key
        for phase in plan.phases
        for question in (phase.signoffs.questions if phase.signoffs else ())
    )
    rights = (["signs off"] if asked else []) + [RIGHTS[capability] for capability in position.capabilities]
    return RoleView(
        key=position.key,
        title=position.title,
        mission=position.mission,
        people=tuple(people.get(position.key, ())),
        seats=position.seats,
        is_you=position.key in own,
        may=tuple(rights),
        duties=position.duties,
    )


def _channels_by_heading(plan: Plan) -> dict[str, tuple[Channel, ...]]:
    return {
        heading: found
        for kind, heading in CHANNEL_HEADINGS.items()
        if (found := tuple(channel for channel in plan.channels if channel.kind == kind))
    }
