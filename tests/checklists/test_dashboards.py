"""Whether dashboards answer, by a worker's look; and what machines say of numbers to call."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.checklists.queries_machine import LOOKED_LIMIT, contacts_known, dashboards_reachable, escalation_known
from app.checklists.tasks import dashboards_of, look_at_dashboards
from app.db.engine import Database
from app.db.tables import ChannelCheck, Deployment, PlanVersion
from app.domain.plan import Plan, plan_hash
from app.ports.traffic import ProviderError
from app.providers.bounded_fetch import BoundedFetcher

NOW = datetime(2026, 3, 6, 18, 0, tzinfo=UTC)


def with_addresses(plan: Plan, addresses: dict[str, str], **contact: str) -> Plan:
    channels = tuple(c.model_copy(update={"address": addresses.get(c.key, c.address)}) for c in plan.channels)
    contacts = tuple(c.model_copy(update=contact) for c in plan.contacts)
    return plan.model_copy(update={"channels": channels, "contacts": contacts})


class Answers:
    """Every address answers what it is told to."""

    def __init__(self, **by_host: Any) -> None:
        self._by_host = by_host
        self.asked: list[str] = []

    async def reach(self, url: str) -> int:
        self.asked.append(url)
        found = self._by_host[url.removeprefix("https://").partition(".")[0]]
        if isinstance(found, Exception):
            raise found
        return int(found)


KEYS = ("github_actions", "cloud_console", "application", "database", "logs", "network", "status_page")
ALL = {key: f"https://{key}.example/" for key in KEYS}


async def use(database: Database, deployment: Deployment, plan: Plan) -> None:
    """Let the deployment run on this plan."""

    async def write(session: AsyncSession) -> None:
        values = {"document": plan.model_dump(mode="json"), "hash": plan_hash(plan)}
        await session.execute(update(PlanVersion).where(PlanVersion.id == deployment.plan_version_id).values(**values))

    await database.run(write)


async def test_a_worker_looks_once_a_minute_and_says_what_it_found(
    database: Database, deployment: Deployment, plan: Plan
) -> None:
    await use(database, deployment, with_addresses(plan, ALL))
    answers = Answers(
        github_actions=200, cloud_console=302, application=401, database=500, logs=204,
        network=ProviderError("did not answer: timeout"), status_page=404,
    )  # fmt: skip
    assert await look_at_dashboards(database, answers) == 7
    assert await look_at_dashboards(database, answers) == 0, "not again within the minute"
    rows = {row.channel: (row.state, row.found) for row in await database.read(_rows)}
    assert rows == {
        "github_actions": ("yes", "answered 200"),
        "cloud_console": ("yes", "answered 302: it asks who you are"),
        "application": ("yes", "answered 401: it asks who you are"),
        "database": ("no", "answered 500"),
        "logs": ("yes", "answered 204"),
        "network": ("no", "did not answer: timeout"),
        "status_page": ("no", "answered 404"),
    }
    ago = func.clock_timestamp() - timedelta(seconds=61)
    await database.run(lambda s: s.execute(update(ChannelCheck).values(at=ago)))
    assert await look_at_dashboards(database, answers) == 7


async def _rows(session: AsyncSession) -> list[ChannelCheck]:
    return list(await session.scalars(select(ChannelCheck)))


async def test_words_and_other_schemes_are_not_asked(database: Database, deployment: Deployment, plan: Plan) -> None:
    odd = {"application": "http://plain.example/", "database": "file:///etc/passwd", "logs": "ask Sam"}
    assert dashboards_of(with_addresses(plan, odd)) == ()
    await use(database, deployment, with_addresses(plan, odd))
    answers = Answers()
    assert await look_at_dashboards(database, answers) == 0
    assert answers.asked == []


async def test_the_real_one_asks_https_only_and_says_that_nothing_answered() -> None:
    for url in ("http://127.0.0.1/", "ftp://x.example", "javascript:alert(1)"):
        with pytest.raises(ProviderError, match="not an https"):
            await BoundedFetcher().reach(url)


def checks(plan: Plan, at: datetime = NOW, **states: str) -> dict[str, ChannelCheck]:
    return {
        c.key: ChannelCheck(deployment_id=1, channel=c.key, state=states.get(c.key, "yes"), found="answered 503", at=at)
        for c in dashboards_of(plan)
    }


def test_what_the_item_says(plan: Plan) -> None:
    assert dashboards_reachable(plan, {}, NOW).state == "no"
    linked = with_addresses(plan, ALL)
    assert dashboards_reachable(linked, {}, NOW).state == "unknown"
    assert dashboards_reachable(linked, checks(linked), NOW).found == "7 of 7 answer"
    assert dashboards_reachable(linked, checks(linked), NOW).state == "yes"
    assert (
        dashboards_reachable(linked, checks(linked, NOW - LOOKED_LIMIT - timedelta(seconds=1)), NOW).state == "unknown"
    )
    one = dashboards_reachable(linked, checks(linked, logs="no"), NOW)
    assert (one.state, one.found) == (
        "no",
        "6 of 7 answer; silent: Logs: CloudWatch or Application Insights (answered 503)",
    )
    some = with_addresses(plan, {"logs": "https://logs.example"})
    half = dashboards_reachable(some, checks(some), NOW)
    assert (half.state, half.found) == ("no", "1 of 7 answer; 6 without an address")


def test_numbers_to_call(plan: Plan) -> None:
    assert escalation_known(plan).state == "no"
    known = escalation_known(with_addresses(plan, {}, phone="+1 555 0100"))
    assert (known.state, known.found) == ("yes", "VP Operations +1 555 0100")
    assert contacts_known({}).state == "unknown"
    assert contacts_known({"Ann": True, "Bo": True}).found == "2 of 2 numbers known"
    missing = contacts_known({"Ann": True, **dict.fromkeys(["Bo", "Cy", "Di", "Ed"], False)})
    assert (missing.state, missing.found) == ("no", "1 of 5 numbers known; missing: Bo, Cy, Di and 1 more")
