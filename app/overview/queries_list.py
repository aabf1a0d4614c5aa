"""Reads of the list: every deployment this person sits in, the one that needs something first."""

from zoneinfo import ZoneInfo

from fastapi import Request
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, RosterSeat
from app.domain.deployments import WORDS, State
from app.domain.signoffs import Gate, GateVerdict
from app.overview.queries import facts_of, url_of
from app.overview.queries_now import now_for
from app.overview.views import DeploymentRow, ListView, Move, NowFacts, NowView
from app.range.queries import ENDED, why_no_rehearsal
from app.signoffs.queries_board import ground_of
from app.web.access import Scope, Viewer, find_scope

SHOWN = 30


async def deployments(session: AsyncSession, request: Request, viewer: Viewer) -> ListView:
    """The newest of a person's deployments; an administrator sees all of them."""
    mine = select(Deployment.id)
    if not viewer.is_admin:
        seats = select(RosterSeat.deployment_id).where(RosterSeat.person_id == viewer.person_id)
        mine = mine.where(Deployment.id.in_(seats))
    total = await session.scalar(select(func.count()).select_from(mine.subquery())) or 0
    ids = await session.scalars(mine.order_by(Deployment.id.desc()).limit(SHOWN))
    scopes = [await find_scope(request, session, viewer, number) for number in ids.all()]
    rows = [await _row(session, scope) for scope in scopes]
    rows.sort(key=lambda row: (not row.is_open, -row.id))
    lead = next((scope for scope in scopes if may_rehearse(scope)), None)
    return ListView(
        rows=tuple(rows),
        more=max(0, total - SHOWN),
        is_range=any(scope.settings.is_range for scope in scopes),
        is_admin=viewer.is_admin,
        rehearse=f"/d/{lead.id}/range/rehearsals" if lead else "",
        why_not=await why_no_rehearsal(session, lead.deployment.target) if lead else "",
    )


def may_rehearse(scope: Scope) -> bool:
    """As accounts/policy.py has it for `range.rehearse`."""
    return scope.settings.is_range and (scope.may("administer") or scope.may("proceed"))


async def _row(session: AsyncSession, scope: Scope) -> DeploymentRow:
    deployment = scope.deployment
    state = State(deployment.state)
    zone = ZoneInfo(scope.plan.timezone)
    now = await _now(session, scope, state)
    return DeploymentRow(
        id=deployment.id,
        title=deployment.title,
        mode="live" if deployment.mode == "live" else "rehearsal",
        blue_version=deployment.blue_version,
        green_version=deployment.green_version,
        state=WORDS[state],
        tone="warn" if state is State.ON_HOLD else "crit" if state is State.ROLLING_BACK else "calm",
        seat=", ".join(seat.title for seat in scope.seats),
        planned_at=deployment.planned_at,
        zone=scope.plan.timezone,
        zone_label=deployment.planned_at.astimezone(zone).tzname() or scope.plan.timezone,
        now=now,
        is_open=state not in ENDED,
        attempt=deployment.attempt,
    )


async def _now(session: AsyncSession, scope: Scope, state: State) -> NowView:
    """The next move for this person. Of what has ended only the state decides, and nothing more is read."""
    if state in ENDED:
        view = now_for(_ended_facts(scope, state))
    else:
        view = now_for(await facts_of(session, await ground_of(session, scope)))
    moves = tuple(Move(move.title, move.goal, url_of(scope.id, move.goal)) for move in view.moves)
    return NowView(view.headline, view.advice, moves, view.tone)


def _ended_facts(scope: Scope, state: State) -> NowFacts:
    deployment = scope.deployment
    return NowFacts(
        plan=scope.plan,
        state=state,
        gate=Gate(GateVerdict.PENDING, (), ()),
        own=frozenset(),
        rights=scope.capabilities,
        blue=deployment.blue_version,
        green=deployment.green_version,
        planned_at=deployment.planned_at,
        position=scope.seats[0].position if scope.seats else "",
        now=scope.now,
        reason=deployment.hold_reason,
        switched_at=deployment.switched_at,
    )
