"""Reads of the board: the votes with what became of them, the gate with what is missing, the team, the headline."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.canary.queries_left import after_abort, before_abort, left_on_green
from app.checklists.queries import production_checklist, progress, states_of
from app.checklists.queries_machine import facts_of
from app.db.tables import CanaryRun, ChecklistState, Deployment, Signoff
from app.domain.deployments import State
from app.domain.plan import Plan, Question
from app.domain.sides import Release
from app.domain.signoff_words import advice, board_headline, change_words, missing_words, tally
from app.domain.signoffs import Binding, Difference, Gate, GateVerdict, VoteLine, VoteState, evaluate, fingerprint
from app.eventlog.log import versions_of
from app.signoffs.queries import VOTING, binding_from, gate_on, standing_votes
from app.signoffs.views import Board, Change, GateView, HeadlineView, Rights, TeamView, Told, VoteRow, VotesView
from app.web.access import Scope

_LAMPS = {
    VoteState.WAITING: "wait",
    VoteState.GO: "go",
    VoteState.NO_GO: "nogo",
    VoteState.OUTDATED: "outdated",
    VoteState.EXPIRED: "expired",
}


@dataclass(frozen=True)
class Ground:
    """Everything the board's fragments are made from, read in one transaction. `ended`: the newest vote of each
    question that was withdrawn or expired. `shown`: the fingerprint of `binding`."""

    scope: Scope
    versions: Mapping[str, int]
    deployment: Deployment
    gate: Gate
    binding: Binding
    checklist: Mapping[str, ChecklistState]
    ended: Mapping[str, Signoff]
    now: datetime
    left: Sequence[CanaryRun]
    """Canaries that may have left traffic on GREEN."""

    @property
    def state(self) -> State:
        return State(self.deployment.state)

    @property
    def own(self) -> frozenset[str]:
        """The questions of this person's seats."""
        return frozenset(
            line.question.key for line in self.gate.lines if line.question.position in self.scope.positions
        )


async def ground_of(session: AsyncSession, scope: Scope) -> Ground:
    """Versions first: what is rendered is then never older than it says."""
    versions = await versions_of(session, scope.id)
    deployment = await session.get_one(Deployment, scope.id)
    now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    checklist = await states_of(session, deployment)
    binding = binding_from(deployment, scope.plan, scope.plan_hash, checklist)
    gate = await gate_on(session, deployment, scope.plan, binding, now)
    if State(deployment.state) not in VOTING:
        gate = await _frozen(session, scope.plan, deployment, gate)
    ended = await session.scalars(
        select(Signoff)
        .where(
            Signoff.deployment_id == deployment.id,
            Signoff.attempt == deployment.attempt,
            Signoff.end_reason.in_(("withdrawn", "expired")),
        )
        .order_by(Signoff.ended_at)
    )
    left = await left_on_green(session, scope.id, scope.plan)
    by_question = {row.question: row for row in ended}
    return Ground(scope, versions, deployment, gate, binding, checklist, by_question, now, left)


async def _frozen(session: AsyncSession, plan: Plan, deployment: Deployment, gate: Gate) -> Gate:
    """From the switch on the votes are what they were when it was accepted: nothing later outdates them."""
    spec = plan.production.signoffs
    lines: list[VoteLine] = []
    for vote in await standing_votes(session, deployment):
        if spec is not None:
            holders = {vote.position: frozenset({vote.person_id})}
            found = evaluate(spec, [vote], vote.bound_to, holders, vote.cast_at)
            lines += [line for line in found.lines if line.question.key == vote.question]
    known = {line.question.key: line for line in lines}
    merged = tuple(known.get(line.question.key, line) for line in gate.lines)
    missing = tuple(line for line in merged if line.state is not VoteState.GO)
    return Gate(GateVerdict.PENDING if missing else GateVerdict.PASSED, merged, missing, gate.same_person)


async def board(session: AsyncSession, scope: Scope) -> Board:
    ground = await ground_of(session, scope)
    return Board(headline_view(ground), votes_view(ground), gate_view(ground), await team_view(session, scope))


