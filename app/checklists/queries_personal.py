"""Reads of personal checklists: what somebody ticked for themselves, and how far each person is."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.checklists.queries_machine import facts_of, machine_item
from app.checklists.views import Facts, PersonalLine, PersonalList, PersonalView, Rows
from app.db.tables import Deployment, Person, PersonalTick, RosterSeat
from app.domain.deployments import State
from app.domain.plan import Checklist, ChecklistItem, Plan
from app.eventlog.log import versions_of
from app.web.access import Scope

_MACHINE = {"yes": "machine", "no": "unmet", "unknown": "unknown"}
_OVER = (State.ABORTED, State.COMPLETED)


def personal_lists(plan: Plan) -> tuple[Checklist, ...]:
    return tuple(checklist for checklist in plan.checklists if checklist.kind == "personal")


def has_personal(scope: Scope) -> bool:
    """Whether this person has anything to tick for themselves: a seat, in a plan with personal checklists."""
    return bool(scope.seats and personal_lists(scope.plan)) and (scope.may("note") or scope.may("check"))


def tick_key(checklist: Checklist, item: ChecklistItem) -> str:
    return f"{checklist.key}.{item.key}"


def is_open(deployment: Deployment) -> bool:
    return State(deployment.state) not in _OVER


async def ticks_of(session: AsyncSession, deployment: Deployment) -> dict[int, dict[str, PersonalTick]]:
    """All ticks of the deployment's attempt, by person and key."""
    rows = await session.scalars(
        select(PersonalTick).where(
            PersonalTick.deployment_id == deployment.id, PersonalTick.attempt == deployment.attempt
        )
    )
    found: dict[int, dict[str, PersonalTick]] = {}
    for row in rows:
        found.setdefault(row.person_id, {})[row.item] = row
    return found


async def own_open(session: AsyncSession, scope: Scope, deployment: Deployment) -> tuple[str, ...]:
    """What this person has still to tick for themselves, in the plan's order; what a machine answers is not theirs."""
    mine = select(PersonalTick.item).where(
        PersonalTick.deployment_id == deployment.id,
        PersonalTick.attempt == deployment.attempt,
        PersonalTick.person_id == scope.viewer.person_id,
    )
    ticked = set(await session.scalars(mine))
    return tuple(
        item.text
        for each in personal_lists(scope.plan)
        for item in each.items
        if item.check is None and tick_key(each, item) not in ticked
    )


async def personal_view(session: AsyncSession, scope: Scope) -> PersonalView:
    """Versions first: what is rendered is then never older than it says."""
    versions = await versions_of(session, scope.id)
    deployment = await session.get_one(Deployment, scope.id)
    now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    facts = await facts_of(session, deployment, scope.plan, now)
    mine = (await ticks_of(session, deployment)).get(scope.viewer.person_id, {})
    return PersonalView(
        url=f"/d/{scope.id}/checklists/_personal",
        action=f"/d/{scope.id}/checklists/personal",
        lists=tuple(
            PersonalList(each.key, each.title, each.when, tuple(_line(each, item, mine, facts) for item in each.items))
            for each in personal_lists(scope.plan)
        ),
        is_open=is_open(deployment),
        now=now,
        zone=scope.plan.timezone,
        versions=versions,
    )


def _line(checklist: Checklist, item: ChecklistItem, mine: dict[str, PersonalTick], facts: Facts) -> PersonalLine:
    key = tick_key(checklist, item)
    if item.check is not None:
        finding = machine_item(item.check, facts)
        return PersonalLine(key, item.text, _MACHINE[finding.state], finding.found, finding.at)
    row = mine.get(key)
    return PersonalLine(key, item.text, "done" if row else "open", at=row.at if row else None)


async def people_progress(session: AsyncSession, deployment: Deployment, plan: Plan) -> Rows:
    """Rows (name, done, total) of everybody who works on the day, in the plan's order; what a machine answers for
    everybody alike is left out."""
    people = await people_left(session, deployment, plan)
    return tuple((name, total - len(left), total) for name, left, total in people)


async def people_left(session: AsyncSession, deployment: Deployment, plan: Plan) -> list[tuple[str, list[str], int]]:
    """(name, keys of what is not ticked, how many there are) of everybody who works on the day, in the plan's order."""
    keys = [tick_key(each, item) for each in personal_lists(plan) for item in each.items if item.check is None]
    if not keys:
        return []
    works = [place.key for place in plan.positions if {"note", "check"} & set(place.capabilities)]
    rows = await session.execute(
        select(RosterSeat.position, Person.id, Person.name)
        .join(Person, Person.id == RosterSeat.person_id)
        .where(RosterSeat.deployment_id == deployment.id, RosterSeat.position.in_(works))
        .order_by(RosterSeat.is_deputy, RosterSeat.seat, RosterSeat.id)
    )
    people = {number: name for _, number, name in sorted(rows, key=lambda row: works.index(row[0]))}
    ticks = await ticks_of(session, deployment)
    return [
        (name, [key for key in keys if key not in ticks.get(number, ())], len(keys)) for number, name in people.items()
    ]
