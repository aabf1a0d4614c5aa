"""Canaries: how far each run is, and what was measured of GREEN on its target."""

from sqlalchemy import BigInteger, Float, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, BigKey, Moment, Words


class CanaryRun(Base):
    """A canary of a phase, from its start to all of GREEN or all of BLUE. `state` is a domain.canary.State; a run that
    was rolled back stays as it ended, the next one is a row of its own. At most one moves a target.

    `dwelt_s` and `counted_at` are plan time; all others are real. `approved_*` is of the present step and ends with it;
    `reported_*` ends the run.
    """

    __tablename__ = "canary_run"
    __table_args__ = (
        Index("uq_canary_open", "target", unique=True, postgresql_where=text("finished_at IS NULL")),
        Index("ix_canary_run_phase", "deployment_id", "phase", "id"),
    )

    id: Mapped[BigKey]
    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"))
    phase: Mapped[str] = mapped_column(String(48))
    target: Mapped[str] = mapped_column(String(48))
    state: Mapped[str] = mapped_column(String(16))
    step: Mapped[int] = mapped_column(Integer, default=0)
    tries: Mapped[int] = mapped_column(Integer, default=0)
    """Shifts ordered so far: part of each one's key, so that none is ordered twice."""
    operation_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("operation.id"))
    dwelt_s: Mapped[float] = mapped_column(Float, default=0)
    counted_at: Mapped[Moment | None]
    looked_at: Mapped[Moment | None]
    dark_since: Mapped[Moment | None]
    step_since: Mapped[Moment | None]
    """When the share of this step arrived: evidence counts from there."""
    read_green: Mapped[int | None] = mapped_column(Integer)
    read_at: Mapped[Moment | None]
    probes_green: Mapped[int] = mapped_column(Integer, default=0)
    probes_total: Mapped[int] = mapped_column(Integer, default=0)
    """Probes at rest since the share arrived."""
    approved_by: Mapped[str] = mapped_column(String(160), default="")
    approved_at: Mapped[Moment | None]
    approved_person: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("person.id"))
    """Whose word it is: it counts while they have the seat."""
    approved_text: Mapped[Words] = mapped_column(default="")
    reported_by: Mapped[str] = mapped_column(String(160), default="")
    reported_at: Mapped[Moment | None]
    reported_text: Mapped[Words] = mapped_column(default="")
    reason: Mapped[Words] = mapped_column(default="")
    changed_by: Mapped[str] = mapped_column(String(160), default="")
    changed_key: Mapped[str] = mapped_column(String(64), default="")
    """The idempotency key of the last press."""
    version: Mapped[int] = mapped_column(Integer, default=0)
    started_by: Mapped[str] = mapped_column(String(160))
    started_at: Mapped[Moment]
    state_since: Mapped[Moment]
    finished_at: Mapped[Moment | None]
    """When it was all on GREEN with its gate passed, or all on BLUE again."""


class CanaryReading(Base):
    """What was measured of GREEN while a canary ran. `metric` "green_health": its health check, 1 failed, 0 passed."""

    __tablename__ = "canary_reading"
    __table_args__ = (Index("ix_canary_reading_newest", "run_id", "at"),)

    id: Mapped[BigKey]
    run_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("canary_run.id"))
    metric: Mapped[str] = mapped_column(String(48))
    at: Mapped[Moment]
    value: Mapped[float | None] = mapped_column(Float)
    samples: Mapped[int] = mapped_column(Integer)
