"""The mission bar's view model, from what is recorded."""

from collections.abc import Awaitable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Select, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import BreakGlass, Deployment, Operation, PhaseRun, TargetState
from app.decisions.queries import open_decision
from app.decisions.queries_banner import banner_of as decision_banner
from app.deployments.commands import database_now
from app.domain.deployments import WORDS
from app.domain.deployments import State as Course
from app.domain.operations import Kind
from app.domain.operations import State as Progress
from app.domain.phases import BY_COURSE
from app.domain.phases import WORDS as PHASE_WORDS
from app.domain.phases import State as PhaseState
from app.domain.plan import Plan
from app.domain.plan_people import whom_to_call
from app.domain.readiness import Light
from app.domain.triggers import Stage
from app.eventlog.log import versions_of
from app.freeze.queries import freeze_line
from app.incidents.queries import banner_of as incident_banner
from app.incidents.queries import open_incidents
from app.metrics.queries import health_of
from app.roster.queries_hand import hand_now
from app.traffic.queries import last_rollback_s
from app.traffic.queries_break_glass import unacknowledged
from app.traffic.queries_dns import split_words
from app.traffic.queries_readiness import light_of
from app.triggers.queries import Standing, alarms
from app.triggers.queries_banner import banner_of as trigger_banner
from app.web.access import Scope
from app.web.figures import age, took
from app.web.mission import BannerView, GuardView, HealthView, LinkView, MissionView, TrafficView
from app.web.sharing import Shelf

log = structlog.get_logger()

Found = TypeVar("Found")

FRESH = timedelta(seconds=15)
_OTHERS_FIRST = (Course.PREPARING, Course.ON_HOLD, Course.COMPLETED)
_WITH_WAY_BACK = (Course.SWITCHING, Course.SWITCHED, Course.COMPLETED)


async def build_mission(database: Database, shelf: Shelf, scope: Scope) -> MissionView:
    """The same for all who look, but for the guard, which only those see who may roll back, and the banner, from which
    some can hold a trigger."""
    versions = await database.read(lambda session: versions_of(session, scope.id))
    key = (scope.id, "mission", scope.may("rollback"), scope.may("hold"))
    made: MissionView = await shelf.take(
        key, versions, lambda: database.read(lambda session: mission_of(session, scope))
    )
    return made


async def mission_of(session: AsyncSession, scope: Scope) -> MissionView:
    """One read for the bar, the guard and the banner. The versions are read first: what changes meanwhile is
    fetched once more rather than missed."""
    versions = await versions_of(session, scope.id)
    now = await database_now(session)
    deployment = await session.get_one(Deployment, scope.id, populate_existing=True)
    target = await session.get_one(TargetState, deployment.target)
    operation = await newest_operation(session, deployment)
    health = await health_of(session, deployment, scope.plan, now)
    triggers = await alarms(session, deployment, scope.plan, now)
    light = await light_of(session, deployment, target, now)
    decision, is_watched = await _or_without(open_decision(session, deployment, scope.plan, now), (None, False))
    incidents = await _or_without(open_incidents(session, deployment, scope.plan, now), ())
    asked = (incident_banner(incidents, scope.plan, deployment.id), decision_banner(decision, deployment.id))
    asked_for = [banner for banner in asked if banner is not None]
    alarm = banner_of(scope, target, operation, health, now, _trigger_banner(scope, triggers, now), asked_for)
    zone = ZoneInfo(scope.plan.timezone)
    glass = break_glass_banner(deployment, await unacknowledged(session, deployment.id), zone)
    last_s = await last_rollback_s(session, deployment.target)
    guard = _guard(scope, deployment, target, operation, now, last_s, light)
    phase_label, phase_state = await _phase_words(session, deployment, scope.plan, is_watched=is_watched)
    return MissionView(
        mode="live" if deployment.mode == "live" else "rehearsal",
        deployment_id=deployment.id,
        title=deployment.title,
        blue_version=deployment.blue_version,
        green_version=deployment.green_version,
        phase_label=phase_label,
        phase_state=phase_state,
        zone=scope.plan.timezone,
        zone_label=now.astimezone(zone).tzname() or scope.plan.timezone,
        server_time=now,
        t_zero=_t_zero(deployment, operation),
        traffic=traffic_of(target, now),
        health=health,
        guard=_hot(guard, triggers),
        banner=_worse(alarm, glass),
        versions=versions,
        decision=decision,
        hand=(await hand_now(session, deployment.id, scope.plan)).name,
        freeze=await freeze_line(session, deployment.id, now),
    )


async def _or_without(asked: Awaitable[Found], without: Found) -> Found:
    """What is asked of people, or nothing where it cannot be told: the bar holds the rollback cover, and is drawn
    whatever is wrong beside it. A lost database is for the read to meet."""
    try:
        return await asked
    except Exception as error:
        if isinstance(error, DBAPIError):
            raise
        log.exception("overview.mission.without")
        return without


