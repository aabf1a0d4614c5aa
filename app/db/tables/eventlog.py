"""The append-only log, its hash chains, and the versions that tell browsers what is old."""

from sqlalchemy import BigInteger, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, BigKey, Json, Moment, Words


class Event(Base):
    """One line of the log. `chain` is a deployment's id, or 0 for the installation's own chain."""

    __tablename__ = "event"
    __table_args__ = (UniqueConstraint("chain", "seq"), Index("ix_event_chain_at", "chain", "at"))

    id: Mapped[BigKey]
    chain: Mapped[int] = mapped_column(BigInteger)
    seq: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[Moment]
    kind: Mapped[str] = mapped_column(String(80))
    actor: Mapped[str] = mapped_column(String(160))
    actor_person_id: Mapped[int | None] = mapped_column(BigInteger)
    cause: Mapped[Words]
    text: Mapped[Words]
    severity: Mapped[str] = mapped_column(String(8))
    payload: Mapped[Json]
    previous: Mapped[bytes] = mapped_column(LargeBinary(32))
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))


class EventChain(Base):
    """The end of each chain; the row is locked while an event is appended."""

    __tablename__ = "event_chain"

    chain: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))


class TopicVersion(Base):
    """How often what a topic's panels show has changed. Browsers compare it with what they hold."""

    __tablename__ = "topic_version"

    deployment_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    topic: Mapped[str] = mapped_column(String(32), primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
