"""A deployment whose switch arrived some minutes ago, and the decision clock's one round."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.db.engine import Database
from app.db.tables import Decision, Deployment, Event, RosterSeat
from app.decisions.tasks import keep_clocks
from app.deployments.commands import database_now
from tests.conftest import ScopeOf, Seeder, Web, make_scope_of
from tests.traffic.armed import arm, press_switch, prove
from tests.triggers.breached import read, switched


class Clock:
    """A deployment on GREEN, whose decision clock is moved by hand."""

    def __init__(self, database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
        self.database, self.deployment, self.scope_of = database, deployment, scope_of

    async def at(self, minute: float) -> None:
        """As if the switch had arrived so many minutes ago; then one round of the clock."""
        await switched(self.database, self.deployment, ago_s=minute * 60)
        await self.round()

    async def round(self) -> None:
        await keep_clocks(self.database)

    async def silence(self, seconds: float) -> None:
        """As if the open point had been opened so many seconds earlier; then one round of the clock."""
        step = timedelta(seconds=seconds)

        async def write(session: AsyncSession) -> None:
            values = {"opened_at": Decision.opened_at - step, "rung_since": Decision.rung_since - step}
            await session.execute(update(Decision).where(Decision.closed_at.is_(None)).values(**values))

        await self.database.run(write)
        await self.round()

    async def rows(self) -> list[Decision]:
        async def query(session: AsyncSession) -> list[Decision]:
            return list(await session.scalars(select(Decision).order_by(Decision.id)))

        return await self.database.read(query)

    async def newest(self) -> Decision:
        return (await self.rows())[-1]

    async def events(self) -> list[Event]:
        async def query(session: AsyncSession) -> list[Event]:
            found = select(Event).where(Event.kind.startswith("decisions.")).order_by(Event.id)
            return list(await session.scalars(found))

        return await self.database.read(query)

    async def deputise(self, login: str, position: str) -> None:
        """Seat somebody as this position's deputy."""
        scope = await self.scope_of(self.deployment, login)

        async def write(session: AsyncSession) -> None:
            row = RosterSeat(deployment_id=self.deployment.id, position=position, seat=9, is_deputy=True)
            row.person_id, row.seen_at = scope.viewer.person_id, await database_now(session)
            session.add(row)

        await self.database.run(write)


async def on_green(database: Database, deployment: Deployment, scope_of: ScopeOf) -> Clock:
    await arm(database, deployment, scope_of)
    await press_switch(database, await scope_of(deployment, "devops_lead"), "k1")
    await switched(database, deployment, ago_s=60)
    await prove(database, set_blue=0, probed_blue=0, probed_green=100)
    await read(database, deployment, 0.04)
    return Clock(database, deployment, scope_of)


@pytest.fixture
async def clock(database: Database, deployment: Deployment, scope_of: ScopeOf) -> Clock:
    return await on_green(database, deployment, scope_of)


@pytest.fixture
async def committed_clock(committed_db: Database, seed: Seeder, settings: Settings) -> Clock:
    """The same with real commits, for more than one connection."""
    deployment = await seed(committed_db)
    return await on_green(committed_db, deployment, make_scope_of(committed_db, settings))


@pytest.fixture
async def web_clock(web: Web) -> Clock:
    return await on_green(web.database, web.deployment, make_scope_of(web.database, web.app.state.settings))
