"""A deployment that is armed, in a database that rolls back and in one whose commits are real."""

from collections.abc import Awaitable, Callable

import pytest

from app.config import Settings
from app.db.engine import Database
from app.db.tables import Deployment
from tests.conftest import ScopeOf, Seeder, Web, make_scope_of
from tests.traffic.armed import arm


@pytest.fixture
async def armed(database: Database, deployment: Deployment, scope_of: ScopeOf) -> Deployment:
    await arm(database, deployment, scope_of)
    return deployment


@pytest.fixture
def committed_scope_of(committed_db: Database, settings: Settings) -> ScopeOf:
    return make_scope_of(committed_db, settings)


@pytest.fixture
async def committed(committed_db: Database, seed: Seeder, committed_scope_of: ScopeOf) -> Deployment:
    """Armed, with real commits: for concurrency, jobs and what a rollback leaves behind."""
    deployment = await seed(committed_db)
    await arm(committed_db, deployment, committed_scope_of)
    return deployment


@pytest.fixture
def web_scope_of(web: Web, settings: Settings) -> ScopeOf:
    return make_scope_of(web.database, settings)


@pytest.fixture
def arm_web(web: Web, web_scope_of: ScopeOf) -> Callable[[], Awaitable[None]]:
    return lambda: arm(web.database, web.deployment, web_scope_of)
