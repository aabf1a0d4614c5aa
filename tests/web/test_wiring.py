"""What create_app must tie together: an event without its reaction would leave a press to the workers' sweep."""

from sqlalchemy import text

from app.db.engine import Database
from app.domain.deployments import Change
from app.eventlog.log import Actor, Entry, append, bind_reactions
from tests.conftest import Web


async def test_the_web_process_defers_the_jobs_of_its_events(web: Web) -> None:
    from app.main import create_app

    bind_reactions({})
    create_app(web.app.state.settings)
    entry = Entry(Change.SWITCH.value, "switch", ("traffic",), payload={"operation": 1})
    await web.database.run(lambda session: append(session, web.deployment.id, entry, Actor("DevOps lead")))
    assert await _jobs(web.database) == ["traffic"]


async def _jobs(database: Database) -> list[str]:
    statement = text("select queue_name from procrastinate_jobs")
    return list(await database.read(lambda session: session.scalars(statement)))
