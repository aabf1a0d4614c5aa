"""Which deployment a target's watch reports to."""

from sqlalchemy import update

from app.db.engine import Database
from app.db.tables import TargetState
from app.traffic.watch import find_watched
from tests.conftest import Seeder


async def test_the_one_that_holds_the_target_else_the_newest(database: Database, seed: Seeder) -> None:
    first, second = await seed(database), await seed(database)
    (found,) = await database.read(find_watched)
    assert (found.deployment_id, found.target) == (second.id, "production")
    assert found.plan_hash

    for number in (first.id, second.id):
        await database.run(lambda s, number=number: s.execute(update(TargetState).values(locked_by=number)))  # type: ignore[misc]
        (found,) = await database.read(find_watched)
        assert found.deployment_id == number
