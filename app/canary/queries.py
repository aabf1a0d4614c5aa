"""Reads for canaries: the newest run of a phase, what is known of GREEN, and the gate as it stands now."""

from collections import defaultdict
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Alert, CanaryReading, CanaryRun, Deployment
from app.domain.canary import LOOKS_BACK, AlertSeen, Evidence, Judgement, Reading, Run, State, Word, has_dwelt, judge
from app.domain.canary_alerts import AlertMessage, stand_of
from app.domain.metrics import Observation
from app.domain.plan import Phase, Plan
from app.triggers.queries import CRITICAL

HEALTH = "green_health"
"""The metric's name under which GREEN's health checks are kept."""
ALERTS = 500
"""Messages of alerts that are looked at, the newest ones."""


async def newest_run(session: AsyncSession, deployment_id: int, phase: str) -> CanaryRun | None:
    statement = select(CanaryRun).where(CanaryRun.deployment_id == deployment_id, CanaryRun.phase == phase)
    statement = statement.order_by(CanaryRun.id.desc()).limit(1).execution_options(populate_existing=True)
    return (await session.execute(statement)).scalar_one_or_none()


def run_of(row: CanaryRun | None) -> Run:
    if row is None:
        return Run()
    return Run(State(row.state), row.step, row.dwelt_s, row.counted_at, row.looked_at, row.dark_since, row.version)


async def judgement_of(
    session: AsyncSession, deployment: Deployment, plan: Plan, phase: Phase, row: CanaryRun, now: datetime
) -> Judgement:
    """The gate of the run's present step."""
    since = row.step_since or now
    evidence = await evidence_of(session, deployment, plan, row, now)
    percent = phase.canary[row.step].percent
    dwelt = has_dwelt(run_of(row), phase)
    return judge(plan, phase, percent, since, evidence, now, has_dwelt=dwelt, begun=row.started_at)


async def evidence_of(
    session: AsyncSession, deployment: Deployment, plan: Plan, row: CanaryRun, now: datetime
) -> Evidence:
    first = max(row.started_at, now - LOOKS_BACK)
    wanted = select(CanaryReading).where(CanaryReading.run_id == row.id, CanaryReading.at >= first)
    readings: defaultdict[str, list[Reading]] = defaultdict(list)
    health: list[Observation] = []
    for each in await session.scalars(wanted.order_by(CanaryReading.at)):
        if each.metric == HEALTH:
            health.append(Observation(each.at, each.value))
        else:
            readings[each.metric].append(Reading(each.at, each.value, each.samples))
    return Evidence(
        readings=readings,
        health=health,
        alerts=await alerts_of(session, deployment, plan, row.target, row.started_at),
        approved=Word(row.approved_by, row.approved_at, row.approved_text) if row.approved_at else None,
        reported=Word(row.reported_by, row.reported_at, row.reported_text) if row.reported_at else None,
        read_green=row.read_green,
        read_at=row.read_at,
    )


async def alerts_of(
    session: AsyncSession, deployment: Deployment, plan: Plan, target: str, since: datetime | None
) -> tuple[AlertSeen, ...]:
    """Alerts about a canary's target that came since it began, of which there may be as many as there will; since ever
    without `since`. A person's report that names a trigger is of that trigger's kind."""
    categories = {trigger.key: trigger.categories[0] for trigger in plan.triggers if trigger.categories}
    wanted = select(Alert).where(Alert.deployment_id == deployment.id, Alert.target.in_(("", target)))
    if since is not None:
        wanted = wanted.where(Alert.received_at >= since)
    newest = await session.scalars(wanted.order_by(Alert.id.desc()).limit(ALERTS))
    return stand_of(
        AlertMessage(
            alert.received_at,
            alert.source,
            alert.name,
            alert.state,
            alert.category or categories.get(alert.trigger, ""),
            alert.severity == CRITICAL or bool(alert.trigger),
        )
        for alert in reversed(newest.all())
    )
