"""What a phase waits for, brought about in the tables: its checklist done, its team present, the steps settled."""

from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.checklists.queries import state_key
from app.db.engine import Database
from app.db.tables import ChecklistState, Deployment, Event, PhaseRun, RosterSeat
from app.deployments.commands import database_now
from app.domain.phases import Change
from app.domain.plan import Plan
from app.phases.commands import change_phase
from app.phases.forms import PhaseForm
from app.web.access import Scope


async def checklist_done(database: Database, deployment: Deployment, plan: Plan, phase: str) -> None:
    """Every item of the phase's checklist is confirmed, and everybody was seen just now."""
    key = plan.phase(phase).checklist
    checklist = plan.checklist(key) if key else None

    async def write(session: AsyncSession) -> None:
        now = await database_now(session)
        for item in checklist.items if checklist else ():
            if item.check is None:
                name = state_key(plan, checklist, item)  # type: ignore[arg-type]
                row = {"deployment_id": deployment.id, "attempt": 1, "item": name, "state": "done", "evidence": "seen"}
                await session.merge(ChecklistState(**row, at=now))
        here = update(RosterSeat).where(RosterSeat.deployment_id == deployment.id)
        await session.execute(here.values(seen_at=func.clock_timestamp()))

    await database.run(write)


async def press(database: Database, scope: Scope, phase: str, change: Change, **form: Any) -> None:
    """One press on a phase, from a page that is current unless `version` says otherwise."""
    if "version" not in form:
        form["version"] = (await run_of(database, scope.deployment, phase)).version
    await database.run(lambda session: change_phase(session, scope, phase, change, PhaseForm(**form)))


async def running(database: Database, deployment: Deployment, plan: Plan, scope: Scope, phase: str = "github") -> None:
    await checklist_done(database, deployment, plan, phase)
    await press(database, scope, phase, Change.START)


async def run_of(database: Database, deployment: Deployment, phase: str) -> PhaseRun:
    wanted = select(PhaseRun).where(PhaseRun.deployment_id == deployment.id, PhaseRun.phase == phase)

    async def query(session: AsyncSession) -> PhaseRun:
        return (await session.execute(wanted.execution_options(populate_existing=True))).scalar_one()

    return await database.read(query)


async def log_of(database: Database, deployment: Deployment) -> list[Event]:
    wanted = select(Event).where(Event.chain == deployment.id).order_by(Event.seq)

    async def query(session: AsyncSession) -> list[Event]:
        return list(await session.scalars(wanted))

    return await database.read(query)
