"""What create_app must tie together: an event without its reaction would leave a press to the workers' sweep."""

import pytest
from pydantic import TypeAdapter
from sqlalchemy import text

from app.bindings import TargetSite
from app.db.engine import Database
from app.domain.deployments import Change
from app.domain.plan import Plan
from app.eventlog.log import Actor, Entry, append, bind_reactions
from app.wiring import Site, hosts_of, snapshot_of, window_s
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


def test_a_capsule_carries_the_whole_binding_and_pins_every_name_in_it(site: Site) -> None:
    kept = snapshot_of(site, "production")
    assert kept["agent_token_file"].startswith("/")
    assert TypeAdapter(TargetSite).validate_python(kept) == site.targets["production"]
    assert hosts_of(kept) == ("127.0.0.1",)


@pytest.mark.parametrize(("every_s", "seconds"), [(1, 5.0), (2, 10.0), (30, 10.0)])
def test_figures_look_back_on_five_readings(plan: Plan, every_s: float, seconds: float) -> None:
    metrics = tuple(metric.model_copy(update={"every_s": every_s}) for metric in plan.metrics)
    assert window_s(plan.model_copy(update={"metrics": metrics})) == seconds


def test_names_are_found_in_addresses_of_every_shape() -> None:
    binding = {
        "public_url": "https://app.example.com/x",
        "instances": [{"address": "lb-1.internal:9999"}, {"address": "unix:/run/haproxy.sock"}],
        "token": "/run/secrets/a:1",
        "sides": {"BLUE": {"url": "http://[2001:db8::1]:80"}},
    }
    assert set(hosts_of(binding)) == {"app.example.com", "lb-1.internal", "2001:db8::1"}
    assert hosts_of({"provider": "aws", "region": "eu-west-1"}) == (
        "elasticloadbalancing.eu-west-1.amazonaws.com",
        "sts.eu-west-1.amazonaws.com",
    )
