"""Writes of triggers: what the judge found, what people hold and report, what alerts bring."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Alert, Deployment, Operation, Person, RosterSeat, TriggerState
from app.deployments.commands import database_now, lock, lock_for
from app.domain.deployments import State
from app.domain.errors import Rejected
from app.domain.plan import Plan, Trigger
from app.domain.triggers import ASK_STANDS_FOR, HOLD_FOR, Rule, Stage, is_worth_telling
from app.eventlog.log import SYSTEM, Entry, append, append_all, notify, touch
from app.traffic.commands import request_rollback
from app.triggers.queries import CRITICAL, FIRING, WITH_WAY_BACK, Standing, newest_finding, standings
from app.triggers.queries_words import cause_of
from app.web.access import Forbidden, Scope
from app.web.figures import hm, hms

FIRED = "triggers.fired"
HOLDS = ("rollback", "hold")
"""Either right lets somebody hold a trigger (accounts/policy.py)."""
SETTLED = (Stage.OFF, Stage.QUIET, Stage.UNKNOWN)


async def row_of(session: AsyncSession, deployment: Deployment, key: str, now: datetime) -> TriggerState:
    """The trigger's row of this attempt, made if it has none, and locked. Taken after the deployment's lock and before
    the log's."""
    found = {"deployment_id": deployment.id, "attempt": deployment.attempt, "trigger": key}
    empty = {"stage": Stage.QUIET.value, "since": now, "hold_asked_by": "", "hold_asked_position": "", "held_by": ""}
    await session.execute(insert(TriggerState).values(**found, **empty, found="").on_conflict_do_nothing())
    statement = select(TriggerState).filter_by(**found).with_for_update()
    return (await session.execute(statement.execution_options(populate_existing=True))).scalar_one()


# ── the judge ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def follow(session: AsyncSession, deployment_id: int, plan: Plan) -> float | None:
    """Judge every trigger and record what changed; the ones that are complete roll back. Returns the seconds until the
    first running clock runs out, None while none runs.

    Everything of a fire is one transaction: state, event, rollback operation. Whoever asks twice fires once.
    """
    deployment = await session.get_one(Deployment, deployment_id, populate_existing=True)
    now = await database_now(session)
    found = await standings(session, deployment, plan, now)
    ready = [each for each in found if each.found.stage is Stage.FIRED and not _has_fired(each)]
    if ready:
        await fire(session, deployment_id, plan, ready, now)
        return None
    moved = [each for each in found if _has_news(each, now)]
    # All rows are locked before the first event: a person who holds one waits for the log while holding its row.
    rows = {each.rule.key: await row_of(session, deployment, each.rule.key, now) for each in moved}
    for each in moved:
        await _note(session, deployment, plan, each, rows[each.rule.key], now)
    if moved:
        await touch(session, deployment_id, ("triggers",))
    return min(((each.found.fires_at - now).total_seconds() for each in found if each.found.fires_at), default=None)


def _has_fired(standing: Standing) -> bool:
    return standing.row is not None and standing.row.fired_at is not None


def _was_told(standing: Standing) -> bool:
    return standing.row is not None and standing.row.told_at is not None


def _tells(standing: Standing, now: datetime) -> bool:
    return is_worth_telling(standing.rule, standing.found, now) and not _was_told(standing)


def _has_ended(standing: Standing) -> bool:
    return _was_told(standing) and not standing.found.is_in_breach and standing.found.stage in SETTLED


def _has_news(standing: Standing, now: datetime) -> bool:
    """Whether its row or the log has to say something else than so far."""
    if standing.row is None and standing.found.stage in SETTLED:
        return False
    before = Stage(standing.row.stage) if standing.row else Stage.QUIET
    return standing.found.stage is not before or _tells(standing, now) or _has_ended(standing)


