"""A deployment whose canary has its first share."""

import pytest

from app.db.engine import Database
from app.db.tables import Deployment
from app.domain.plan import Plan
from tests.canary.ready import begin, ended, looked, staging_runs
from tests.conftest import ScopeOf


@pytest.fixture
async def at_ten(database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf) -> Deployment:
    """10 % have arrived."""
    await staging_runs(database, deployment)
    await begin(database, await scope_of(deployment, "devops_lead"))
    await ended(database, deployment)
    await looked(database, deployment, plan)
    return deployment
