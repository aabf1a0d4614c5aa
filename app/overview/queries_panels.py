"""Reads of the home page's own panels: traffic, customers, team, the newest lines, whom to reach."""

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.checklists.queries import one_list, production_checklist
from app.checklists.views import ChecklistView
from app.db.tables import Deployment, Operation, ProbeSummary, TargetState
from app.domain.plan import Plan
from app.eventlog.log import versions_of
from app.overview.mission import FRESH, traffic_of
from app.overview.views import (
    CustomersPanel,
    LatestPanel,
    ReachPanel,
    StripPanel,
    TeamPanel,
    TrafficPanel,
)
from app.roster.queries import is_expected, seat_rows
from app.roster.queries_hand import hand_now
from app.timeline.queries import newest
from app.traffic.queries import latest_operation, operation_view
from app.traffic.queries_page import ground_of, live_view
from app.web.access import Scope
from app.web.figures import age, took

NEWEST = 8
LATELY = timedelta(minutes=5)

_TALK = ("slack", "zoom", "place", "email")


async def own_checklist(session: AsyncSession, scope: Scope) -> ChecklistView | None:
    """This person's items of the production checklist; None where the plan has none."""
    checklist = production_checklist(scope.plan)
    return await one_list(session, scope, checklist.key, only_mine=True) if checklist else None


# ── traffic ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def traffic(session: AsyncSession, scope: Scope, deployment: Deployment, now: datetime) -> TrafficPanel:
    versions = await versions_of(session, scope.id)
    target = await session.get_one(TargetState, deployment.target, populate_existing=True)
    rows = [("BLUE", _found(target.blue_found, target.blue_at, now))]
    rows.append(("GREEN", _found(target.green_found, target.green_at, now)))
    rows.append(("Balancer", _found("answers", target.read_at, now)))
    operation = await latest_operation(session, deployment)
    if operation is not None:
        rows += _moved(operation, deployment)
    return TrafficPanel(f"/d/{scope.id}/home/_traffic", traffic_of(target, now), tuple(rows), versions)


def _found(found: str, at: datetime | None, now: datetime) -> str:
    """What was found in the last 15 s; what is older says so, because nothing is known now."""
    if at is None:
        return "not asked yet"
    old = now - at
    return found if old <= FRESH else f"unknown; {age(old.total_seconds())} ago: {found}"


def _moved(operation: Operation, deployment: Deployment) -> list[tuple[str, str]]:
    view = operation_view(operation, deployment)
    name = view.title[:1].upper() + view.title[1:]
    rows = [(name, f"{view.who}, {view.state.value}")]
    if view.accepted_s is not None:
        rows.append(("Click to accepted", took(view.accepted_s)))
    if view.observed_100_s is not None:
        rows.append(("Click to 100 % observed", took(view.observed_100_s)))
    return rows


async def strip(session: AsyncSession, scope: Scope) -> StripPanel:
    """The switch second by second, or the rollback's criteria: as on the Switch page."""
    view = live_view(await ground_of(session, scope))
    return StripPanel(f"/d/{scope.id}/home/_strip", view.strip, view.criteria, view.versions)


# ── customers ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def customers(session: AsyncSession, scope: Scope, deployment: Deployment, now: datetime) -> CustomersPanel:
    """Counters of the customers' process at three moments; a count that went backwards was begun anew."""
    versions = await versions_of(session, scope.id)
    last = await _count_at(session, deployment.target, now)
    operation = await latest_operation(session, deployment)
    since = operation.clicked_at if operation is not None else None
    then = await _count_at(session, deployment.target, since) if since is not None else None
    lately = await _count_at(session, deployment.target, now - LATELY) or await _first_count(
        session, deployment.target, now - LATELY
    )
    asked, unanswered = await _probes(session, deployment.target, now)
    recent, before = _difference(last, lately), _difference(last, then)
    return CustomersPanel(
        url=f"/d/{scope.id}/home/_customers",
        requests=last[1] if last else None,
        failed=last[2] if last else None,
        recent_requests=recent[0] if recent else None,
        recent_failed=recent[1] if recent else None,
        since_word=f"since the {operation.kind} began" if operation is not None else "",
        since_requests=before[0] if before else None,
        since_failed=before[1] if before else None,
        probes=asked,
        probes_failed=unanswered,
        at=last[0] if last else None,
        now=now,
        versions=versions,
    )


Count = tuple[datetime, int, int]


async def _count_at(session: AsyncSession, target: str, moment: datetime) -> Count | None:
    """(when, requests, failed) as last counted by `moment`."""
    row = (
        await session.execute(
            select(ProbeSummary.second, ProbeSummary.customers_requests, ProbeSummary.customers_failed)
            .where(
                ProbeSummary.target == target,
                ProbeSummary.second <= moment,
                ProbeSummary.customers_requests.is_not(None),
            )
            .order_by(ProbeSummary.second.desc())
            .limit(1)
        )
    ).one_or_none()
    return None if row is None or row[1] is None else (row[0], row[1], row[2] or 0)


async def _first_count(session: AsyncSession, target: str, after: datetime) -> Count | None:
    """The oldest count since `after`, for when counting began later."""
    row = ProbeSummary
    statement = (
        select(row.second, row.customers_requests, row.customers_failed)
        .where(row.target == target, row.second > after, row.customers_requests.is_not(None))
        .order_by(row.second)
        .limit(1)
    )
    found = (await session.execute(statement)).one_or_none()
    return None if found is None or found[1] is None else (found[0], found[1], found[2] or 0)


def _difference(last: Count | None, then: Count | None) -> tuple[int, int] | None:
    if last is None or then is None or last[1] < then[1] or last[2] < then[2]:
        return None
    return last[1] - then[1], last[2] - then[2]


async def _probes(session: AsyncSession, target: str, now: datetime) -> tuple[int, int]:
    """(probes, probes without an answer) of the last 5 min."""
    row = ProbeSummary
    total = func.coalesce(func.sum(row.blue + row.green + row.unknown + row.failed), 0)
    statement = select(total, func.coalesce(func.sum(row.failed), 0))
    found = await session.execute(statement.where(row.target == target, row.second > now - LATELY, row.second <= now))
    asked, failed = found.one()
    return int(asked), int(failed)


# ── team, timeline ────────────────────────────────────────────────────────────────────────────────────────────────


async def team(session: AsyncSession, scope: Scope, now: datetime) -> TeamPanel:
    """Every seat of the roster in the plan's order, its holder, and when that one was last seen."""
    versions = await versions_of(session, scope.id)
    rows = await seat_rows(session, scope, now)
    hand = await hand_now(session, scope.id, scope.plan)
    attempt = scope.deployment.attempt
    return TeamPanel(
        url=f"/d/{scope.id}/home/_team",
        roster_url=f"/d/{scope.id}/roster",
        rows=rows,
        now=now,
        versions=versions,
        hand_id=hand.person_id,
        arrive_url=f"/d/{scope.id}/roster/arrive" if await is_expected(session, scope, attempt) else "",
        zone=scope.plan.timezone,
    )


async def latest(session: AsyncSession, scope: Scope) -> LatestPanel:
    versions = await versions_of(session, scope.id)
    lines = await newest(session, scope, NEWEST)
    return LatestPanel(f"/d/{scope.id}/home/_latest", lines, scope.plan.timezone, versions)


# ── whom to reach ─────────────────────────────────────────────────────────────────────────────────────────────────


def reach(plan: Plan) -> ReachPanel:
    talk = tuple(channel for channel in plan.channels if channel.kind in _TALK)
    return ReachPanel(plan.contacts, talk, tuple(channel for channel in plan.channels if channel not in talk))
