"""Plans in force, deployments, who sits where, checklists and sign-offs."""

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, BigKey, Json, Moment, Words
from app.domain.plan_clock import PlanClock


class PlanVersion(Base):
    """A plan as it was when a deployment took it up: immutable, known by its hash."""

    __tablename__ = "plan_version"

    id: Mapped[BigKey]
    key: Mapped[str] = mapped_column(String(48))
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    source: Mapped[Words]
    document: Mapped[Json]
    created_at: Mapped[Moment]


class Deployment(Base):
    """One execution of one plan version. `state` is a domain.deployments.State; `attempt` grows with each new
    try after a rollback or a reschedule; the row is locked by every command.

    `clock_…` is the plan clock (domain.plan_clock): only a rehearsal's can ever be set."""

    __tablename__ = "deployment"
    __table_args__ = (
        CheckConstraint(
            "mode <> 'live' OR (clock_speed = 1 AND clock_real IS NULL AND clock_plan IS NULL)", name="live_clock"
        ),
        CheckConstraint("clock_speed >= 1 AND (clock_real IS NULL) = (clock_plan IS NULL)", name="clock"),
    )

    id: Mapped[BigKey]
    plan_version_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("plan_version.id"))
    mode: Mapped[str] = mapped_column(String(16))
    title: Mapped[str] = mapped_column(String(200))
    phase: Mapped[str] = mapped_column(String(48))
    state: Mapped[str] = mapped_column(String(32))
    attempt: Mapped[int] = mapped_column(Integer, default=1)
    blue_version: Mapped[str] = mapped_column(String(200))
    blue_digest: Mapped[str] = mapped_column(String(80))
    green_version: Mapped[str] = mapped_column(String(200))
    green_digest: Mapped[str] = mapped_column(String(80))
    target: Mapped[str] = mapped_column(String(48))
    binding: Mapped[Json]
    target_configuration: Mapped[str] = mapped_column(String(80), default="")
    planned_at: Mapped[Moment]
    gate_opened_at: Mapped[Moment]
    hold_reason: Mapped[Words] = mapped_column(default="")
    held_by: Mapped[str] = mapped_column(String(120), default="")
    state_since: Mapped[Moment]
    armed_at: Mapped[Moment | None]
    switched_at: Mapped[Moment | None]
    finished_at: Mapped[Moment | None]
    created_at: Mapped[Moment]
    clock_speed: Mapped[int] = mapped_column(Integer, default=1, server_default="1")
    clock_real: Mapped[Moment | None]
    clock_plan: Mapped[Moment | None]

    @property
    def plan_clock(self) -> PlanClock:
        return PlanClock(self.clock_speed or 1, self.clock_real, self.clock_plan)


class RosterSeat(Base):
    """Who sits on which position's seat in a deployment. `seat` counts from 1 within the position."""

    __tablename__ = "roster_seat"
    __table_args__ = (UniqueConstraint("deployment_id", "position", "seat"),)

    id: Mapped[BigKey]
    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"))
    position: Mapped[str] = mapped_column(String(48))
    seat: Mapped[int] = mapped_column(Integer)
    person_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("person.id"), index=True)
    is_deputy: Mapped[bool] = mapped_column(default=False)
    seen_at: Mapped[Moment | None]
    seen_page: Mapped[str] = mapped_column(String(48), default="")


class ChecklistState(Base):
    """What is known of one checklist item in one attempt. `state`: open, done or failed; `version` counts changes;
    `item` is a checklists.queries.state_key."""

    __tablename__ = "checklist_state"

    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    item: Mapped[str] = mapped_column(String(100), primary_key=True)
    state: Mapped[str] = mapped_column(String(16))
    evidence: Mapped[Words] = mapped_column(default="")
    person_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("person.id"))
    who: Mapped[str] = mapped_column(String(120), default="")
    at: Mapped[Moment]
    version: Mapped[int] = mapped_column(Integer, default=1)


class Signoff(Base):
    """A position's GO or NO_GO. `bound_to` holds, part by part, what it was given for (domain.signoffs.Binding).

    At most one standing vote a question and attempt; a new vote replaces it, the old row stays with `ended_at`.
    """

    __tablename__ = "signoff"
    __table_args__ = (
        Index(
            "uq_signoff_standing",
            "deployment_id",
            "attempt",
            "question",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: Mapped[BigKey]
    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"))
    attempt: Mapped[int] = mapped_column(Integer)
    question: Mapped[str] = mapped_column(String(48))
    position: Mapped[str] = mapped_column(String(48))
    person_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("person.id"))
    who: Mapped[str] = mapped_column(String(120))
    verdict: Mapped[str] = mapped_column(String(8))
    comment: Mapped[Words]
    bound_to: Mapped[Json]
    cast_at: Mapped[Moment]
    expires_at: Mapped[Moment]
    ended_at: Mapped[Moment | None]
    end_reason: Mapped[str] = mapped_column(String(16), default="")
