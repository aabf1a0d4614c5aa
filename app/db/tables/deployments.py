"""Plans in force, deployments, who sits where, checklists and sign-offs."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, BigKey, Json, Moment, Words
from app.domain.plan_clock import PlanClock, Turn


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

    `clock` holds the turns of its plan clock (domain.plan_clock) as [real, plan, speed]: only a rehearsal has any."""

    __tablename__ = "deployment"
    __table_args__ = (
        # Nothing sets the clock of a live deployment, not even by hand in the database.
        CheckConstraint("mode <> 'live' OR clock = '[]'::jsonb", name="live_clock"),
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
    clock: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'::jsonb"))

    @property
    def plan_clock(self) -> PlanClock:
        turns = self.clock or ()  # a row that is not flushed yet has none
        return PlanClock(tuple(Turn(datetime.fromisoformat(r), datetime.fromisoformat(p), s) for r, p, s in turns))

    def set_plan_clock(self, clock: PlanClock) -> None:
        self.clock = [[turn.real.isoformat(), turn.plan.isoformat(), turn.speed] for turn in clock.turns]


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
    arrived_at: Mapped[Moment | None]
    """When whoever sits here said "I am here", in the attempt `arrived_attempt`."""
    arrived_attempt: Mapped[int | None] = mapped_column(Integer)


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
    without: Mapped[list[str]] = mapped_column(default=list, server_default=text("'[]'::jsonb"))
    """Of an item that a machine checks: the seats that were missing when somebody decided to go on without them."""


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
