"""Reads for triggers: what they stand on, their evidence, and where each of them is now."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, String, column, func, or_, select, true, values
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
ALERTS_OF_A_KIND = 100
"""Of each kind the first so many are looked at (more where a trigger waits for more): in a storm of one kind, another
kind's single alert or a person's report still counts."""
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
    return await once(
        session, ("triggers", deployment.id), lambda: judged(session, deployment, plan.triggers, plan, now)
    )


async def judged(
    session: AsyncSession, deployment: Deployment, triggers: Sequence[Trigger], plan: Plan, now: datetime
) -> tuple[Standing, ...]:
    """These triggers, judged. As few reads as can be: between a complete breach and its rollback stands this."""
    since = await armed_since(session, deployment)
    trouble = await blue_trouble(session, deployment.target, now) if since else ""
    rows = {row.trigger: row for row in await _rows(session, deployment)}
    rules = [rule_of(plan, trigger) for trigger in triggers]
    evidence = await _evidence(session, deployment.id, rules, since) if since else {}
    found = []
    for rule in rules:
        row = rows.get(rule.key)
        ground = Ground(since, why_off(deployment), trouble, _held_until(row, now))
        stage = Stage(row.stage) if row else Stage.QUIET
        judgement = decide(rule, stage, evidence.get(rule.key, Evidence()), ground, now)
        found.append(Standing(rule, judgement, row, ground))
    return tuple(found)


async def alarms(session: AsyncSession, deployment: Deployment, plan: Plan, now: datetime) -> tuple[Standing, ...]:
    """Those that everybody was told of and that still stand, the most urgent first: what banners show. While all is
    quiet this is one small read."""

    async def query() -> tuple[Standing, ...]:
        if State(deployment.state) not in WITH_WAY_BACK:
            return ()
        told = [row for row in await _rows(session, deployment) if row.told_at is not None and row.fired_at is None]
        if not told:
            return ()
        keys = {row.trigger for row in told}
        triggers = [trigger for trigger in plan.triggers if trigger.key in keys]
        found = await judged(session, deployment, triggers, plan, now)
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


async def _evidence(
    session: AsyncSession, deployment_id: int, rules: Sequence[Rule], since: datetime
) -> dict[str, Evidence]:
    """Everything the rules look at since the switch. Only samples that say something are read, so that no dark spell,
    however long, pushes a breach out of sight."""
    probes = [rule for rule in rules if rule.trigger.kind == "probe"]
    checks = await _checks(session, deployment_id, probes, since) if probes else []
    listens = any(rule.trigger.kind in ("alert", "probe") for rule in rules)
    needed = max((rule.trigger.failing_checks for rule in rules), default=1)
    alerts = await _alerts(session, deployment_id, since, max(needed, ALERTS_OF_A_KIND)) if listens else []
    found: dict[str, Evidence] = {}
    for rule in rules:
        match rule.trigger.kind:
            case "metric":
                found[rule.key] = Evidence(await _readings(session, deployment_id, rule, since))
            case "probe":
                found[rule.key] = Evidence(_rounds(rule, checks), _counting(rule, alerts))
            case "alert":
                found[rule.key] = Evidence(alerts=_counting(rule, alerts))
            case "button":
                pass
    return found


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


_Check = tuple[str, datetime, bool]


async def _checks(session: AsyncSession, deployment_id: int, rules: Sequence[Rule], since: datetime) -> list[_Check]:
    """The newest checks that said something, of all the rules' tests: enough for the longest row."""
    tests = {test for rule in rules for test in rule.trigger.smoke_tests}
    rounds = max(rule.trigger.failing_checks for rule in rules) + SPARE
    wanted = values(column("test", String), name="wanted").data([(test,) for test in sorted(tests)])
    newest = (
        select(TriggerCheck.at, TriggerCheck.is_bad)
        .where(
            TriggerCheck.deployment_id == deployment_id,
            TriggerCheck.test == wanted.c.test,
            TriggerCheck.at >= since,
            TriggerCheck.is_bad.is_not(None),
        )
        .order_by(TriggerCheck.at.desc())
        .limit(rounds)
        .lateral("newest")
    )
    rows = await session.execute(select(wanted.c.test, newest.c.at, newest.c.is_bad).join(newest, true()))
    return [(test, at, bool(is_bad)) for test, at, is_bad in rows]


def _rounds(rule: Rule, checks: Sequence[_Check]) -> tuple[Observation, ...]:
    """One observation a round: bad if one of the trigger's tests failed, good if all passed."""
    rounds: dict[datetime, bool] = {}
    for test, at, is_bad in checks:
        if test in rule.trigger.smoke_tests:
            rounds[at] = rounds.get(at, False) or is_bad
    return tuple(Observation(at, BAD if is_bad else GOOD) for at, is_bad in rounds.items())


def is_of_production() -> ColumnElement[bool]:
    """An alert about its deployment's own target, or about none by name."""
    own = select(Deployment.target).where(Deployment.id == Alert.deployment_id).correlate(Alert).scalar_subquery()
    return or_(Alert.target == "", Alert.target == own)


_Alert = tuple[datetime, str, str]


async def _alerts(session: AsyncSession, deployment_id: int, since: datetime, of_a_kind: int) -> list[_Alert]:
    """Critical alerts that fire, and people's reports: when, which category, which trigger a person named. What is
    about a canary's target is no reason to roll production back."""
    number = func.row_number().over(partition_by=(Alert.category, Alert.trigger), order_by=Alert.received_at)
    found = (
        select(Alert.received_at, Alert.category, Alert.trigger, number.label("number"))
        .where(
            Alert.deployment_id == deployment_id,
            is_of_production(),
            Alert.received_at >= since,
            Alert.state == FIRING,
            Alert.severity == CRITICAL,
        )
        .subquery("found")
    )
    first = select(found.c.received_at, found.c.category, found.c.trigger).where(found.c.number <= of_a_kind)
    rows = await session.execute(first.order_by(found.c.received_at))
    return [(at, category, trigger) for at, category, trigger in rows]


def _counting(rule: Rule, alerts: Sequence[_Alert]) -> tuple[datetime, ...]:
    """Reports that name the trigger; for one of kind `alert` also alerts of its categories."""
    wanted = rule.trigger.categories

    def counts(category: str, named: str) -> bool:
        if named or rule.trigger.kind != "alert":
            return named == rule.key
        return not wanted or category in wanted

    return tuple(at for at, category, named in alerts if counts(category, named))


async def newest_finding(session: AsyncSession, deployment_id: int, rule: Rule) -> str:
    """What the newest failed check of a trigger's tests, or its newest alert, said."""
    trigger = rule.trigger
    if trigger.kind == "alert":
        statement = select(Alert.name).where(Alert.deployment_id == deployment_id, Alert.state == FIRING)
        statement = statement.where(is_of_production())
        return await session.scalar(statement.order_by(Alert.id.desc()).limit(1)) or ""
    checks = select(TriggerCheck.found).where(
        TriggerCheck.deployment_id == deployment_id,
        TriggerCheck.test.in_(trigger.smoke_tests),
        TriggerCheck.is_bad.is_(True),
    )
    return await session.scalar(checks.order_by(TriggerCheck.id.desc()).limit(1)) or ""