# ── votes ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def votes_view(ground: Ground) -> VotesView:
    scope, deployment = ground.scope, ground.deployment
    return VotesView(
        url=f"/d/{scope.id}/board",
        rows=said_once([_row(ground, line) for line in ground.gate.lines]),
        attempt=deployment.attempt,
        is_open=ground.state in VOTING,
        shown=fingerprint(ground.binding),
        plan_name=f"{scope.plan.key}@{scope.plan_hash[:8]}",
        blue=(deployment.blue_version, Release("", deployment.blue_digest).short_digest),
        green=(deployment.green_version, Release("", deployment.green_digest).short_digest),
        target=ground.binding["target"][:12],
        needs_step_up=not scope.viewer.is_stepped_up,
        zone=scope.plan.timezone,
        now=ground.now,
        versions=ground.versions,
    )


def _row(ground: Ground, line: VoteLine) -> VoteRow:
    scope, question, vote = ground.scope, line.question, line.vote
    is_open = ground.state in VOTING
    is_you = question.key in ground.own
    ended = ground.ended.get(question.key)
    title = scope.plan.position(question.position).title
    if vote is None and ended is not None:
        return _ended_row(question, ended, title, is_you=is_you, has_ballot=is_you and is_open)
    is_settled = line.state is VoteState.GO
    return VoteRow(
        key=question.key,
        position=title,
        question=question.text,
        state=_LAMPS[line.state],
        is_you=is_you,
        has_ballot=is_you and is_open and not is_settled,
        can_withdraw=is_open and vote is not None and vote.person_id == scope.viewer.person_id,
        comment=vote.comment if vote else "",
        by=_name(vote.who, title) if vote else "",
        at=vote.cast_at if vote else None,
        counts_until=vote.expires_at if vote and is_settled and is_open else None,
        changes=tuple(_change(ground, difference) for difference in line.differences),
    )


def said_once(rows: Sequence[VoteRow]) -> tuple[VoteRow, ...]:
    """The same rows, but each change stands at one vote only: at one's own, else at the first. The others name it."""
    at: dict[Change, VoteRow] = {}
    for row in sorted(rows, key=lambda row: not row.is_you):
        for change in row.changes:
            at.setdefault(change, row)
    return tuple(_without_told(row, at) for row in rows)


def _without_told(row: VoteRow, at: Mapping[Change, VoteRow]) -> VoteRow:
    own = tuple(change for change in row.changes if at[change] is row)
    counts = Counter(at[change].key for change in row.changes if at[change] is not row)
    there = {other.key: other for other in at.values()}
    told = tuple(Told(count, key, there[key].position, there[key].is_you) for key, count in counts.items())
    return replace(row, changes=own, told=told)


def _ended_row(question: Question, ended: Signoff, title: str, *, is_you: bool, has_ballot: bool) -> VoteRow:
    return VoteRow(
        key=question.key,
        position=title,
        question=question.text,
        state=ended.end_reason,
        is_you=is_you,
        has_ballot=has_ballot,
        can_withdraw=False,
        comment=ended.comment,
        by=_name(ended.who, title),
        at=ended.ended_at,
    )


def _name(who: str, title: str) -> str:
    """The person's name; the position stands beside it already."""
    return who.removesuffix(f", {title}")


def _change(ground: Ground, difference: Difference) -> Change:
    what, before, after = change_words(ground.scope.plan, difference)
    kind, _, item = difference.part.partition(".")
    row = ground.checklist.get(item) if kind == "checklist" else None
    if row is None:
        return Change(what, before, after)
    verb = {"done": "Confirmed", "open": "Reopened", "failed": "Marked as failed"}[row.state]
    moment = row.at.astimezone(ZoneInfo(ground.scope.plan.timezone))
    why = f": {row.evidence}" if row.state == "open" and row.evidence else ""
    return Change(what, before, after, f"{verb} at {moment:%H:%M:%S} by {row.who}{why}")


