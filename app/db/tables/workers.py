"""Duties that exactly one worker carries at a time (probing, collecting)."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, Moment


class WorkerLease(Base):
    """Who carries a duty, until when by the database's clock."""

    __tablename__ = "worker_lease"

    duty: Mapped[str] = mapped_column(String(80), primary_key=True)
    owner: Mapped[str] = mapped_column(String(120))
    until: Mapped[Moment]
