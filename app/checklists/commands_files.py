"""Writes of evidence files: small, told by their content, never changed and never taken away."""

import hashlib

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.checklists.commands import demand_open, find_item
from app.checklists.queries import may_tick, state_key
from app.db.tables import Deployment, EvidenceFile
from app.deployments.commands import database_now, lock
from app.domain.errors import Rejected
from app.domain.evidence import check_size, kind_of, name_of
from app.eventlog.log import Entry, append
from app.web.access import Forbidden, Scope


async def add_file(
    session: AsyncSession, scope: Scope, checklist_key: str, item_key: str, name: str, content: bytes
) -> EvidenceFile:
    """Keep a file with an item. The same content for the same item twice is one file.

    Raises NotFound, Forbidden for another position's item, Rejected for what is too large, too much or of another kind.
    """
    checklist, item = find_item(scope.plan, checklist_key, item_key)
    if item.check is not None:
        raise Rejected("This item is checked by machine; it takes no files.", code="machine")
    if not may_tick(scope, item):
        raise Forbidden(f"“{item.text}” belongs to another position: {scope.plan.position(item.owner).title}.")
    # Before the lock: a press must not wait while a quarter of a MiB is looked through.
    check_size(len(content), files=0, together=0)
    kind = kind_of(content)
    digest = hashlib.sha256(content).hexdigest()
    deployment = await lock(session, scope.id)
    demand_open(deployment, scope.plan, checklist)
    key = state_key(scope.plan, checklist, item)
    here = _of_item(deployment, key)
    known = await session.scalar(select(EvidenceFile).where(here, EvidenceFile.sha256 == digest))
    if known is not None:
        return known
    await _demand_room(session, deployment, here, len(content))
    row = EvidenceFile(
        deployment_id=deployment.id,
        attempt=deployment.attempt,
        item=key,
        name=name_of(name, kind),
        kind=kind,
        size=len(content),
        sha256=digest,
        content=content,
        person_id=scope.viewer.person_id,
        who=scope.who[:160],
        at=await database_now(session),
    )
    session.add(row)
    await session.flush()
    entry = Entry(
        kind="checklists.file.added",
        text=f"“{item.text}”: the file {row.name} was added",
        topics=("checklists",),
        payload={"checklist": checklist.key, "item": item.key, "sha256": digest, "size": row.size},
    )
    await append(session, deployment.id, entry, scope.actor)
    return row


def _of_item(deployment: Deployment, key: str) -> ColumnElement[bool]:
    """The item's files of the present attempt."""
    of_attempt = (EvidenceFile.deployment_id == deployment.id) & (EvidenceFile.attempt == deployment.attempt)
    return of_attempt & (EvidenceFile.item == key)


async def _demand_room(session: AsyncSession, deployment: Deployment, here: ColumnElement[bool], size: int) -> None:
    """Raises Rejected where the item has as many files as it may, or the deployment as many bytes."""
    files = await session.scalar(select(func.count()).select_from(EvidenceFile).where(here)) or 0
    everywhere = select(func.sum(EvidenceFile.size)).where(EvidenceFile.deployment_id == deployment.id)
    check_size(size, files=files, together=int(await session.scalar(everywhere) or 0))
