"""Rollback triggers: where each stands, what its checks found, which alerts came."""

from sqlalchemy import BigInteger, Float, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, BigKey, Moment, Words


class TriggerState(Base):
    """A trigger in one attempt. `stage` is a domain.triggers.Stage; without a row it was never more than quiet.
    `hold_*` are the first one's wish, `held_*` what two people decided."""

    __tablename__ = "trigger_state"

    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    trigger: Mapped[str] = mapped_column(String(48), primary_key=True)
    stage: Mapped[str] = mapped_column(String(16))
    since: Mapped[Moment]
    told_at: Mapped[Moment | None]
    """When a running breach was told to everybody; None while it is only a bad sample."""
    hold_asked_at: Mapped[Moment | None]
    hold_asked_by: Mapped[str] = mapped_column(String(160), default="")
    hold_asked_person: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("person.id"))
    hold_asked_position: Mapped[str] = mapped_column(String(48), default="")
    held_until: Mapped[Moment | None]
    held_by: Mapped[str] = mapped_column(String(330), default="")
    complete_at: Mapped[Moment | None]
    fired_at: Mapped[Moment | None]
    operation_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("operation.id"))
    found: Mapped[Words] = mapped_column(default="")
    """The numbers it fired or recommended on, as a sentence."""


class TriggerCheck(Base):
    """One repetition of a smoke test through the public address. `is_bad` null: it says nothing about the side in
    service, because another side answered or nothing was written yet."""

    __tablename__ = "trigger_check"
    __table_args__ = (Index("ix_trigger_check_newest", "deployment_id", "test", "at"),)

    id: Mapped[BigKey]
    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"))
    test: Mapped[str] = mapped_column(String(48))
    at: Mapped[Moment]
    is_bad: Mapped[bool | None]
    ms: Mapped[float] = mapped_column(Float)
    found: Mapped[str] = mapped_column(String(300), default="")


class Alert(Base):
    """An alert as it came, or a person's report. `trigger` is set where a person named one; a machine's alert counts by
    its category. `state`: firing, resolved or unknown. `target` is the one that it is about; empty where it names a
    deployment only, and then it counts for each of its targets."""

    __tablename__ = "alert"
    __table_args__ = (Index("ix_alert_received", "deployment_id", "received_at"),)

    id: Mapped[BigKey]
    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"))
    target: Mapped[str] = mapped_column(String(48), default="", server_default="")
    source: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(12))
    severity: Mapped[str] = mapped_column(String(16))
    category: Mapped[str] = mapped_column(String(48), default="")
    trigger: Mapped[str] = mapped_column(String(48), default="")
    text: Mapped[Words] = mapped_column(default="")
    raised_by: Mapped[str] = mapped_column(String(160), default="")
    person_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("person.id"))
    key: Mapped[str] = mapped_column(String(64), default="")
    """The idempotency key of a person's report."""
    received_at: Mapped[Moment]


class AlertDelivery(Base):
    """A delivery that was taken in: it is accepted once."""

    __tablename__ = "alert_delivery"

    hook: Mapped[str] = mapped_column(String(48), primary_key=True)
    delivery: Mapped[str] = mapped_column(String(100), primary_key=True)
    received_at: Mapped[Moment] = mapped_column(index=True)
