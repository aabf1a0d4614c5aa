"""What phases took before, on the plan's clock: the experience that a running one is shown against."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, PhaseRun, PlanVersion
from app.domain.estimates import COMPARED, Watch, estimate
from app.domain.phases import State
from app.domain.plan import Phase, Plan
from app.web.progress import ProgressView, running_view


async def earlier_phases(session: AsyncSession, deployment: Deployment, plan: Plan) -> Mapping[str, Sequence[float]]:
    """A phase's key → seconds that it took on other days of this plan in the same mode, the newest first. A phase in
    which somebody set the clock is left out: what it took was said, not measured."""
    wanted = (
        select(PhaseRun.phase, PhaseRun.started_at, PhaseRun.finished_at, Deployment)
        .join(Deployment, Deployment.id == PhaseRun.deployment_id)
        .join(PlanVersion, PlanVersion.id == Deployment.plan_version_id)
        .where(
            PlanVersion.key == plan.key,
            Deployment.mode == deployment.mode,
            Deployment.id != deployment.id,
            PhaseRun.state == State.COMPLETED.value,
        )
        .order_by(Deployment.id.desc())
        .limit(COMPARED * len(plan.phases))
    )
    found: dict[str, list[float]] = defaultdict(list)
    for key, began, ended, other in (await session.execute(wanted)).all():
        if began is not None and ended is not None and not other.plan_clock.was_set_ahead(began, ended):
            found[key].append((ended - began).total_seconds())
    return found


def progress_of(
    deployment: Deployment, phase: Phase, began: datetime, plan_time: datetime, earlier: Sequence[float], now: datetime
) -> ProgressView:
    """How far a running phase is. What is planned and what it took before are both measured on the plan's clock."""
    watch = Watch((plan_time - began).total_seconds(), deployment.plan_clock.speed)
    return running_view(estimate(phase.duration_s, earlier), watch, watch, now)
