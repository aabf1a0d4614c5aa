"""Turning the range's knobs, restarting a release, beginning another rehearsal; each leaves a line in the timeline."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Deployment, Event, PlanVersion, TargetState
from app.deployments.commands import database_now, disarm, lock
from app.domain.errors import Rejected
from app.domain.plan import Plan
from app.domain.sides import Side
from app.eventlog.log import Entry, append
from app.ports.traffic import ProviderError
from app.providers.range_control import RangeControl
from app.range.queries import ENDED, why_no_rehearsal, why_not_bound
from app.range.queries_words import Knobs, turned
from app.web.access import NotFound, Scope, plan_of

TURNED = "range.knob.turned"
RESTARTED = "range.release.restarted"

Rehearse = Callable[[AsyncSession, Plan, str], Awaitable[Deployment]]
"""Makes a deployment of a plan and its source with the range's people."""

Effect = Callable[[], Awaitable[Mapping[str, Any]]]


async def turn(
    database: Database, control: RangeControl, scope: Scope, part: Mapping[str, Any], key: str
) -> Knobs | None:
    """Put a part of the knobs into force; what is then in force. None if this press was taken before.

    Raises KnobRefused for a value out of bounds, Rejected if the range does not answer.
    """
    return await _turn(database, control, scope, lambda: control.set_knobs(part), key)


async def reset(database: Database, control: RangeControl, scope: Scope, key: str) -> Knobs | None:
    """All knobs as at the start of the range, the customers' rate too."""
    return await _turn(database, control, scope, control.reset_knobs, key)


async def _turn(database: Database, control: RangeControl, scope: Scope, effect: Effect, key: str) -> Knobs | None:
    if await database.read(lambda session: _is_taken(session, scope, key)):
        return None
    try:
        before = await control.knobs()
        after = await effect()
    except ProviderError as error:
        raise unreachable(error) from error
    await database.run(lambda session: _record_turn(session, scope, before, after, key))
    return after


async def _record_turn(session: AsyncSession, scope: Scope, before: Knobs, after: Knobs, key: str) -> None:
    """A line for what changed; a press that changes nothing leaves none."""
    said = turned(before, after)
    if not said:
        return
    payload = {"key": key, "before": dict(before), "after": dict(after)}
    text = f"{scope.seat_title} {'; '.join(said)}"
    await append(session, scope.id, Entry(TURNED, text, payload=payload), scope.actor)


async def _is_taken(session: AsyncSession, scope: Scope, key: str) -> bool:
    """True if a press with this key was taken before, so that a repeated send turns nothing back."""
    if not key:
        return False
    statement = select(Event.id).where(
        Event.chain == scope.id,
        Event.kind.in_((TURNED, RESTARTED)),
        Event.actor_person_id == scope.viewer.person_id,
        Event.payload["key"].astext == key,
    )
    return await session.scalar(statement.limit(1)) is not None


async def restart(database: Database, control: RangeControl, scope: Scope, side: Side, key: str) -> None:
    """Stop a release and start it again. The line comes first: a restart that fails half-way was still begun."""

    async def announce(session: AsyncSession) -> bool:
        await lock(session, scope.id)
        if await _is_taken(session, scope, key):
            return False
        entry = Entry(RESTARTED, f"{scope.seat_title} restarted {side}", payload={"key": key})
        await append(session, scope.id, entry, scope.actor)
        return True

    if not await database.run(announce):
        return
    try:
        await control.restart_release(side)
    except ProviderError as error:
        raise unreachable(error) from error


def unreachable(error: ProviderError) -> Rejected:
    said = (
        "Whether it was done is not known; the knobs below show it." if error.unknown_outcome else "Nothing was done."
    )
    return Rejected(
        f"The range does not answer. {said}",
        remedy=f"Look where `make run` was started. It said: {error.message[:200]}",
        code="range",
    )


async def begin_rehearsal(
    session: AsyncSession, scope: Scope, rehearse: Rehearse, plan_hash: str = "", targets: Collection[str] = ()
) -> Deployment:
    """Another rehearsal of this deployment's plan, or of the version with this hash, planned half an hour from now.

    Locks the target first, so that two presses make one rehearsal. What the ended ones still held (the target's
    lock, rollback grants) is taken back: BLUE serves, there is nothing to roll back.
    """
    version = await _version(session, scope, plan_hash)
    plan = scope.plan if version.hash == scope.plan_hash else plan_of(version)
    target = plan.production.target or plan.targets[0].key
    if target != scope.deployment.target:
        if why_not := why_not_bound(targets, target):
            raise Rejected(why_not, code="rehearsal")
        row = insert(TargetState).values(target=target, epoch=0)
        await session.execute(row.on_conflict_do_nothing(index_elements=["target"]))
    statement = select(TargetState).where(TargetState.target == target).with_for_update()
    (await session.execute(statement.execution_options(populate_existing=True))).scalar_one()
    why_not = await why_no_rehearsal(session, target)
    if why_not:
        raise Rejected(why_not, conflict=True, code="rehearsal")
    now = await database_now(session)
    states = [state.value for state in ENDED]
    ended = await session.scalars(select(Deployment).where(Deployment.target == target, Deployment.state.in_(states)))
    for deployment in ended.all():
        await disarm(session, deployment, now)
    made = await rehearse(session, plan, version.source)
    of_plan = "" if version.hash == scope.plan_hash else f" of plan {version.key}@{version.hash[:12]}"
    text = f"{scope.seat_title} began rehearsal {made.id}{of_plan}"
    payload = {"rehearsal": made.id, "plan": version.hash}
    await append(session, scope.id, Entry("range.rehearsal.begun", text, payload=payload), scope.actor)
    return made


async def _version(session: AsyncSession, scope: Scope, plan_hash: str) -> PlanVersion:
    if not plan_hash:
        return await session.get_one(PlanVersion, scope.deployment.plan_version_id)
    found = await session.scalar(select(PlanVersion).where(PlanVersion.hash == plan_hash))
    if found is None:
        raise NotFound("There is no plan with this hash.")
    return found
