"""What canaries have moved and nobody has taken back: what an abort tells before it is pressed, and after."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import CanaryRun
from app.domain.canary import State
from app.domain.plan import Plan


async def left_on_green(
    session: AsyncSession, deployment_id: int, plan: Plan, phase: str | None = None
) -> Sequence[CanaryRun]:
    """The newest canary of each phase, or of one, whose target may have traffic on GREEN, in the plan's order."""
    newest = select(func.max(CanaryRun.id)).where(CanaryRun.deployment_id == deployment_id).group_by(CanaryRun.phase)
    if phase is not None:
        newest = newest.where(CanaryRun.phase == phase)
    wanted = select(CanaryRun).where(CanaryRun.id.in_(newest)).execution_options(populate_existing=True)
    rows = {row.phase: row for row in await session.scalars(wanted) if row.state != State.ROLLED_BACK}
    return [rows[each.key] for each in plan.phases if each.key in rows]


def before_abort(plan: Plan, left: Sequence[CanaryRun]) -> str:
    """What becomes of them if what they belong to is aborted; empty if there are none."""
    return " ".join(_goes(plan, row, "with it") for row in left)


def after_abort(plan: Plan, left: Sequence[CanaryRun]) -> str:
    """What is still to come back now that it was aborted; empty if nothing is."""
    return " ".join(_goes(plan, row, "now") for row in left)


def _goes(plan: Plan, row: CanaryRun, when: str) -> str:
    phase = plan.phase(row.phase)
    percent = phase.canary[row.step].percent
    if row.state == State.DONE:
        stays = f"{row.target} stays at {percent} % on GREEN until somebody takes it back on the canary's page"
        return f"The canary of phase {phase.number} is complete: {stays}."
    return f"The canary of phase {phase.number} ({percent} % of {row.target}) goes back to BLUE {when}."
