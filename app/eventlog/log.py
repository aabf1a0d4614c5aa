"""Append an event in the transaction of the state change: row, hash chain, topic versions, jobs and NOTIFY."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import once
from app.db.tables import Event, EventChain, TopicVersion
from app.jobs.queue import JobRequest, defer

INSTALLATION = 0
"""The chain of events that belong to no deployment (sign-ins, tokens, accounts)."""

CHANNEL = "gonogo"
GENESIS = bytes(32)

Topic = Literal[
    "deployment",
    "signoffs",
    "checklists",
    "traffic",
    "metrics",
    "timeline",
    "team",
    "triggers",
    "phases",
    "scripts",
    "decisions",
    "incidents",
    "canary",
    "reports",
    "freeze",
]
Severity = Literal["normal", "warn", "crit"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it: a person with a position, a worker, or the product itself."""

    name: str
    person_id: int | None = None


SYSTEM = Actor("gonogo")


@dataclass(frozen=True, slots=True)
class Entry:
    """An event to be. `kind` is past and dotted (`traffic.rollback.requested`); `text` is its sentence for people;
    `topics` are the panels whose content it changes (the timeline always does)."""

    kind: str
    text: str
    topics: tuple[Topic, ...] = ()
    cause: str = ""
    severity: Severity = "normal"
    payload: Mapping[str, Any] = field(default_factory=dict)


Reaction = Callable[[Mapping[str, Any]], tuple[JobRequest, ...]]
"""From an event's payload to the jobs it asks for."""

_reactions: dict[str, Reaction] = {}


def bind_reactions(table: Mapping[str, Reaction]) -> None:
    """Called once by each entry point with reactions.TABLE, the one place that says which event causes which job."""
    _reactions.clear()
    _reactions.update(table)


async def append(session: AsyncSession, chain: int, entry: Entry, actor: Actor) -> Event:
    """Write one event and all that belongs to it. Holds the chain's row until commit, so take it last."""
    return (await append_all(session, chain, (entry,), actor))[0]


async def append_all(session: AsyncSession, chain: int, entries: Sequence[Entry], actor: Actor) -> list[Event]:
    """Write events that belong together, in their order and at one time. The chain's row is held hardly longer for many
    than for one: they go in with one statement."""
    if not entries:
        return []
    seq, previous, now = await _take_end(session, chain)
    events: list[Event] = []
    for number, entry in enumerate(entries, seq + 1):
        event = Event(
            chain=chain,
            seq=number,
            at=now,
            kind=entry.kind,
            actor=actor.name,
            actor_person_id=actor.person_id,
            cause=entry.cause,
            text=entry.text,
            severity=entry.severity,
            payload=dict(entry.payload),
            previous=previous,
            hash=b"",
        )
        previous = event.hash = event_hash(event)
        events.append(event)
    session.add_all(events)
    await session.flush()
    end = events[-1]
    await session.execute(update(EventChain).where(EventChain.chain == chain).values(seq=end.seq, hash=end.hash))
    for entry in entries:
        reaction = _reactions.get(entry.kind)
        for job in reaction(entry.payload) if reaction else ():
            await defer(session, job)
    if chain != INSTALLATION:
        await touch(session, chain, (*(topic for entry in entries for topic in entry.topics), "timeline"))
    return events


async def _take_end(session: AsyncSession, chain: int) -> tuple[int, bytes, datetime]:
    """Lock the chain, making it if it is new: the seq and hash of its last event, and the time, in one statement."""
    statement = insert(EventChain).values(chain=chain, seq=0, hash=GENESIS)
    statement = statement.on_conflict_do_update(index_elements=["chain"], set_={"seq": EventChain.seq})
    found = await session.execute(
        statement.returning(EventChain.seq, EventChain.hash, func.clock_timestamp()),
        execution_options={"populate_existing": True},
    )
    seq, previous, now = found.one()
    return seq, previous, now


async def touch(session: AsyncSession, deployment_id: int, topics: Sequence[str]) -> dict[str, int]:
    """Raise the versions of topics and tell the browsers, without an event (running checks, presence)."""
    # In the order of their names, so that two who raise the same topics wait for each other in the same order.
    rows = [{"deployment_id": deployment_id, "topic": topic, "version": 1} for topic in sorted(set(topics))]
    if not rows:
        return {}
    statement = insert(TopicVersion).values(rows)
    statement = statement.on_conflict_do_update(
        index_elements=["deployment_id", "topic"], set_={"version": TopicVersion.version + 1}
    )
    raised = await session.execute(statement.returning(TopicVersion.topic, TopicVersion.version))
    versions: dict[str, int] = dict(raised.all())
    await notify(session, {"kind": "changed", "deployment": deployment_id, "versions": versions})
    return versions


async def notify(session: AsyncSession, message: Mapping[str, Any]) -> None:
    """Send a message of under 8,000 bytes to every web process when this transaction commits."""
    await session.execute(
        text("select pg_notify(:channel, :message)"),
        {"channel": CHANNEL, "message": json.dumps(message, separators=(",", ":"))},
    )


async def versions_of(session: AsyncSession, deployment_id: int) -> dict[str, int]:
    """The version of each topic that has ever changed, as at the first time a read asks: what is rendered from it is
    then never older than it says."""

    async def query() -> dict[str, int]:
        rows = await session.execute(
            select(TopicVersion.topic, TopicVersion.version).where(TopicVersion.deployment_id == deployment_id)
        )
        return dict(rows.all())

    return await once(session, ("versions", deployment_id), query)


def event_hash(event: Event) -> bytes:
    """SHA-256 over the previous hash and the canonical JSON of everything a reader of the log relies on."""
    document = {
        "chain": event.chain,
        "seq": event.seq,
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "kind": event.kind,
        "actor": event.actor,
        "person": event.actor_person_id,
        "cause": event.cause,
        "text": event.text,
        "severity": event.severity,
        "payload": event.payload,
    }
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(event.previous + canonical.encode()).digest()


VERIFY_AT_ONCE = 1000
"""Events read at a time. The log may grow meanwhile: its end is looked at after each reading."""


async def verify_chain(session: AsyncSession, chain: int) -> int | None:
    """The seq of the first row that does not fit, or None if the whole chain verifies.

    A cut tail shows because the chain's row names a later seq than the last event.
    """
    previous, seq = GENESIS, 0
    while True:
        rows = await session.scalars(
            select(Event).where(Event.chain == chain, Event.seq > seq).order_by(Event.seq).limit(VERIFY_AT_ONCE)
        )
        events = rows.all()
        for event in events:
            if event.seq != seq + 1 or event.previous != previous or event_hash(event) != event.hash:
                return seq + 1
            previous, seq = event.hash, event.seq
        end = (
            await session.execute(select(EventChain.seq, EventChain.hash).where(EventChain.chain == chain))
        ).one_or_none()
        if end is None:
            return 1 if seq else None
        if (end.seq, end.hash) == (seq, previous):
            return None
        if end.seq <= seq or not events:
            return int(min(end.seq, seq)) + 1
