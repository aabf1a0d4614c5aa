"""Everything the wall shows, read in one transaction."""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, Event, Operation, ProbeSummary, TargetState
from app.decisions.queries import open_decision
from app.decisions.queries_banner import banner_of as decision_banner
from app.domain.operations import Kind, State
from app.domain.plan import Plan
from app.eventlog.log import versions_of
from app.incidents.queries import banner_of as incident_banner
from app.incidents.queries import open_incidents
from app.metrics.queries import SPAN_S, history, latest, rows_of
from app.metrics.queries_banner import Facts, headline
from app.metrics.views import CustomersCard, OperationCard, WallEvent, WallView
from app.traffic.queries_break_glass import unacknowledged
from app.triggers.queries import alarms
from app.web.access import Scope
from app.web.mission import TrafficView

FRESH = timedelta(seconds=3)
"""Shares from probes older than this are not shown as where traffic is."""
LATELY = timedelta(seconds=60)
EVENTS = 3
SAID = 200
"""Characters of an event that are sent to the wall; it has room for two lines."""


async def wall(session: AsyncSession, scope: Scope, now: datetime) -> WallView:
    return await wall_of(session, scope.deployment, scope.plan, now)


async def wall_of(session: AsyncSession, deployment: Deployment, plan: Plan, now: datetime) -> WallView:
    versions = await versions_of(session, deployment.id)
    rows = rows_of(
        plan, await latest(session, deployment, plan, now), await history(session, deployment.id, plan, now), now
    )
    operation = await _newest_operation(session, deployment)
    zero = await t_zero(session, deployment)
    target = await session.get(TargetState, deployment.target, populate_existing=True)
    traffic, agreeing, asked = await traffic_of(session, deployment.target, target, now)
    triggers = await alarms(session, deployment, plan, now)
    zero_s = (now - zero).total_seconds() if zero else None
    is_off = traffic.observed_blue is not None and traffic.set_blue not in (None, traffic.observed_blue)
    no_answer = asked > 0 and traffic.observed_blue is None
    used = await unacknowledged(session, deployment.id)
    glass = used[0] if used else None
    decision, _ = await open_decision(session, deployment, plan, now)
    incidents = await open_incidents(session, deployment, plan, now)
    asked_for = (incident_banner(incidents, plan, deployment.id), decision_banner(decision, deployment.id))
    banner = headline(
        Facts(
            deployment,
            plan,
            rows,
            traffic,
            operation,
            zero,
            target,
            no_answer,
            now,
            triggers,
            glass,
            tuple(each for each in asked_for if each is not None),
        )
    )
    if decision is not None and decision.snapshot.problem and decision.snapshot.problem not in banner.text:
        # Whatever has the headline: who decides must not wait for figures that will never come.
        banner = replace(banner, text=f"{banner.text} {decision.snapshot.problem}".strip())
    return WallView(
        banner=banner,
        rows=rows,
        traffic=traffic,
        traffic_note=_traffic_note(traffic, agreeing, asked),
        traffic_state="crit" if no_answer else "warn" if is_off else "ok",
        customers=await _customers(session, deployment.target, zero, now),
        operation=_operation_card(operation),
        events=await _events(session, deployment.id),
        zone=plan.timezone,
        zero_s=zero_s if zero_s is not None and 0 <= zero_s <= SPAN_S else None,
        now=now,
        versions=versions,
        url=f"/d/{deployment.id}/wall/_panel",
    )


async def t_zero(session: AsyncSession, deployment: Deployment) -> datetime | None:
    """When this attempt's switch was written to the balancer; None before."""
    found: datetime | None = await session.scalar(
        select(Operation.written_at)
        .where(
            Operation.deployment_id == deployment.id,
            Operation.attempt == deployment.attempt,
            Operation.kind == Kind.SWITCH.value,
            Operation.written_at.is_not(None),
        )
        .order_by(Operation.id.desc())
        .limit(1)
    )
    return found


