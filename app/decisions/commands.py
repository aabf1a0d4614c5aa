"""Writes of decision points: what the clock opens and escalates, what people answer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Decision, Deployment, Operation
from app.decisions.forms import AnswerForm
from app.decisions.queries import GOES_ON, Ground, ground_of, point_at
from app.decisions.queries_back import without_the_product
from app.decisions.queries_snapshot import freeze_or_why
from app.decisions.queries_words import ANSWER_WORDS, asked_words, call_words, leader_title
from app.deployments.commands import database_now, lock
from app.domain.decisions import Answer, Climb, Closing, Fold, Open, Rung, Void, check_answer
from app.domain.deployments import State
from app.domain.errors import Rejected
from app.domain.operations import Kind
from app.domain.plan import Plan
from app.domain.signoff_words import in_sentence
from app.eventlog.log import SYSTEM, Entry, Severity, Topic, append
from app.web.access import Scope
from app.web.figures import age

TOPICS: tuple[Topic, ...] = ("decisions",)


# ── the clock ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def follow(session: AsyncSession, deployment_id: int, plan: Plan) -> int:
    """Record what time alone has done to a deployment's points: open, take over, escalate, void. Returns how many steps
    were recorded. Whoever asks twice opens once: all is decided again under the deployment's lock."""
    seen = await _seen(session, deployment_id, plan)
    if not (seen.left_behind or seen.steps()):
        return 0
    # What is known is looked up before the lock: a rollback must not wait until it has been found.
    is_opening = any(isinstance(step, Open) for step in seen.steps())
    snapshot = await freeze_or_why(session, seen.deployment, plan, seen.now) if is_opening else None
    deployment = await lock(session, deployment_id)
    ground = await ground_of(session, deployment, plan, await database_now(session))
    count = 0
    for row in ground.left_behind:
        await _void(session, ground, row)
        count += 1
    for step in ground.steps():
        match step:
            case Open():
                known = snapshot or await freeze_or_why(session, deployment, plan, ground.now)
                await _open(session, ground, step, known)
            case Fold():
                await _fold(session, ground, step)
            case Climb():
                await _climb(session, ground, step)
            case Void():
                await _void(session, ground, ground.now_rows[step.minute])
        count += 1
    return count


async def _seen(session: AsyncSession, deployment_id: int, plan: Plan) -> Ground:
    deployment = await session.get_one(Deployment, deployment_id, populate_existing=True)
    return await ground_of(session, deployment, plan, await database_now(session))


async def _open(session: AsyncSession, ground: Ground, step: Open, snapshot: Mapping[str, Any]) -> None:
    deployment, plan, point, now = ground.deployment, ground.plan, step.point, ground.now
    row = Decision(
        deployment_id=deployment.id,
        attempt=deployment.attempt,
        minute=point.minute,
        opened_at=now,
        snapshot=dict(snapshot),
        rung=step.floor.value,
        rung_since=now,
    )
    session.add(row)
    await session.flush()
    who = asked_words(plan, point.position, step.floor)
    text = f"Decision point, minute {point.minute}: “{point.question}” {who} is asked"
    cause = "the plan's clock"
    severity: Severity = "normal"
    if snapshot.get("problem"):
        cause, severity = f"the plan's clock; no snapshot: it could not be taken ({snapshot['problem']})", "warn"
    entry = Entry("decisions.point.opened", text, TOPICS, cause, severity, {"minute": point.minute})
    await append(session, deployment.id, entry, SYSTEM)


async def _fold(session: AsyncSession, ground: Ground, step: Fold) -> None:
    """The row may have been opened a moment ago in this very transaction, so it is read anew."""
    row = await _row(session, ground.deployment, step.minute)
    if row is None:
        return
    row.closing, row.closed_at = Closing.FOLDED.value, ground.now
    await session.flush()
    text = f"Decision at minute {step.minute} was not answered; minute {step.into} takes it over"
    entry = Entry("decisions.point.folded", text, TOPICS, "silence", "warn", {"minute": step.minute})
    await append(session, ground.deployment.id, entry, SYSTEM)


async def _climb(session: AsyncSession, ground: Ground, step: Climb) -> None:
    row, point = ground.now_rows[step.minute], point_at(ground.plan, step.minute)
    if point is None:
        return
    row.rung, row.rung_since = step.asked.rung.value, step.asked.since
    await session.flush()
    silent = age((ground.now - row.opened_at).total_seconds())
    text = f"Decision at minute {step.minute} is not answered after {silent}: "
    severity: Severity = "warn"
    if step.asked.rung is Rung.EVERYBODY:
        text, severity = f"{text}call {call_words(ground.plan)}", "crit"
    else:
        text += f"{in_sentence(asked_words(ground.plan, point.position, step.asked.rung))} is asked"
    payload = {"minute": step.minute, "rung": step.asked.rung.value}
    entry = Entry("decisions.point.escalated", text, TOPICS, "silence", severity, payload)
    await append(session, ground.deployment.id, entry, SYSTEM)


