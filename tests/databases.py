"""A database whose commits are real, for one test after the other: a clone of the migrated template that is made as new
in a few milliseconds, where cloning and dropping takes a tenth of a second and every connection with it."""

import secrets
import time
from dataclasses import dataclass
from typing import LiteralString, cast

import psycopg
from psycopg import sql
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from app.db.engine import make_engine
from app.rehearsal.postgres import EmbeddedPostgres

TEMPLATE = "template_gonogo"
KEPT = "alembic_version"
RENEWED_AFTER = 50
"""Tests; deleted rows stay in the tables until then, since nothing vacuums between two tests."""
PATIENCE_S = 0.5
"""For connections that a test closed a moment ago."""


@dataclass(frozen=True)
class Clone:
    """`engine` is for all tests in the same clone: its connections and its compiled statements stay."""

    name: str
    url: str
    engine: AsyncEngine
    emptying: str
    rights: str
    superuser: psycopg.Connection


class CleanDatabase:
    """`next` gives a clone in which nothing is but what migrations left, and to which nobody else is connected."""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self._postgres = postgres
        self._clone: Clone | None = None
        self._uses = 0

    async def next(self) -> Clone:
        clone = self._clone
        self._uses += 1
        if clone is not None and self._uses <= RENEWED_AFTER and self._is_left_alone(clone):
            clone.superuser.execute(cast(LiteralString, clone.emptying))
            return clone
        await self.aclose()
        self._uses = 1
        self._clone = self._make()
        return self._clone

    async def aclose(self) -> None:
        clone, self._clone = self._clone, None
        if clone is not None:
            await clone.engine.dispose()
            clone.superuser.close()
            self._postgres.drop_database(clone.name)

    def _make(self) -> Clone:
        name = f"test_{secrets.token_hex(6)}"
        self._postgres.create_database(name, template=TEMPLATE)
        superuser = psycopg.connect(self._postgres.conninfo(name), autocommit=True)
        url = self._postgres.url(name, "app")
        return Clone(name, url, make_engine(url), _emptying(superuser), _rights(superuser), superuser)

    def _is_left_alone(self, clone: Clone) -> bool:
        """False if a test took a right away, left a connection open, or ended one that the pool still holds."""
        if _rights(clone.superuser) != clone.rights:
            return False
        pool = cast(QueuePool, clone.engine.pool)
        give_up = time.monotonic() + PATIENCE_S
        while True:
            others = "select count(*) from pg_stat_activity where datname = %s and pid <> pg_backend_pid()"
            found = clone.superuser.execute(others, [clone.name]).fetchone()
            if pool.checkedout() == 0 and found == (pool.checkedin(),):
                return True
            if time.monotonic() > give_up:
                return False
            time.sleep(0.01)


def _rights(superuser: psycopg.Connection) -> str:
    """What each role may do with each table: a test of a refusing database leaves less than it found."""
    tables = "select relname, relacl::text from pg_class where relnamespace = 'public'::regnamespace order by relname"
    return str(superuser.execute(tables).fetchall())


def _emptying(superuser: psycopg.Connection) -> str:
    """Statements that delete every row and begin every sequence again, past foreign keys and triggers."""
    tables = [str(name) for (name,) in superuser.execute("select tablename from pg_tables where schemaname = 'public'")]
    for table in tables:
        row = superuser.execute(sql.SQL("select 1 from {} limit 1").format(sql.Identifier(table))).fetchone()
        assert row is None or table == KEPT, f"migrations put rows into {table}: they would have to be put back"
    deletes = "".join(f'delete from "{table}";' for table in tables if table != KEPT)
    restart = "select setval(format('%I', sequencename)::regclass, start_value, false) from pg_sequences"
    return (
        "begin; set local session_replication_role = replica;"
        f"{deletes}{restart} where schemaname = 'public' and last_value is not null; commit"
    )
