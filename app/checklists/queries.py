"""Reads of checklists: what is known of each item, and what of it sign-offs are bound to."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import ChecklistState, Deployment
from app.domain.plan import Checklist, ChecklistItem, Plan

States = Mapping[str, ChecklistState]
"""`state_key` to the row; an item nobody ever touched in this attempt has none and is open."""


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
    if plan.production.checklist is None:
        return {}
    checklist = plan.checklist(plan.production.checklist)
    return {
        f"checklist.{item.key}": bound_text(states.get(state_key(plan, checklist, item)))
        for item in checklist.items
        if item.check is None
    }


def bound_text(state: ChecklistState | None) -> str:
    """ "done: backup alawael-0306-1334", "failed: …", "done" or "open". Why an item was reopened does not enter."""
    if state is None or state.state == "open":
        return "open"
    return f"{state.state}: {state.evidence}" if state.evidence else state.state
