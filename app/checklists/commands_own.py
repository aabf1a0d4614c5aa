"""Writes of what people tick for themselves and for their position: personal items, and duties."""

from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.checklists.forms import TickForm
from app.checklists.queries_personal import is_open, personal_lists, tick_key
from app.db.tables import Deployment, DutyDone, PersonalTick
from app.deployments.commands import database_now, lock
from app.domain.deployments import WORDS, State
from app.domain.duties import Duty, duties_of
from app.domain.errors import Rejected
from app.domain.plan import ChecklistItem, Position
from app.eventlog.log import Entry, append
from app.web.access import Forbidden, NotFound, Scope

SAME_PRESS = timedelta(seconds=5)
"""A repeated duty that the same person does again within this is one press that came twice."""


async def tick_own(session: AsyncSession, scope: Scope, form: TickForm) -> None:
    """Tick an item of a personal checklist for oneself, or take the tick back. Sent twice it changes once.

    Raises NotFound, Forbidden for somebody without a seat, Rejected for a machine's item or a day that is over.
    """
    name = form.done or form.undo
    item = _item(scope, name)
    if not scope.seats:
        raise Forbidden("Only who has a seat in this deployment ticks for themselves.")
    if item.check is not None:
        raise Rejected("This item is checked by machine; nobody ticks it.", code="machine")
    deployment = await lock(session, scope.id)
    if not is_open(deployment):
        raise Rejected(
            f"The deployment is {WORDS[State(deployment.state)]}; nothing is ticked any more.", conflict=True
        )
    key = (deployment.id, deployment.attempt, scope.viewer.person_id, name)
    row = await session.get(PersonalTick, key, populate_existing=True)
    if (row is not None) == bool(form.done):
        return
    now = await database_now(session)
    if row is None:
        session.add(PersonalTick(deployment_id=key[0], attempt=key[1], person_id=key[2], item=name, at=now))
    else:
        await session.delete(row)
    await session.flush()
    word = "ready" if form.done else "open again"
    entry = Entry(
        kind="checklists.own.done" if form.done else "checklists.own.reopened",
        text=f"“{item.text}”: {word}",
        topics=("checklists",),
        payload={"item": name, "attempt": deployment.attempt},
    )
    await append(session, deployment.id, entry, scope.actor)


def _item(scope: Scope, name: str) -> ChecklistItem:
    for checklist in personal_lists(scope.plan):
        for item in checklist.items:
            if tick_key(checklist, item) == name:
                return item
    raise NotFound("This plan has no such item to tick for oneself.")


async def tick_duty(session: AsyncSession, scope: Scope, form: TickForm) -> None:
    """Say that a duty of one's position is done, or that its last tick was wrong. A duty that is done once is ticked
    once; a repeated one each time. Raises NotFound, Forbidden for another position's duty, Rejected."""
    position, duty = _duty(scope, form.done or form.undo)
    if position.key not in scope.positions:
        raise Forbidden(f"“{duty.text}” belongs to another position: {position.title}.")
    deployment = await lock(session, scope.id)
    if deployment.state == State.ABORTED.value:
        raise Rejected("The deployment was aborted; its duties stay as they were.", conflict=True)
    last = await _last(session, deployment, position, duty)
    now = await database_now(session)
    if form.done:
        is_again = last is not None and (
            not duty.is_repeated or (last.person_id == scope.viewer.person_id and now - last.at < SAME_PRESS)
        )
        if is_again:
            return
        session.add(
            DutyDone(
                deployment_id=deployment.id,
                attempt=deployment.attempt,
                position=position.key,
                duty=duty.key,
                person_id=scope.viewer.person_id,
                who=scope.who,
                at=now,
            )
        )
    elif last is None:
        return
    else:
        await session.execute(delete(DutyDone).where(DutyDone.id == last.id))
    await session.flush()
    entry = Entry(
        kind="checklists.duty.done" if form.done else "checklists.duty.reopened",
        text=f"Duty of {position.title}: “{duty.text}” {'done' if form.done else 'is open again'}",
        topics=("checklists",),
        payload={"position": position.key, "duty": duty.key, "attempt": deployment.attempt},
    )
    await append(session, deployment.id, entry, scope.actor)


def _duty(scope: Scope, name: str) -> tuple[Position, Duty]:
    place, _, key = name.partition(".")
    for position in scope.plan.positions:
        for duty in duties_of(position) if position.key == place else ():
            if duty.key == key:
                return position, duty
    raise NotFound("This plan has no such duty.")


async def _last(session: AsyncSession, deployment: Deployment, position: Position, duty: Duty) -> DutyDone | None:
    statement = (
        select(DutyDone)
        .where(
            DutyDone.deployment_id == deployment.id,
            DutyDone.attempt == deployment.attempt,
            DutyDone.position == position.key,
            DutyDone.duty == duty.key,
        )
        .order_by(DutyDone.id.desc())
        .limit(1)
    )
    found: DutyDone | None = await session.scalar(statement)
    return found
