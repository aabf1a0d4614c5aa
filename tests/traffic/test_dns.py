"""What follows the balancer: what is wanted of it, how it is recorded, and what the pages say."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Deployment, Event, TargetState
from app.deployments.commands import database_now
from app.domain.plan import Plan
from app.domain.sides import Weights
from app.ports.follower import FollowerReading, Wanted
from app.ports.operations import Progress
from app.ports.traffic import StaleEpoch
from app.traffic.queries_dns import PENDING, REFUSED, split_words
from app.traffic.store import PostgresStore
from app.traffic.tasks_follow import Desk
from tests.conftest import ScopeOf, Web
from tests.traffic.armed import arm, press_rollback, press_switch, prove, target_of

GREEN = Weights(0, 100)


def desk_of(database: Database, deployment: Deployment) -> Desk:
    return Desk(database, deployment.target, deployment.id, "DNS app.example")


async def written(database: Database, plan: Plan, operation_id: int) -> None:
    store = PostgresStore(database, plan, "w1")
    await store.claim(operation_id)
    await store.record(operation_id, Progress(written_at=await database.read(database_now)))


async def test_the_newest_written_operation_is_wanted(
    database: Database, armed: Deployment, scope_of: ScopeOf, plan: Plan
) -> None:
    desk = desk_of(database, armed)
    assert await desk.wanted() is None
    scope = await scope_of(armed, "devops_lead")
    switch = await press_switch(database, scope, "k1")
    assert await desk.wanted() is None, "accepted is not written"
    await written(database, plan, switch.id)
    assert await desk.wanted() == Wanted(GREEN, switch.epoch, 0, "")
    await desk.fence(switch.epoch)
    await press_rollback(database, scope, "k2")
    with pytest.raises(StaleEpoch):
        await desk.fence(switch.epoch)


async def test_each_state_is_one_line_of_the_log(database: Database, armed: Deployment) -> None:
    desk = desk_of(database, armed)
    for state, found in (
        ("pending", "asked for"),
        ("pending", "still"),
        ("in_sync", "in sync everywhere"),
        ("refused", "AccessDenied"),
        ("refused", "AccessDenied"),
    ):
        await desk.record(FollowerReading(state, GREEN, found), 7)  # type: ignore[arg-type]

    async def events(session: AsyncSession) -> list[tuple[str, str, str]]:
        rows = await session.execute(
            select(Event.kind, Event.text, Event.severity)
            .where(Event.kind.like("traffic.follower.%"))
            .order_by(Event.id)
        )
        return [tuple(row) for row in rows]

    assert await database.read(events) == [
        ("traffic.follower.pending", "DNS app.example: pending. asked for", "normal"),
        ("traffic.follower.in_sync", "DNS app.example: in sync. in sync everywhere", "normal"),
        ("traffic.follower.refused", "DNS app.example: change refused. AccessDenied", "warn"),
    ]
    target = await target_of(database)
    assert (target.follower_state, target.follower_blue, target.follower_epoch) == ("refused", 0, 7)


@pytest.mark.parametrize(
    ("state", "set_blue", "follower_blue", "words"),
    [
        ("", 0, None, ""),
        ("in_sync", 0, 0, ""),
        ("in_sync", 0, 100, PENDING),
        ("pending", 0, 0, PENDING),
        ("refused", 0, 100, REFUSED),
        ("in_sync", None, 100, ""),
    ],
)
def test_the_split_has_a_name(state: str, set_blue: int | None, follower_blue: int | None, words: str) -> None:
    target = TargetState(target="production", set_blue=set_blue, follower_state=state, follower_blue=follower_blue)
    assert split_words(target) == words


async def test_the_page_names_the_split_and_never_holds_the_switch_up(
    web: Web, plan: Plan, web_scope_of: ScopeOf
) -> None:
    await arm(web.database, web.deployment, web_scope_of)
    scope = await web_scope_of(web.deployment, "devops_lead")
    switch = await press_switch(web.database, scope, "k1")
    await written(web.database, plan, switch.id)
    await prove(web.database, set_blue=0)
    binding = {**web.deployment.binding, "dns": "app.alawael.example"}
    await web.database.run(lambda session: session.execute(update(Deployment).values(binding=binding)))
    desk = desk_of(web.database, web.deployment)

    async def page() -> str:
        client = await web.client_as("devops_lead")
        response = await client.get(f"/d/{web.deployment.id}/switch")
        return response.text.replace("\u00a0", " ")

    assert "DNS app.alawael.example" in await page()
    assert "not read yet" in await page()
    for state, shown, row in (
        ("pending", PENDING, "pending since "),
        ("refused", REFUSED, "tried again: no permission"),
        ("in_sync", "as intended", "BLUE 0 / GREEN 100, in sync since"),
    ):
        await desk.record(FollowerReading(state, GREEN, "no permission"), switch.epoch)  # type: ignore[arg-type]
        text = await page()
        assert shown in text
        assert row in text
    assert PENDING not in text


async def test_a_finding_that_aged_is_not_told_as_new(web: Web, web_scope_of: ScopeOf) -> None:
    binding = {**web.deployment.binding, "dns": "app.alawael.example"}
    await web.database.run(lambda session: session.execute(update(Deployment).values(binding=binding)))
    await desk_of(web.database, web.deployment).record(FollowerReading("in_sync", Weights(100, 0), "read"), 0)
    old: dict[str, Any] = {"follower_at": TargetState.follower_at - timedelta(seconds=20)}
    await web.database.run(lambda session: session.execute(update(TargetState).values(old)))
    client = await web.client_as("devops_lead")
    assert "not read in the last 15 s" in (await client.get(f"/d/{web.deployment.id}/switch")).text
