"""Reads of decision points: what was recorded, where the clock stands now, and the open one as every page shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import once
from app.db.tables import Decision, Deployment
from app.decisions.queries_clock import elapsed_s
from app.decisions.queries_snapshot import snapshot_view
from app.decisions.queries_words import asked_words, calls_of, then_words
from app.domain.decisions import (
    Answer,
    Asked,
    Closing,
    Ladder,
    Opened,
    Rung,
    Step,
    climb,
    is_watched,
    ladder_of,
    next_steps,
    patience_of,
)
from app.domain.deployments import State
from app.domain.plan import DecisionPoint, Plan
from app.domain.roster import Roster
from app.roster.queries import roster_of
from app.web.decision import AnswerView, DecisionView

GOES_ON = (State.SWITCHING, State.SWITCHED)
"""Where open questions stay open; in any other state they are void: a rollback began, or the phase is complete."""

_TITLES = {Answer.CONTINUE: "Continue", Answer.WATCH: "Continue, keep watching", Answer.ESCALATE: "Escalate"}
_EFFECTS = {
    Answer.CONTINUE: "All is well. Go on.",
    Answer.WATCH: "Say what to watch; it stands in the timeline.",
    Answer.ESCALATE: "Everybody sees whom to call. The question stays open.",
    Answer.ROLLBACK: "Something is wrong.",
}


@dataclass(frozen=True, slots=True)
class Ground:
    """Everything that decides about a deployment's points: read once, judged by the domain. `rows` are of all
    attempts, the present one's by minute in `now_rows`."""

    deployment: Deployment
    plan: Plan
    rows: tuple[Decision, ...]
    roster: Roster
    now: datetime

    @property
    def now_rows(self) -> dict[int, Decision]:
        return {row.minute: row for row in self.rows if row.attempt == self.deployment.attempt}

    @property
    def left_behind(self) -> tuple[Decision, ...]:
        """Open ones of an attempt that is over."""
        return tuple(row for row in self.rows if row.closed_at is None and row.attempt != self.deployment.attempt)

    @property
    def points(self) -> tuple[DecisionPoint, ...]:
        return self.plan.production.decisions

    @property
    def is_void(self) -> bool:
        return State(self.deployment.state) not in GOES_ON

    @property
    def ladders(self) -> Mapping[int, Ladder]:
        return {
            point.minute: ladder_of(self.plan, self.roster, point.position, patience_of(point)) for point in self.points
        }

    @property
    def opened(self) -> tuple[Opened, ...]:
        return tuple(opened_of(row) for row in self.now_rows.values())

    def open_row(self) -> Decision | None:
        """The question that is open now; None once it is void, even before that is recorded."""
        if self.is_void:
            return None
        return next((row for row in self.now_rows.values() if row.closed_at is None), None)

    def asked(self, row: Decision) -> Asked:
        return climb(self.ladders[row.minute], Rung(row.rung), row.rung_since, self.now)

    def steps(self) -> tuple[Step, ...]:
        elapsed = elapsed_s(self.deployment, self.now)
        return next_steps(self.points, self.opened, self.ladders, elapsed, self.now, is_void=self.is_void)


def opened_of(row: Decision) -> Opened:
    return Opened(
        minute=row.minute,
        rung=Rung(row.rung),
        since=row.rung_since,
        closing=Closing(row.closing) if row.closing else None,
        answer=Answer(row.answer) if row.answer else None,
    )


async def ground_of(session: AsyncSession, deployment: Deployment, plan: Plan, now: datetime) -> Ground:
    rows = tuple(await _rows(session, deployment.id))
    return Ground(deployment, plan, rows, await roster_of(session, deployment.id), now)


async def _rows(session: AsyncSession, deployment_id: int) -> Sequence[Decision]:
    statement = select(Decision).where(Decision.deployment_id == deployment_id).order_by(Decision.id)
    return list(await session.scalars(statement.execution_options(populate_existing=True)))


def point_at(plan: Plan, minute: int) -> DecisionPoint | None:
    return next((point for point in plan.production.decisions if point.minute == minute), None)


# ── the open one ──────────────────────────────────────────────────────────────────────────────────────────────────


async def open_decision(
    session: AsyncSession, deployment: Deployment, plan: Plan, now: datetime
) -> tuple[DecisionView | None, bool]:
    """The open point as all pages show it, and whether the deployment stands as watched. Before the first point opens
    this is one small read."""

    async def query() -> tuple[DecisionView | None, bool]:
        if State(deployment.state) not in GOES_ON:
            return None, False
        rows = await _rows(session, deployment.id)
        if not any(row.attempt == deployment.attempt for row in rows):
            return None, False
        ground = Ground(deployment, plan, tuple(rows), await roster_of(session, deployment.id), now)
        row = ground.open_row()
        return (decision_view(ground, row) if row is not None else None), is_watched(ground.opened)

    return await once(session, ("decision", deployment.id), query)


def decision_view(ground: Ground, row: Decision) -> DecisionView | None:
    plan, point = ground.plan, point_at(ground.plan, row.minute)
    if point is None:
        return None
    ladder, asked = ground.ladders[row.minute], ground.asked(row)
    base = f"/d/{ground.deployment.id}/decisions"
    return DecisionView(
        minute=row.minute,
        question=point.question,
        asked=asked_words(plan, point.position, asked.rung),
        then=then_words(plan, point.position, asked.rung, ladder),
        opened_at=row.opened_at,
        until=asked.until,
        people=ladder.asked(asked.rung),
        calls=calls_of(plan),
        escalated_by=row.escalated_by,
        snapshot=snapshot_view(row.snapshot, row.opened_at),
        answers=answers_of(point, is_everybody=asked.rung is Rung.EVERYBODY),
        action=f"{base}/{row.minute}/answer",
        zone=plan.timezone,
        now=ground.now,
    )


def answers_of(point: DecisionPoint, *, is_everybody: bool) -> tuple[AnswerView, ...]:
    """All four, whatever the plan names: with the plan's words where it has some."""
    said: dict[str, str] = {each.answer: f"{each.when} {each.text}." for each in point.answers}
    found = []
    for answer in (Answer.CONTINUE, Answer.WATCH, Answer.ESCALATE):
        text = said.get(answer.value, _EFFECTS[answer])
        reason = "It is escalated already: call." if is_everybody and answer is Answer.ESCALATE else ""
        found.append(AnswerView(answer.value, _TITLES[answer], text, reason=reason))
    text = f"{said.get('rollback', _EFFECTS[Answer.ROLLBACK])} Opens the guard; nothing moves yet."
    found.append(AnswerView("rollback", "Roll back…", text, url="#rollback-cover", kind="danger"))
    return tuple(found)