# ── gate ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def gate_view(ground: Ground) -> GateView:
    scope, deployment, gate = ground.scope, ground.deployment, ground.gate
    rows = [(_row(ground, line).state, scope.plan.position(line.question.position).short) for line in gate.lines]
    verdict, word = _verdict(ground)
    return GateView(
        url=f"/d/{scope.id}",
        stage=ground.state.value,
        verdict=verdict,
        word=word,
        pips=tuple(rows),
        missing=_missing(ground),
        closed=_closed(ground),
        closes_at=_closes_at(ground) if ground.state is State.PREPARING else None,
        planned_at=deployment.planned_at,
        phase=f"phase {scope.plan.production.number}",
        reason=deployment.hold_reason,
        leaves=_leaves(ground),
        held_by=deployment.held_by,
        since=deployment.state_since,
        rights=Rights(
            proceed=scope.may("proceed"), arm=scope.may("arm"), hold=scope.may("hold"), switch=scope.may("switch")
        ),
        arms=_titles(scope.plan, "arm"),
        leads=_titles(scope.plan, "proceed"),
        holds=_titles(scope.plan, "hold"),
        needs_step_up=not scope.viewer.is_stepped_up,
        zone=scope.plan.timezone,
        now=ground.now,
        versions=ground.versions,
    )


def _leaves(ground: Ground) -> str:
    said = after_abort if ground.state is State.ABORTED else before_abort
    return said(ground.scope.plan, ground.left)


def _verdict(ground: Ground) -> tuple[str, str]:
    """The big word. On hold is HOLD whatever the votes say; once traffic moves there is nothing left to decide."""
    state, verdict = ground.state, ground.gate.verdict
    if state in (State.ON_HOLD, State.ABORTED):
        return "hold", "HOLD" if state is State.ON_HOLD else "ABORTED"
    if state is State.ROLLED_BACK:
        return "hold", "ROLLED BACK"
    match verdict:
        case GateVerdict.PASSED:
            return "go", "GO"
        case GateVerdict.FAILED:
            return "hold", "HOLD"
        case GateVerdict.PENDING:
            return "wait", "WAITING"


def _missing(ground: Ground) -> tuple[tuple[str, str], ...]:
    """NO-GO first: it is what holds."""
    gate, plan = ground.gate, ground.scope.plan
    order = sorted(gate.missing, key=lambda line: line.state is not VoteState.NO_GO)
    lines = [
        (_row(ground, line).state, missing_words(plan, line, is_yours=line.question.key in ground.own))
        for line in order
    ]
    lines += [("nogo", f"{name} gave more than one vote.") for name in gate.same_person]
    return tuple(lines)


def _closed(ground: Ground) -> str:
    """Why Proceed is closed, as one sentence for whoever focuses it; empty when it is open. The list stands above."""
    if ground.gate.verdict is GateVerdict.PASSED:
        return ""
    found = tally(ground.gate)
    return f"Opens when all are GO. Now: {found}."


def _closes_at(ground: Ground) -> datetime | None:
    spec = ground.scope.plan.production.signoffs
    if spec is None:
        return None
    return max(ground.deployment.planned_at, ground.deployment.gate_opened_at) + timedelta(seconds=spec.expires_after_s)


def _titles(plan: Plan, capability: str) -> str:
    found = [position.title for position in plan.positions if capability in position.capabilities]
    return " or ".join(found) or "nobody"


# ── team and headline ─────────────────────────────────────────────────────────────────────────────────────────────


async def team_view(session: AsyncSession, scope: Scope) -> TeamView:
    versions = await versions_of(session, scope.id)
    deployment = await session.get_one(Deployment, scope.id)
    now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    facts = await facts_of(session, deployment, scope.plan, now)
    checklist = production_checklist(scope.plan)
    states = await states_of(session, deployment)
    rows = progress(scope.plan, checklist, states, facts) if checklist else ()
    total = (checklist.title, sum(row[1] for row in rows), sum(row[2] for row in rows)) if checklist else None
    return TeamView(
        f"/d/{scope.id}/board/_team", facts.team.present, facts.team.required, facts.team.absent, total, rows, versions
    )


def headline_view(ground: Ground) -> HeadlineView:
    scope, deployment = ground.scope, ground.deployment
    title = board_headline(scope.plan, ground.state, ground.gate, scope.capabilities, deployment.hold_reason)
    text = advice(scope.plan, ground.state, ground.gate, ground.own)
    return HeadlineView(f"/d/{scope.id}/board/_headline", title, text, ground.versions)