async def _note(
    session: AsyncSession, deployment: Deployment, plan: Plan, standing: Standing, row: TriggerState, now: datetime
) -> None:
    """Keep the row at the stage, and tell the log what is worth telling."""
    rule, found = standing.rule, standing.found
    was_recommended = row.stage == Stage.RECOMMENDED
    if row.stage != found.stage.value:
        row.stage, row.since = found.stage.value, now
    row.complete_at = found.complete_at
    if found.stage is Stage.RECOMMENDED and not was_recommended:
        row.told_at = now
        row.found = cause_of(plan, rule, found, await _detail(session, deployment.id, rule))
        await _tell_recommended(session, deployment, standing, row.found)
    elif _tells(standing, now):
        row.told_at = now
        await _tell_began(session, deployment, plan, standing)
    elif _has_ended(standing):
        row.told_at = row.hold_asked_at = None
        if found.stage is not Stage.OFF:
            text = f"No longer in breach: {rule.trigger.title}"
            await append(session, deployment.id, Entry("triggers.breach.ended", text, ("triggers",)), SYSTEM)
    await session.flush()


async def _detail(session: AsyncSession, deployment_id: int, rule: Rule) -> str:
    return "" if rule.trigger.kind == "metric" else await newest_finding(session, deployment_id, rule)


async def _tell_began(session: AsyncSession, deployment: Deployment, plan: Plan, standing: Standing) -> None:
    rule, found = standing.rule, standing.found
    zone = plan.timezone
    effect = "automatic rollback armed" if rule.is_automatic else "a rollback will be recommended"
    cause = f"trigger {rule.key}"
    if found.fires_at is not None:
        cause += f"; fires at {hms(found.fires_at, zone)} unless it recovers or two positions hold it"
    said = cause_of(plan, rule, found)
    text = f"{said[:1].upper()}{said[1:]}: {effect}"
    entry = Entry("triggers.breach.began", text, ("triggers",), cause, "crit", _payload(standing))
    await append(session, deployment.id, entry, SYSTEM)


async def _tell_recommended(session: AsyncSession, deployment: Deployment, standing: Standing, said: str) -> None:
    why = standing.found.why or "the plan has it recommend only"
    text = f"Rollback recommended: {said}"
    entry = Entry("triggers.rollback.recommended", text, ("triggers",), why, "crit", _payload(standing))
    await append(session, deployment.id, entry, SYSTEM)


