"""The decisions page: every point of the plan with its answer, its snapshot, who gave it and how long that took."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Decision, Deployment
from app.decisions.queries import Ground, ground_of
from app.decisions.queries_clock import due_at
from app.decisions.queries_snapshot import snapshot_view
from app.decisions.queries_words import ANSWER_WORDS, asked_words, call_words
from app.decisions.views import PointRow, PointState, PointsView
from app.deployments.commands import database_now
from app.domain.decisions import Answer, Closing, Rung, is_watched
from app.domain.deployments import State
from app.domain.plan import DecisionPoint
from app.eventlog.log import versions_of
from app.web.access import Scope
from app.web.figures import hms, took

_ANSWERED: Mapping[str, tuple[PointState, str]] = {
    Answer.CONTINUE.value: ("ok", "Continue"),
    Answer.WATCH.value: ("warn", "WATCH CLOSELY"),
    Answer.ROLLBACK.value: ("crit", "ROLLED BACK"),
}


async def points_view(session: AsyncSession, scope: Scope) -> PointsView:
    versions = await versions_of(session, scope.id)
    now = await database_now(session)
    deployment = await session.get_one(Deployment, scope.id, populate_existing=True)
    ground = await ground_of(session, deployment, scope.plan, now)
    headline, advice, until = _headline(ground)
    return PointsView(
        headline=headline,
        advice=advice,
        until=until,
        rows=tuple(_row(ground, point) for point in ground.points),
        zone=scope.plan.timezone,
        now=now,
        versions=versions,
        url=f"/d/{scope.id}/decisions/_points",
    )


def _headline(ground: Ground) -> tuple[str, str, datetime | None]:
    """The sentence, one more, and what the sentence counts down to."""
    row = ground.open_row()
    if row is not None:
        point = next((each for each in ground.points if each.minute == row.minute), None)
        if point is not None:
            return _open_headline(ground, row, point)
    if not ground.points:
        return "This plan has no decision points.", "Whoever may roll back can do so at any moment.", None
    if ground.is_void:
        return _quiet_headline(ground)
    ahead = [point for point in ground.points if point.minute not in ground.now_rows]
    watched = "The deployment stands as watched. " if is_watched(ground.opened) else ""
    if not ahead:
        return "All decision points are behind you.", f"{watched}Rollback stays one press away.", None
    due = due_at(ground.deployment, ahead[0].minute, ground.now)
    asked = ground.plan.position(ahead[0].position).title
    advice = f"{watched}“{ahead[0].question}” {asked} will be asked. Silence escalates and never advances."
    return f"Next decision point: minute {ahead[0].minute}, in", advice, due


def _open_headline(ground: Ground, row: Decision, point: DecisionPoint) -> tuple[str, str, datetime | None]:
    asked = ground.asked(row)
    who = asked_words(ground.plan, point.position, asked.rung)
    if asked.rung is Rung.EVERYBODY:
        by = f"Escalated by {row.escalated_by}. " if row.escalated_by else "Nobody answered in time. "
        return (
            f"Minute {row.minute} is not answered: call {call_words(ground.plan)}",
            f"{by}“{point.question}” waits for an answer; nothing advances by itself.",
            None,
        )
    advice = f"“{point.question}” Without an answer the next one is asked. Rollback needs no answer."
    return f"Decision at minute {row.minute}: {who} has", advice, asked.until


def _quiet_headline(ground: Ground) -> tuple[str, str, datetime | None]:
    state = State(ground.deployment.state)
    count = len(ground.points)
    if state in (State.ROLLING_BACK, State.ROLLED_BACK):
        return "Rolled back: the decision points are void.", "A new attempt asks all of them again.", None
    if state is State.COMPLETED:
        return "The phase is complete: nothing is asked any more.", "Rollback stays one press away.", None
    first = ground.points[0].minute
    return (
        f"{count} decision point{'s' if count > 1 else ''} will be asked after the switch.",
        f"The first one {first} min after it. Silence asks the next one and never advances anything.",
        None,
    )


def _row(ground: Ground, point: DecisionPoint) -> PointRow:
    position = ground.plan.position(point.position).title
    row = ground.now_rows.get(point.minute)
    due = row.opened_at if row else due_at(ground.deployment, point.minute, ground.now)
    if row is None:
        is_over = State(ground.deployment.state) in (State.ROLLING_BACK, State.ROLLED_BACK, State.COMPLETED)
        if is_over:
            return PointRow(point.minute, point.question, position, "withdrawn", "Void", due)
        return PointRow(point.minute, point.question, position, "wait", "To come", due)
    state, word = _state(ground, row)
    is_open = ground.open_row() is row
    asked = ground.asked(row) if is_open else None
    return PointRow(
        minute=point.minute,
        question=point.question,
        position=position,
        state=state,
        word=word,
        due_at=due,
        opened_at=row.opened_at,
        until=asked.until if asked else None,
        asked=asked_words(ground.plan, point.position, asked.rung) if asked else "",
        who=row.answered_by,
        at=row.closed_at,
        took=took((row.closed_at - row.opened_at).total_seconds()) if row.closed_at else "",
        reason=row.reason,
        note=_note(ground, row),
        snapshot=snapshot_view(row.snapshot, row.opened_at),
    )


def _state(ground: Ground, row: Decision) -> tuple[PointState, str]:
    if row.closing == Closing.FOLDED.value:
        return "warn", "NOT ANSWERED"
    if row.answer:
        return _ANSWERED.get(row.answer, ("ok", ANSWER_WORDS[Answer(row.answer)]))
    if row.closing or ground.is_void:
        return "withdrawn", "Void"
    return ("crit", "ESCALATED") if ground.asked(row).rung is Rung.EVERYBODY else ("run", "OPEN")


def _note(ground: Ground, row: Decision) -> str:
    """How far silence went, where it went anywhere."""
    if row.escalated_by:
        return f"Escalated by {row.escalated_by}."
    if row.rung == Rung.POSITION.value:
        return ""
    point = next(each for each in ground.points if each.minute == row.minute)
    who = asked_words(ground.plan, point.position, Rung(row.rung))
    return f"Silence asked {who[:1].lower()}{who[1:]} at {hms(row.rung_since, ground.plan.timezone)}."
