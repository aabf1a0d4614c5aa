"""Writes of checklists: an item is confirmed with evidence, reopened or marked as failed with a reason; and who leads
goes on without somebody whom the machine does not find."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.checklists.forms import ItemForm
from app.checklists.queries import in_order, is_open, listed_seats, may_tick, state_key
from app.checklists.queries_presence import gap_words, presence_now
from app.db.tables import ChecklistState, Deployment
from app.deployments.commands import database_now, lock, lock_for
from app.domain.deployments import WORDS, State
from app.domain.errors import Rejected, Stale
from app.domain.plan import Checklist, ChecklistItem, Plan
from app.domain.plan_people import who_may
from app.eventlog.log import Entry, append
from app.signoffs.commands import note_outdated
from app.signoffs.queries import binding_of
from app.web.access import Forbidden, NotFound, Scope

TEXT_LIMIT = 2000
"""Characters of evidence or of a reason."""

_KINDS = {"done": "checklists.item.done", "open": "checklists.item.reopened", "failed": "checklists.item.failed"}


async def record_item(session: AsyncSession, scope: Scope, checklist_key: str, item_key: str, form: ItemForm) -> None:
    """Change one item. Sent twice it changes once. Raises NotFound, Forbidden for another position's item, Rejected."""
    checklist, item = find_item(scope.plan, checklist_key, item_key)
    if item.check is not None:
        await _go_on_without(session, scope, checklist, item, form)
        return
    if not may_tick(scope, item):
        raise Forbidden(f"“{item.text}” belongs to another position: {scope.plan.position(item.owner).title}.")
    deployment = await lock(session, scope.id)
    demand_open(deployment, scope.plan, checklist)
    text = _checked_text(item, form)
    row = await _row(session, scope.plan, deployment, checklist, item)
    if (row.state, row.evidence) == (form.state, text) or (row.version == 0 and form.state == "open"):
        return
    now = await database_now(session)
    _is_current(row, form, now)
    before = await binding_of(session, deployment, scope.plan, scope.plan_hash)
    await _write(session, row, form.state, text, scope, now)
    entry = Entry(
        kind=_KINDS[form.state],
        text=_sentence(item, form.state, text),
        topics=("checklists",),
        severity="warn" if form.state == "failed" else "normal",
        payload={"checklist": checklist.key, "item": item.key, "version": row.version, "attempt": row.attempt},
    )
    await append(session, deployment.id, entry, scope.actor)
    await note_outdated(session, deployment, scope.plan, scope.plan_hash, before, scope.actor)


async def _go_on_without(
    session: AsyncSession, scope: Scope, checklist: Checklist, item: ChecklistItem, form: ItemForm
) -> None:
    """Nobody ticks "all are present" while a required seat is empty or its holder away, but who leads the day may go on
    without those whom the page showed as missing, with a reason, or take that back. It counts for these seats and no
    others."""
    if item.check != "team_present" or form.state == "failed":
        raise Rejected("This item is checked by machine; nobody ticks it.", code="machine")
    if not scope.may("proceed"):
        raise Forbidden(f"A machine looks who is present; only the {who_may(scope.plan, 'proceed')} goes on without.")
    deployment = await lock_for(session, scope)
    demand_open(deployment, scope.plan, checklist)
    text = _bounded(form.text.strip())
    if not text:
        raise Rejected("A reason is missing.", remedy="Say in a sentence why it goes on without them.", code="text")
    row = await _row(session, scope.plan, deployment, checklist, item)
    now = await database_now(session)
    team = await presence_now(session, deployment, scope.plan, now)
    without = [gap.key for gap in team.gaps] if form.state == "done" else []
    if (row.state, row.evidence, row.without) == (form.state, text, without):
        return
    _is_current(row, form, now)
    if form.state == "done" and not without:
        raise Rejected("Everybody is there: nobody has to be gone on without. Nothing was recorded.", conflict=True)
    unseen = [key for key in without if key not in form.shown.split()]
    if unseen:
        raise Stale(
            f"Since this page was drawn more are missing: {listed_seats(scope.plan, unseen)}. Nothing was recorded.",
            remedy="Look who is missing now, then go on without them if it is still right.",
        )
    row.without = without
    await _write(session, row, form.state, text, scope, now)
    missing = "; ".join(gap_words(gap) for gap in team.gaps)
    said = f"“{item.text}” confirmed without {listed_seats(scope.plan, without)}: {text}"
    if form.state == "open":
        said = f"“{item.text}” is open again: {text}"
    entry = Entry(
        kind="checklists.presence.excused" if form.state == "done" else "checklists.item.reopened",
        text=said,
        topics=("checklists",),
        cause=missing if form.state == "done" else "",
        severity="warn" if form.state == "done" else "normal",
        payload={"checklist": checklist.key, "item": item.key, "without": without, "attempt": row.attempt},
    )
    await append(session, deployment.id, entry, scope.actor)