async def _newest_operation(session: AsyncSession, deployment: Deployment) -> Operation | None:
    found: Operation | None = await session.scalar(
        select(Operation)
        .where(
            Operation.deployment_id == deployment.id,
            Operation.attempt == deployment.attempt,
            Operation.target == deployment.target,
        )
        .order_by(Operation.id.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    )
    return found


async def traffic_of(
    session: AsyncSession, target: str, state: TargetState | None, now: datetime
) -> tuple[TrafficView, int, int]:
    """Where probes of the newest second saw traffic, with how many agree with the weights and how many were sent."""
    set_blue = state.set_blue if state else None
    set_green = None if set_blue is None else 100 - set_blue
    newest = await session.scalar(
        select(ProbeSummary)
        .where(ProbeSummary.target == target, ProbeSummary.second > now - FRESH, ProbeSummary.second <= now)
        .order_by(ProbeSummary.second.desc())
        .limit(1)
    )
    if newest is None:
        return TrafficView(None, None, None, set_blue, set_green), 0, 0
    answered = newest.blue + newest.green
    sent = answered + newest.unknown + newest.failed
    age_s = (now - newest.second).total_seconds()
    if answered == 0:
        return TrafficView(None, None, age_s, set_blue, set_green), 0, sent
    green = round(newest.green / answered * 100)
    agreeing = newest.blue if set_blue == 100 else newest.green if set_blue == 0 else answered
    return TrafficView(100 - green, green, age_s, set_blue, set_green), agreeing, sent


def _traffic_note(traffic: TrafficView, agreeing: int, asked: int) -> str:
    if traffic.observed_age_s is None:
        return "Probes are silent."
    if asked and traffic.observed_blue is None:
        return f"0 of {asked} probes got an answer."
    if traffic.set_blue is None:
        return "The weights are not known."
    return "" if agreeing == asked else f"{agreeing} of {asked} probes agree."


async def _customers(session: AsyncSession, target: str, zero: datetime | None, now: datetime) -> CustomersCard:
    """Failed requests since T−0. The source counts from its own start, so earlier counts are taken off."""
    newest = await _count_at(session, target, now)
    if newest is None:
        return CustomersCard(None, None, "nobody counts them here", "unknown")
    before = await _count_at(session, target, zero) if zero else None
    since, base = ("since T−0", before) if before and before <= newest else ("since counting began", (0, 0))
    lately = await _count_at(session, target, now - LATELY) or (0, 0)
    requests, failed = newest[0] - base[0], newest[1] - base[1]
    failed_lately = newest[1] - lately[1] if lately <= newest else newest[1]
    if failed_lately:
        return CustomersCard(failed, requests, f"{failed_lately:,} in the last minute", "crit")
    return CustomersCard(failed, requests, "none in the last minute" if failed else since)


async def _count_at(session: AsyncSession, target: str, moment: datetime) -> tuple[int, int] | None:
    """(requests, failed) as counted last by `moment`."""
    row = (
        await session.execute(
            select(ProbeSummary.customers_requests, ProbeSummary.customers_failed)
            .where(
                ProbeSummary.target == target,
                ProbeSummary.second <= moment,
                ProbeSummary.customers_requests.is_not(None),
            )
            .order_by(ProbeSummary.second.desc())
            .limit(1)
        )
    ).one_or_none()
    return None if row is None or row[0] is None else (row[0], row[1] or 0)


_NAMES = {Kind.SWITCH: "switch", Kind.ROLLBACK: "rollback", Kind.SHIFT: "shift"}


def _operation_card(operation: Operation | None) -> OperationCard:
    if operation is None:
        return OperationCard("The switch", None, "has not begun")
    name = _NAMES[Kind(operation.kind)]
    if operation.observed_100_at is not None:
        seconds = (operation.observed_100_at - operation.clicked_at).total_seconds()
        return OperationCard(f"The {name} took", seconds, "click to 100 % observed")
    if operation.finished_at is None:
        seen = "99 % observed" if operation.observed_99_at else "95 % observed" if operation.observed_95_at else ""
        note = seen or ("written, 95 % not yet" if operation.written_at else "accepted, not written yet")
        title = f"{name.capitalize()}, since the press"
        return OperationCard(title, None, note, "run", running_since=operation.clicked_at)
    if operation.state == State.REFUSED.value:
        return OperationCard(f"The {name}", None, "was refused: nothing was written", "warn")
    return OperationCard(f"The {name}", None, f"{operation.state}: 100 % was not observed", "warn")


async def _events(session: AsyncSession, deployment_id: int) -> tuple[WallEvent, ...]:
    """The newest lines of the timeline, newest first."""
    rows = await session.execute(
        select(Event.id, Event.at, func.left(Event.text, SAID), Event.actor, Event.severity)
        .where(Event.chain == deployment_id)
        .order_by(Event.seq.desc())
        .limit(EVENTS)
    )
    return tuple(WallEvent(*row) for row in rows)
