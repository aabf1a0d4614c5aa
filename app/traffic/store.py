"""ports.operations on PostgreSQL: operations, effects and checks, with the lease on database time."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import tables
from app.db.engine import Database
from app.deployments.commands import apply, database_now, lock
from app.domain.deployments import Change
from app.domain.deployments import State as DeploymentState
from app.domain.observation import Share
from app.domain.operations import Answer, Kind, Operation, Outcome, State
from app.domain.plan import Plan
from app.domain.plan_people import whom_to_call
from app.domain.sides import Weights
from app.eventlog.log import SYSTEM, Actor, Entry, Severity, append, notify, touch
from app.metrics.queries import latest
from app.ports.operations import Progress, ReadingNow, Superseded, TeamNow
from app.ports.traffic import RouteOutcome
from app.traffic.commands import lock_target, request_shift
from app.traffic.commands import restore as request_restore

LEASE = timedelta(seconds=1.5)
"""Renewed every 0.5 s while held; a dead worker's operation is free this long after its last renewal."""
OPEN = ("", "unknown")
"""Outcomes of effects that leave a question. An "applied" one leaves a question too while the operation does not say
that it is written: its worker died in between."""
PRESENT_WITHIN = timedelta(minutes=10)
_CLOCK = func.clock_timestamp()
_ENDED = {
    State.DONE: "complete",
    State.FAILED: "failed",
    State.ESCALATED: "over, escalated",
    State.SUPERSEDED: "superseded",
    State.REFUSED: "refused",
}
_KEEP_FIRST = ("read_back_at", "observed_95_at", "observed_99_at", "observed_100_at", "verified_at", "written_at")


