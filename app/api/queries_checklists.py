"""Checklists, readiness, presence and duties as machines read them."""

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.api.queries import utc
from app.api.views_checklists import (
    ChecklistOut,
    ChecklistsOut,
    DutiesOut,
    DutyOut,
    ItemOut,
    MissingOut,
    OwnChecklistOut,
    OwnItemOut,
    PositionDutiesOut,
    PresenceOut,
    ReadinessOut,
)
from app.checklists.queries import States, in_order, is_done, state_key, states_of
from app.checklists.queries_duties import DutiesNow, duties_now
from app.checklists.queries_files import Files, files_of
from app.checklists.queries_machine import facts_of, machine_item
from app.checklists.queries_personal import people_left, personal_lists, tick_key
from app.checklists.views import Facts
from app.db.tables import Deployment, PlanVersion
from app.domain.duties import duties_of
from app.domain.plan import Checklist, ChecklistItem, Plan, Position
from app.domain.presence import PositionNow
from app.web.access import plan_of


async def checklists(
    session: AsyncSession, deployment: Deployment, version: PlanVersion, now: datetime
) -> ChecklistsOut:
    plan = plan_of(version)
    states, files = await states_of(session, deployment), await files_of(session, deployment)
    facts = await facts_of(session, deployment, plan, now)
    return ChecklistsOut(
        attempt=deployment.attempt,
        shared=[_checklist(plan, each, states, files, facts) for each in in_order(plan)],
        personal=[_own(each, facts) for each in personal_lists(plan)],
        people=[
            ReadinessOut(name=name, done=total - len(left), total=total, open=left)
            for name, left, total in await people_left(session, deployment, plan)
        ],
        presence=[_presence(row) for row in facts.team.positions],
        at=utc(now),
    )


def _checklist(plan: Plan, checklist: Checklist, states: States, files: Files, facts: Facts) -> ChecklistOut:
    items = [_item(plan, checklist, item, states, files, facts) for item in checklist.items]
    done = sum(item.is_done for item in items)
    return ChecklistOut(
        key=checklist.key, title=checklist.title, when=checklist.when, done=done, total=len(items), items=items
    )


def _item(plan: Plan, checklist: Checklist, item: ChecklistItem, states: States, files: Files, facts: Facts) -> ItemOut:
    key = state_key(plan, checklist, item)
    row = states.get(key)
    finding = machine_item(item.check, facts) if item.check is not None else None
    is_ticked = row is not None and row.state != "open"
    values: dict[str, Any] = {
        "key": item.key,
        "text": item.text,
        "owner": item.owner,
        "state": row.state if row else "open",
        "is_done": is_done(plan, checklist, item, states, facts),
        "check": item.check,
        "machine": finding.state if finding else None,
        "found": finding.found if finding else "",
        "evidence": row.evidence if row is not None and is_ticked else "",
        "files": len(files.get(key, ())),
        "by": row.who if row else "",
        "at": utc(row.at) if row else None,
    }
    return ItemOut(**values)


def _own(checklist: Checklist, facts: Facts) -> OwnChecklistOut:
    items = [
        OwnItemOut(
            key=tick_key(checklist, item),
            text=item.text,
            machine=machine_item(item.check, facts).state if item.check is not None else None,
        )
        for item in checklist.items
    ]
    return OwnChecklistOut(key=checklist.key, title=checklist.title, when=checklist.when, items=items)


def _presence(row: PositionNow) -> PresenceOut:
    return PresenceOut(
        position=row.key,
        required=row.required,
        seated=row.seated,
        arrived=row.arrived,
        present=row.present,
        on_page=row.on_page,
        missing=[MissingOut(seat=gap.key, title=gap.seat, name=gap.name, why=gap.why.value) for gap in row.gaps],
    )


async def duties(session: AsyncSession, deployment: Deployment, version: PlanVersion, now: datetime) -> DutiesOut:
    plan = plan_of(version)
    known = await duties_now(session, deployment, now)
    return DutiesOut(
        attempt=deployment.attempt,
        stage=known.stage.value if known.stage else None,
        positions=[
            PositionDutiesOut(position=place.key, title=place.title, duties=_duties(place, known))
            for place in plan.positions
            if duties_of(place)
        ],
        at=utc(now),
    )


def _duties(position: Position, known: DutiesNow) -> list[DutyOut]:
    found = []
    for duty in duties_of(position):
        last = known.done.get((position.key, duty.key))
        values: dict[str, Any] = {
            "key": duty.key,
            "text": duty.text,
            "stage": duty.stage.value,
            "every_s": duty.every_s or None,
            "times": last.times if last else 0,
            "by": last.who if last else "",
            "at": utc(last.at) if last else None,
            "is_late": known.is_late(position, duty),
        }
        found.append(DutyOut(**values))
    return found
