"""Take alerts in: is the delivery genuine, is it new, whom is it for. What is refused leaves a line of the
installation's log, at most one a minute for each hook and reason, and a counter."""

import json
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from prometheus_client import Counter
from pydantic import BaseModel, ValidationError
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.forms_alerts import Addressed, AlertIn, AlertmanagerIn, SnsIn, of_alertmanager, of_json, of_sns
from app.db.engine import Database
from app.db.tables import AlertDelivery, CanaryRun, Deployment, PlanVersion, TargetState
from app.deployments.commands import database_now
from app.domain.canary_alerts import canary_targets
from app.eventlog.log import INSTALLATION, SYSTEM, Entry, append
from app.ports.traffic import ProviderError
from app.providers.alert_hooks import AlertHook, HmacHook, NotGenuine, SnsHook, verify_hmac
from app.providers.sns import SnsVerifier
from app.triggers.commands import IncomingAlert, record_alerts
from app.web.access import plan_by_hash

KEEP = timedelta(days=2)
"""How long a delivery's id is remembered: far beyond the time in which its signature is accepted."""
TELL_EVERY_S = 60.0
NEWEST = 20
"""Deployments whose plans are looked at for a canary's target."""

DELIVERIES = Counter("gonogo_alert_deliveries", "Deliveries of alerts", ("hook", "outcome"))
Form = TypeVar("Form", bound=BaseModel)

STATUS: Mapping[str, int] = {
    "signature": 401,
    "old": 401,
    "address": 401,
    "certificate": 401,
    "topic": 403,
    "hook": 404,
    "addressee": 404,
    "replayed": 409,
    "unreadable": 422,
    "busy": 503,
    "secret": 503,
    "confirmation": 502,
}


@dataclass
class AlertDoor:
    """The hooks of this installation; kept on `app.state.alerts`."""

    hooks: Mapping[str, AlertHook]
    sns: SnsVerifier
    told: dict[tuple[str, str], float] = field(default_factory=dict)

    def hook(self, kind: str, name: str) -> AlertHook:
        found = self.hooks.get(name)
        if found is None or found.kind != kind:
            raise NotGenuine("hook", "There is no such hook.")
        return found

    def is_news(self, name: str, code: str) -> bool:
        """Whether a refusal is worth a line of the log: the first of its kind in a minute."""
        key = (name if name in self.hooks else "", code)
        now = time.monotonic()
        if now - self.told.get(key, -TELL_EVERY_S) < TELL_EVERY_S:
            return False
        self.told[key] = now
        return True


async def receive(
    database: Database, door: AlertDoor, kind: str, name: str, headers: Mapping[str, str], body: bytes
) -> int:
    """How many alerts were recorded. Raises NotGenuine; nothing of the delivery is kept then."""
    try:
        taken = await _take(database, door, kind, name, headers, body)
    except NotGenuine as refusal:
        known = name if name in door.hooks else ""
        DELIVERIES.labels(known or "unknown", refusal.code).inc()
        if door.is_news(name, refusal.code):
            code, message = refusal.code, refusal.message
            await database.run(lambda session: _tell(session, known, code, message))
        raise
    DELIVERIES.labels(name, "accepted").inc()
    return taken


async def _tell(session: AsyncSession, name: str, code: str, message: str) -> None:
    where = f"hook {name}" if name else "an unknown hook"
    text = f"A delivery of alerts for {where} was refused: {message}"
    payload = {"hook": name, "code": code}
    entry = Entry("alerts.delivery.refused", text, severity="warn", payload=payload)
    await append(session, INSTALLATION, entry, SYSTEM)


async def _take(
    database: Database, door: AlertDoor, kind: str, name: str, headers: Mapping[str, str], body: bytes
) -> int:
    hook = door.hook(kind, name)
    now = await database.read(database_now)
    if isinstance(hook, SnsHook):
        return await _take_sns(database, door, hook, name, body, now)
    delivery = verify_hmac(hook, headers, body, now)
    if hook.kind == "alertmanager":
        alerts = of_alertmanager(_read(AlertmanagerIn, body))
    else:
        alerts = of_json(_read(AlertIn, body))
    return await database.run(_storing(hook, name, delivery, alerts))


async def _take_sns(database: Database, door: AlertDoor, hook: SnsHook, name: str, body: bytes, now: datetime) -> int:
    sent = _read(SnsIn, body)
    raw = json.loads(body)
    delivery = await door.sns.verify(hook, raw, now)
    if sent.kind == "Notification":
        return await database.run(_storing(hook, name, delivery, of_sns(sent, hook.severity, hook.category)))
    if sent.kind == "SubscriptionConfirmation":
        try:
            await door.sns.confirm(raw)
        except ProviderError as problem:
            raise NotGenuine("confirmation", f"The subscription could not be confirmed: {problem.message}") from problem
    await database.run(lambda session: _note_subscription(session, name, delivery, sent))
    return 0