async def newest_operation(session: AsyncSession, deployment: Deployment) -> Operation | None:
    """The newest operation of the deployment's present attempt."""
    statement = (
        select(Operation)
        .where(
            Operation.deployment_id == deployment.id,
            Operation.attempt == deployment.attempt,
            Operation.target == deployment.target,
        )
        .order_by(Operation.epoch.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    )
    return (await session.execute(statement)).scalar_one_or_none()


def _t_zero(deployment: Deployment, operation: Operation | None) -> datetime:
    """The moment of the switch; before it, the planned one."""
    if deployment.switched_at is not None:
        return deployment.switched_at
    if operation is not None and operation.kind == Kind.SWITCH and operation.written_at is not None:
        return operation.written_at
    return deployment.planned_at


async def _phase_words(
    session: AsyncSession, deployment: Deployment, plan: Plan, *, is_watched: bool
) -> tuple[str, str]:
    """The phase that the day is in. Production has the bar from the moment its sign-offs are proceeded on; before that,
    and after it is complete, another phase that runs has it."""
    course = Course(deployment.state)
    if course in _OTHERS_FIRST:
        states = {row.phase: PhaseState(row.state) for row in await session.scalars(_under_way(deployment.id))}
        for phase in plan.phases:
            if phase.key in states:
                return _phase_label(plan, phase.key), f"{phase.short or phase.title}: {PHASE_WORDS[states[phase.key]]}"
    phase = plan.phase(deployment.phase)
    watched = ", watched" if is_watched else ""
    return _phase_label(plan, phase.key), f"{phase.short or phase.title}: {WORDS[course]}{watched}"


def _under_way(deployment_id: int) -> Select[PhaseRun]:
    return select(PhaseRun).where(
        PhaseRun.deployment_id == deployment_id,
        PhaseRun.kind.not_in(BY_COURSE),
        PhaseRun.state.in_((PhaseState.RUNNING.value, PhaseState.ON_HOLD.value)),
    )


def _phase_label(plan: Plan, key: str) -> str:
    """ "Phase 4 of 6": by the plan's own numbers; the last number names how many there are."""
    phase = plan.phase(key)
    last = max(int("".join(filter(str.isdigit, other.number))) for other in plan.phases)
    return f"Phase {phase.number} of {last}"


def traffic_of(target: TargetState, now: datetime) -> TrafficView:
    is_probed = target.probed_at is not None and now - target.probed_at <= FRESH
    is_read = target.read_at is not None and now - target.read_at <= FRESH and not target.read_error
    set_blue = target.set_blue if is_read else None
    return TrafficView(
        observed_blue=target.probed_blue if is_probed else None,
        observed_green=target.probed_green if is_probed else None,
        observed_age_s=(now - target.probed_at).total_seconds() if target.probed_at else None,
        set_blue=set_blue,
        set_green=None if set_blue is None else 100 - set_blue,
        split_note="routes disagree" if is_read and target.set_blue is None else split_words(target),
    )


def _guard(
    scope: Scope,
    deployment: Deployment,
    target: TargetState,
    operation: Operation | None,
    now: datetime,
    last_s: float | None,
    light: Light,
) -> GuardView:
    if not scope.may("rollback"):
        return GuardView("hidden")
    state = Course(deployment.state)
    if state is Course.ROLLING_BACK:
        since = f"pressed {age((now - operation.clicked_at).total_seconds())} ago" if operation else "on its way"
        return GuardView("sent", title="Rolling back", note=since)
    # A rollback that ended unverified proves nothing about where customers are: the way back stays one press away.
    is_unverified = operation is not None and operation.verified_at is None
    if state is Course.ROLLED_BACK and not is_unverified:
        return GuardView("done", title="On BLUE", note="rolled back")
    if state is Course.ARMED:
        return GuardView(
            "unarmed", title="Rollback armed", note=_light_words(light, last_s), proof_age_s=_proof_age(light)
        )
    if state not in _WITH_WAY_BACK and not (state is Course.ROLLED_BACK and is_unverified):
        return GuardView("unarmed", title="Rollback not armed", note="arms before the switch")
    is_fresh = target.blue_at is not None and now - target.blue_at <= FRESH
    proof = age((now - target.blue_at).total_seconds()) if target.blue_at else ""
    is_healthy = not (is_fresh and target.blue_is_healthy is False)
    takes = f"about {took(last_s)} (last rollback)" if last_s is not None else "a few seconds; 30 s at most"
    return GuardView(
        "ready" if light.is_ready else "not_ready",
        note=_light_words(light, last_s),
        proof_age_s=_proof_age(light),
        action_url=f"/d/{deployment.id}/rollback",
        from_version=deployment.green_version,
        to_version=deployment.blue_version,
        takes=takes,
        blue_health=f"{target.blue_found}, {proof} ago" if target.blue_at else "not checked yet",
        blue_is_healthy=is_healthy,
        not_undone=scope.plan.target(deployment.target).not_undone,
        button="Roll back to BLUE" if is_healthy else "Roll back although BLUE is unhealthy",
    )


def _hot(guard: GuardView, triggers: tuple[Standing, ...]) -> GuardView:
    """The guard while a trigger runs: the cover says when it will be pressed by itself, or that it should be."""
    standing = triggers[0] if triggers else None
    if standing is None or not guard.has_cover or standing.stage is Stage.HELD:
        return guard
    note = "recommended now" if standing.stage is Stage.RECOMMENDED else "a trigger is in breach"
    return replace(guard, state="hot", note=note, fires_at=standing.found.fires_at)


def _trigger_banner(scope: Scope, triggers: tuple[Standing, ...], now: datetime) -> BannerView | None:
    may_hold = scope.may("rollback") or scope.may("hold")
    return trigger_banner(triggers, scope.plan, scope.id, now, may_roll_back=scope.may("rollback"), may_hold=may_hold)


_SHORT = {"blue": "BLUE", "balancer": "balancer", "capsules": "capsules:", "preflight": "pre-flight"}


def _light_words(light: Light, last_s: float | None) -> str:
    """What stands behind "ready, proven 4 s ago", or the first thing that keeps the light out."""
    if light.first is not None:
        others = f", and {len(light.reasons) - 1} more" if len(light.reasons) > 1 else ""
        return f"not ready: {_SHORT.get(light.first.key, light.first.title)} {light.first.found}"[:90] + others
    if not light.is_ready:
        return "not ready: not proven yet"
    return f"last drill {took(last_s)}" if last_s is not None else ""


def _proof_age(light: Light) -> float | None:
    return light.proof_age_s if light.is_ready else None


def _worse(banner: BannerView | None, glass: BannerView | None) -> BannerView | None:
    """A rollback that runs, or was not verified, comes before the one that is over."""
    if glass is None or (banner is not None and banner.key.startswith(("rollback-", "escalated-"))):
        return banner
    return glass


def break_glass_banner(deployment: Deployment, used: Sequence[BreakGlass], zone: ZoneInfo) -> BannerView | None:
    """Stands on every page until somebody who leads has acknowledged it."""
    if not used:
        return None
    run = used[0]
    title = f"Break-glass was used at {run.started_at.astimezone(zone):%H:%M} by {run.who} on {run.host}"
    text = "What was done stands on the Switch page, to be acknowledged there."
    link = LinkView("See what was done", f"/d/{deployment.id}/switch#break-glass")
    return BannerView("crit", f"break-glass-{run.run}", title, text, link, more=len(used) - 1)


def banner_of(
    scope: Scope,
    target: TargetState,
    operation: Operation | None,
    health: HealthView,
    now: datetime,
    trigger: BannerView | None = None,
    asked_for: Sequence[BannerView] = (),
) -> BannerView | None:
    """The one worst alarm (ux.md: one headline). `asked_for` are open incidents and an open decision point: the
    critical ones come before metrics, the others after."""
    deployment, call = scope.deployment, whom_to_call(scope.plan)
    switch = LinkView("Open the Switch page", f"/d/{deployment.id}/switch")
    state = Course(deployment.state)
    if operation is not None and operation.escalated_at is not None and operation.attempt == deployment.attempt:
        text = f"{operation.reason}. Call {call}; the product goes on trying."
        if operation.finished_at is not None:
            text = f"{operation.reason}. Call {call}."
        return BannerView("crit", f"escalated-{operation.id}", "The rollback is not verified", text, switch)
    if state is Course.ROLLING_BACK:
        return BannerView(
            "crit", f"rollback-{deployment.attempt}", "Rolling back to BLUE", "Nothing else to press.", switch
        )
    others = sum(each.more + 1 for each in asked_for)
    if trigger is not None:
        return replace(trigger, more=trigger.more + others)
    first = next((each for each in asked_for if each.state == "crit"), None)
    if first is not None:
        return replace(first, more=others - 1)
    if state in _WITH_WAY_BACK and health.state == "crit":
        wall = LinkView("Open the wall", f"/d/{deployment.id}/wall")
        text = "Continue, scale up or roll back?"
        return BannerView("crit", "metrics", f"Metrics: {health.word}", text, wall, more=others)
    if asked_for:
        return replace(asked_for[0], more=others - 1)
    if state is Course.ON_HOLD:
        return BannerView("warn", f"hold-{deployment.state_since}", "On hold", deployment.hold_reason)
    if operation is not None and operation.state == Progress.REFUSED and state is Course.ARMED:
        return BannerView(
            "warn", f"refused-{operation.id}", "The switch was refused, no traffic moved", operation.reason, switch
        )
    if state in _WITH_WAY_BACK and target.blue_is_healthy is False and target.blue_at and now - target.blue_at <= FRESH:
        return BannerView(
            "warn", "blue", "BLUE is unhealthy", f"The way back is not proven: {target.blue_found}.", switch
        )
    return None
