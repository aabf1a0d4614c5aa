"""Reads for triggers: what they stand on, their evidence, and where each of them is now."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import once
from app.db.tables import Alert, Deployment, Operation, Reading, TargetState, TriggerCheck, TriggerState
from app.domain import operations
from app.domain.deployments import State
from app.domain.metrics import Observation
from app.domain.operations import Kind
from app.domain.plan import Plan, Trigger
from app.domain.sides import Side
from app.domain.triggers import BAD, GOOD, Evidence, Ground, Judgement, Rule, Stage, decide, rule_of

FRESH = timedelta(seconds=15)
"""What the watch said about BLUE is believed for so long."""
WITH_WAY_BACK = (State.SWITCHING, State.SWITCHED, State.COMPLETED)
SPARE = 8
"""More samples than a breach needs, because two may fall into one period."""
FIRING = "firing"
CRITICAL = "critical"

_WHY_OFF = {
    State.ROLLING_BACK: "a rollback is running",
    State.ROLLED_BACK: "rolled back",
    State.ABORTED: "the deployment was aborted",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """A trigger of a deployment, judged now. `row` is what was recorded of it, None without."""

    rule: Rule
    found: Judgement
    row: TriggerState | None
    ground: Ground

    @property
    def trigger(self) -> Trigger:
        return self.rule.trigger

    @property
    def stage(self) -> Stage:
        """What has happened, not what would: between a complete breach and its rollback there is an instant."""
        if self.found.stage is Stage.FIRED and (self.row is None or self.row.fired_at is None):
            return Stage.BREACHING
        return self.found.stage

    @property
    def held_until(self) -> datetime | None:
        return self.ground.held_until


async def armed_since(session: AsyncSession, deployment: Deployment) -> datetime | None:
    """When this attempt's switch was accepted; None while nothing can be rolled back."""
    if State(deployment.state) not in WITH_WAY_BACK:
        return None
    found: datetime | None = await session.scalar(
        select(Operation.accepted_at)
        .where(
            Operation.deployment_id == deployment.id,
            Operation.attempt == deployment.attempt,
            Operation.kind == Kind.SWITCH.value,
            Operation.state != operations.State.REFUSED.value,
        )
        .order_by(Operation.epoch.desc())
        .limit(1)
    )
    return found


async def standings(session: AsyncSession, deployment: Deployment, plan: Plan, now: datetime) -> tuple[Standing, ...]:
    """All triggers of the plan, in its order."""

    async def query() -> tuple[Standing, ...]:
        since = await armed_since(session, deployment)
        trouble = await blue_trouble(session, deployment.target, now) if since else ""
        rows = {row.trigger: row for row in await _rows(session, deployment)}
        found = []
        for trigger in plan.triggers:
            row = rows.get(trigger.key)
            ground = Ground(since, why_off(deployment), trouble, _held_until(row, now))
            found.append(await _standing(session, deployment, rule_of(plan, trigger), row, ground, now))
        return tuple(found)

    return await once(session, ("triggers", deployment.id), query)


async def alarms(session: AsyncSession, deployment: Deployment, plan: Plan, now: datetime) -> tuple[Standing, ...]:
    """Those that everybody was told of and that still stand, the most urgent first: what banners show. While all is
    quiet this is one small read."""

    async def query() -> tuple[Standing, ...]:
        if State(deployment.state) not in WITH_WAY_BACK:
            return ()
        told = [row for row in await _rows(session, deployment) if row.told_at is not None and row.fired_at is None]
        if not told:
            return ()
        since = await armed_since(session, deployment)
        trouble = await blue_trouble(session, deployment.target, now)
        found = []
        for row in told:
            trigger = next((each for each in plan.triggers if each.key == row.trigger), None)
            if trigger is not None:
                ground = Ground(since, why_off(deployment), trouble, _held_until(row, now))
                found.append(await _standing(session, deployment, rule_of(plan, trigger), row, ground, now))
        return tuple(sorted((each for each in found if each.found.is_in_breach), key=_urgency))

    return await once(session, ("alarms", deployment.id), query)


def _urgency(standing: Standing) -> tuple[bool, bool, float]:
    """Running clocks by what is left, then what only recommends, then what is held."""
    fires_at = standing.found.fires_at
    is_held = standing.stage is Stage.HELD
    return is_held, fires_at is None, fires_at.timestamp() if fires_at else 0.0


def why_off(deployment: Deployment) -> str:
    return _WHY_OFF.get(State(deployment.state), "no switch yet")


def _held_until(row: TriggerState | None, now: datetime) -> datetime | None:
    return row.held_until if row and row.held_until and now < row.held_until else None


async def _standing(
    session: AsyncSession,
    deployment: Deployment,
    rule: Rule,
    row: TriggerState | None,
    ground: Ground,
    now: datetime,
) -> Standing:
    evidence = Evidence()
    if ground.armed_since is not None and rule.trigger.kind != "button":
        evidence = await evidence_of(session, deployment.id, rule, ground.armed_since)
    stage = Stage(row.stage) if row else Stage.QUIET
    return Standing(rule, decide(rule, stage, evidence, ground, now), row, ground)