def _payload(standing: Standing) -> dict[str, object]:
    found = standing.found
    return {
        "trigger": standing.rule.key,
        "value": found.newest.value if found.newest else None,
        "progress_s": round(found.progress_s, 3),
        "in_a_row": found.in_a_row,
        "coverage": found.coverage,
        "started_at": _iso(found.started_at),
        "complete_at": _iso(found.complete_at),
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


async def fire(
    session: AsyncSession, deployment_id: int, plan: Plan, ready: Sequence[Standing], judged_at: datetime
) -> None:
    """Roll back for complete triggers: each is told, and all ask for the one rollback.

    Under the deployment's lock only that is looked at again which people and other judges change: its state, holds, and
    what has fired. Samples that made a breach complete stay where they are.
    """
    deployment = await lock(session, deployment_id)
    if State(deployment.state) not in (*WITH_WAY_BACK, State.ROLLING_BACK):
        return
    rows = [await row_of(session, deployment, each.rule.key, judged_at) for each in ready]
    free = [
        (each, row)
        for each, row in zip(ready, rows, strict=True)
        if row.fired_at is None and (row.held_until is None or row.held_until <= judged_at)
    ]
    if not free:
        return
    said = [cause_of(plan, each.rule, each.found, await _detail(session, deployment.id, each.rule)) for each, _ in free]
    operation = await request_rollback(
        session,
        deployment.id,
        actor=SYSTEM,
        key=f"trigger:{deployment.attempt}:{free[0][0].rule.key}"[:64],
        clicked_at=judged_at,
        cause="; ".join(f"trigger {each.rule.key}: {text}" for (each, _), text in zip(free, said, strict=True)),
    )
    joined = operation if operation.requested_by != SYSTEM.name else None
    for (each, row), text in zip(free, said, strict=True):
        row.stage, row.since, row.fired_at = Stage.FIRED.value, judged_at, judged_at
        row.told_at, row.complete_at, row.found = judged_at, each.found.complete_at, text
        row.operation_id = operation.id
        await _tell_fired(session, deployment, each, operation, text, joined)


async def _tell_fired(
    session: AsyncSession,
    deployment: Deployment,
    standing: Standing,
    operation: Operation,
    said: str,
    joined: Operation | None,
) -> None:
    text = f"Trigger fired, rollback started: {said}"
    if joined is not None:
        text = f"Trigger fired; {joined.requested_by} had started the rollback already, both asked: {said}"
    payload = {**_payload(standing), "operation": operation.id, "joined": joined is not None}
    entry = Entry(FIRED, text, ("triggers", "traffic"), f"trigger {standing.rule.key}", "crit", payload)
    await append(session, deployment.id, entry, SYSTEM)


# ── holding ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def hold(session: AsyncSession, scope: Scope, key: str) -> bool:
    """The first person asks, the second of another position holds for five minutes. True once it is held.

    Raises Rejected where there is nothing to hold, or the second is the first or sits on the same position.
    """
    deployment = await lock_for(session, scope)
    now = await database_now(session)
    found = await _running(session, deployment, scope.plan, key, now)
    row = await row_of(session, deployment, key, now)
    by_right = scope.positions_that_may(*HOLDS)
    position = next(iter(by_right), "")
    is_asked = row.hold_asked_at is not None and now - row.hold_asked_at <= ASK_STANDS_FOR
    if not is_asked or not await _asker_sits(session, row):
        row.hold_asked_at, row.hold_asked_by = now, scope.who
        row.hold_asked_person, row.hold_asked_position = scope.viewer.person_id, position
        text = f"{scope.who} asks to hold the automatic rollback: {found.trigger.title}"
        entry = Entry(
            "triggers.hold.asked", text, ("triggers",), "it takes a second person of another position", "warn"
        )
        await append(session, deployment.id, entry, scope.actor)
        return False
    if row.hold_asked_person == scope.viewer.person_id:
        raise Rejected(
            "You asked to hold it already. The countdown goes on until a second person confirms.",
            remedy="Somebody with another position must confirm.",
            conflict=True,
            code="same_person",
        )
    if not set(by_right) - {row.hold_asked_position}:
        raise Rejected(
            f"{row.hold_asked_by} asked, and has your position. The countdown goes on.",
            remedy="Holding takes two people of two positions.",
            conflict=True,
            code="same_position",
        )
    row.held_until, row.held_by = now + HOLD_FOR, f"{row.hold_asked_by} and {scope.who}"
    row.hold_asked_at, row.stage, row.since = None, Stage.HELD.value, now
    until = hm(row.held_until, scope.plan.timezone)
    text = f"{row.held_by} hold the automatic rollback until {until}: {found.trigger.title}"
    cause = "then it is armed again; it rolls back at once if the breach still stands"
    payload = {"trigger": key, "until": row.held_until.isoformat()}
    await append(
        session, deployment.id, Entry("triggers.held", text, ("triggers",), cause, "warn", payload), scope.actor
    )
    return True


async def _asker_sits(session: AsyncSession, row: TriggerState) -> bool:
    """Whether who asked still has the position it was asked from, and an account that is not disabled."""
    seat = select(RosterSeat.id).join(Person, Person.id == RosterSeat.person_id)
    seat = seat.where(
        RosterSeat.deployment_id == row.deployment_id,
        RosterSeat.person_id == row.hold_asked_person,
        RosterSeat.position == row.hold_asked_position,
        Person.is_disabled.is_(False),
    )
    return await session.scalar(seat.limit(1)) is not None


async def release(session: AsyncSession, scope: Scope, key: str) -> None:
    """End a hold, or withdraw the wish for one: one person is enough to let a safeguard work again."""
    deployment = await lock(session, scope.id)
    now = await database_now(session)
    row = await row_of(session, deployment, key, now)
    is_held = row.held_until is not None and now < row.held_until
    if not is_held and row.hold_asked_at is None:
        raise Rejected("Nothing holds this trigger.", conflict=True, code="not_held")
    row.held_until, row.hold_asked_at = None, None
    text = f"{scope.who} ended the hold: {_trigger(scope.plan, key).title}"
    await append(session, deployment.id, Entry("triggers.hold.ended", text, ("triggers",)), scope.actor)


async def _running(session: AsyncSession, deployment: Deployment, plan: Plan, key: str, now: datetime) -> Standing:
    _trigger(plan, key)
    found = next(each for each in await standings(session, deployment, plan, now) if each.rule.key == key)
    if not found.rule.is_automatic or not found.found.is_in_breach or _has_fired(found):
        raise Rejected(
            f"There is no countdown to hold: {found.trigger.title}.",
            remedy="Only an automatic trigger in breach can be held, and only before it fired.",
            conflict=True,
            code="nothing_to_hold",
        )
    return found


def _trigger(plan: Plan, key: str) -> Trigger:
    found = next((trigger for trigger in plan.triggers if trigger.key == key), None)
    if found is None:
        raise Rejected(f"The plan has no trigger {key[:48]!r}.", code="trigger")
    return found


# ── reports and alerts ────────────────────────────────────────────────────────────────────────────────────────────


def may_raise(trigger: Trigger, positions: frozenset[str]) -> bool:
    return trigger.kind in ("alert", "probe") and bool(positions.intersection(trigger.raised_by))


async def raise_alert(session: AsyncSession, scope: Scope, key: str, reason: str, once_key: str) -> Alert:
    """A person's report, which counts as the trigger's alert. The same press sent twice is one report.

    Raises Forbidden where the plan does not name a position of this person in the trigger's `raised_by`.
    """
    deployment = await lock(session, scope.id)
    trigger = _trigger(scope.plan, key)
    if not may_raise(trigger, scope.positions):
        raise Forbidden(f"Your position does not report “{trigger.title}”.")
    if once_key:
        mine = (Alert.person_id == scope.viewer.person_id) & (Alert.key == once_key)
        known = await session.scalar(select(Alert).where(Alert.deployment_id == scope.id, mine))
        if known is not None:
            return known
    alert = Alert(
        deployment_id=scope.id,
        source="person",
        name=reason[:200],
        state=FIRING,
        severity=CRITICAL,
        trigger=key,
        text=reason,
        raised_by=scope.who,
        person_id=scope.viewer.person_id,
        key=once_key,
        received_at=await database_now(session),
    )
    session.add(alert)
    text = f"{scope.who} reports: {trigger.title}: {reason}"
    payload = {"trigger": key}
    entry = Entry("triggers.alert.raised", text, ("triggers",), f"trigger {key}", "crit", payload)
    await append(session, deployment.id, entry, scope.actor)
    await wake(session, scope.id)
    return alert


@dataclass(frozen=True, slots=True)
class IncomingAlert:
    """An alert from outside, checked. `state`: firing, resolved or unknown."""

    name: str
    state: str
    severity: str
    category: str
    text: str = ""


async def record_alert(
    session: AsyncSession, deployment_id: int, source: str, alert: IncomingAlert, *, target: str = ""
) -> None:
    await record_alerts(session, deployment_id, source, [(alert, target)])


async def record_alerts(
    session: AsyncSession, deployment_id: int, source: str, alerts: Sequence[tuple[IncomingAlert, str]]
) -> None:
    """Keep what came, tell the log, wake the judge. A resolved alert resets nothing that has fired. With each stands
    the target that it is about, which may be a canary's. Many cost a few statements, and only the last hold the log."""
    now = await database_now(session)
    session.add_all(
        Alert(
            deployment_id=deployment_id,
            target=target,
            source=source,
            name=alert.name[:200],
            state=alert.state,
            severity=alert.severity[:16],
            category=alert.category[:48],
            text=alert.text[:2000],
            received_at=now,
        )
        for alert, target in alerts
    )
    await session.flush()
    await append_all(session, deployment_id, [_received(source, *each) for each in alerts], SYSTEM)
    await wake(session, deployment_id)


def _received(source: str, alert: IncomingAlert, target: str) -> Entry:
    what = {"firing": "Alert", "resolved": "Alert resolved"}.get(alert.state, "Alert of unknown state")
    about = ", ".join(part for part in (alert.severity, alert.category, target and f"about {target}") if part)
    is_grave = alert.state == FIRING and alert.severity == CRITICAL
    return Entry(
        "triggers.alert.resolved" if alert.state == "resolved" else "triggers.alert.received",
        f"{what}: {alert.name}" + (f" ({about})" if about else ""),
        ("triggers", "canary"),
        cause=f"webhook {source}",
        severity="crit" if is_grave else "normal",
        payload={"source": source, "state": alert.state, "severity": alert.severity, "category": alert.category}
        | ({"target": target} if target else {}),
    )


async def wake(session: AsyncSession, deployment_id: int) -> None:
    """Tell the judge, when this transaction commits, that there is new evidence. Browsers get an empty message."""
    await notify(session, {"kind": "data", "deployment": deployment_id, "evidence": True})
