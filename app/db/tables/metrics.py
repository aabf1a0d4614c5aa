"""Readings of the critical metrics."""

from sqlalchemy import BigInteger, Float, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, BigKey, Moment


class Reading(Base):
    """A metric's value at a time, for a side. `value` is null when the source had no figure: UNKNOWN, never zero."""

    __tablename__ = "reading"
    __table_args__ = (Index("ix_reading_latest", "deployment_id", "metric", "side", "at"),)

    id: Mapped[BigKey]
    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"))
    metric: Mapped[str] = mapped_column(String(48))
    side: Mapped[str] = mapped_column(String(5))
    at: Mapped[Moment]
    value: Mapped[float | None] = mapped_column(Float)
    samples: Mapped[int] = mapped_column(Integer)
    source: Mapped[str] = mapped_column(String(64))
