"""What steps took before: the experience that a running one is shown against."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, PlanVersion, StepRun
from app.domain.estimates import COMPARED, Watch, estimate, planned_for
from app.domain.plan import Action, Phase, Plan
from app.domain.plan_clock import plan_now
from app.domain.steps import State, Step
from app.web.progress import ProgressView, running_view

Taken = Mapping[tuple[str, bool], Sequence[float]]
"""(a step's key, by hand) → seconds that it took, the newest first. A script by hand is other work than by a worker."""


async def earlier_steps(session: AsyncSession, deployment: Deployment, plan: Plan, phase: Phase) -> Taken:
    """From this installation's other days of the plan, whatever its version, in the same mode: rehearsals say nothing
    about a live day. What is recorded of this day counts too, where it is done."""
    wanted = (
        select(StepRun.step, StepRun.by_hand, StepRun.started_at, StepRun.finished_at)
        .join(Deployment, Deployment.id == StepRun.deployment_id)
        .join(PlanVersion, PlanVersion.id == Deployment.plan_version_id)
        .where(
            PlanVersion.key == plan.key,
            Deployment.mode == deployment.mode,
            StepRun.phase == phase.key,
            StepRun.state == State.DONE.value,
        )
        .order_by(StepRun.finished_at.desc())
        .limit(COMPARED * max(len(phase.actions), 1))
    )
    found: dict[tuple[str, bool], list[float]] = defaultdict(list)
    for key, by_hand, began, ended in (await session.execute(wanted)).all():
        if began is not None and ended is not None:
            found[key, by_hand].append((ended - began).total_seconds())
    return found


def progress_of(
    deployment: Deployment, phase: Phase, action: Action, step: Step, earlier: Sequence[float], now: datetime
) -> ProgressView | None:
    """How far a running step is; None for one that does not run. The plan's seconds pass on the plan's clock, what it
    took before is real."""
    if step.state is not State.RUNNING or step.started_at is None:
        return None
    planned = planned_for(action, sum(share.dwell_s for share in phase.canary))
    return running_view(estimate(planned, earlier), *watches(deployment, step.started_at, now), now)


def watches(deployment: Deployment, began: datetime, now: datetime) -> tuple[Watch, Watch]:
    """Since a real moment: on the plan's clock, and on the real one."""
    by_plan = (plan_now(deployment, now) - plan_now(deployment, began)).total_seconds()
    return Watch(by_plan, deployment.plan_clock.speed), Watch((now - began).total_seconds())
