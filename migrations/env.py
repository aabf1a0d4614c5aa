"""Alembic's environment: migrations run as the owner of the schema, never as the application's role."""

import os
from typing import Any

from alembic import context
from sqlalchemy import create_engine

from app.db.tables import Base


def _is_ours(name: str | None, kind: str, _parents: Any) -> bool:
    """The queue's tables come with procrastinate and are its own."""
    return not (kind == "table" and name is not None and name.startswith("procrastinate_"))


def run() -> None:
    url = context.config.attributes.get("url") or os.environ.get("GONOGO_OWNER_DATABASE_URL")
    if not url:
        raise SystemExit("GONOGO_OWNER_DATABASE_URL is not set: it names the database to migrate, as its owner.")
    engine = create_engine(url)
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            include_name=_is_ours,
            compare_type=True,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
