"""Notes: what people saw, in their own words, for good."""

from datetime import timedelta

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Event
from app.deployments.commands import database_now
from app.domain.errors import Rejected
from app.eventlog.log import Entry, append
from app.timeline.forms import Note
from app.web.access import Scope

NOTE = "timeline.note.added"
MOST = 5000
"""Notes of one deployment: a line stays for good, and nobody reads more."""
AT_ONCE = 12
PERIOD = timedelta(minutes=1)
"""So many notes of one person in so long: faster than that writes a stuck key, or a script."""


async def add_note(session: AsyncSession, scope: Scope, form: Note) -> Event:
    """One line with the author's seat and the server's time; the same press sent twice is one note. Raises Rejected
    with the code `text` where there are too many already, of this person just now or of all."""
    # Two sends of one press may come at once: the second waits here and then finds the first. One person's notes wait
    # for each other, so that they are counted one by one.
    lock = text("select pg_advisory_xact_lock(hashtextextended(:key, :deployment))")
    await session.execute(lock, {"key": f"note {scope.viewer.person_id}", "deployment": scope.id})
    if form.key:
        same = select(Event).where(Event.chain == scope.id, Event.kind == NOTE, Event.payload["key"].astext == form.key)
        known = (await session.execute(same.where(Event.actor_person_id == scope.viewer.person_id))).scalars().first()
        if known is not None:
            return known
    await _check_room(session, scope)
    payload = {"key": form.key} if form.key else {}
    return await append(session, scope.id, Entry(NOTE, form.text, cause="note", payload=payload), scope.actor)


async def _check_room(session: AsyncSession, scope: Scope) -> None:
    notes = select(func.count()).select_from(Event).where(Event.chain == scope.id, Event.kind == NOTE)
    if (await session.scalar(notes) or 0) >= MOST:
        raise Rejected(
            f"This deployment has {MOST:,} notes, the most there can be. Nothing was added.",
            remedy="Tell it in the call, and keep it where your team keeps its papers.",
            code="text",
        )
    since = await database_now(session) - PERIOD
    mine = notes.where(Event.actor_person_id == scope.viewer.person_id, Event.at > since)
    if (await session.scalar(mine) or 0) >= AT_ONCE:
        raise Rejected(
            f"You added {AT_ONCE} notes within a minute, the most there can be. Nothing was added; your text is still "
            "here.",
            remedy="Wait a minute, or put several things into one note.",
            code="text",
        )
