"""One LISTEN connection, fanned out to the streams of this process."""

import asyncio
import contextlib
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import structlog

from app.eventlog.log import CHANNEL
from app.jobs.queue import conninfo

log = structlog.get_logger()

QUEUE_LIMIT = 64
"""Messages a slow client may be behind; then it is dropped and resyncs when it comes back."""

MOST_STREAMS = 64
"""Open streams of one person in a process: each asks PostgreSQL every few seconds whether it may still be open."""

Message = dict[str, Any]
RESYNC: Message = {"kind": "resync"}
DROPPED: Message = {"kind": "dropped"}


class Subscription:
    """One stream's place in the hub."""

    def __init__(self, deployment_id: int, person_id: int = 0) -> None:
        self.deployment_id = deployment_id
        self.person_id = person_id
        self.queue: asyncio.Queue[Message] = asyncio.Queue(maxsize=QUEUE_LIMIT)
        self.is_dropped = False

    def offer(self, message: Message) -> None:
        if self.is_dropped:
            return
        try:
            self.queue.put_nowait(message)
        except asyncio.QueueFull:
            self.drop()

    def drop(self) -> None:
        """End it; its browser comes back and resyncs."""
        self.is_dropped = True
        if self.queue.full():
            self.queue.get_nowait()
        self.queue.put_nowait(DROPPED)


class Hub:
    """`start` once a process. Every (re)connect to PostgreSQL tells all streams to resync, because NOTIFYs sent
    while we were away are lost."""

    def __init__(self, database_url: str) -> None:
        self._conninfo = conninfo(database_url)
        self._streams: dict[int, set[Subscription]] = defaultdict(set)
        self._of_person: dict[int, list[Subscription]] = {}
        self._observers: list[Callable[[Message], Awaitable[None] | None]] = []
        self._task: asyncio.Task[None] | None = None
        self.is_listening = False

    def subscribe(self, deployment_id: int, person_id: int = 0) -> Subscription:
        """A stream of somebody's; of more than MOST_STREAMS the oldest goes, so that nobody crowds out a press."""
        subscription = Subscription(deployment_id, person_id)
        self._streams[deployment_id].add(subscription)
        mine = self._of_person.setdefault(person_id, [])
        mine.append(subscription)
        if person_id and len(mine) > MOST_STREAMS:
            mine.pop(0).drop()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        self._streams[subscription.deployment_id].discard(subscription)
        mine = self._of_person.get(subscription.person_id, [])
        if subscription in mine:
            mine.remove(subscription)
        if not mine:
            self._of_person.pop(subscription.person_id, None)

    @property
    def stream_count(self) -> int:
        return sum(len(streams) for streams in self._streams.values())

    async def start(self) -> None:
        self._task = asyncio.create_task(self._listen_for_ever(), name="realtime.hub")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def publish(self, message: Message) -> None:
        """Hand a message to the streams it concerns; `resync` concerns all."""
        if message["kind"] == "resync":
            targets = [stream for streams in self._streams.values() for stream in streams]
        else:
            targets = list(self._streams.get(message.get("deployment", -1), ()))
        for stream in targets:
            stream.offer(message)

    async def _listen_for_ever(self) -> None:
        pause = 0.05
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._conninfo, autocommit=True, connect_timeout=3
                ) as connection:
                    await connection.execute(f"listen {CHANNEL}")
                    self.is_listening = True
                    self.publish(RESYNC)
                    pause = 0.05
                    await self._pump(connection)
            except (psycopg.Error, OSError) as error:
                self.is_listening = False
                log.warning("realtime.listener.lost", error=str(error)[:200])
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)

    async def _pump(self, connection: psycopg.AsyncConnection[Any]) -> None:
        while True:
            async for notification in connection.notifies(timeout=5):
                self.publish(json.loads(notification.payload))
            await connection.execute("select 1")
