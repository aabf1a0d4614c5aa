"""The change freeze of a deployment, and the patches that are let through all the same."""

from sqlalchemy import BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, BigKey, Moment, Words


class ChangeFreeze(Base):
    """Nobody changes code or infrastructure, since `since`, until `until` or until it is lifted. At most one stands."""

    __tablename__ = "change_freeze"
    __table_args__ = (
        Index("uq_change_freeze_standing", "deployment_id", unique=True, postgresql_where=text("lifted_at IS NULL")),
    )

    id: Mapped[BigKey]
    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"))
    reason: Mapped[Words]
    until: Mapped[Moment]
    since: Mapped[Moment]
    set_by: Mapped[str] = mapped_column(String(160))
    person_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("person.id"))
    lifted_at: Mapped[Moment | None]
    lifted_by: Mapped[str] = mapped_column(String(160), default="")


class EmergencyPatch(Base):
    """A change that is asked for in spite of the freeze. `verdict`: empty, approved or refused."""

    __tablename__ = "emergency_patch"
    __table_args__ = (Index("ix_emergency_patch_deployment", "deployment_id", "id"),)

    id: Mapped[BigKey]
    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"))
    text: Mapped[Words]
    asked_by: Mapped[str] = mapped_column(String(160))
    person_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("person.id"))
    key: Mapped[str] = mapped_column(String(64), default="")
    asked_at: Mapped[Moment]
    verdict: Mapped[str] = mapped_column(String(16), default="")
    comment: Mapped[Words] = mapped_column(default="")
    answered_by: Mapped[str] = mapped_column(String(160), default="")
    answered_person: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("person.id"))
    answered_at: Mapped[Moment | None]