def demand_open(deployment: Deployment, plan: Plan, checklist: Checklist) -> None:
    """Raises Rejected once the deployment is past it."""
    if not is_open(deployment, plan, checklist):
        word = WORDS[State(deployment.state)]
        raise Rejected(f"{checklist.title}: this checklist is closed; the deployment is {word}.", conflict=True)


def _is_current(row: ChecklistState, form: ItemForm, now: datetime) -> None:
    """Raises Rejected, naming who was faster than this page."""
    if row.version == 0 != form.version:
        raise Stale("A new attempt opened this item again since this page was drawn. Nothing was recorded.")
    if row.version != form.version:
        raise Stale(f"{row.who} changed this item {round((now - row.at).total_seconds())} s ago. Nothing was recorded.")


def find_item(plan: Plan, checklist_key: str, item_key: str) -> tuple[Checklist, ChecklistItem]:
    """A shared checklist and its item. Raises NotFound."""
    for checklist in in_order(plan):
        for item in checklist.items:
            if (checklist.key, item.key) == (checklist_key, item_key):
                return checklist, item
    raise NotFound("This plan has no such checklist item.")


def _checked_text(item: ChecklistItem, form: ItemForm) -> str:
    text = _bounded(form.text.strip())
    if form.state == "done" and item.evidence == "required" and not text:
        raise Rejected(
            "This item needs evidence.", remedy="Name what proves it: a ticket, a backup, an address.", code="text"
        )
    if form.state != "done" and not text:
        raise Rejected("A reason is missing.", remedy="Say in a sentence what is wrong.", code="text")
    return text


def _bounded(text: str) -> str:
    if len(text) > TEXT_LIMIT:
        raise Rejected(f"This has {len(text)} characters; the limit is {TEXT_LIMIT}.", code="text")
    return text


async def _row(
    session: AsyncSession, plan: Plan, deployment: Deployment, checklist: Checklist, item: ChecklistItem
) -> ChecklistState:
    """The item's row, or a new one of version 0 that is not in the session yet."""
    name = state_key(plan, checklist, item)
    row = await session.get(ChecklistState, (deployment.id, deployment.attempt, name), populate_existing=True)
    return row or ChecklistState(
        deployment_id=deployment.id,
        attempt=deployment.attempt,
        item=name,
        state="open",
        evidence="",
        version=0,
        without=[],
    )


async def _write(
    session: AsyncSession, row: ChecklistState, state: str, text: str, scope: Scope, now: datetime
) -> None:
    row.state, row.evidence, row.version = state, text, row.version + 1
    row.person_id, row.who, row.at = scope.viewer.person_id, scope.who[:120], now
    session.add(row)
    await session.flush()


def _sentence(item: ChecklistItem, state: str, text: str) -> str:
    what = {"done": "confirmed", "open": "reopened", "failed": "marked as failed"}[state]
    return f"“{item.text}” {what}" + (f": {text}" if text else "")
