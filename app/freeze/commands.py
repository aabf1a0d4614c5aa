"""Writes of a freeze and of emergency patches: each locks the deployment's row."""

from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import ChangeFreeze, EmergencyPatch
from app.deployments.commands import database_now, lock_for
from app.domain.deployments import State
from app.domain.errors import Rejected
from app.domain.freeze import MOST_WAITING, check_until, check_verdict
from app.eventlog.log import Entry, Topic, append
from app.freeze.forms import AnswerForm, FreezeForm, PatchForm
from app.freeze.queries import in_force, standing
from app.web.access import NotFound, Scope

_ALL: tuple[Topic, ...] = ("freeze", "deployment")
"""A freeze, and how many patches wait, stand on every page."""


async def freeze(session: AsyncSession, scope: Scope, form: FreezeForm) -> None:
    """Freeze all changes for so many minutes. Raises Rejected where a freeze is in force, naming who set it."""
    deployment = await lock_for(session, scope)
    now = await database_now(session)
    if deployment.state == State.ABORTED.value:
        raise Rejected("The deployment was aborted; there is nothing to freeze for.", conflict=True)
    row = await standing(session, scope.id)
    if row is not None and now < row.until:
        if row.person_id == scope.viewer.person_id and row.reason == form.reason:
            return
        raise Rejected(
            f"{row.set_by} froze changes already: {row.reason}. Nothing was changed.",
            remedy="Lift that freeze first.",
            conflict=True,
            code="freeze",
        )
    until = now + timedelta(minutes=form.minutes)
    check_until(until, now)
    if row is not None:
        row.lifted_at, row.lifted_by = row.until, "its time ran out"
        await session.flush()
    session.add(
        ChangeFreeze(
            deployment_id=scope.id,
            reason=form.reason,
            until=until,
            since=now,
            set_by=scope.who[:160],
            person_id=scope.viewer.person_id,
        )
    )
    await session.flush()
    entry = Entry(
        "freeze.set", f"{scope.who} froze all changes: {form.reason}", _ALL, payload={"until": until.isoformat()}
    )
    await append(session, scope.id, entry, scope.actor)


async def lift(session: AsyncSession, scope: Scope) -> None:
    """End the freeze in force. Sent twice it is lifted once."""
    await lock_for(session, scope)
    now = await database_now(session)
    row = await in_force(session, scope.id, now)
    if row is None:
        return
    row.lifted_at, row.lifted_by = now, scope.who[:160]
    await session.flush()
    await append(session, scope.id, Entry("freeze.lifted", f"{scope.who} lifted the change freeze", _ALL), scope.actor)


async def ask(session: AsyncSession, scope: Scope, form: PatchForm) -> None:
    """Ask for an emergency patch. The same press sent twice is one. Raises Rejected where nothing is frozen, or more
    wait than anybody can answer."""
    await lock_for(session, scope)
    if form.key:
        mine = (EmergencyPatch.person_id == scope.viewer.person_id) & (EmergencyPatch.key == form.key)
        if await session.scalar(select(EmergencyPatch.id).where(EmergencyPatch.deployment_id == scope.id, mine)):
            return
    now = await database_now(session)
    if await in_force(session, scope.id, now) is None:
        raise Rejected("No change freeze is in force: nobody has to be asked.", conflict=True, code="freeze")
    await _check_room(session, scope.id)
    row = EmergencyPatch(
        deployment_id=scope.id,
        text=form.text,
        asked_by=scope.who[:160],
        person_id=scope.viewer.person_id,
        key=form.key,
        asked_at=now,
    )
    session.add(row)
    await session.flush()
    text = f"{scope.who} asks for an emergency patch: {form.text}"
    await append(
        session,
        scope.id,
        Entry("freeze.patch.asked", text, _ALL, severity="warn", payload={"patch": row.id}),
        scope.actor,
    )


async def _check_room(session: AsyncSession, deployment_id: int) -> None:
    waiting = select(func.count()).select_from(EmergencyPatch)
    waiting = waiting.where(EmergencyPatch.deployment_id == deployment_id, EmergencyPatch.verdict == "")
    if (await session.scalar(waiting) or 0) >= MOST_WAITING:
        raise Rejected(
            f"{MOST_WAITING} patches wait for an answer already. Nothing was asked.",
            remedy="Have those answered first; call whoever approves patches.",
            code="too_many",
        )


async def answer(session: AsyncSession, scope: Scope, patch_id: int, form: AnswerForm) -> None:
    """Approve or refuse a patch, with a comment. The same answer of the same person twice is one.

    Raises NotFound, Rejected for one's own patch or one that somebody answered."""
    await lock_for(session, scope)
    statement = select(EmergencyPatch).where(EmergencyPatch.id == patch_id, EmergencyPatch.deployment_id == scope.id)
    row: EmergencyPatch | None = await session.scalar(statement.execution_options(populate_existing=True))
    if row is None:
        raise NotFound("There is no such patch.")
    me = scope.viewer.person_id
    if (row.answered_person, row.verdict, row.comment) == (me, form.verdict, form.comment):
        return
    check_verdict(asked_by=row.person_id, by=me, answered_by=row.answered_by, verdict=row.verdict)
    row.verdict, row.comment = form.verdict, form.comment
    row.answered_by, row.answered_person, row.answered_at = scope.who[:160], me, await database_now(session)
    await session.flush()
    text = f"{scope.who} {form.verdict} the emergency patch of {row.asked_by}"
    entry = Entry(f"freeze.patch.{form.verdict}", text, _ALL, form.comment, payload={"patch": row.id})
    await append(session, scope.id, entry, scope.actor)
