"""NOTIFY reaches the streams it concerns; slow ones are dropped; a lost PostgreSQL ends in a resync."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from app.db.engine import Database
from app.eventlog.log import touch
from app.realtime.hub import MOST_STREAMS, QUEUE_LIMIT, Hub, Subscription


@pytest.fixture
async def hub(database_url: str) -> AsyncIterator[Hub]:
    found = Hub(database_url)
    await found.start()
    yield found
    await found.stop()


async def _next(subscription: Subscription) -> dict[str, object]:
    return await asyncio.wait_for(subscription.queue.get(), 5)


async def _listening(hub: Hub) -> Subscription:
    subscription = hub.subscribe(1)
    while not hub.is_listening:
        await asyncio.sleep(0.01)
    return subscription


async def test_a_change_reaches_its_deployment_only(hub: Hub, committed_db: Database) -> None:
    mine, other = await _listening(hub), hub.subscribe(2)
    while not mine.queue.empty():
        mine.queue.get_nowait()
    while not other.queue.empty():
        other.queue.get_nowait()
    await committed_db.run(lambda s: touch(s, 1, ("traffic",)))
    assert await _next(mine) == {"kind": "changed", "deployment": 1, "versions": {"traffic": 1}}
    assert other.queue.empty()


async def test_a_lost_connection_ends_in_a_resync(hub: Hub, committed_db: Database) -> None:
    subscription = await _listening(hub)
    while not subscription.queue.empty():
        subscription.queue.get_nowait()
    async with committed_db.session() as session:
        await session.execute(
            text(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where query ilike 'listen%' and pid <> pg_backend_pid()"
            )
        )
    assert (await _next(subscription))["kind"] == "resync"


async def test_a_slow_stream_is_dropped_not_waited_for() -> None:
    hub = Hub("postgresql+psycopg://nobody@/nothing")
    slow = hub.subscribe(1)
    for number in range(QUEUE_LIMIT + 5):
        hub.publish({"kind": "changed", "deployment": 1, "versions": {"traffic": number}})
    assert slow.is_dropped
    assert slow.queue.qsize() == QUEUE_LIMIT
    kinds = [slow.queue.get_nowait()["kind"] for _ in range(QUEUE_LIMIT)]
    assert kinds[-1] == "dropped"
    hub.unsubscribe(slow)
    assert hub.stream_count == 0


async def test_of_too_many_streams_of_one_person_the_oldest_goes() -> None:
    hub = Hub("postgresql+psycopg://nobody@/nothing")
    other = hub.subscribe(1, person_id=8)
    mine = [hub.subscribe(number % 3, person_id=7) for number in range(MOST_STREAMS + 2)]
    assert [stream.is_dropped for stream in mine] == [True, True, *[False] * MOST_STREAMS]
    assert mine[0].queue.get_nowait()["kind"] == "dropped"
    assert not other.is_dropped
    for stream in (other, *mine):
        hub.unsubscribe(stream)
    assert hub.stream_count == 0
    assert hub._of_person == {}, "who has gone leaves nothing behind"
