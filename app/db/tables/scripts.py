"""Scripts that workers run, and what they print."""

from typing import Any

from sqlalchemy import BigInteger, Float, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, BigKey, Json, Moment, Words


class ScriptRun(Base):
    """A run of a step's script. `state` is a domain.scripts.State; a step has at most one that is not over. The worker
    that has it holds a lease on database time; when that runs out, nobody knows what became of the script."""

    __tablename__ = "script_run"
    __table_args__ = (
        Index("ix_script_run_step", "deployment_id", "attempt", "phase", "step"),
        Index(
            "uq_script_run_open",
            "deployment_id",
            "phase",
            "step",
            unique=True,
            postgresql_where=text("state in ('waiting', 'running')"),
        ),
    )

    id: Mapped[BigKey]
    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"))
    attempt: Mapped[int] = mapped_column(Integer)
    phase: Mapped[str] = mapped_column(String(48))
    step: Mapped[str] = mapped_column(String(48))
    command: Mapped[list[Any]]
    """The argument list, as the plan has it."""
    within_s: Mapped[float] = mapped_column(Float)
    state: Mapped[str] = mapped_column(String(16))
    requested_by: Mapped[str] = mapped_column(String(160))
    person_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("person.id"))
    requested_at: Mapped[Moment]
    key: Mapped[str] = mapped_column(String(64), default="")
    """The idempotency key of the press."""
    worker: Mapped[str] = mapped_column(String(80), default="")
    lease_until: Mapped[Moment | None]
    able_at: Mapped[Moment | None]
    """When there was last a worker that could run it and had no hand free."""
    begun: Mapped[int] = mapped_column(Integer, default=0)
    """How often a worker began it; more than once only where the plan says that it may simply be run again."""
    started_at: Mapped[Moment | None]
    finished_at: Mapped[Moment | None]
    exit_code: Mapped[int | None] = mapped_column(Integer)
    reason: Mapped[Words] = mapped_column(default="")
    abort_at: Mapped[Moment | None]
    abort_by: Mapped[str] = mapped_column(String(160), default="")
    seen: Mapped[Json] = mapped_column(default=dict)
    """Signal's number → line, text and time of its first sight."""
    pending: Mapped[Words] = mapped_column(default="")
    """The line that is not finished."""
    total: Mapped[int] = mapped_column(BigInteger, default=0)
    """Bytes printed."""
    lines: Mapped[int] = mapped_column(BigInteger, default=0)
    kept: Mapped[int] = mapped_column(BigInteger, default=0)
    """Characters in script_output."""
    left_out: Mapped[int] = mapped_column(BigInteger, default=0)
    """Characters that were printed and are kept nowhere."""


class ScriptOutput(Base):
    """A piece of what a run printed: whole lines, plain, without secrets. Where numbers are missing, the middle of much
    output was left out."""

    __tablename__ = "script_output"

    run_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("script_run.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(Integer, primary_key=True)
    text: Mapped[Words]
