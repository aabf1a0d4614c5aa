"""Alembic's environment: migrations run as the owner of the schema, never as the application's role."""

import os
from typing import Any

from alembic import context
from sqlalchemy import create_engine

from app.db.tables import Base

LOCK_PATIENCE = "2s"


def _is_ours(name: str | None, kind: str, _parents: Any) -> bool:
    """The queue's tables come with procrastinate and are its own."""
    return not (kind == "table" and name is not None and name.startswith("procrastinate_"))


def run() -> None:
    url = context.config.attributes.get("url") or os.environ.get("GONOGO_OWNER_DATABASE_URL")
    if not url:
        raise SystemExit("GONOGO_OWNER_DATABASE_URL is not set: it names the database to migrate, as its owner.")
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            # A change of a table waits for everybody who reads it, and everybody who comes later waits behind it: a
            # backup that runs must not keep a rollback waiting. Whoever migrates is told, and tries again.
            connection.exec_driver_sql(f"set lock_timeout = '{LOCK_PATIENCE}'")
            connection.commit()
            context.configure(
                connection=connection,
                target_metadata=Base.metadata,
                include_name=_is_ours,
                compare_type=True,
                transaction_per_migration=True,
            )
            with context.begin_transaction():
                context.run_migrations()
    finally:
        engine.dispose()


run()
