"""The briefing: where the day is, for executives and everybody else who is told of it. Read only; nothing to press."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, PhaseRun, TargetState
from app.domain.deployments import State
from app.domain.phases import OVER
from app.domain.phases import State as PhaseState
from app.domain.plan import Plan
from app.domain.plan_clock import plan_now
from app.domain.sides import Side
from app.domain.signoff_words import in_sentence
from app.eventlog.log import versions_of
from app.incidents.queries_reports import reports_now
from app.metrics.queries import latest
from app.overview.mission import traffic_of
from app.overview.queries_brief_open import costs_of, follows_of, matters_of, rank, whom_to_ask
from app.overview.queries_brief_words import customers_rows, experience_of, measures_of, verdict_of, vote_line
from app.overview.queries_panels import customers as counted_customers
from app.overview.views_brief import BriefLine, BriefMark, BriefPhase, BriefView, Serving, Tone
from app.phases.commands_rows import rows_of
from app.phases.queries_day import day_view
from app.phases.queries_span import when
from app.phases.views import PhaseLine
from app.signoffs.queries_board import ground_of
from app.web.access import Scope
from app.web.figures import age, day, hms, percent

_PHASE_MARKS: Mapping[str, BriefMark] = {
    "wait": "wait",
    "run": "run",
    "hold": "hold",
    "ok": "ok",
    "withdrawn": "wait",
    "nogo": "crit",
}
_PHASE_WORDS = {
    "wait": "To come",
    "run": "Under way",
    "hold": "On hold",
    "ok": "Done",
    "withdrawn": "Left out",
    "nogo": "Called off",
}
_ON_NEW = (State.SWITCHED, State.COMPLETED)


async def brief(session: AsyncSession, scope: Scope, *, is_page: bool) -> BriefView:
    """Everything in one read. Versions first: what is rendered is then never older than it says."""
    versions = await versions_of(session, scope.id)
    ground = await ground_of(session, scope)
    plan, deployment, now = scope.plan, ground.deployment, ground.now
    state = State(deployment.state)
    lines = (await day_view(session, scope)).lines
    rows = await rows_of(session, deployment, plan)
    target = await session.get_one(TargetState, deployment.target, populate_existing=True)
    serving = _serving(deployment, target, now)
    panel = await counted_customers(session, scope, deployment, now)
    measures = measures_of(plan, await latest(session, deployment, plan, now), _side(serving, state))
    reports, told = await reports_now(session, scope.id)
    matters = await matters_of(session, scope, deployment, reports, now)
    experience = experience_of(panel, measures, reports)
    order = [phase for phase in plan.phases if phase.kind != "rollback"]
    shares = [_share(deployment, rows[phase.key], phase.duration_s, now) for phase in order]
    headline, lead, tone = _headline(deployment, plan, lines, matters, experience)
    return BriefView(
        url=f"/d/{scope.id}/brief/_brief{'?page=1' if is_page else ''}",
        is_page=is_page,
        tone=tone,
        headline=headline,
        lead=lead,
        serving=serving,
        percent=round(100 * sum(shares) / len(shares)) if shares else 0,
        done=sum(PhaseState(rows[phase.key].state) in OVER for phase in order),
        total=len(order),
        phases=tuple(_phase(line) for line in lines if line.mark != "wait" or plan.phase(line.key).kind != "rollback"),
        verdict=verdict_of(ground.gate, state),
        votes=tuple(vote_line(plan, line) for line in ground.gate.lines),
        experience=experience,
        customers=customers_rows(panel, reports, told),
        measures=measures,
        matters=matters,
        costs=await costs_of(session, deployment, panel, lines),
        follows=follows_of(deployment, plan, lines, now),
        ask=await whom_to_ask(session, scope.id, plan),
        print_head=_print_head(scope, deployment, now),
        zone=plan.timezone,
        now=now,
        versions=versions,
    )


def _print_head(scope: Scope, deployment: Deployment, now: datetime) -> str:
    zone = scope.plan.timezone
    what = "LIVE" if deployment.mode == "live" else "REHEARSAL"
    return (
        f"{what} · {deployment.title} {deployment.blue_version} → {deployment.green_version} · briefing at "
        f"{hms(now, zone)} {zone}, {day(now, zone)} · plan {scope.plan.key}@{scope.plan_hash[:8]}"
    )


# ── where we are ──────────────────────────────────────────────────────────────────────────────────────────────────


def _share(deployment: Deployment, row: PhaseRun, planned_s: float, now: datetime) -> float:
    """How far a phase is, 0…1: all of it once it is over, else by the time that was planned for it and never all."""
    if PhaseState(row.state) in OVER:
        return 1.0
    if row.started_at is None:
        return 0.0
    return min(0.95, max(0.0, (plan_now(deployment, now) - row.started_at).total_seconds() / planned_s))


def _serving(deployment: Deployment, target: TargetState, now: datetime) -> Serving:
    seen = traffic_of(target, now)
    old, new, age_s = seen.observed_blue, seen.observed_green, seen.observed_age_s
    names = {"old": f"the old version {deployment.blue_version}", "new": f"the new version {deployment.green_version}"}
    if old is None or new is None:
        since = "" if age_s is None else f"; last known {age(age_s)} ago"
        return Serving(None, None, age_s, f"Which version customers are on is not known at this moment{since}.")
    if new == 0 or old == 0:
        return Serving(old, new, age_s, f"Everybody is on {names['old'] if new == 0 else names['new']}.")
    return Serving(old, new, age_s, f"{percent(old)} are on {names['old']}, {percent(new)} on {names['new']}.")


def _side(serving: Serving, state: State) -> Side:
    if serving.new is not None:
        return Side.GREEN if serving.new >= 50 else Side.BLUE
    return Side.GREEN if state in _ON_NEW else Side.BLUE


def _headline(
    deployment: Deployment,
    plan: Plan,
    lines: tuple[PhaseLine, ...],
    matters: tuple[BriefLine, ...],
    experience: BriefLine,
) -> tuple[str, str, Tone]:
    state = State(deployment.state)
    old, new = f"the old version {deployment.blue_version}", f"the new version {deployment.green_version}"
    reason = deployment.hold_reason.rstrip(".")
    planned = f"The change to {new} is planned for {when(deployment.planned_at, plan.timezone)}."
    running = next(
        (line for line in lines if line.mark in ("run", "hold") and line.number != plan.production.number), None
    )
    if running is not None and state in (State.PREPARING, State.ON_HOLD):
        planned = f"Under way: {in_sentence(running.title)}. {planned}"
    words = {
        State.PREPARING: (f"Preparing: customers use {old}", planned),
        State.PROCEEDED: (f"The team has decided to go: {new} comes next", f"Customers use {old} until then."),
        State.ARMED: (f"Ready: {new} can be switched on at any moment", f"Customers use {old} until then."),
        State.SWITCHING: (f"Switching customers to {new} now", "It takes seconds, and can be taken back at once."),
        State.SWITCHED: (f"Customers are on {new}", "The team watches it and can take it back at once."),
        State.ROLLING_BACK: (f"Going back to {old} now", "It takes seconds."),
        State.ROLLED_BACK: (f"Back on {old}", "The team looks for the cause; another attempt needs everybody's yes."),
        State.ON_HOLD: (f"On hold: customers use {old}", f"{reason}. {planned}" if reason else planned),
        State.COMPLETED: (f"Done: {new} is live", "The old one stays ready to go back to."),
        State.ABORTED: (f"Called off: customers use {old}", f"{reason}." if reason else ""),
    }
    said, lead = words[state]
    worst = min((each.mark for each in (*matters, experience)), key=rank, default="ok")
    tone: Tone = "crit" if worst == "crit" else "warn" if worst in ("warn", "hold") else "calm"
    if tone == "calm" and experience.mark == "ok" and state in _ON_NEW:
        said += "; all is well"
    return said[:1].upper() + said[1:], lead, tone


def _phase(line: PhaseLine) -> BriefPhase:
    span = line.span
    off = [f"{span.late} late"] if span.late else []
    off += [f"{span.over} longer than planned"] if span.over else []
    return BriefPhase(
        key=line.key,
        name=f"{line.number}. {line.title}",
        mark=_PHASE_MARKS[line.mark],
        word=_PHASE_WORDS[line.mark],
        planned=f"{span.planned or 'After the one before'} ({span.planned_for})",
        actual=span.actual,
        off=", ".join(off),
    )