class PostgresStore:
    """One worker's view of the operations. `worker` names it in leases, effects and the log."""

    def __init__(
        self, database: Database, plan: Plan, worker: str, known: Mapping[int, tables.Deployment] | None = None
    ) -> None:
        """`known`: operations whose deployment was read already."""
        self._database, self._plan, self._worker = database, plan, worker
        self._deployments = dict(known or {})

    async def _deployment(self, session: AsyncSession, operation_id: int) -> tables.Deployment:
        """Whose operation it is. Asked once: neither its id nor its target ever changes."""
        if operation_id not in self._deployments:
            self._deployments[operation_id] = await _deployment(session, operation_id)
        return self._deployments[operation_id]

    async def claim(self, operation_id: int) -> datetime | None:
        async def write(session: AsyncSession) -> datetime | None:
            row = tables.Operation
            is_free = or_(row.lease_owner == self._worker, row.lease_until.is_(None), row.lease_until < _CLOCK)
            may_be_mine = row.finished_at.is_(None) & is_free
            now: datetime
            before, looks_free, now = (
                await session.execute(select(row.lease_owner, may_be_mine, _CLOCK).where(row.id == operation_id))
            ).one()
            if not looks_free:
                return None  # every worker is woken: those that come second leave without a lock
            statement = (
                update(row)
                .where(row.id == operation_id, may_be_mine)
                .values(
                    lease_owner=self._worker,
                    lease_until=now + LEASE,
                    started_at=func.coalesce(row.started_at, now),
                )
                .returning(row.deployment_id)
            )
            deployment_id = (await session.execute(statement)).scalar_one_or_none()
            if deployment_id is None:
                return None
            if before not in ("", self._worker):
                await self._note_takeover(session, operation_id, deployment_id, before)
            return now

        return await self._database.run(write)

    async def _note_takeover(self, session: AsyncSession, operation_id: int, deployment_id: int, before: str) -> None:
        row = tables.Operation
        await session.execute(update(row).where(row.id == operation_id).values(takeovers=row.takeovers + 1))
        text = f"{self._worker} took over operation {operation_id} from {before}"
        entry = Entry("traffic.operation.taken_over", text, ("traffic",), severity="warn")
        await append(session, deployment_id, entry, Actor(self._worker))

    async def load(self, operation_id: int) -> Operation:
        return await self._database.read(lambda session: load_operation(session, operation_id))

    async def newest_epoch(self, operation_id: int) -> int:
        async def query(session: AsyncSession) -> int:
            operation, target = tables.Operation, tables.TargetState
            statement = (
                select(target.epoch, operation.finished_at, operation.lease_owner)
                .join(operation, operation.target == target.target)
                .where(operation.id == operation_id)
            )
            epoch, finished_at, owner = (await session.execute(statement)).one()
            # An operation can end, or pass to another worker, without a newer epoch: a thawed worker asks here.
            if finished_at is not None or owner != self._worker:
                raise Superseded("the operation has ended" if finished_at else f"{owner or 'nobody'} holds the lease")
            return int(epoch)

        return await self._database.read(query)

    async def _own(self, session: AsyncSession, operation_id: int) -> tables.Operation:
        """The row, locked, if this worker may still write. Raises Superseded."""
        statement = select(tables.Operation).where(tables.Operation.id == operation_id).with_for_update()
        row = (await session.execute(statement)).scalar_one()
        if row.finished_at is not None:
            raise Superseded(f"the operation has ended: {row.state}")
        if row.lease_owner != self._worker:
            raise Superseded(f"{row.lease_owner} holds the lease")
        return row

    async def record_intent(
        self, operation_id: int, weights: Weights, checks: Mapping[str, Outcome] | None = None
    ) -> int:
        async def write(session: AsyncSession) -> int:
            row = await self._own(session, operation_id)
            row.state = State.WRITING.value
            await _upsert_checks(session, operation_id, checks or {})
            effect = tables.Effect(
                operation_id=operation_id,
                epoch=row.epoch,
                worker=self._worker,
                want_blue=weights.blue,
                intent_at=_CLOCK,
                outcome="",
                detail="",
            )
            session.add(effect)
            await session.flush()
            return effect.id

        return await self._database.run(write)

    async def record_outcome(
        self, effect_id: int, outcome: str, detail: str, routes: tuple[RouteOutcome, ...] = ()
    ) -> None:
        async def write(session: AsyncSession) -> None:
            effect = await session.get_one(tables.Effect, effect_id, with_for_update=True)
            if effect.outcome:
                return  # Another worker took over, read the target and answered; or this was committed before.
            effect.outcome, effect.detail = outcome, detail[:500]
            effect.routes = {line.route: {"outcome": line.outcome, "detail": line.detail[:200]} for line in routes}
            effect.outcome_at = await database_now(session)
            operation = await session.get_one(tables.Operation, effect.operation_id)
            if outcome != "applied":
                text = f"The balancer did not take the write ({outcome}): {detail[:200]}"
                entry = Entry("traffic.write.failed", text, ("traffic",), severity="warn")
                await append(session, operation.deployment_id, entry, Actor(self._worker))

        await self._database.run(write)

    async def resolve_intents(self, operation_id: int, outcome: str) -> None:
        async def write(session: AsyncSession) -> None:
            await self._own(session, operation_id)
            effect = tables.Effect
            asked_about = OPEN if outcome == "applied" else (*OPEN, "applied")
            await session.execute(
                update(effect)
                .where(effect.operation_id == operation_id, effect.outcome.in_(asked_about))
                .values(outcome=outcome, outcome_at=func.clock_timestamp(), detail="answered by reading the target")
            )

        await self._database.run(write)

    async def record(self, operation_id: int, progress: Progress) -> None:
        await self._database.run(lambda session: self._record(session, operation_id, progress))

    async def _record(self, session: AsyncSession, operation_id: int, progress: Progress) -> None:
        if progress.observed_100_at is not None or progress.verified_at is not None:
            await self._lock_deployment(session, operation_id)
        row = await self._own(session, operation_id)
        for name in _KEEP_FIRST:
            value = getattr(progress, name)
            if value is not None and getattr(row, name) is None:
                setattr(row, name, value)
        if progress.state is not None:
            row.state = progress.state.value
        if progress.guard_until is not None:
            row.guard_until = progress.guard_until
        if progress.probes_total is not None:
            row.probes_total, row.probes_agreeing = progress.probes_total, progress.probes_agreeing or 0
        if progress.customers is not None:
            _count_customers(row, *progress.customers)
        await _upsert_checks(session, operation_id, progress.checks)
        await session.flush()
        await self._tell(session, row, progress)

    async def _tell(self, session: AsyncSession, row: tables.Operation, progress: Progress) -> None:
        """Events for what people must know of; everything else only refreshes the panels."""
        actor = Actor(self._worker)
        if row.kind == Kind.SHIFT:
            await self._tell_shift(session, row, progress, actor)
            return
        if progress.written_at is not None:
            took = (progress.written_at - row.clicked_at).total_seconds()
            text = f"Balancer set to BLUE {row.want_blue} / GREEN {100 - row.want_blue}, accepted after {took:.2f} s"
            await append(session, row.deployment_id, Entry("traffic.weights.written", text, ("traffic",)), actor)
        if progress.read_back_at is not None and row.kind == Kind.ROLLBACK:
            text = "The balancer reads back BLUE 100"
            await append(session, row.deployment_id, Entry("traffic.rollback.read_back", text, ("traffic",)), actor)
        if progress.observed_100_at is not None:
            await self._arrived(session, row, progress.observed_100_at, actor)
        if progress.escalated is not None:
            row.escalated_at, row.reason = await database_now(session), progress.escalated
            entry = Entry(
                "traffic.rollback.escalated",
                f"Escalate to {whom_to_call(self._plan)}: {progress.escalated}",
                ("traffic", "deployment"),
                severity="crit",
            )
            await append(session, row.deployment_id, entry, actor)
        if progress.verified_at is not None:
            await self._rolled_back(session, row, actor)
        await touch(session, row.deployment_id, ("traffic",))

    async def _tell_shift(self, session: AsyncSession, row: tables.Operation, progress: Progress, actor: Actor) -> None:
        """A canary's operation moves nothing of the deployment's course."""
        if progress.written_at is not None:
            took = (progress.written_at - row.clicked_at).total_seconds()
            text = (
                f"{row.target} set to BLUE {row.want_blue} / GREEN {100 - row.want_blue}, accepted after {took:.2f} s"
            )
            await append(session, row.deployment_id, Entry("traffic.shift.written", text, ("canary",)), actor)
        if progress.observed_100_at is not None:
            wanted, seen = 100 - row.want_blue, Share(row.probes_agreeing, row.probes_total)
            text = f"Wanted {wanted} % on GREEN, observed {seen}"
            if wanted in (0, 100):
                took = (progress.observed_100_at - row.clicked_at).total_seconds()
                text = f"Probes see 100 % on {'GREEN' if wanted else 'BLUE'} of {row.target}, after {took:.2f} s"
            await append(session, row.deployment_id, Entry("traffic.shift.arrived", text, ("canary",)), actor)
        if progress.escalated is not None:
            row.escalated_at, row.reason = await database_now(session), progress.escalated
            text = f"The way back of {row.target} is not verified: {progress.escalated}"
            entry = Entry("traffic.shift.escalated", text, ("canary",), severity="crit")
            await append(session, row.deployment_id, entry, actor)
        await touch(session, row.deployment_id, ("canary",))

    async def _arrived(self, session: AsyncSession, row: tables.Operation, at: datetime, actor: Actor) -> None:
        took = (at - row.clicked_at).total_seconds()
        side = "BLUE" if row.want_blue == 100 else "GREEN"
        text = f"Probes see 100 % on {side}, {took:.2f} s after the press"
        if row.kind == Kind.SWITCH:
            deployment = await lock(session, row.deployment_id)
            if deployment.state == DeploymentState.SWITCHING:
                deployment.switched_at = row.written_at
                await apply(session, deployment, Change.SWITCH_ARRIVED, actor=actor, text=text)
                return
        await append(session, row.deployment_id, Entry("traffic.arrived", text, ("traffic", "deployment")), actor)

    async def _rolled_back(self, session: AsyncSession, row: tables.Operation, actor: Actor) -> None:
        deployment = await lock(session, row.deployment_id)
        if deployment.state != DeploymentState.ROLLING_BACK or row.verified_at is None:
            return
        took = (row.verified_at - row.clicked_at).total_seconds()
        text = f"Rolled back to BLUE {deployment.blue_version}, all checks YES after {took:.1f} s"
        await apply(session, deployment, Change.ROLLBACK_DONE, actor=actor, text=text)

    async def finish(self, operation_id: int, state: State, reason: str, *, restore: bool) -> None:
        await self._database.run(lambda session: self._finish(session, operation_id, state, reason, restore))

    async def _finish(self, session: AsyncSession, operation_id: int, state: State, reason: str, restore: bool) -> None:
        deployment = await self._lock_deployment(session, operation_id)
        if restore:
            # Now, not at the rollback: who follows the target waits for the log's chain while it holds the target.
            target = select(tables.Operation.target).where(tables.Operation.id == operation_id)
            await lock_target(session, (await session.execute(target)).scalar_one())
        row = await self._own(session, operation_id)
        row.state, row.reason, row.finished_at = state.value, reason or row.reason, await database_now(session)
        row.lease_owner, row.lease_until = "", None
        await session.flush()
        actor = Actor(self._worker)
        if row.kind == Kind.SHIFT:
            await self._end_shift(session, deployment, row, restore=restore)
        elif restore:
            entry = Entry("traffic.switch.failed", f"The switch failed: {reason}", ("traffic",), severity="crit")
            await append(session, deployment.id, entry, actor)
            await request_restore(session, deployment.id, key=f"restore-{operation_id}", cause=reason)
        elif state is State.REFUSED:
            text = f"The switch was refused, no traffic moved: {reason}"
            await apply(session, deployment, Change.SWITCH_REFUSED, actor=actor, text=text, severity="warn")
        elif row.kind == Kind.ROLLBACK and deployment.state == DeploymentState.ROLLING_BACK:
            text = f"The rollback ended without all checks YES: {reason}"
            await apply(session, deployment, Change.ROLLBACK_DONE, actor=actor, text=text, severity="crit")
        else:
            text = f"The {row.kind} is {_ENDED[state]}{f': {reason}' if reason else ''}"
            kind = f"traffic.{row.kind}.ended"
            await append(session, deployment.id, Entry(kind, text, ("traffic", "deployment")), actor)

    async def _end_shift(
        self, session: AsyncSession, deployment: tables.Deployment, row: tables.Operation, *, restore: bool
    ) -> None:
        said = f": {row.reason}" if row.reason else ""
        text = f"The shift of {row.target} to {100 - row.want_blue} % is {_ENDED[State(row.state)]}{said}"
        severity: Severity = "normal" if row.state == State.DONE else "warn"
        entry = Entry("traffic.shift.ended", text, ("canary",), severity=severity)
        await append(session, deployment.id, entry, Actor(self._worker))
        if restore:
            key = f"restore-{row.id}"
            await request_shift(session, deployment, row.target, 0, actor=SYSTEM, key=key, cause=row.reason)

    async def _lock_deployment(self, session: AsyncSession, operation_id: int) -> tables.Deployment:
        """The order of locks is the same everywhere: deployment, target, operation, the log's chain."""
        statement = select(tables.Operation.deployment_id).where(tables.Operation.id == operation_id)
        return await lock(session, (await session.execute(statement)).scalar_one())

    async def readings(self, operation_id: int) -> tuple[ReadingNow, ...]:
        async def query(session: AsyncSession) -> tuple[ReadingNow, ...]:
            deployment = await self._deployment(session, operation_id)
            now = await database_now(session)
            found = await latest(session, deployment, self._plan, now)
            return tuple(
                ReadingNow(metric, side, reading.value, reading.samples, reading.age_s or 0.0, str(reading.verdict))
                for (metric, side), reading in found.items()
                if reading.age_s is not None
            )

        return await self._database.read(query)

    async def team(self, operation_id: int) -> TeamNow:
        async def query(session: AsyncSession) -> TeamNow:
            deployment = await self._deployment(session, operation_id)
            return await team_of(session, deployment, self._plan, await database_now(session))

        return await self._database.read(query)

    async def customer_reports(self, operation_id: int) -> tuple[int, int]:
        async def query(session: AsyncSession) -> tuple[int, int]:
            report, operation = tables.CustomerReport, tables.Operation
            statement = (
                select(func.count(), func.coalesce(func.sum(report.customers), 0))
                .join(operation, operation.deployment_id == report.deployment_id)
                .where(operation.id == operation_id, report.taken_at >= operation.clicked_at)
            )
            reports, customers = (await session.execute(statement)).one()
            return int(reports), int(customers)

        return await self._database.read(query)

    async def publish_shares(self, operation_id: int, blue: int | None, green: int | None, set_blue: int) -> None:
        async def write(session: AsyncSession) -> None:
            deployment = await self._deployment(session, operation_id)
            traffic = {"blue": blue, "green": green, "age": 0, "set_blue": set_blue, "set_green": 100 - set_blue}
            await notify(session, {"kind": "data", "deployment": deployment.id, "traffic": traffic})

        await self._database.run(write)