async def _rows(session: AsyncSession, deployment: Deployment) -> list[TriggerState]:
    statement = select(TriggerState).where(
        TriggerState.deployment_id == deployment.id, TriggerState.attempt == deployment.attempt
    )
    return list(await session.scalars(statement.execution_options(populate_existing=True)))


async def blue_trouble(session: AsyncSession, target: str, now: datetime) -> str:
    """Why BLUE is no place to go back to; empty if it is, or if nobody knows otherwise (commands.request_rollback)."""
    state = await session.get(TargetState, target, populate_existing=True)
    if state is None or state.blue_at is None or now - state.blue_at > FRESH:
        return ""
    return (state.blue_found or "unhealthy") if state.blue_is_healthy is False else ""


async def evidence_of(session: AsyncSession, deployment_id: int, rule: Rule, since: datetime) -> Evidence:
    """Everything the rule looks at since the switch. Only samples that say something are read, so that no dark spell,
    however long, pushes a breach out of sight."""
    match rule.trigger.kind:
        case "metric":
            return Evidence(await _readings(session, deployment_id, rule, since))
        case "probe":
            return Evidence(
                await _checks(session, deployment_id, rule, since), await _alerts(session, deployment_id, rule, since)
            )
        case "alert":
            return Evidence(alerts=await _alerts(session, deployment_id, rule, since))
        case "button":
            return Evidence()


async def _readings(session: AsyncSession, deployment_id: int, rule: Rule, since: datetime) -> tuple[Observation, ...]:
    """GREEN's: it is the side in service from the switch until the rollback."""
    trigger = rule.trigger
    wanted = math.ceil(max(trigger.sustained_s / rule.every_s, trigger.failing_checks))
    rows = await session.execute(
        select(Reading.at, Reading.value)
        .where(
            Reading.deployment_id == deployment_id,
            Reading.metric == trigger.metric,
            Reading.side == Side.GREEN.value,
            Reading.at >= since,
            Reading.value.is_not(None),
            Reading.samples >= rule.minimum_samples,
        )
        .order_by(Reading.at.desc())
        .limit(2 * wanted + SPARE)
    )
    return tuple(Observation(at, value) for at, value in rows)


async def _checks(session: AsyncSession, deployment_id: int, rule: Rule, since: datetime) -> tuple[Observation, ...]:
    """One observation a round: bad if one of the trigger's tests failed, good if all passed, else nothing."""
    tests = rule.trigger.smoke_tests
    rows = await session.execute(
        select(TriggerCheck.at, TriggerCheck.is_bad)
        .where(
            TriggerCheck.deployment_id == deployment_id,
            TriggerCheck.test.in_(tests),
            TriggerCheck.at >= since,
            TriggerCheck.is_bad.is_not(None),
        )
        .order_by(TriggerCheck.at.desc())
        .limit((rule.trigger.failing_checks + SPARE) * len(tests))
    )
    rounds: dict[datetime, bool] = {}
    for at, is_bad in rows:
        rounds[at] = rounds.get(at, False) or bool(is_bad)
    return tuple(Observation(at, BAD if is_bad else GOOD) for at, is_bad in rounds.items())


async def _alerts(session: AsyncSession, deployment_id: int, rule: Rule, since: datetime) -> tuple[datetime, ...]:
    """When critical alerts of the trigger's categories, and reports that name it, came in."""
    trigger = rule.trigger
    by_category = Alert.category.in_(trigger.categories) if trigger.categories else Alert.category.is_not(None)
    counts = Alert.trigger == trigger.key
    if trigger.kind == "alert":
        counts = or_(counts, (Alert.trigger == "") & by_category)
    rows = await session.scalars(
        select(Alert.received_at)
        .where(
            Alert.deployment_id == deployment_id,
            Alert.received_at >= since,
            Alert.state == FIRING,
            Alert.severity == CRITICAL,
            counts,
        )
        .order_by(Alert.received_at)
        .limit(trigger.failing_checks + SPARE)
    )
    return tuple(rows)


async def newest_finding(session: AsyncSession, deployment_id: int, rule: Rule) -> str:
    """What the newest failed check of a trigger's tests, or its newest alert, said."""
    trigger = rule.trigger
    if trigger.kind == "alert":
        statement = select(Alert.name).where(Alert.deployment_id == deployment_id, Alert.state == FIRING)
        return await session.scalar(statement.order_by(Alert.id.desc()).limit(1)) or ""
    checks = select(TriggerCheck.found).where(
        TriggerCheck.deployment_id == deployment_id,
        TriggerCheck.test.in_(trigger.smoke_tests),
        TriggerCheck.is_bad.is_(True),
    )
    return await session.scalar(checks.order_by(TriggerCheck.id.desc()).limit(1)) or ""
