"""Reads for canaries: the newest run of a phase, what is known of GREEN, and the gate as it stands now."""

from collections import defaultdict
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Alert, CanaryReading, CanaryRun, Deployment, Person, RosterSeat
from app.domain.canary import Run, State, has_dwelt
from app.domain.canary_alerts import AlertMessage, stand_of
from app.domain.canary_evidence import LOOKS_BACK, AlertSeen, Evidence, Reading, Word
from app.domain.canary_gate import Judgement, judge
from app.domain.metrics import Observation
from app.domain.plan import Phase, Plan
from app.triggers.queries import CRITICAL

HEALTH = "green_health"
"""The metric's name under which GREEN's health checks are kept."""
ALERTS_OF_A_KIND = 100
"""Messages of alerts of each kind that are looked at, the newest ones."""


def backend_of(phase: Phase) -> frozenset[str]:
    """The positions whose word the gate waits for."""
    gate = phase.canary_gate
    lines = (*gate.proceed_if, *gate.rollback_if) if gate else ()
    return frozenset(key for line in lines if line.kind in ("approval", "report") for key in line.positions)


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
    evidence = await evidence_of(session, deployment, plan, phase, row, now)
    percent = phase.canary[row.step].percent
    dwelt = has_dwelt(run_of(row), phase)
    return judge(plan, phase, percent, since, evidence, now, has_dwelt=dwelt, begun=row.started_at)


async def evidence_of(
    session: AsyncSession, deployment: Deployment, plan: Plan, phase: Phase, row: CanaryRun, now: datetime
) -> Evidence:
    first = max(row.started_at, now - LOOKS_BACK)
    # Columns, not rows of the session: this runs each second while the deployment is locked, and a press waits for it.
    wanted = select(CanaryReading.metric, CanaryReading.at, CanaryReading.value, CanaryReading.samples)
    wanted = wanted.where(CanaryReading.run_id == row.id, CanaryReading.at >= first).order_by(CanaryReading.at)
    readings: defaultdict[str, list[Reading]] = defaultdict(list)
    health: list[Observation] = []
    for metric, at, value, samples in await session.execute(wanted):
        if metric == HEALTH:
            health.append(Observation(at, value))
        else:
            readings[metric].append(Reading(at, value, samples))
    is_approved = row.approved_at is not None and await _still_speaks(session, row, phase)
    return Evidence(
        readings=readings,
        health=health,
        alerts=await alerts_of(session, deployment, plan, row.target, row.started_at),
        approved=Word(row.approved_by, row.approved_at, row.approved_text) if is_approved and row.approved_at else None,
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
    kind = ("category", "trigger", "severity", "state")
    newest_id = func.max(Alert.id).over(partition_by=(Alert.source, Alert.name, Alert.category))
    columns = (Alert.id, Alert.received_at, Alert.source, Alert.name, *(getattr(Alert, name) for name in kind))
    found = select(*columns, (Alert.id == newest_id).label("is_last"))
    found = found.where(Alert.deployment_id == deployment.id, Alert.target.in_(("", target)))
    if since is not None:
        found = found.where(Alert.received_at >= since)
    all_ = found.subquery("messages")
    # Of each kind first those that are the last word on their alert, then the newest: neither a flood of harmless ones
    # nor one that comes and goes must hide another that still fires, or the one that takes the canary back.
    order = (all_.c.is_last.desc(), all_.c.id.desc())
    number = func.row_number().over(partition_by=[all_.c[name] for name in kind], order_by=order)
    kinds = select(all_, number.label("number")).subquery("kinds")
    newest = select(kinds).where(kinds.c.number <= ALERTS_OF_A_KIND).order_by(kinds.c.id)
    return stand_of(
        AlertMessage(
            alert.received_at,
            alert.source,
            alert.name,
            alert.state,
            alert.category or categories.get(alert.trigger, ""),
            alert.severity == CRITICAL or bool(alert.trigger),
        )
        for alert in await session.execute(newest)
    )


async def _still_speaks(session: AsyncSession, row: CanaryRun, phase: Phase) -> bool:
    """Whether who approved still has a seat whose word the gate waits for, and an account that is not disabled."""
    if row.approved_person is None:
        return True  # approved before this was kept
    seat = select(RosterSeat.id).join(Person, Person.id == RosterSeat.person_id)
    seat = seat.where(
        RosterSeat.deployment_id == row.deployment_id,
        RosterSeat.person_id == row.approved_person,
        RosterSeat.position.in_(backend_of(phase)),
        Person.is_disabled.is_(False),
    )
    return await session.scalar(seat.limit(1)) is not None
