"""One browser's event stream: hello, changed, data, and a beat each second."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from sse_starlette import EventSourceResponse, ServerSentEvent

from app.db.engine import Database
from app.eventlog.log import versions_of
from app.realtime.hub import Hub, Message

BEAT_S = 1.0
RECHECK_S = 4.0
"""How often a stream asks whether its person may still look: a disabled account's stream closes within 5 s."""


def _event(name: str, body: Any) -> ServerSentEvent:
    return ServerSentEvent(json.dumps(body, separators=(",", ":")), event=name)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def event_stream(
    hub: Hub, database: Database, deployment_id: int, person_id: int, is_welcome: Callable[[], Awaitable[bool]]
) -> EventSourceResponse:
    """The response of GET /d/{id}/live. Holds no database session between events."""
    return EventSourceResponse(_events(hub, database, deployment_id, person_id, is_welcome), ping=3600)


async def _events(
    hub: Hub, database: Database, deployment_id: int, person_id: int, is_welcome: Callable[[], Awaitable[bool]]
) -> AsyncIterator[ServerSentEvent]:
    subscription = hub.subscribe(deployment_id, person_id)
    try:
        yield await _hello(database, deployment_id)
        loop = asyncio.get_running_loop()
        next_beat = loop.time() + BEAT_S
        next_check = loop.time() + RECHECK_S
        while True:
            try:
                message = await asyncio.wait_for(subscription.queue.get(), max(0.0, next_beat - loop.time()))
            except TimeoutError:
                next_beat = loop.time() + BEAT_S
                yield _event("beat", {"now": _now()})
                if loop.time() >= next_check:
                    next_check = loop.time() + RECHECK_S
                    if not await is_welcome():
                        return
                continue
            if message["kind"] == "dropped":
                return
            yield await _answer(database, deployment_id, message)
    finally:
        hub.unsubscribe(subscription)


async def _answer(database: Database, deployment_id: int, message: Message) -> ServerSentEvent:
    if message["kind"] == "resync":
        return await _hello(database, deployment_id)
    if message["kind"] == "changed":
        return _event("changed", message["versions"])
    return _event("data", {key: value for key, value in message.items() if key not in ("kind", "deployment")})


async def _hello(database: Database, deployment_id: int) -> ServerSentEvent:
    versions = await database.read(lambda session: versions_of(session, deployment_id))
    return _event("hello", {"now": _now(), "versions": versions})
