"""Reads of checklists: what is known of each item, and what of it sign-offs are bound to."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.checklists.queries_duties import duties_progress, duties_view
from app.checklists.queries_files import Files, files_of
from app.checklists.queries_machine import facts_of, machine_item
from app.checklists.queries_personal import has_personal, people_progress, personal_view
from app.checklists.queries_presence import seats_lines
from app.checklists.views import (
    ChecklistsPage,
    ChecklistView,
    Facts,
    FileView,
    Finding,
    ItemView,
    Piece,
    ProgressView,
)
from app.db.tables import ChecklistState, Deployment
from app.domain.deployments import State
from app.domain.plan import Checklist, ChecklistItem, Plan
from app.domain.presence import is_excused
from app.domain.signoff_words import in_sentence, listed, number_word
from app.eventlog.log import versions_of
from app.web.access import NotFound, Scope

States = Mapping[str, ChecklistState]
"""`state_key` to the row; an item nobody ever touched in this attempt has none and is open."""

OPEN = (State.PREPARING, State.PROCEEDED, State.ARMED, State.ON_HOLD)
"""The production checklist is worked on until the switch."""


def state_key(plan: Plan, checklist: Checklist, item: ChecklistItem) -> str:
    """The name an item's state is stored by. Two checklists may use the same item key, so only the production
    checklist, which sign-offs are bound to, uses it bare."""
    return item.key if checklist.key == plan.production.checklist else f"{checklist.key}.{item.key}"


async def states_of(session: AsyncSession, deployment: Deployment) -> dict[str, ChecklistState]:
    """All states of the deployment's current attempt: a new attempt starts with open checklists."""
    rows = await session.scalars(
        select(ChecklistState).where(
            ChecklistState.deployment_id == deployment.id, ChecklistState.attempt == deployment.attempt
        )
    )
    return {row.item: row for row in rows}


def bound_parts(plan: Plan, states: States) -> dict[str, str]:
    """The parts of a sign-off's binding that come from the production checklist: one `checklist.<item>` for each
    item that persons tick, with its state and evidence. What machines check is looked at anew by the switch itself."""
    checklist = production_checklist(plan)
    return {
        f"checklist.{item.key}": bound_text(states.get(state_key(plan, checklist, item)))
        for item in (checklist.items if checklist else ())
        if checklist and item.check is None
    }


def bound_text(state: ChecklistState | None) -> str:
    """ "done: backup alawael-0306-1334", "failed: …", "done" or "open". Why an item was reopened does not enter."""
    if state is None or state.state == "open":
        return "open"
    return f"{state.state}: {state.evidence}" if state.evidence else state.state


def production_checklist(plan: Plan) -> Checklist | None:
    return plan.checklist(plan.production.checklist) if plan.production.checklist else None


# ── views ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_ADDRESS = re.compile(r"https?://[^\s<>\"']+", re.IGNORECASE)
_AFTER_ADDRESS = ".,;:!?)]}»”"


def pieces(text: str) -> tuple[Piece, ...]:
    """Evidence with its http and https addresses set apart; a full stop after an address is not part of it."""
    found: list[Piece] = []
    end = 0
    for match in _ADDRESS.finditer(text):
        address = match.group().rstrip(_AFTER_ADDRESS)
        if match.start() > end:
            found.append(Piece(text[end : match.start()]))
        found.append(Piece(address, address))
        end = match.start() + len(address)
    return (*found, Piece(text[end:])) if text[end:] else tuple(found)


def may_tick(scope: Scope, item: ChecklistItem) -> bool:
    """An item is its owner's; whoever leads the day (may proceed) can see to any of them."""
    return item.check is None and scope.may("check") and (item.owner in scope.positions or scope.may("proceed"))


def is_open(deployment: Deployment, plan: Plan, checklist: Checklist) -> bool:
    """Whether items may change: what sign-offs are bound to only until the switch, the others until the day ends."""
    state = State(deployment.state)
    if checklist.key == plan.production.checklist:
        return state in OPEN
    return state is not State.ABORTED


def progress(plan: Plan, checklist: Checklist, states: States, facts: Facts) -> tuple[tuple[str, int, int], ...]:
    """Rows (position's title, done, total) of those who own items, in the plan's order."""
    rows: list[tuple[str, int, int]] = []
    for position in plan.positions:
        owned = [item for item in checklist.items if item.owner == position.key]
        if owned:
            rows.append((position.title, sum(is_done(plan, checklist, i, states, facts) for i in owned), len(owned)))
    return tuple(rows)


