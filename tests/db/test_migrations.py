"""The schema: up, down, up again, equal to the models, and the application's role is held to what it may."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator

import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy import update
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database, make_engine
from app.db.migrate import alembic_config, downgrade, upgrade
from app.db.tables import Deployment
from app.deployments.commands import lock
from app.domain.deployments import State
from app.domain.phases import by_course
from app.domain.plan import Plan
from app.phases.commands_rows import lock_row
from app.phases.tasks import keep_phases
from app.rehearsal.postgres import EmbeddedPostgres
from tests.conftest import Seeder
from tests.databases import TEMPLATE


@pytest.fixture
def empty(postgres: EmbeddedPostgres) -> Iterator[str]:
    name = f"empty_{secrets.token_hex(4)}"
    postgres.create_database(name)
    yield name
    postgres.drop_database(name)


@pytest.fixture
async def own(postgres: EmbeddedPostgres) -> AsyncIterator[tuple[str, Database]]:
    """A clone of one's own, whose schema may change: the owner's URL of it, and the database as the application."""
    name = f"own_{secrets.token_hex(4)}"
    postgres.create_database(name, template=TEMPLATE)
    database = Database(make_engine(postgres.url(name, "app")))
    yield postgres.url(name, "owner"), database
    await database.aclose()
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
    command.check(alembic_config(postgres.url(TEMPLATE, "owner")))


@pytest.mark.parametrize(
    "statement",
    [
        *("update event set text = ''", "delete from event", "truncate event", "delete from event_chain"),
        *("update break_glass_line set text = ''", "delete from break_glass_line", "truncate break_glass_line"),
    ],
)
def test_the_application_cannot_change_the_log(postgres: EmbeddedPostgres, statement: str) -> None:
    engine = sa.create_engine(postgres.url(TEMPLATE, "app"))
    with engine.connect() as connection, pytest.raises(ProgrammingError, match="permission denied"):
        connection.execute(sa.text(statement))
    engine.dispose()


def test_the_application_cannot_change_the_schema(postgres: EmbeddedPostgres) -> None:
    engine = sa.create_engine(postgres.url(TEMPLATE, "app"))
    with engine.connect() as connection, pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
        connection.execute(sa.text("alter table event add column hole text"))
    engine.dispose()


def test_a_migration_does_not_keep_a_rollback_waiting_behind_a_long_reader(
    postgres: EmbeddedPostgres, empty: str
) -> None:
    """Whoever comes to the table after the migration waits behind it, so it gives up soon, having changed nothing."""
    owner = postgres.url(empty, "owner")
    upgrade(owner, "0006")
    engine = sa.create_engine(owner)
    with engine.connect() as backup:
        backup.execute(sa.text("select count(*) from deployment"))
        with pytest.raises(OperationalError, match="lock timeout"):
            upgrade(owner)
    assert "phase_run" not in _tables(owner)
    upgrade(owner)
    assert "phase_run" in _tables(owner)
    engine.dispose()


async def test_deployments_in_every_state_go_down_and_up(own: tuple[str, Database], seed: Seeder, plan: Plan) -> None:
    owner, database = own
    made = [(state, (await seed(database)).id) for state in State]

    async def stand(session: AsyncSession) -> None:
        for state, number in made:
            await session.execute(update(Deployment).where(Deployment.id == number).values(state=state.value))

    await database.run(stand)
    await keep_phases(database)
    await asyncio.to_thread(downgrade, owner, "0006")
    await asyncio.to_thread(upgrade, owner)
    await keep_phases(database)
    for state, number in made:

        async def look(session: AsyncSession, number: int = number) -> str:
            deployment = await lock(session, number)
            return (await lock_row(session, deployment, plan, plan.production.key)).state

        assert await database.run(look) == by_course("blue_green", state)
