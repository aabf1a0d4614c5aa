"""Writes of sign-offs: each locks the deployment's row, asks the domain, writes vote and event in one transaction."""

from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, PlanVersion, Signoff, TargetState
from app.deployments.commands import apply, database_now, lock
from app.domain.deployments import WORDS, Change, State
from app.domain.errors import Rejected
from app.domain.plan import Plan, SignoffGate
from app.domain.signoff_words import change_words, listed, possessive
from app.domain.signoffs import (
    Binding,
    GateVerdict,
    Verdict,
    Vote,
    cast,
    evaluate,
    is_repeat,
    newly_outdated,
)
from app.eventlog.log import SYSTEM, Actor, Entry, append
from app.signoffs.forms import VoteForm
from app.signoffs.queries import VOTING, binding_of, holders_of, standing_votes
from app.web.access import Scope

_READY = (State.PROCEEDED, State.ARMED)
"""The gate was used already: a vote against it puts the deployment back."""


async def record_signoff(session: AsyncSession, scope: Scope, form: VoteForm) -> None:
    """Record a GO or NO-GO on a question of the voter's position. Raises Rejected. The same vote twice is one."""
    deployment = await lock(session, scope.id)
    _check_voting(deployment)
    spec = _questions(scope.plan)
    now = await database_now(session)
    binding = await binding_of(session, deployment, scope.plan, scope.plan_hash)
    holders = await holders_of(session, deployment.id)
    votes = await standing_votes(session, deployment)
    vote = cast(
        spec,
        votes,
        question=form.question,
        holders=holders,
        person_id=scope.viewer.person_id,
        who=scope.who[:120],
        verdict=Verdict.GO if form.vote == "go" else Verdict.NO_GO,
        comment=form.comment,
        binding=binding,
        shown=form.shown,
        now=now,
    )
    if is_repeat(next((other for other in votes if other.question == vote.question), None), vote):
        return
    await _lock_target(session, deployment)
    await _end_standing(session, deployment, vote.question, now, "replaced")
    session.add(_row(deployment, vote))
    await session.flush()
    title = scope.plan.position(vote.position).title
    word = "GO" if vote.verdict is Verdict.GO else "NO-GO"
    entry = Entry(
        kind="signoffs.recorded",
        text=f"{title} said {word}" + (f": {vote.comment}" if vote.comment else ""),
        topics=("signoffs",),
        severity="normal" if vote.verdict is Verdict.GO else "warn",
        payload={"question": vote.question, "verdict": vote.verdict.value, "attempt": deployment.attempt},
    )
    await append(session, deployment.id, entry, scope.actor)
    if vote.verdict is Verdict.NO_GO:
        await _hold(session, deployment, scope.actor, f"{title} said NO-GO: {vote.comment}")
    elif evaluate(spec, await standing_votes(session, deployment), binding, holders, now).verdict is GateVerdict.PASSED:
        text = f"The gate passed: {len(spec.questions)} GO by {len(spec.questions)} people"
        await append(session, deployment.id, Entry("signoffs.gate.passed", text, ("signoffs",)), SYSTEM)


async def withdraw_signoff(session: AsyncSession, scope: Scope, question: str) -> None:
    """Take one's own vote back. Raises Rejected for somebody else's vote and once the switch began."""
    deployment = await lock(session, scope.id)
    _check_voting(deployment)
    rows = await session.scalars(
        select(Signoff)
        .where(
            Signoff.deployment_id == deployment.id,
            Signoff.attempt == deployment.attempt,
            Signoff.question == question,
        )
        .order_by(Signoff.ended_at.desc().nulls_first())
        .limit(1)
    )
    newest = rows.one_or_none()
    if newest is None or (newest.ended_at is not None and newest.person_id != scope.viewer.person_id):
        raise Rejected("There is no vote of yours to withdraw.", code="no_vote")
    if newest.ended_at is not None:
        return
    if newest.person_id != scope.viewer.person_id:
        raise Rejected(
            f"This vote is {newest.who}'s, and only they can withdraw it.",
            remedy="Speak with them, or hold the deployment.",
            code="position",
        )
    await _lock_target(session, deployment)
    newest.ended_at, newest.end_reason = await database_now(session), "withdrawn"
    await session.flush()
    title = scope.plan.position(newest.position).title
    word = "GO" if newest.verdict == Verdict.GO.value else "NO-GO"
    text = f"{title} withdrew the {word}"
    entry = Entry(
        "signoffs.withdrawn",
        text,
        ("signoffs",),
        severity="warn",
        payload={"question": question, "verdict": newest.verdict, "attempt": deployment.attempt},
    )
    await append(session, deployment.id, entry, scope.actor)
    if newest.verdict == Verdict.GO.value:
        await _hold(session, deployment, scope.actor, text)