def is_done(plan: Plan, checklist: Checklist, item: ChecklistItem, states: States, facts: Facts) -> bool:
    row = states.get(state_key(plan, checklist, item))
    if item.check is not None:
        return machine_item(item.check, facts).state == "yes" or is_gone_on(item, row, facts)
    return row is not None and row.state == "done"


def is_gone_on(item: ChecklistItem, row: ChecklistState | None, facts: Facts) -> bool:
    """Whether who leads decided to go on without everybody who is missing now. Whoever went missing since then was not
    decided on, so that the item is open again."""
    if item.check != "team_present" or row is None or row.state != "done":
        return False
    return is_excused(facts.team.gaps, row.without)


def _item_view(scope: Scope, item: ChecklistItem, row: ChecklistState | None, files: tuple[FileView, ...]) -> ItemView:
    return ItemView(
        key=item.key,
        text=item.text,
        state=row.state if row else "open",
        owner=scope.plan.position(item.owner).title,
        is_yours=item.owner in scope.positions,
        can_tick=may_tick(scope, item),
        needs_evidence=item.evidence == "required",
        proof=pieces(row.evidence) if row else (),
        evidence=row.evidence if row else "",
        who=row.who if row else "",
        at=row.at if row else None,
        version=row.version if row else 0,
        files=files,
    )


_MACHINE_STATES = {"yes": "machine", "no": "unmet", "unknown": "unknown"}


def _machine_view(
    scope: Scope, item: ChecklistItem, row: ChecklistState | None, facts: Facts, *, is_open: bool
) -> ItemView:
    finding = machine_item(item.check or "", facts)
    view = _finding_view(scope, item, finding)
    if item.check != "team_present":
        return view
    gaps = facts.team.gaps
    is_decided = is_gone_on(item, row, facts)
    if is_decided and row is not None:
        words = f"{row.evidence} (missing then: {listed_seats(scope.plan, row.without)})"
        view = replace(view, state="excused", proof=pieces(words), who=row.who, at=row.at)
    elif row is not None and row.state == "done" and gaps:
        before = f"{finding.found}. {row.who} went on without {listed_seats(scope.plan, row.without)} before"
        view = replace(view, proof=(Piece(before),))
    return replace(
        view,
        seats=seats_lines(facts.team),
        can_excuse=is_open and bool(gaps) and not is_decided and scope.may("proceed"),
        missing=" ".join(gap.key for gap in gaps),
        version=row.version if row else 0,
    )


def listed_seats(plan: Plan, keys: Sequence[str]) -> str:
    """Seats by their titles: "DevOps 2 and backend 1"."""
    titles = {
        f"{place.key}-{seat}": f"{place.title} {seat}" if place.seats > 1 else place.title
        for place in plan.positions
        for seat in range(1, place.seats + 1)
    }
    return listed([titles.get(key, key) for key in keys])


def _finding_view(scope: Scope, item: ChecklistItem, finding: Finding) -> ItemView:
    return ItemView(
        key=item.key,
        text=item.text,
        state=_MACHINE_STATES[finding.state],
        owner="Checked by machine",
        is_yours=item.owner in scope.positions,
        can_tick=False,
        needs_evidence=False,
        proof=(Piece(finding.found),),
        at=finding.at,
    )


def _list_view(
    scope: Scope,
    deployment: Deployment,
    checklist: Checklist,
    states: States,
    facts: Facts,
    versions: Mapping[str, int],
    files: Files,
    *,
    only_mine: bool,
) -> ChecklistView:
    plan = scope.plan
    shown = [item for item in checklist.items if not only_mine or item.owner in scope.positions]
    return ChecklistView(
        key=checklist.key,
        url=f"/d/{deployment.id}/checklists/{checklist.key}",
        title=checklist.title,
        when=checklist.when,
        counts_for_gate=checklist.key == plan.production.checklist,
        is_open=is_open(deployment, plan, checklist),
        items=tuple(
            _item_view(scope, item, states.get(key := state_key(plan, checklist, item)), files.get(key, ()))
            for item in shown
            if item.check is None
        ),
        machine=tuple(
            _machine_view(
                scope,
                item,
                states.get(state_key(plan, checklist, item)),
                facts,
                is_open=is_open(deployment, plan, checklist),
            )
            for item in shown
            if item.check is not None
        ),
        hidden=len(checklist.items) - len(shown),
        done=sum(is_done(plan, checklist, item, states, facts) for item in checklist.items),
        total=len(checklist.items),
        only_mine=only_mine,
        zone=plan.timezone,
        now=facts.now,
        versions=versions,
    )


