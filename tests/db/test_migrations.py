"""The schema: up, down, up again, equal to the models, and the application's role is held to what it may."""

import secrets
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy.exc import ProgrammingError

from app.db.migrate import alembic_config, downgrade, upgrade
from app.rehearsal.postgres import EmbeddedPostgres


@pytest.fixture
def empty(postgres: EmbeddedPostgres) -> Iterator[str]:
    name = f"empty_{secrets.token_hex(4)}"
    postgres.create_database(name)
    yield name
    postgres.drop_database(name)


def _tables(url: str) -> set[str]:
    engine = sa.create_engine(url)
    try:
        return set(sa.inspect(engine).get_table_names())
    finally:
        engine.dispose()


def test_up_down_up_leaves_nothing_behind(postgres: EmbeddedPostgres, empty: str) -> None:
    owner = postgres.url(empty, "owner")
    upgrade(owner)
    first = _tables(owner)
    assert {"deployment", "event", "operation", "procrastinate_jobs"} <= first
    downgrade(owner, "base")
    assert _tables(owner) == {"alembic_version"}
    upgrade(owner)
    assert _tables(owner) == first


def test_the_schema_is_what_the_models_say(postgres: EmbeddedPostgres) -> None:
    command.check(alembic_config(postgres.url("template_gonogo", "owner")))


@pytest.mark.parametrize(
    "statement", ["update event set text = ''", "delete from event", "truncate event", "delete from event_chain"]
)
def test_the_application_cannot_change_the_log(postgres: EmbeddedPostgres, statement: str) -> None:
    engine = sa.create_engine(postgres.url("template_gonogo", "app"))
    with engine.connect() as connection, pytest.raises(ProgrammingError, match="permission denied"):
        connection.execute(sa.text(statement))
    engine.dispose()


def test_the_application_cannot_change_the_schema(postgres: EmbeddedPostgres) -> None:
    engine = sa.create_engine(postgres.url("template_gonogo", "app"))
    with engine.connect() as connection, pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
        connection.execute(sa.text("alter table event add column hole text"))
    engine.dispose()
