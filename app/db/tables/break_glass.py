"""Capsules as the workers report them, and what was done with one while there was no database."""

from sqlalchemy import BigInteger, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, Json, Moment, Words


class WorkerCapsule(Base):
    """A worker's capsule of a target. `problem` says why it could not be renewed; a worker that is silent is gone."""

    __tablename__ = "worker_capsule"

    worker: Mapped[str] = mapped_column(String(120), primary_key=True)
    target: Mapped[str] = mapped_column(String(48), primary_key=True)
    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"))
    host: Mapped[str] = mapped_column(String(120))
    epoch: Mapped[int] = mapped_column(BigInteger)
    """What break-glass would write with."""
    written_at: Mapped[Moment | None]
    reported_at: Mapped[Moment]
    problem: Mapped[str] = mapped_column(String(300), default="")


class BreakGlass(Base):
    """One use of break-glass, taken in from a spool, or seen by nothing but a newer epoch on the target.

    `outcome` is empty while the run goes on. Its alarm stands on every page until somebody acknowledged it.
    """

    __tablename__ = "break_glass"

    run: Mapped[str] = mapped_column(String(64), primary_key=True)
    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"), index=True)
    target: Mapped[str] = mapped_column(String(48))
    who: Mapped[str] = mapped_column(String(120))
    host: Mapped[str] = mapped_column(String(120))
    reason: Mapped[Words] = mapped_column(default="")
    epoch: Mapped[int] = mapped_column(BigInteger)
    started_at: Mapped[Moment]
    """On the clock of the machine it was used on."""
    outcome: Mapped[str] = mapped_column(String(32), default="")
    taken_in_at: Mapped[Moment]
    acknowledged_at: Mapped[Moment | None]
    acknowledged_by: Mapped[str] = mapped_column(String(120), default="")


class BreakGlassLine(Base):
    """A line of a spool (domain.spool.Line). Its key makes taking it in twice impossible."""

    __tablename__ = "break_glass_line"

    run: Mapped[str] = mapped_column(String(64), ForeignKey("break_glass.run"), primary_key=True)
    seq: Mapped[int] = mapped_column(Integer, primary_key=True)
    at: Mapped[Moment]
    what: Mapped[str] = mapped_column(String(16))
    text: Mapped[Words]
    detail: Mapped[Json]
