"""The phases of the day, and the steps in them."""

from sqlalchemy import BigInteger, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, Moment, Words


class PhaseRun(Base):
    """How far a phase of a deployment is. `state` is a domain.phases.State; the row is the phase's lock.

    `planned_at`, `started_at` and `finished_at` are plan time (domain.plan_clock), so that they can be compared;
    `state_since` and what is asked are real time. `is_moved`: somebody rescheduled it, so the plan's schedule no longer
    does. `skip_…` is the wish of the first of two people to skip it.
    """

    __tablename__ = "phase_run"

    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"), primary_key=True)
    phase: Mapped[str] = mapped_column(String(48), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    """The plan's kind, so that what follows the deployment's own course needs no plan."""
    state: Mapped[str] = mapped_column(String(16))
    planned_at: Mapped[Moment | None]
    is_moved: Mapped[bool] = mapped_column(default=False)
    started_at: Mapped[Moment | None]
    finished_at: Mapped[Moment | None]
    reason: Mapped[Words] = mapped_column(default="")
    changed_by: Mapped[str] = mapped_column(String(160), default="")
    changed_key: Mapped[str] = mapped_column(String(64), default="")
    """The idempotency key of the press that brought it here."""
    state_since: Mapped[Moment]
    version: Mapped[int] = mapped_column(Integer, default=0)
    skip_asked_at: Mapped[Moment | None]
    skip_asked_by: Mapped[str] = mapped_column(String(160), default="")
    skip_asked_person: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("person.id"))
    skip_asked_position: Mapped[str] = mapped_column(String(48), default="")
    skip_reason: Mapped[Words] = mapped_column(default="")


class StepRun(Base):
    """How far a step of a phase is: an action of the plan by its key, or a line of `after` as "after-1". `state` is a
    domain.steps.State; a step nobody ever touched has no row and is open. Times are real: `started_at` to `finished_at`
    is what the work took."""

    __tablename__ = "step_run"

    deployment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deployment.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    """The deployment's attempt for a phase that follows its course, else 1."""
    phase: Mapped[str] = mapped_column(String(48), primary_key=True)
    step: Mapped[str] = mapped_column(String(48), primary_key=True)
    state: Mapped[str] = mapped_column(String(16))
    evidence: Mapped[Words] = mapped_column(default="")
    """What shows that it is done, what happened when it failed, or why it goes on without it."""
    by_hand: Mapped[bool] = mapped_column(default=False)
    """A person did what the plan has a script or a machine for."""
    tries: Mapped[int] = mapped_column(Integer, default=0)
    started_at: Mapped[Moment | None]
    finished_at: Mapped[Moment | None]
    person_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("person.id"))
    who: Mapped[str] = mapped_column(String(160), default="")
    at: Mapped[Moment]
    version: Mapped[int] = mapped_column(Integer, default=0)