def _read(model: type[Form], body: bytes) -> Form:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in found["loc"])
        raise NotGenuine("unreadable", f"{where}: {found['msg']}."[:300]) from error


def _storing(
    hook: HmacHook | SnsHook, name: str, delivery: str, alerts: Sequence[Addressed]
) -> Callable[[AsyncSession], Awaitable[int]]:
    async def write(session: AsyncSession) -> int:
        await _accept_once(session, name, delivery)
        found: dict[tuple[int | None, str | None], tuple[int, str]] = {}
        by_deployment: defaultdict[int, list[tuple[IncomingAlert, str]]] = defaultdict(list)
        for each in alerts:
            named = (each.deployment, each.target)
            if named not in found:
                found[named] = await _addressee(session, hook, each)
            deployment_id, target = found[named]
            by_deployment[deployment_id].append((each.alert, target))
        # In the order of their numbers, so that two deliveries for the same deployments never wait crosswise.
        for deployment_id in sorted(by_deployment):
            await record_alerts(session, deployment_id, name, by_deployment[deployment_id])
        return len(alerts)

    return write


async def _accept_once(session: AsyncSession, name: str, delivery: str) -> None:
    now = await database_now(session)
    statement = insert(AlertDelivery).values(hook=name, delivery=delivery, received_at=now).on_conflict_do_nothing()
    if await session.scalar(statement.returning(AlertDelivery.hook)) is None:
        raise NotGenuine("replayed", "This delivery was accepted before. Nothing was done twice.")
    await session.execute(delete(AlertDelivery).where(AlertDelivery.received_at < now - KEEP))


async def _addressee(session: AsyncSession, hook: HmacHook | SnsHook, sent: Addressed) -> tuple[int, str]:
    """The deployment: the one named, else the one that holds the target or has a canary on it, else the newest one
    whose target it is. And the target, empty if nobody named one."""
    target = sent.target or hook.target
    if hook.target is not None and target != hook.target:
        raise NotGenuine("addressee", "This hook is for another target.")
    if sent.deployment is not None:
        found = await session.get(Deployment, sent.deployment)
        if found is None or (target is not None and not await _is_target_of(session, found, target)):
            raise NotGenuine("addressee", "There is no such deployment on this hook's target.")
        return found.id, target or ""
    if target is None:
        raise NotGenuine("addressee", "The alert names neither a deployment nor a target, and the hook has none.")
    holder: int | None = await session.scalar(select(TargetState.locked_by).where(TargetState.target == target))
    newest = select(Deployment.id).where(Deployment.target == target).order_by(Deployment.id.desc()).limit(1)
    found_id = holder or await session.scalar(newest) or await _canary_on(session, target)
    if found_id is None:
        raise NotGenuine("addressee", "No deployment was ever made for this target.")
    return found_id, target


async def _is_target_of(session: AsyncSession, deployment: Deployment, target: str) -> bool:
    if deployment.target == target:
        return True
    version = await session.get_one(PlanVersion, deployment.plan_version_id)
    return target in canary_targets(await plan_by_hash(session, version.hash))


async def _canary_on(session: AsyncSession, target: str) -> int | None:
    """The deployment whose canary moves or stands on this target, else the newest one whose plan has a canary there."""
    moving = select(CanaryRun.deployment_id).where(CanaryRun.target == target, CanaryRun.finished_at.is_(None))
    found: int | None = await session.scalar(moving.limit(1))
    if found is not None:
        return found
    newest = select(Deployment.id, PlanVersion.hash).join(PlanVersion, PlanVersion.id == Deployment.plan_version_id)
    for number, digest in await session.execute(newest.order_by(Deployment.id.desc()).limit(NEWEST)):
        if target in canary_targets(await plan_by_hash(session, digest)):
            return int(number)
    return None


async def _note_subscription(session: AsyncSession, name: str, delivery: str, sent: SnsIn) -> None:
    await _accept_once(session, name, delivery)
    done = "was confirmed" if sent.kind == "SubscriptionConfirmation" else "was ended by Amazon"
    text = f"The subscription of hook {name} to {sent.topic_arn} {done}"
    kind = "alerts.subscription.confirmed" if sent.kind == "SubscriptionConfirmation" else "alerts.subscription.ended"
    await append(session, INSTALLATION, Entry(kind, text, payload={"hook": name}), SYSTEM)
