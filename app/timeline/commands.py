"""Notes: what people saw, in their own words, for good."""

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Event
from app.eventlog.log import Entry, append
from app.timeline.forms import Note
from app.web.access import Scope

NOTE = "timeline.note.added"


async def add_note(session: AsyncSession, scope: Scope, form: Note) -> Event:
    """One line with the author's seat and the server's time; the same press sent twice is one note."""
    # Two sends of one press may come at once: the second waits here and then finds the first.
    lock = text("select pg_advisory_xact_lock(hashtextextended(:key, :deployment))")
    await session.execute(lock, {"key": f"note {form.key}", "deployment": scope.id})
    if form.key:
        same = select(Event).where(Event.chain == scope.id, Event.kind == NOTE, Event.payload["key"].astext == form.key)
        known = (await session.execute(same.where(Event.actor_person_id == scope.viewer.person_id))).scalars().first()
        if known is not None:
            return known
    payload = {"key": form.key} if form.key else {}
    return await append(session, scope.id, Entry(NOTE, form.text, cause="note", payload=payload), scope.actor)
