"""Scripts end with what they belong to: a phase that is aborted or skipped, a deployment that is aborted.

Used by those commands, so it knows none of them.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import ScriptRun
from app.domain.scripts import State
from app.eventlog.log import Actor, Entry, append

OPEN = (State.WAITING.value, State.RUNNING.value)
WHO_LIMIT = 160


async def end_with(
    session: AsyncSession, deployment_id: int, *, phase: str | None, what: str, who: str, actor: Actor, now: datetime
) -> list[str]:
    """Ask for the end of every script that is not over: of one phase, of the whole deployment where `phase` is None.
    The deployment must be locked. The worker that has a script ends its whole tree; one that nobody has begun yet is
    never begun. Returns the commands. `what` they end with: "phase 2"."""
    wanted = select(ScriptRun).where(
        ScriptRun.deployment_id == deployment_id, ScriptRun.state.in_(OPEN), ScriptRun.abort_at.is_(None)
    )
    if phase is not None:
        wanted = wanted.where(ScriptRun.phase == phase)
    locked = wanted.order_by(ScriptRun.id).with_for_update().execution_options(populate_existing=True)
    ended: list[str] = []
    for run in (await session.scalars(locked)).all():
        command = " ".join(str(part) for part in run.command)
        run.abort_at, run.abort_by = now, f"{who} (with {what})"[:WHO_LIMIT]
        await session.flush()
        entry = Entry(
            kind="scripts.abort.asked",
            text=f"{command} is ended with {what}",
            topics=("scripts",),
            cause=who,
            severity="warn",
            payload={"run": run.id, "phase": run.phase, "step": run.step},
        )
        await append(session, deployment_id, entry, actor)
        ended.append(command)
    return ended
