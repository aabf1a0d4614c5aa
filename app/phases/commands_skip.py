"""Skipping a phase takes two people of two positions. A wish that nobody agrees to lapses, and the phase stays."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, PhaseRun
from app.deployments.commands import database_now, lock, lock_for
from app.domain.errors import Rejected, Stale
from app.domain.phases import SKIP_STANDS_FOR, Change, Happened, decide, evolve
from app.domain.plan import Phase, Plan
from app.domain.plan_clock import plan_now
from app.eventlog.log import SYSTEM, Entry, append
from app.phases.commands import end_scripts, refuse_by_course, refuse_stale
from app.phases.commands_rows import lock_row, payload_of, put, run_of
from app.phases.forms import AgreeForm, PhaseForm
from app.phases.queries import leads, phase_of
from app.roster.queries import roster_of
from app.web.access import Forbidden, Scope


def may_skip(scope: Scope, phase: Phase) -> bool:
    return leads(scope, phase) or scope.may("proceed") or scope.may("hold")


def is_asked(row: PhaseRun, now: datetime) -> bool:
    """Whether a wish stands that somebody else can agree to."""
    return row.skip_asked_at is not None and now - row.skip_asked_at < SKIP_STANDS_FOR


def _by_right(scope: Scope, phase: Phase) -> tuple[str, ...]:
    """The positions of this person by which they may skip the phase."""
    return scope.positions_that_may(f"lead:{phase.key}", "proceed", "hold")


def same_hand(row: PhaseRun, scope: Scope, phase: Phase) -> str:
    """Why this person cannot be the second one; empty if they can."""
    if row.skip_asked_person == scope.viewer.person_id:
        return "You asked to skip it yourself."
    if not set(_by_right(scope, phase)) - {row.skip_asked_position}:
        return f"{row.skip_asked_by} asked, and has your position."
    return ""


async def ask(session: AsyncSession, scope: Scope, key: str, form: PhaseForm) -> None:
    """The first person's wish, with the reason. Raises Rejected where another's stands already."""
    deployment, row, now = await _locked(session, scope, key)
    phase = phase_of(scope.plan, key)
    if is_asked(row, now):
        if row.skip_asked_person == scope.viewer.person_id:
            return
        raise Rejected(
            f"{row.skip_asked_by} asked to skip it already. Nothing was recorded.",
            remedy="Agree to it, or let it lapse.",
            conflict=True,
            code="asked",
        )
    happened = decide(run_of(row), Happened(Change.SKIP, now, plan_now(deployment, now), scope.who, form.reason))
    refuse_stale(row, form)
    row.skip_asked_at, row.skip_asked_by, row.skip_reason = now, scope.who[:160], happened.reason
    row.skip_asked_person = scope.viewer.person_id
    row.skip_asked_position = next(iter(_by_right(scope, phase)), "")
    text = f"{scope.who} asks to skip phase {phase.number}, {phase.title}: {happened.reason}"
    cause = "it takes a second person of another position within 10 min"
    entry = Entry("phases.skip.asked", text, ("phases",), cause, "warn", {"phase": key})
    await append(session, deployment.id, entry, scope.actor)


async def agree(session: AsyncSession, scope: Scope, key: str, form: AgreeForm) -> None:
    """The second person's agreement: the phase is skipped. The same press sent twice is one. Raises Rejected where
    nothing stands to agree to, where the page showed another wish or another state of the phase, or for the one who
    asked, or somebody of the same position."""
    deployment, row, now = await _locked(session, scope, key)
    phase = phase_of(scope.plan, key)
    press = f"agree:{scope.viewer.person_id}:{form.key}"[:64] if form.key else ""
    if press and row.changed_key == press:
        return
    if not is_asked(row, now):
        raise Rejected(
            "Nobody asks to skip this phase, or not any more. Nothing was done.",
            remedy="Such a wish lapses after 10 min.",
            conflict=True,
            code="not_asked",
        )
    if not await _is_seated(session, row):
        raise Rejected(
            f"{row.skip_asked_by} asked, and is not on the roster any more. The phase stays.",
            remedy="Withdraw it, then let two others skip the phase.",
            conflict=True,
            code="not_asked",
        )
    why = same_hand(row, scope, phase)
    if why:
        raise Rejected(
            f"{why} The phase stays.", remedy="Skipping takes two people of two positions.", code="same_hand"
        )
    refuse_stale(row, form)
    if row.skip_asked_at != form.asked_at:
        raise Stale(
            f"This page showed another wish: {row.skip_asked_by} asks now, “{row.skip_reason}”. Nothing was done.",
            remedy="Read why, then agree to it or let it lapse.",
        )
    both = f"{row.skip_asked_by} and {scope.who}"
    happened = decide(run_of(row), Happened(Change.SKIP, now, plan_now(deployment, now), both, row.skip_reason))
    put(row, evolve(run_of(row), happened))
    row.changed_key = press
    text = f"{both} skipped phase {phase.number}, {phase.title}: {happened.reason}"
    entry = Entry(Change.SKIP.value, text, ("phases",), happened.reason, "warn", payload_of(key, happened))
    await append(session, deployment.id, entry, scope.actor)
    await end_scripts(session, scope, phase, now)


async def _is_seated(session: AsyncSession, row: PhaseRun) -> bool:
    """Whether who asked still has the position it was asked from, and an account that is not disabled."""
    roster = await roster_of(session, row.deployment_id)
    asked = (row.skip_asked_person, row.skip_asked_position)
    return any((each.person_id, each.position) == asked and not each.is_disabled for each in roster)


async def withdraw(session: AsyncSession, scope: Scope, key: str) -> None:
    """Take the wish back: one person is enough for the safe state."""
    deployment, row, now = await _locked(session, scope, key)
    if not is_asked(row, now):
        raise Rejected("Nobody asks to skip this phase any more.", conflict=True, code="not_asked")
    row.skip_asked_at = None
    phase = phase_of(scope.plan, key)
    text = f"{scope.who} took back the wish to skip phase {phase.number}; it stays"
    await append(session, deployment.id, Entry("phases.skip.withdrawn", text, ("phases",)), scope.actor)


async def lapse(session: AsyncSession, deployment_id: int, plan: Plan) -> list[str]:
    """End the wishes of a deployment that nobody agreed to in time. Returns the phases."""
    deployment = await lock(session, deployment_id)
    now = await database_now(session)
    old = PhaseRun.skip_asked_at <= now - SKIP_STANDS_FOR
    waiting = select(PhaseRun.phase).where(PhaseRun.deployment_id == deployment_id, old).order_by(PhaseRun.phase)
    ended: list[str] = []
    for key in (await session.scalars(waiting)).all():
        row = await lock_row(session, deployment, plan, key)
        row.skip_asked_at = None
        phase = plan.phase(key)
        text = f"Nobody agreed to skip phase {phase.number} within 10 min; it stays"
        cause = f"{row.skip_asked_by} asked: {row.skip_reason}"
        await append(session, deployment.id, Entry("phases.skip.lapsed", text, ("phases",), cause, "warn"), SYSTEM)
        ended.append(key)
    return ended


async def _locked(session: AsyncSession, scope: Scope, key: str) -> tuple[Deployment, PhaseRun, datetime]:
    phase = phase_of(scope.plan, key)
    if not may_skip(scope, phase):
        raise Forbidden(f"Phase {phase.number} is led by somebody else.")
    refuse_by_course(phase)
    deployment = await lock_for(session, scope)
    return deployment, await lock_row(session, deployment, scope.plan, key), await database_now(session)
