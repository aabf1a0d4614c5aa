"""The page of a canary: its shares, its gate with every line's value, what probes see, and what this person can do."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app.canary.commands import may_lead, may_speak, may_take_back
from app.canary.queries import alerts_of, judgement_of, newest_run, run_of
from app.canary.views import CanaryView, GateLine, GateMark, Press, ShareStep
from app.db.tables import CanaryRun, Deployment, Operation
from app.deployments.commands import database_now
from app.domain.canary import JUDGED, State, dwell_left_s
from app.domain.canary_alerts import Effect, effect_of
from app.domain.canary_evidence import AlertSeen
from app.domain.canary_gate import Judgement, Line, Met, Verdict
from app.domain.deployments import State as Course
from app.domain.observation import Share
from app.domain.phases import State as PhaseState
from app.domain.plan import CanaryGate, Phase
from app.domain.plan_clock import plan_now
from app.domain.signoff_words import in_sentence, listed
from app.eventlog.log import versions_of
from app.phases.commands_rows import rows_of
from app.phases.queries import phase_of
from app.web.access import NotFound, Scope
from app.web.figures import about, hms, took

ALERTS_SHOWN = 8

_WORDS: dict[State | None, tuple[str, str]] = {
    None: ("wait", "Not begun"),
    State.WAITING: ("warn", "Refused"),
    State.SHIFTING: ("run", "Shifting"),
    State.DWELLING: ("run", "Dwelling"),
    State.INCONCLUSIVE: ("unknown", "Paused"),
    State.GATE: ("wait", "At the gate"),
    State.ROLLING_BACK: ("crit", "Going back"),
    State.ROLLED_BACK: ("hold", "Rolled back"),
    State.DONE: ("ok", "Complete"),
}


async def canary_view(session: AsyncSession, scope: Scope, key: str) -> CanaryView:
    """Raises NotFound for a phase without a canary."""
    phase = phase_of(scope.plan, key)
    if not phase.canary or phase.target is None:
        raise NotFound("This phase has no canary.")
    versions = await versions_of(session, scope.id)
    deployment = await session.get_one(Deployment, scope.id, populate_existing=True)
    now = await database_now(session)
    phase_state = PhaseState((await rows_of(session, deployment, scope.plan))[key].state)
    row = await newest_run(session, scope.id, key)
    operation = await session.get(Operation, row.operation_id, populate_existing=True) if row else None
    state = run_of(row).state
    judgement = None
    if row is not None and state in JUDGED:
        judgement = await judgement_of(session, deployment, scope.plan, phase, row, now)
    mark, word = _WORDS[state]
    is_aborted = deployment.state == Course.ABORTED
    idle = _idle(phase, phase_state, is_aborted=is_aborted)
    headline, advice = _words(scope, phase, idle, row, judgement)
    return CanaryView(
        url=f"/d/{scope.id}/phases/{key}/canary/_canary",
        phase_url=f"/d/{scope.id}/phases/{key}",
        phase=f"Phase {phase.number}, {phase.title}",
        headline=headline,
        advice=advice,
        mark=mark,
        word=word,
        left=_left(phase, row),
        steps=tuple(_step(phase, number, row, judgement, deployment, now) for number in range(len(phase.canary))),
        observed=_observed(phase, row, operation),
        verdict=judgement.verdict.value if judgement else "",
        why=judgement.why if judgement else "",
        asks=judgement.asks if judgement else (),
        proceed=tuple(_proceed_line(scope, line) for line in judgement.proceed) if judgement else (),
        rollback=tuple(_rollback_line(line) for line in judgement.rollback) if judgement else (),
        alerts=await _alert_lines(session, deployment, scope, phase, row),
        presses=_presses(scope, phase, idle, row, judgement),
        version=row.version if row else 0,
        run=row.id if row else 0,
        reason=row.reason if row else "",
        now=now,
        versions=versions,
    )


def _idle(phase: Phase, state: PhaseState, *, is_aborted: bool) -> str:
    """Why no share grows; empty while one may."""
    if is_aborted:
        return "The deployment was aborted."
    return "" if state is PhaseState.RUNNING else f"Phase {phase.number} does not run."


def _words(
    scope: Scope, phase: Phase, idle: str, row: CanaryRun | None, judgement: Judgement | None
) -> tuple[str, str]:
    """State and next move, in a sentence each."""
    leads = "You go on" if may_lead(scope, phase) else "Whoever leads the phase goes on"
    if row is None:
        first = phase.canary[0].percent
        if idle:
            return "The canary has not begun", f"{idle} It begins while its phase runs."
        return f"The canary can begin with {first} %", f"{leads} by starting it; GREEN's health is checked first."
    percent = phase.canary[row.step].percent
    match State(row.state):
        case State.WAITING:
            return f"The shift to {percent} % was refused; no traffic moved", row.reason
        case State.SHIFTING:
            return f"Shifting {percent} % to GREEN", "It has arrived when probes see that share."
        case State.DWELLING:
            return f"{percent} % on GREEN: watch until the time is over", judgement.why if judgement else ""
        case State.INCONCLUSIVE:
            why = judgement.why if judgement else row.reason
            return f"Paused at {percent} %: something cannot be told", f"{why}. The dwell time stands still."
        case State.GATE:
            return _at_the_gate(percent, leads, judgement)
        case State.ROLLING_BACK:
            return "The canary goes back to 0 %", row.reason
        case State.ROLLED_BACK:
            return "The canary was rolled back: all is on BLUE", row.reason
        case State.DONE:
            stays = f"{idle} It stays so until somebody takes it back."
            advice = stays if idle else "Complete the phase when its other steps are done."
            return "The canary is complete: 100 % on GREEN", advice


def _at_the_gate(percent: int, leads: str, judgement: Judgement | None) -> tuple[str, str]:
    if judgement is not None and judgement.verdict is Verdict.PASSED:
        return f"The gate after {percent} % passed", f"{leads} to the next share."
    return f"{percent} % has stood long enough; the gate is not passed", judgement.why if judgement else ""


def _step(
    phase: Phase,
    number: int,
    row: CanaryRun | None,
    judgement: Judgement | None,
    deployment: Deployment,
    now: datetime,
) -> ShareStep:
    step = phase.canary[number]
    lasts = f"{about(step.dwell_s)} planned"
    if row is None or number > row.step:
        return ShareStep(step.percent, "ahead", lasts)
    if row.state in (State.ROLLING_BACK, State.ROLLED_BACK):
        return ShareStep(step.percent, "back", "rolled back" if number == row.step else "passed")
    if number < row.step or row.state == State.DONE:
        return ShareStep(step.percent, "past", "passed")
    left_s = dwell_left_s(run_of(row), phase)
    if row.state == State.DWELLING and judgement is not None and judgement.verdict is Verdict.INCONCLUSIVE:
        return ShareStep(step.percent, "now", "the time stands still")
    if row.state == State.DWELLING and left_s > 0:
        clock = deployment.plan_clock
        # Counted up to the last look; from there the plan clock goes on.
        seen = row.counted_at or plan_now(deployment, now)
        late_s = max(0.0, (plan_now(deployment, now) - seen).total_seconds())
        ends_at = now + timedelta(seconds=max(0.0, left_s - late_s) / clock.speed)
        return ShareStep(step.percent, "now", "dwelling", row.step_since, ends_at)
    said = {State.INCONCLUSIVE: "paused", State.GATE: "at the gate", State.SHIFTING: "shifting"}
    return ShareStep(step.percent, "now", said.get(State(row.state), "waiting"))


def _left(phase: Phase, row: CanaryRun | None) -> str:
    """The dwell times that are left by the plan. How long a gate waits for people nobody knows."""
    if row is None:
        return f"{about(sum(step.dwell_s for step in phase.canary))} by the plan, and as long as the gates take"
    if row.finished_at is not None or row.state in (State.ROLLING_BACK, State.ROLLED_BACK, State.DONE):
        return ""
    later_s = sum(step.dwell_s for step in phase.canary[row.step + 1 :])
    left_s = dwell_left_s(run_of(row), phase) + later_s
    return f"at least {about(left_s)} left by the plan" if left_s > 0 else ""


def _observed(phase: Phase, row: CanaryRun | None, operation: Operation | None) -> tuple[tuple[str, str], ...]:
    if row is None or operation is None:
        return ()
    wanted = 0 if operation.want_blue == 100 else phase.canary[row.step].percent
    share = Share(operation.probes_agreeing, operation.probes_total)
    shift = str(share)
    if wanted in (0, 100):
        side = "GREEN" if wanted else "BLUE"
        seen = operation.observed_100_at
        shift = (
            "not yet"
            if seen is None
            else f"100 % on {side} after {took((seen - operation.clicked_at).total_seconds())}"
        )
    rows = [("Wanted on GREEN", f"{wanted} %"), ("Observed at the shift", shift)]
    if row.probes_total:
        rows.append(("Observed since", str(Share(row.probes_green, row.probes_total))))
    if row.read_green is not None:
        rows.append(("Balancer reads back", f"{row.read_green} %"))
    return tuple(rows)


_PROCEED: dict[Met, tuple[GateMark, str]] = {
    Met.YES: ("ok", "Met"),
    Met.NO: ("wait", "Not met"),
    Met.UNKNOWN: ("unknown", "UNKNOWN"),
}
_ROLLBACK: dict[Met, tuple[GateMark, str]] = {
    Met.YES: ("crit", "Met"),
    Met.NO: ("ok", "No"),
    Met.UNKNOWN: ("unknown", "UNKNOWN"),
}


def _proceed_line(scope: Scope, line: Line) -> GateLine:
    mark, word = _PROCEED[line.met]
    found = line.found
    if line.waits_for:
        found = f"waits for {listed([in_sentence(scope.plan.position(key).title) for key in line.waits_for])}"
    return GateLine(line.key, mark, word, line.title, found, line.limit, _behind(line))


def _rollback_line(line: Line) -> GateLine:
    mark, word = _ROLLBACK[line.met]
    return GateLine(line.key, mark, word, line.title, line.found, line.limit, _behind(line))


_EFFECTS: dict[Effect, tuple[GateMark, str]] = {
    "back": ("crit", "Takes it back"),
    "holds": ("wait", "Holds the gate"),
    "unknown": ("unknown", "UNKNOWN"),
    "over": ("ok", "Over"),
    "none": ("hold", "Recorded"),
}


async def _alert_lines(
    session: AsyncSession, deployment: Deployment, scope: Scope, phase: Phase, row: CanaryRun | None
) -> tuple[GateLine, ...]:
    """Alerts since the newest run began; before there is one, all that came."""
    since = row.started_at if row else None
    seen = await alerts_of(session, deployment, scope.plan, phase.target or "", since)
    newest = sorted(seen, key=lambda alert: alert.at, reverse=True)[:ALERTS_SHOWN]
    lines = [_alert_line(number, alert, phase, scope, row) for number, alert in enumerate(newest, 1)]
    return tuple(sorted(lines, key=lambda line: line.mark in ("ok", "hold")))  # first what the gate makes something of


def _alert_line(number: int, alert: AlertSeen, phase: Phase, scope: Scope, row: CanaryRun | None) -> GateLine:
    effect = effect_of(phase.canary_gate or CanaryGate(), alert) if row is not None else "none"
    mark, word = _EFFECTS[effect]
    about = [part for part in ("critical" if alert.is_critical else "", alert.category) if part]
    found = f"{alert.stands} since {hms(alert.at, scope.plan.timezone)}"
    limit = ""
    if effect == "none":
        limit = "no line of the gate names it" if row is not None else "it came before the canary"
    return GateLine(f"alert-{number}", mark, word, alert.name, ", ".join([*about, found]), limit)


def _behind(line: Line) -> str:
    parts = [] if line.samples is None else ["1 sample" if line.samples == 1 else f"{line.samples} samples"]
    parts += [f"{line.age_s:.0f} s old"] if line.age_s is not None else []
    return ", ".join(parts)


def _presses(
    scope: Scope, phase: Phase, idle: str, row: CanaryRun | None, judgement: Judgement | None
) -> tuple[Press, ...]:
    """What this person can do now; what is shut for the moment says why."""
    base = f"/d/{scope.id}/phases/{phase.key}/canary"
    state = State(row.state) if row else None
    found: list[Press] = []
    if may_lead(scope, phase):
        if state in (None, State.ROLLED_BACK):
            title = f"Start with {phase.canary[0].percent} %" if state is None else "Start the canary again"
            found.append(Press("start", title, f"{base}/start", "primary" if not idle else "", idle))
        if state is State.WAITING:
            found.append(Press("go_on", "Ask for the share once more", f"{base}/go-on", "primary", idle))
        if row is not None and state in (State.DWELLING, State.INCONCLUSIVE, State.GATE):
            found += _next(phase, row, judgement, f"{base}/go-on", idle)
    if may_speak(scope, phase) and row is not None and state in JUDGED:
        if row.approved_at is None or (judgement is not None and any(line.waits_for for line in judgement.proceed)):
            percent = phase.canary[row.step].percent
            found.append(Press("approve", f"Approve {percent} %", f"{base}/approve", label="Comment"))
        found.append(
            Press("report", "Report an issue", f"{base}/report", "nogo", label="What is wrong", is_required=True,
                  says="Takes the canary back to 0 % at once.")
        )  # fmt: skip
    if may_take_back(scope, phase) and state not in (None, State.ROLLING_BACK, State.ROLLED_BACK):
        found.append(
            Press("take_back", "Roll back the canary", f"{base}/take-back", "nogo", label="Reason",
                  says="All of its traffic to BLUE, at once. Production does not move.")
        )  # fmt: skip
    return tuple(found)


def _next(phase: Phase, row: CanaryRun, judgement: Judgement | None, url: str, idle: str) -> list[Press]:
    if row.step == len(phase.canary) - 1:
        return []  # it ends by itself when the last gate passed
    title = f"Go on to {phase.canary[row.step + 1].percent} %"
    closed = idle
    if row.state != State.GATE:
        closed = "The dwell time is not over." if row.state == State.DWELLING else "Something cannot be told."
    elif judgement is None or judgement.verdict is not Verdict.PASSED:
        closed = judgement.why if judgement else "The gate is not passed."
    return [Press("go_on", title, url, "" if closed else "primary", closed)]
