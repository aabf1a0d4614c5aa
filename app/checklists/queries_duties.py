"""Reads of duties: the lines of somebody's positions with who did them when, and how far each position is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.checklists.views import DutiesView, DutyGroup, DutyLine, PositionDuties, Rows
from app.db.tables import Deployment, DutyDone, PhaseRun
from app.domain import phases
from app.domain.deployments import State
from app.domain.duties import Duty, Stage, duties_of, duty_time, is_overdue
from app.domain.plan import Plan, Position
from app.eventlog.log import versions_of
from app.web.access import Scope
from app.web.figures import age

_TITLES = {Stage.BEFORE: "Before the deployment", Stage.DURING: "During", Stage.AFTER: "After"}
REPEATED = "repeated"
_LONG = ("monitoring", "decommission")
"""Phases of days: what is due every few minutes is not meant for them."""


@dataclass(frozen=True, slots=True)
class Done:
    """How often a duty was done in this attempt, and the last time."""

    times: int
    who: str
    at: datetime


@dataclass(frozen=True, slots=True)
class DutiesNow:
    """What duties are looked at with: what was done by (position, duty), and the time of the day."""

    done: Mapping[tuple[str, str], Done]
    stage: Stage | None
    running_since: datetime | None
    """When the phase that runs began (real time); None while none does."""
    now: datetime

    def is_late(self, position: Position, duty: Duty) -> bool:
        last = self.done.get((position.key, duty.key))
        return is_overdue(duty, last.at if last else None, self.running_since, self.now)


async def duties_now(session: AsyncSession, deployment: Deployment, now: datetime) -> DutiesNow:
    rows = await session.scalars(
        select(DutyDone)
        .where(DutyDone.deployment_id == deployment.id, DutyDone.attempt == deployment.attempt)
        .order_by(DutyDone.id)
    )
    done: dict[tuple[str, str], Done] = {}
    for row in rows:
        key = (row.position, row.duty)
        done[key] = Done(done[key].times + 1 if key in done else 1, row.who, row.at)
    running = await session.scalar(
        select(func.min(PhaseRun.state_since)).where(
            PhaseRun.deployment_id == deployment.id,
            PhaseRun.state == phases.State.RUNNING.value,
            PhaseRun.kind.not_in(_LONG),
        )
    )
    return DutiesNow(done, duty_time(State(deployment.state)), running, now)


async def duties_view(session: AsyncSession, scope: Scope) -> DutiesView:
    """Versions first: what is rendered is then never older than it says."""
    versions = await versions_of(session, scope.id)
    deployment = await session.get_one(Deployment, scope.id)
    now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    known = await duties_now(session, deployment, now)
    keys = dict.fromkeys(seat.position for seat in scope.seats)
    return DutiesView(
        url=f"/d/{scope.id}/checklists/_duties",
        action=f"/d/{scope.id}/checklists/duties",
        positions=tuple(_position(scope.plan.position(key), known) for key in keys),
        rules=scope.plan.rules,
        avoid=scope.plan.avoid,
        can_tick=(scope.may("note") or scope.may("check")) and deployment.state != State.ABORTED.value,
        zone=scope.plan.timezone,
        now=known.now,
        versions=versions,
    )


def _position(position: Position, known: DutiesNow) -> PositionDuties:
    lines = duties_of(position)
    groups = [
        DutyGroup(
            f"{position.key}-{REPEATED}",
            "Again and again",
            tuple(_line(position, duty, known) for duty in lines if duty.is_repeated),
            known.running_since is not None,
        )
    ]
    for stage in Stage:
        found = tuple(_line(position, duty, known) for duty in lines if duty.stage is stage and not duty.is_repeated)
        groups.append(DutyGroup(f"{position.key}-{stage.value}", _TITLES[stage], found, stage is known.stage))
    shown = sorted((group for group in groups if group.lines), key=lambda group: not group.is_now)
    return PositionDuties(position.key, position.title, position.mission, tuple(shown))


def _line(position: Position, duty: Duty, known: DutiesNow) -> DutyLine:
    last = known.done.get((position.key, duty.key))
    return DutyLine(
        key=f"{position.key}.{duty.key}",
        text=duty.text,
        times=last.times if last else 0,
        who=last.who if last else "",
        at=last.at if last else None,
        every=f"every {age(duty.every_s)}" if duty.is_repeated else "",
        is_late=known.is_late(position, duty),
    )


@dataclass(frozen=True, slots=True)
class DutiesProgress:
    title: str
    rows: Rows
    late: tuple[str, ...]


async def duties_progress(session: AsyncSession, deployment: Deployment, plan: Plan, now: datetime) -> DutiesProgress:
    """How far each position is with its duties of this time of the day, and which repeated ones are due again."""
    known = await duties_now(session, deployment, now)
    rows: list[tuple[str, int, int]] = []
    late: list[str] = []
    for position in plan.positions:
        lines = duties_of(position)
        due = [duty for duty in lines if duty.stage is known.stage and not duty.is_repeated]
        if due:
            done = sum((position.key, duty.key) in known.done for duty in due)
            rows.append((position.title, done, len(due)))
        late += [_late_words(position, duty, known) for duty in lines if known.is_late(position, duty)]
    title = _TITLES[known.stage] if known.stage else ""
    return DutiesProgress(title, tuple(rows), tuple(late))


def _late_words(position: Position, duty: Duty, known: DutiesNow) -> str:
    last = known.done.get((position.key, duty.key))
    when = f"last done {age((known.now - last.at).total_seconds())} ago" if last else "not done yet"
    return f"{position.title}: {duty.text} ({when})"