async def note_outdated(
    session: AsyncSession, deployment: Deployment, plan: Plan, plan_hash: str, before: Binding, actor: Actor
) -> None:
    """After a change to what votes are bound to: one event that names the GO votes it made OUTDATED, and why.

    `before` is `binding_of` as it was before the change, in the same transaction.
    """
    after = await binding_of(session, deployment, plan, plan_hash)
    outdated = newly_outdated(await standing_votes(session, deployment), before, after)
    if not outdated:
        return
    titles = [f"{possessive(plan.position(vote.position).title)} GO" for vote, _ in outdated]
    changed = "; ".join(change_words(plan, difference)[0] for difference in outdated[0][1])
    entry = Entry(
        "signoffs.outdated",
        f"{listed(titles)} {'is' if len(titles) == 1 else 'are'} OUTDATED: {changed} changed",
        ("signoffs",),
        severity="warn",
        payload={"questions": [vote.question for vote, _ in outdated]},
    )
    await append(session, deployment.id, entry, actor)


async def find_expired(session: AsyncSession) -> list[tuple[int, str]]:
    """(deployment, hash of its plan) with a GO vote whose lifetime is over. For the workers' sweep: the gate itself
    never counts an expired vote, swept or not."""
    due = (
        select(Deployment.id, PlanVersion.hash)
        .join(PlanVersion, PlanVersion.id == Deployment.plan_version_id)
        .join(Signoff, (Signoff.deployment_id == Deployment.id) & (Signoff.attempt == Deployment.attempt))
        .where(Deployment.state.in_(VOTING), Signoff.ended_at.is_(None), _is_over(await database_now(session)))
        .distinct()
        .order_by(Deployment.id)
    )
    return [(number, digest) for number, digest in await session.execute(due)]


async def expire_votes(session: AsyncSession, deployment_id: int, plan: Plan) -> int:
    """End a deployment's GO votes whose lifetime is over and say so once. Returns how many."""
    deployment = await lock(session, deployment_id)
    if State(deployment.state) not in VOTING:
        return 0
    now = await database_now(session)
    rows = await session.scalars(_standing(deployment).where(_is_over(now)).order_by(Signoff.cast_at))
    expired = rows.all()
    for row in expired:
        row.ended_at, row.end_reason = now, "expired"
    await session.flush()
    if expired:
        titles = [f"{possessive(plan.position(row.position).title)} GO" for row in expired]
        text = f"{listed(titles)} expired after {round(_questions(plan).lifetime_s / 60)} min"
        await append(session, deployment.id, Entry("signoffs.expired", text, ("signoffs",), severity="warn"), SYSTEM)
    return len(expired)


def _is_over(now: datetime) -> ColumnElement[bool]:
    return and_(Signoff.verdict == Verdict.GO.value, Signoff.expires_at <= now)


def _check_voting(deployment: Deployment) -> None:
    state = State(deployment.state)
    if state not in VOTING:
        raise Rejected(
            f"Votes are cast and withdrawn until the switch; the deployment is {WORDS[state]}.",
            conflict=True,
            code="state",
        )


def _questions(plan: Plan) -> SignoffGate:
    spec = plan.production.signoffs
    if spec is None:
        raise Rejected("This plan has no go/no-go questions.", code="no_questions")
    return spec


async def _lock_target(session: AsyncSession, deployment: Deployment) -> None:
    """Putting a deployment back frees its target; the log's chain is locked last, so the target comes before it."""
    if State(deployment.state) in _READY:
        await session.get(TargetState, deployment.target, with_for_update=True)


async def _hold(session: AsyncSession, deployment: Deployment, actor: Actor, reason: str) -> None:
    if State(deployment.state) in _READY:
        text = f"Back on hold: {reason}"
        await apply(session, deployment, Change.HOLD, actor=actor, text=text, reason=reason, severity="warn")


async def _end_standing(
    session: AsyncSession, deployment: Deployment, question: str, now: datetime, reason: str
) -> None:
    for row in await session.scalars(_standing(deployment).where(Signoff.question == question)):
        row.ended_at, row.end_reason = now, reason
    await session.flush()


def _standing(deployment: Deployment) -> Select[Signoff]:
    return select(Signoff).where(
        Signoff.deployment_id == deployment.id, Signoff.attempt == deployment.attempt, Signoff.ended_at.is_(None)
    )


def _row(deployment: Deployment, vote: Vote) -> Signoff:
    return Signoff(
        deployment_id=deployment.id,
        attempt=deployment.attempt,
        question=vote.question,
        position=vote.position,
        person_id=vote.person_id,
        who=vote.who,
        verdict=vote.verdict.value,
        comment=vote.comment,
        bound_to=dict(vote.bound_to),
        cast_at=vote.cast_at,
        expires_at=vote.expires_at,
    )
