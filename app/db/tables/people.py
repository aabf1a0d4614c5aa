"""What single people and positions did on the day: ticks of their own, duties, files, the hand on the rollback."""

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, BigKey, Moment, Words


class PersonalTick(Base):
    """A person ticked an item of a personal checklist in this attempt; `item` is "checklist.item"."""

    __tablename__ = "personal_tick"

    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    person_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("person.id"), primary_key=True)
    item: Mapped[str] = mapped_column(String(100), primary_key=True)
    at: Mapped[Moment]


class DutyDone(Base):
    """A position did a duty: one row each time. `duty` is a domain.duties key: "during-2", "repeated-1"."""

    __tablename__ = "duty_done"
    __table_args__ = (Index("ix_duty_done_deployment", "deployment_id", "attempt"),)

    id: Mapped[BigKey]
    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"))
    attempt: Mapped[int] = mapped_column(Integer)
    position: Mapped[str] = mapped_column(String(48))
    duty: Mapped[str] = mapped_column(String(48))
    person_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("person.id"))
    who: Mapped[str] = mapped_column(String(160))
    at: Mapped[Moment]


class EvidenceFile(Base):
    """A small file that shows what a checklist item's evidence says. Never changed and never taken away: what was there
    when a vote was given stays. `item` is a checklists.queries.state_key; `kind` was found in the content itself."""

    __tablename__ = "evidence_file"
    __table_args__ = (Index("ix_evidence_file_deployment", "deployment_id", "attempt"),)

    id: Mapped[BigKey]
    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"))
    attempt: Mapped[int] = mapped_column(Integer)
    item: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(120))
    kind: Mapped[str] = mapped_column(String(32))
    size: Mapped[int] = mapped_column(Integer)
    sha256: Mapped[str] = mapped_column(String(64))
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    person_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("person.id"))
    who: Mapped[str] = mapped_column(String(160))
    at: Mapped[Moment]


class Custody(Base):
    """Who has the hand on the rollback, and to whom it is offered. Without a row: whom domain.custody falls back to."""

    __tablename__ = "custody"

    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"), primary_key=True)
    person_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("person.id"))
    since: Mapped[Moment | None]
    offered_to: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("person.id"))
    offered_by: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("person.id"))
    offered_at: Mapped[Moment | None]


class ChannelCheck(Base):
    """What a worker last found at a channel's address. `state`: yes or no."""

    __tablename__ = "channel_check"

    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"), primary_key=True)
    channel: Mapped[str] = mapped_column(String(48), primary_key=True)
    state: Mapped[str] = mapped_column(String(8))
    found: Mapped[Words] = mapped_column(default="")
    at: Mapped[Moment]
