"""Targets, operations on them, their effects and evidence, and what probes saw."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Float, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, BigKey, Json, Moment, Words


class TargetState(Base):
    """A target's newest epoch, the deployment that holds it, and what the watch last found there.

    The row is locked by whoever accepts an operation. `*_at` columns say how old each finding is.
    """

    __tablename__ = "target_state"

    target: Mapped[str] = mapped_column(String(48), primary_key=True)
    epoch: Mapped[int] = mapped_column(BigInteger, default=0)
    locked_by: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("deployment.id"))
    set_blue: Mapped[int | None] = mapped_column(Integer)
    set_at: Mapped[Moment | None]
    configuration: Mapped[str] = mapped_column(String(80), default="")
    read_error: Mapped[str] = mapped_column(String(300), default="")
    read_at: Mapped[Moment | None]
    blue_is_healthy: Mapped[bool | None]
    blue_found: Mapped[str] = mapped_column(String(300), default="")
    blue_at: Mapped[Moment | None]
    green_is_healthy: Mapped[bool | None]
    green_found: Mapped[str] = mapped_column(String(300), default="")
    green_at: Mapped[Moment | None]
    probed_blue: Mapped[int | None] = mapped_column(Integer)
    probed_green: Mapped[int | None] = mapped_column(Integer)
    probed_at: Mapped[Moment | None]
    follower_state: Mapped[str] = mapped_column(String(16), default="", server_default="")
    """Of what follows the balancer (ports.follower); empty where nothing does or nothing was read yet."""
    follower_blue: Mapped[int | None] = mapped_column(Integer)
    follower_found: Mapped[str] = mapped_column(String(300), default="", server_default="")
    follower_epoch: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    follower_since: Mapped[Moment | None]
    """When it came into this state."""
    follower_at: Mapped[Moment | None]
    preflight: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'::jsonb"))
    """What the balancer's pre-flight found, line by line (domain.readiness.Finding)."""
    preflight_at: Mapped[Moment | None]
    by_hand: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'::jsonb"))
    """The rollback by hand, step by step, with real ids (domain.capsule.Step)."""


class Operation(Base):
    """One attempt to change a target's weights. `state` is a domain.operations.State; the lease is on database time."""

    __tablename__ = "operation"
    __table_args__ = (
        Index("uq_operation_in_flight", "target", unique=True, postgresql_where=text("finished_at IS NULL")),
        UniqueConstraint("target", "epoch"),
        UniqueConstraint("deployment_id", "idempotency_key"),
    )

    id: Mapped[BigKey]
    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"), index=True)
    attempt: Mapped[int] = mapped_column(Integer)
    target: Mapped[str] = mapped_column(String(48))
    kind: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(24))
    reason: Mapped[Words] = mapped_column(default="")
    epoch: Mapped[int] = mapped_column(BigInteger)
    want_blue: Mapped[int] = mapped_column(Integer)
    idempotency_key: Mapped[str] = mapped_column(String(64))
    requested_by: Mapped[str] = mapped_column(String(120))
    person_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("person.id"))
    cause: Mapped[Words] = mapped_column(default="")
    although_blue_unhealthy: Mapped[bool] = mapped_column(Boolean, default=False)
    frozen_signoffs: Mapped[Json]
    clicked_at: Mapped[Moment]
    accepted_at: Mapped[Moment]
    started_at: Mapped[Moment | None]
    written_at: Mapped[Moment | None]
    read_back_at: Mapped[Moment | None]
    observed_95_at: Mapped[Moment | None]
    observed_99_at: Mapped[Moment | None]
    observed_100_at: Mapped[Moment | None]
    verified_at: Mapped[Moment | None]
    escalated_at: Mapped[Moment | None]
    guard_until: Mapped[Moment | None]
    finished_at: Mapped[Moment | None]
    probes_agreeing: Mapped[int] = mapped_column(Integer, default=0)
    probes_total: Mapped[int] = mapped_column(Integer, default=0)
    customers_before: Mapped[int | None] = mapped_column(BigInteger)
    customers_failed_before: Mapped[int | None] = mapped_column(BigInteger)
    customers_requests: Mapped[int | None] = mapped_column(BigInteger)
    customers_failed: Mapped[int | None] = mapped_column(BigInteger)
    takeovers: Mapped[int] = mapped_column(Integer, default=0)
    lease_owner: Mapped[str] = mapped_column(String(120), default="")
    lease_until: Mapped[Moment | None]


class OperationCheck(Base):
    """A line of the strip or a rollback criterion, with what the machine found."""

    __tablename__ = "operation_check"

    operation_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("operation.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(48), primary_key=True)
    state: Mapped[str] = mapped_column(String(16))
    found: Mapped[str] = mapped_column(String(200), default="")
    proof: Mapped[str] = mapped_column(String(500), default="")
    at: Mapped[Moment]


class Effect(Base):
    """A call that changes the outside world: intent before it, outcome after it.

    A row without `outcome` is a question that reading the real world answers.
    """

    __tablename__ = "effect"

    id: Mapped[BigKey]
    operation_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("operation.id"), index=True)
    epoch: Mapped[int] = mapped_column(BigInteger)
    worker: Mapped[str] = mapped_column(String(120))
    want_blue: Mapped[int] = mapped_column(Integer)
    intent_at: Mapped[Moment]
    outcome: Mapped[str] = mapped_column(String(16), default="")
    outcome_at: Mapped[Moment | None]
    detail: Mapped[Words] = mapped_column(default="")
    routes: Mapped[Json] = mapped_column(default=dict, server_default=text("'{}'::jsonb"))
    """Route → its own outcome and detail (ports.traffic.RouteOutcome)."""


class RollbackGrant(Base):
    """The right to roll back, handed out by arming; outlives an idle session, dies with a disabled account."""

    __tablename__ = "rollback_grant"
    __table_args__ = (UniqueConstraint("deployment_id", "attempt", "person_id"),)

    id: Mapped[BigKey]
    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"))
    attempt: Mapped[int] = mapped_column(Integer)
    person_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("person.id"))
    position: Mapped[str] = mapped_column(String(48))
    granted_at: Mapped[Moment]
    revoked_at: Mapped[Moment | None]


class ProbeSummary(Base):
    """What the probes of one second saw. Kept for the timeline, the report and the wall."""

    __tablename__ = "probe_summary"

    target: Mapped[str] = mapped_column(String(48), primary_key=True)
    second: Mapped[Moment] = mapped_column(primary_key=True)
    blue: Mapped[int] = mapped_column(Integer)
    green: Mapped[int] = mapped_column(Integer)
    unknown: Mapped[int] = mapped_column(Integer)
    failed: Mapped[int] = mapped_column(Integer)
    slowest_ms: Mapped[float] = mapped_column(Float)
    customers_requests: Mapped[int | None] = mapped_column(BigInteger)
    customers_failed: Mapped[int | None] = mapped_column(BigInteger)
