"""Decision points as they were asked, incidents with what was found, and what customers reported."""

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, BigKey, Json, Moment, Words


class Decision(Base):
    """A decision point of one attempt, from its opening on. At most one of an attempt is open.

    `rung` is a domain.decisions.Rung, asked since `rung_since`; `closing` a domain.decisions.Closing, empty while it is
    open; `snapshot` what was known at the opening (decisions.queries_snapshot).
    """

    __tablename__ = "decision"
    __table_args__ = (
        UniqueConstraint("deployment_id", "attempt", "minute"),
        Index("uq_decision_open", "deployment_id", "attempt", unique=True, postgresql_where=text("closed_at IS NULL")),
    )

    id: Mapped[BigKey]
    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"))
    attempt: Mapped[int] = mapped_column(Integer)
    minute: Mapped[int] = mapped_column(Integer)
    opened_at: Mapped[Moment]
    snapshot: Mapped[Json]
    rung: Mapped[int] = mapped_column(Integer, default=0)
    rung_since: Mapped[Moment]
    escalated_by: Mapped[str] = mapped_column(String(160), default="")
    closing: Mapped[str] = mapped_column(String(16), default="")
    closed_at: Mapped[Moment | None]
    answer: Mapped[str] = mapped_column(String(16), default="")
    reason: Mapped[Words] = mapped_column(default="")
    answered_by: Mapped[str] = mapped_column(String(160), default="")
    person_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("person.id"))
    key: Mapped[str] = mapped_column(String(64), default="")
    """The idempotency key of the answer."""


class Incident(Base):
    """Something that somebody saw go wrong. `outcome` is a domain.incidents.Outcome, empty while it is open."""

    __tablename__ = "incident"
    __table_args__ = (Index("ix_incident_open", "deployment_id", postgresql_where=text("closed_at IS NULL")),)

    id: Mapped[BigKey]
    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"))
    attempt: Mapped[int] = mapped_column(Integer)
    title: Mapped[str] = mapped_column(String(200))
    severity: Mapped[str] = mapped_column(String(16))
    raised_by: Mapped[str] = mapped_column(String(160))
    person_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("person.id"))
    key: Mapped[str] = mapped_column(String(64), default="")
    raised_at: Mapped[Moment]
    rung: Mapped[int] = mapped_column(Integer, default=0)
    rung_since: Mapped[Moment]
    escalated_by: Mapped[str] = mapped_column(String(160), default="")
    outcome: Mapped[str] = mapped_column(String(16), default="")
    reason: Mapped[Words] = mapped_column(default="")
    decided_by: Mapped[str] = mapped_column(String(160), default="")
    decided_key: Mapped[str] = mapped_column(String(64), default="")
    closed_at: Mapped[Moment | None]


class IncidentFinding(Base):
    """What came of one of the plan's checks of an incident. `number` counts the checks from 0, in the plan's order."""

    __tablename__ = "incident_finding"

    incident_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("incident.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    text: Mapped[Words]
    who: Mapped[str] = mapped_column(String(160))
    person_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("person.id"))
    at: Mapped[Moment]


class CustomerReport(Base):
    """What customers told support. `state`: open, acknowledged, explained or fixed; the last two close it."""

    __tablename__ = "customer_report"
    __table_args__ = (Index("ix_customer_report_deployment", "deployment_id", "id"),)

    id: Mapped[BigKey]
    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"))
    text: Mapped[Words]
    customers: Mapped[int] = mapped_column(Integer)
    link: Mapped[str] = mapped_column(String(500), default="")
    severity: Mapped[str] = mapped_column(String(16))
    taken_by: Mapped[str] = mapped_column(String(160))
    person_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("person.id"))
    key: Mapped[str] = mapped_column(String(64), default="")
    taken_at: Mapped[Moment]
    state: Mapped[str] = mapped_column(String(16), default="open")
    answer: Mapped[Words] = mapped_column(default="")
    answered_by: Mapped[str] = mapped_column(String(160), default="")
    answered_at: Mapped[Moment | None]
