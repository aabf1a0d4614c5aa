"""A deployment whose switch arrived ten minutes ago."""

import pytest

from app.config import Settings
from app.db.engine import Database
from app.db.tables import Deployment
from tests.conftest import ScopeOf, Seeder, make_scope_of
from tests.traffic.armed import arm, press_switch
from tests.triggers.breached import switched


@pytest.fixture
async def on_green(database: Database, deployment: Deployment, scope_of: ScopeOf) -> Deployment:
    await arm(database, deployment, scope_of)
    await press_switch(database, await scope_of(deployment, "devops_lead"), "k1")
    await switched(database, deployment)
    return deployment


@pytest.fixture
def committed_scope_of(committed_db: Database, settings: Settings) -> ScopeOf:
    return make_scope_of(committed_db, settings)


@pytest.fixture
async def committed_on_green(committed_db: Database, seed: Seeder, committed_scope_of: ScopeOf) -> Deployment:
    """The same with real commits."""
    deployment = await seed(committed_db)
    await arm(committed_db, deployment, committed_scope_of)
    await press_switch(committed_db, await committed_scope_of(deployment, "devops_lead"), "k1")
    await switched(committed_db, deployment)
    return deployment