def _count_customers(row: tables.Operation, requests: int, failed: int) -> None:
    if row.customers_before is None or row.customers_failed_before is None:
        row.customers_before, row.customers_failed_before = requests, failed
        return
    row.customers_requests = requests - row.customers_before
    row.customers_failed = failed - row.customers_failed_before


async def _upsert_checks(session: AsyncSession, operation_id: int, checks: Mapping[str, Outcome]) -> None:
    if not checks:
        return
    rows = [
        {"operation_id": operation_id, "name": name, "state": found.answer.value}
        | {"found": found.found, "proof": found.proof, "at": found.at}
        for name, found in checks.items()
    ]
    statement = insert(tables.OperationCheck).values(rows)
    newest = {name: getattr(statement.excluded, name) for name in ("state", "found", "proof", "at")}
    await session.execute(statement.on_conflict_do_update(index_elements=["operation_id", "name"], set_=newest))


async def _deployment(session: AsyncSession, operation_id: int) -> tables.Deployment:
    statement = (
        select(tables.Deployment)
        .join(tables.Operation, tables.Operation.deployment_id == tables.Deployment.id)
        .where(tables.Operation.id == operation_id)
    )
    return (await session.execute(statement)).scalar_one()


async def load_operation(session: AsyncSession, operation_id: int) -> Operation:
    """The domain's operation from its rows, in one question: a worker asks it again and again."""
    check, effect = tables.OperationCheck, tables.Effect
    checks = (
        select(func.json_agg(func.json_build_array(check.name, check.state, check.found, check.proof, check.at)))
        .where(check.operation_id == operation_id)
        .scalar_subquery()
    )
    outcomes = select(func.array_agg(effect.outcome)).where(effect.operation_id == operation_id).scalar_subquery()
    columns = tables.Operation.__table__.columns
    statement = select(*columns, checks.label("checks"), outcomes.label("outcomes"))
    row = (await session.execute(statement.where(tables.Operation.id == operation_id))).one()
    found = set(row.outcomes or ())
    return Operation(
        id=row.id,
        kind=Kind(row.kind),
        epoch=row.epoch,
        want=Weights(row.want_blue, 100 - row.want_blue),
        state=State(row.state),
        clicked_at=row.clicked_at,
        accepted_at=row.accepted_at,
        open_intent=not found.isdisjoint(OPEN if row.written_at else (*OPEN, "applied")),
        may_have_written=bool(found - {"refused", "stale"}),
        written_at=row.written_at,
        read_back_at=row.read_back_at,
        observed_100_at=row.observed_100_at,
        verified_at=row.verified_at,
        escalated_at=row.escalated_at,
        guard_until=row.guard_until,
        checks={
            name: Outcome(Answer(state), found, proof, datetime.fromisoformat(at))
            for name, state, found, proof, at in row.checks or ()
        },
    )


async def team_of(session: AsyncSession, deployment: tables.Deployment, plan: Plan, now: datetime) -> TeamNow:
    """Which positions were there in the last 10 min, by the seat's own mark or by a request of the person's browser;
    the positions that sign off must be."""
    seat, web_session = tables.RosterSeat, tables.WebSession
    rows = await session.execute(
        select(seat.position, func.greatest(func.max(seat.seen_at), func.max(web_session.seen_at)))
        .outerjoin(web_session, (web_session.person_id == seat.person_id) & web_session.ended_at.is_(None))
        .where(seat.deployment_id == deployment.id)
        .group_by(seat.position)
    )
    seen = {position for position, at in rows if at is not None and now - at <= PRESENT_WITHIN}
    gate = plan.production.signoffs
    needed = [question.position for question in gate.questions] if gate else []
    titles = {position.key: position.title for position in plan.positions}
    return TeamNow(
        present=tuple(titles[key] for key in titles if key in seen),
        missing=tuple(titles[key] for key in needed if key not in seen),
    )