def in_order(plan: Plan) -> tuple[Checklist, ...]:
    """The shared checklists: that of production first, then the others as the plan has them."""
    shared = [checklist for checklist in plan.checklists if checklist.kind == "shared"]
    return tuple(sorted(shared, key=lambda checklist: checklist.key != plan.production.checklist))


async def one_list(session: AsyncSession, scope: Scope, key: str, *, only_mine: bool) -> ChecklistView:
    """Raises NotFound for a checklist the plan does not have."""
    checklist = next((checklist for checklist in in_order(scope.plan) if checklist.key == key), None)
    if checklist is None:
        raise NotFound("This plan has no such checklist.")
    versions, deployment, states, facts = await _ground(session, scope)
    files = await files_of(session, deployment)
    return _list_view(scope, deployment, checklist, states, facts, versions, files, only_mine=only_mine)


async def _ground(
    session: AsyncSession, scope: Scope
) -> tuple[dict[str, int], Deployment, dict[str, ChecklistState], Facts]:
    """Versions first: what is rendered is then never older than it says."""
    versions = await versions_of(session, scope.id)
    deployment = await session.get_one(Deployment, scope.id)
    now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    facts = await facts_of(session, deployment, scope.plan, now)
    return versions, deployment, await states_of(session, deployment), facts


async def whole_page(session: AsyncSession, scope: Scope, *, only_mine: bool) -> ChecklistsPage:
    versions, deployment, states, facts = await _ground(session, scope)
    files = await files_of(session, deployment)
    lists = tuple(
        _list_view(scope, deployment, checklist, states, facts, versions, files, only_mine=only_mine)
        for checklist in in_order(scope.plan)
    )
    headline, text = _headline(scope, deployment, states, facts.now)
    return ChecklistsPage(
        url=f"/d/{scope.id}/checklists",
        eyebrow=f"Your checklists: {scope.seat_title}" if scope.may("check") else "Checklists",
        headline=headline,
        text=text,
        only_mine=only_mine,
        lists=lists,
        progress=await _progress_view(session, scope, deployment, states, facts, versions),
        duties=await duties_view(session, scope) if scope.seats else None,
        personal=await personal_view(session, scope) if has_personal(scope) else None,
    )


async def progress_view(session: AsyncSession, scope: Scope) -> ProgressView:
    versions, deployment, states, facts = await _ground(session, scope)
    return await _progress_view(session, scope, deployment, states, facts, versions)


async def _progress_view(
    session: AsyncSession,
    scope: Scope,
    deployment: Deployment,
    states: States,
    facts: Facts,
    versions: Mapping[str, int],
) -> ProgressView:
    checklist = production_checklist(scope.plan)
    duties = await duties_progress(session, deployment, scope.plan, facts.now)
    return ProgressView(
        url=f"/d/{scope.id}/checklists/_progress",
        title=in_sentence(checklist.title) if checklist else "",
        rows=progress(scope.plan, checklist, states, facts) if checklist else (),
        versions=versions,
        duties_title=duties.title,
        duties=duties.rows,
        people=await people_progress(session, deployment, scope.plan),
        late=duties.late,
    )


def _headline(scope: Scope, deployment: Deployment, states: States, now: datetime) -> tuple[str, str]:
    """What this person's seat still has to do on the production checklist, and by when: the go/no-go is on time."""
    checklist = production_checklist(scope.plan)
    if checklist is None:
        return "This plan has no checklist before the production phase", ""
    rows = {item.key: states.get(state_key(scope.plan, checklist, item)) for item in checklist.items}
    persons = [item for item in checklist.items if item.check is None]
    left = [item for item in persons if (row := rows[item.key]) is None or row.state != "done"]
    mine = [item for item in left if item.owner in scope.positions and scope.may("check")]
    if not is_open(deployment, scope.plan, checklist):
        return f"The checklist {in_sentence(checklist.title)} is closed", "It closed when the switch began."
    others = f"{len(persons) - len(left)} of {len(persons)} items are confirmed by persons."
    if not mine:
        owns = any(item.owner in scope.positions for item in persons)
        return ("Nothing of yours is open" if owns else "No item here is yours"), others
    gate = scope.plan.production.signoffs
    due = deployment.planned_at - timedelta(seconds=gate.opens_before_s if gate else 0)
    when = f"before {due.astimezone(ZoneInfo(scope.plan.timezone)):%H:%M}" if now < due else "now"
    amount = f"{number_word(len(mine))} item{'s' if len(mine) > 1 else ''}"
    return f"Confirm {amount} {when}", f"{listed([f'“{item.text}”' for item in mine])}. {others}"
