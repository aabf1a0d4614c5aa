"""What time does to votes."""

from app.db.engine import Database
from app.deployments.tasks import for_each
from app.signoffs.commands import expire_votes, find_expired


async def keep_votes(database: Database) -> None:
    """End the GO votes whose lifetime is over."""
    await for_each(database, await database.read(find_expired), expire_votes)
