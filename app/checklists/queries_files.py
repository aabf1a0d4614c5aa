"""Reads of evidence files: what belongs to an item, and one file's content."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from app.checklists.views import FileView
from app.db.tables import Deployment, EvidenceFile
from app.web.access import NotFound, Scope

Files = dict[str, tuple[FileView, ...]]
"""By `state_key`."""


async def files_of(session: AsyncSession, deployment: Deployment) -> Files:
    """The files of the deployment's attempt, the oldest first; without their content."""
    rows = await session.scalars(
        select(EvidenceFile)
        .where(EvidenceFile.deployment_id == deployment.id, EvidenceFile.attempt == deployment.attempt)
        .order_by(EvidenceFile.id)
    )
    found: Files = {}
    for row in rows:
        url = f"/d/{deployment.id}/checklists/files/{row.id}"
        view = FileView(url, row.name, row.size / 1024, row.sha256[:12], row.who, row.at)
        found[row.item] = (*found.get(row.item, ()), view)
    return found


async def one_file(session: AsyncSession, scope: Scope, file_id: int) -> EvidenceFile:
    """A file with its content, of whatever attempt. Raises NotFound for another deployment's."""
    statement = select(EvidenceFile).where(EvidenceFile.id == file_id, EvidenceFile.deployment_id == scope.id)
    row: EvidenceFile | None = await session.scalar(statement.options(undefer(EvidenceFile.content)))
    if row is None:
        raise NotFound("There is no such file.")
    return row