async def _void(session: AsyncSession, ground: Ground, row: Decision) -> None:
    """A rollback answers what is open, whoever or whatever pressed it."""
    row.closing, row.closed_at = Closing.VOID.value, ground.now
    text, cause = f"Decision at minute {row.minute} is void: ", "the phase was completed"
    back = await _rollback(session, ground.deployment.id, row.attempt)
    if back is not None:
        row.answer, row.answered_by, row.person_id = Answer.ROLLBACK.value, back.requested_by, back.person_id
        row.closed_at, row.reason = back.accepted_at, back.cause
        cause = f"{back.requested_by} rolled back"
    elif State(ground.deployment.state) is not State.COMPLETED:
        glass = await without_the_product(session, ground.deployment.id, row.opened_at)
        if glass:
            row.answer, row.answered_by, row.reason = Answer.ROLLBACK.value, glass[0].who[:160], glass[0].cause
        cause = f"{glass[0].who} rolled back" if glass else "traffic is not on GREEN any more"
    await session.flush()
    payload = {"minute": row.minute, "answer": row.answer}
    entry = Entry("decisions.point.voided", text + cause, TOPICS, cause, payload=payload)
    await append(session, ground.deployment.id, entry, SYSTEM)


async def _rollback(session: AsyncSession, deployment_id: int, attempt: int) -> Operation | None:
    statement = select(Operation).where(
        Operation.deployment_id == deployment_id, Operation.attempt == attempt, Operation.kind == Kind.ROLLBACK.value
    )
    found: Operation | None = await session.scalar(statement.order_by(Operation.id).limit(1))
    return found


async def _row(session: AsyncSession, deployment: Deployment, minute: int) -> Decision | None:
    statement = select(Decision).where(
        Decision.deployment_id == deployment.id, Decision.attempt == deployment.attempt, Decision.minute == minute
    )
    statement = statement.with_for_update().execution_options(populate_existing=True)
    return (await session.execute(statement)).scalar_one_or_none()


# ── people ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def answer(session: AsyncSession, scope: Scope, minute: int, form: AnswerForm) -> Decision:
    """Answer the open point, or escalate it. The same press sent twice is one answer.

    Raises Rejected where this person is not asked (yet), the point is closed (naming who answered), or a rollback
    began.
    """
    deployment = await lock(session, scope.id)
    row = await _row(session, deployment, minute)
    now = await database_now(session)
    if row is None:
        raise Rejected(
            f"Minute {minute} is not asked now. Nothing was recorded.",
            remedy="Load the page again; it shows what is.",
            conflict=True,
            code="not_open",
        )
    if form.key and row.key == form.key and row.person_id == scope.viewer.person_id:
        return row
    _is_open(row, deployment, now)
    ground = await ground_of(session, deployment, scope.plan, now)
    given, point = Answer(form.answer), point_at(scope.plan, minute)
    position = point.position if point else ""
    titles = (scope.plan.position(position).title, leader_title(scope.plan))
    check_answer(ground.ladders[minute], ground.asked(row), scope.viewer.person_id, given, titles)
    row.key, row.person_id = form.key, scope.viewer.person_id
    if given is Answer.ESCALATE:
        row.rung, row.rung_since, row.escalated_by = Rung.EVERYBODY.value, now, scope.who
        text = f"{scope.who} escalated the decision at minute {minute}: call {call_words(scope.plan)}"
        entry = Entry("decisions.point.escalated", text, TOPICS, form.reason, "crit", {"minute": minute})
    else:
        row.closing, row.closed_at, row.answer = Closing.ANSWERED.value, now, given.value
        row.answered_by, row.reason = scope.who, form.reason
        text = f"{scope.who} decided at minute {minute}: {ANSWER_WORDS[given]}"
        severity: Severity = "warn" if given is Answer.WATCH else "normal"
        payload = {"minute": minute, "answer": given.value}
        entry = Entry("decisions.point.answered", text, TOPICS, form.reason, severity, payload)
    await session.flush()
    await append(session, deployment.id, entry, scope.actor)
    return row


def _is_open(row: Decision, deployment: Deployment, now: datetime) -> None:
    """Raises Rejected, in words, where the point is open no more."""
    if row.closing == Closing.ANSWERED.value:
        ago = age((now - row.closed_at).total_seconds()) if row.closed_at else "a moment"
        said = ANSWER_WORDS[Answer(row.answer)]
        raise Rejected(
            f"{row.answered_by} answered {ago} ago: {said}. Nothing was recorded twice.", conflict=True, code="answered"
        )
    if row.closing == Closing.FOLDED.value:
        raise Rejected(
            f"A later decision point has taken minute {row.minute} over. Nothing was recorded.",
            remedy="Answer the one that is open now.",
            conflict=True,
            code="folded",
        )
    if row.closing or State(deployment.state) not in GOES_ON:
        raise Rejected(
            f"Minute {row.minute} is void: a rollback began, or the phase is complete. Nothing was recorded.",
            remedy="Look at the Switch page.",
            conflict=True,
            code="void",
        )
