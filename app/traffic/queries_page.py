"""The Switch page and its fragments, each from one read of everything the page is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, Operation, OperationCheck, Person, RosterSeat, TargetState
from app.domain.deployments import State as Course
from app.domain.operations import ADVISORY, Kind, State
from app.domain.plan import Phase, Plan
from app.domain.plan_parts import Contact, Criterion
from app.domain.plan_people import blue_stays
from app.domain.readiness import Light, Line
from app.domain.signoffs import Gate, GateVerdict, VoteState
from app.eventlog.log import versions_of
from app.signoffs.queries import gate_of
from app.traffic import queries_strip as strips
from app.traffic.queries import checks_of, last_rollback_s, latest_operation, operation_view, operations
from app.traffic.queries_break_glass import break_glass_view
from app.traffic.queries_dns import REFUSED, row_of, split_words
from app.traffic.queries_readiness import light_of
from app.traffic.queries_words import Facts, words
from app.traffic.views import (
    Act,
    BreakGlassView,
    ClockStage,
    ClockView,
    ControlStage,
    ControlView,
    CriteriaView,
    CriterionRow,
    LineState,
    LiveView,
    MovedView,
    OperationPanel,
    OperationView,
    ProofLine,
    StateView,
    StripStage,
    StripView,
    WayBackView,
)
from app.web.access import STEP_UP, Scope
from app.web.figures import UNKNOWN, age, hms, percent, thousands, took

READ_LIMIT = timedelta(seconds=15)
"""The plan's contact for a rollback that is not verified (manual, "Rollback Success Criteria")."""
_MOVED = (Course.SWITCHING, Course.SWITCHED, Course.COMPLETED)


@dataclass(frozen=True)
class Ground:
    """One consistent read. `gate` and `ready` are None where an operation of this attempt already moved traffic."""

    scope: Scope
    versions: Mapping[str, int]
    deployment: Deployment
    target: TargetState
    row: Operation | None
    operation: OperationView | None
    checks: Mapping[str, OperationCheck]
    earlier: Sequence[Operation]
    gate: Gate | None
    ready: strips.Readiness | None
    last_rollback_s: float | None
    holders: Mapping[str, tuple[str, ...]]
    light: Light
    break_glass: BreakGlassView | None
    now: datetime

    @property
    def state(self) -> Course:
        return Course(self.deployment.state)

    @property
    def plan(self) -> Plan:
        return self.scope.plan

    @property
    def phase(self) -> Phase:
        return self.plan.phase(self.deployment.phase)

    @property
    def zone(self) -> str:
        return self.plan.timezone

    @property
    def url(self) -> str:
        return f"/d/{self.scope.id}/switch"

    @property
    def act(self) -> Act:
        if self.operation is not None and self.operation.kind is Kind.ROLLBACK:
            return "rollback"
        return "switch" if self.state in _MOVED else "before"

    @property
    def within_s(self) -> float:
        return self.phase.rollback.within_s if self.phase.rollback else 30.0

    @property
    def criteria(self) -> tuple[CriterionRow, ...]:
        return strips.criteria_rows(self.criteria_specs, self.checks, self.operation)

    @property
    def criteria_specs(self) -> tuple[Criterion, ...]:
        return self.phase.rollback.criteria if self.phase.rollback else ()

    @property
    def stages(self) -> tuple[StripStage, ...]:
        if self.ready is not None:
            return strips.live_stages(self.phase.strip, self.ready)
        if self.operation is None:
            return ()
        return strips.operation_stages(self.phase.strip, self.checks, self.operation, self.zone)


async def ground_of(session: AsyncSession, scope: Scope) -> Ground:
    """Versions first: what is rendered is then never older than it says."""
    versions = await versions_of(session, scope.id)
    fresh = {"populate_existing": True}
    deployment = (
        await session.execute(select(Deployment).where(Deployment.id == scope.id).execution_options(**fresh))
    ).scalar_one()
    now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    target = await session.get_one(TargetState, deployment.target, populate_existing=True)
    row = await latest_operation(session, deployment)
    has_moved = Course(deployment.state) in _MOVED or (row is not None and row.kind == Kind.ROLLBACK)
    gate = None if has_moved else (await gate_of(session, deployment, scope.plan, scope.plan_hash, now))[0]
    return Ground(
        scope=scope,
        versions=versions,
        deployment=deployment,
        target=target,
        row=row,
        operation=operation_view(row, deployment) if row else None,
        checks=await checks_of(session, row.id) if row else {},
        earlier=[other for other in await operations(session, deployment) if row is None or other.id != row.id],
        gate=gate,
        ready=None if has_moved else await strips.readiness(session, deployment, target, scope.plan, now),
        last_rollback_s=await last_rollback_s(session, deployment.target),
        holders=await _holders(session, deployment, scope.plan),
        light=await light_of(session, deployment, target, now),
        break_glass=await break_glass_view(session, scope),
        now=now,
    )


async def _holders(session: AsyncSession, deployment: Deployment, plan: Plan) -> Mapping[str, tuple[str, ...]]:
    """Who may do what on the day: a capability to the names on its seats."""
    rows = await session.execute(
        select(RosterSeat.position, Person.name)
        .join(Person, Person.id == RosterSeat.person_id)
        .where(RosterSeat.deployment_id == deployment.id, Person.is_disabled.is_(False))
        .order_by(RosterSeat.id)
    )
    seats = list(rows)
    held = {position.key: position.capabilities for position in plan.positions}
    return {
        capability: tuple(dict.fromkeys(name for position, name in seats if capability in held.get(position, ())))
        for capability in ("arm", "switch", "rollback", "hold")
    }


def _one_of(names: Sequence[str]) -> str:
    """ "DevOps lead, DevOps 1 or DevOps 2"."""
    if len(names) < 2:
        return names[0] if names else "nobody"
    return f"{', '.join(names[:-1])} or {names[-1]}"


def live_view(ground: Ground) -> LiveView:
    operation, act = ground.operation, ground.act
    return LiveView(
        url=f"{ground.url}/_live",
        act=act,
        is_polled=ground.state is Course.ARMED,
        state=_state(ground),
        operation=_operation(ground, operation) if operation else None,
        strip=_strip(ground) if act != "rollback" else None,
        criteria=CriteriaView(ground.criteria, ground.within_s) if act == "rollback" else None,
        clock=_clock(ground, operation) if operation is not None and act == "rollback" else None,
        moved=_moved(ground),
        way_back=_way_back(ground),
        break_glass=ground.break_glass,
        history=tuple(operation_view(row, ground.deployment) for row in ground.earlier),
        zone=ground.zone,
        now=ground.now,
        versions=ground.versions,
    )


# ── headline ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _state(ground: Ground) -> StateView:
    said = words(_facts(ground))
    return StateView(
        eyebrow=f"{said.eyebrow} · {ground.scope.seat_title}",
        title=said.title,
        text=said.text,
        link=("Open the board", f"/d/{ground.scope.id}/board") if said.goal == "board" else None,
    )


def _facts(ground: Ground) -> Facts:
    stages = ground.stages if ground.ready is None else ()
    call, last = _contact(ground.plan), ground.last_rollback_s
    return Facts(
        state=ground.state,
        operation=ground.operation,
        rights=ground.scope.capabilities,
        gate_passes=ground.gate is not None and ground.gate.verdict is GateVerdict.PASSED,
        not_ready=ground.ready.not_ready if ground.ready else (),
        open_stage=strips.open_stage(stages),
        not_yes=strips.not_yes(stages),
        good=sum(row.state == "ok" for row in ground.criteria),
        total=len(ground.criteria_specs),
        blue=ground.deployment.blue_version,
        green=ground.deployment.green_version,
        phase=f"phase {ground.phase.number}",
        planned=hms(ground.deployment.planned_at, ground.zone),
        takes=f"about {age(last)}" if last is not None else "30 s at most",
        call=call.title if call else "",
        hold_reason=ground.deployment.hold_reason,
        can_arm=_one_of(ground.holders["arm"]),
        can_switch=_one_of(ground.holders["switch"]),
        can_roll_back=_one_of(ground.holders["rollback"]),
        can_reopen=_one_of(ground.holders["hold"]),
    )


def _contact(plan: Plan) -> Contact | None:
    return next(iter(plan.contacts), None)


# ── operation ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _operation(ground: Ground, operation: OperationView) -> OperationPanel:
    is_refused = operation.state is State.REFUSED
    return OperationPanel(
        operation=operation,
        chip=_chip(operation),
        kpis=() if is_refused else _kpis(operation),
        refusal=_refusal(ground) if is_refused else (),
    )


def _chip(operation: OperationView) -> tuple[str, str]:
    if operation.escalated_at is not None:
        return ("warn", "VERIFIED LATE") if operation.verified_s is not None else ("crit", "NOT CONFIRMED")
    match operation.state:
        case State.ACCEPTED:
            return ("run", "ACCEPTED")
        case State.CHECKING:
            return ("run", "CHECKING T−5")
        case State.WRITING:
            return ("run", "WRITING")
        case State.OBSERVING | State.VERIFYING:
            return _on_its_way(operation)
        case State.DONE:
            return ("ok", "Successful") if not operation.reason else ("warn", "DONE, NOT ALL YES")
        case State.REFUSED:
            return ("warn", "REFUSED, NOTHING WRITTEN")
        case State.SUPERSEDED:
            return ("withdrawn", "Superseded")
        case State.FAILED | State.ESCALATED:
            return ("crit", "FAILED")


def _on_its_way(operation: OperationView) -> tuple[str, str]:
    if operation.observed_100_s is None:
        return ("run", "FOLLOWING TRAFFIC")
    if operation.kind is Kind.ROLLBACK:
        return ("ok", "Verified") if operation.verified_s is not None else ("run", "VERIFYING")
    return ("ok", "100 % OBSERVED")


def _kpis(operation: OperationView) -> tuple[tuple[str, str], ...]:
    failed = UNKNOWN
    if operation.customers is not None:
        failed = f"{thousands(operation.customers[0])} of {thousands(operation.customers[1])}"
    probes = f"{thousands(operation.probes_agreeing)} of {thousands(operation.probes_total)}"
    return (
        ("Click to accepted", took(operation.accepted_s)),
        ("Click to 100 %", took(operation.observed_100_s)),
        ("Failed requests", failed),
        (f"Probes on {operation.side}", probes if operation.probes_total else UNKNOWN),
        ("Worker takeovers", str(operation.takeovers) if operation.takeovers else "none"),
    )


def _refusal(ground: Ground) -> tuple[tuple[str, str, str], ...]:
    """The lines that refused the switch, in the strip's order, with what was found."""
    titles = [(check.check, check.title) for stage in ground.phase.strip for check in stage.checks]
    rows = [(title, ground.checks[name]) for name, title in titles if name in ground.checks and name not in ADVISORY]
    return tuple((title, row.found, row.proof) for title, row in rows if row.state != "yes")


# ── strip and clock ───────────────────────────────────────────────────────────────────────────────────────────────


def _strip(ground: Ground) -> StripView:
    hint = "Each line is checked by machine."
    if ground.ready is not None:
        hint = "T−5 as it is now; a press asks all of it anew."
    return StripView(hint, ground.stages)


def _clock(ground: Ground, operation: OperationView) -> ClockView:
    stage, frozen_s = _clock_stage(operation, ground.within_s)
    base = f"/d/{ground.scope.id}"
    return ClockView(
        stage=stage,
        clicked_at=operation.clicked_at,
        due_at=operation.clicked_at + timedelta(seconds=ground.within_s),
        frozen_s=frozen_s,
        within_s=ground.within_s,
        call=_contact(ground.plan),
        guard_until=operation.guard_until if operation.is_running else None,
        customers=_customers(operation),
        links=(("Write a note", f"{base}/timeline"), ("Open the wall", f"{base}/wall")),
    )


def _clock_stage(operation: OperationView, within_s: float) -> tuple[ClockStage, float | None]:
    """What the clock says, and where it stopped."""
    if operation.verified_s is not None:
        return "verified", operation.verified_s
    if not operation.is_running:
        return "ended", within_s
    return ("escalated" if operation.escalated_at is not None else "running"), None


def _customers(operation: OperationView) -> tuple[tuple[str, str], ...]:
    if operation.customers is None:
        counted = "counted at the end" if operation.is_running else "nobody counts them here"
        return (("Failed requests since the press", counted),)
    failed, requests = operation.customers
    return (("Failed requests since the press", f"{thousands(failed)} of {thousands(requests)}"),)


# ── what is moved ─────────────────────────────────────────────────────────────────────────────────────────────────


def _moved(ground: Ground) -> MovedView:
    deployment, target = ground.deployment, ground.target
    spec = ground.plan.target(deployment.target)
    is_read = target.read_at is not None and ground.now - target.read_at <= READ_LIMIT and not target.read_error
    set_words = (
        "routes disagree" if target.set_blue is None else f"BLUE {target.set_blue} / GREEN {100 - target.set_blue}"
    )
    is_probed = target.probed_at is not None and ground.now - target.probed_at <= READ_LIMIT
    seen = f"BLUE {percent(target.probed_blue)}, GREEN {percent(target.probed_green)}" if is_probed else "no answer"
    dns = str(deployment.binding.get("dns", ""))
    rows = [
        (spec.title, {"before": "BLUE 100 → GREEN 100", "switch": "GREEN 100", "rollback": "BLUE 100"}[ground.act]),
        ("Set at the balancer", set_words if is_read else "not read"),
        ("Seen by probes", seen),
        *([(f"DNS {dns}", row_of(target, ground.now, ground.zone))] if dns else []),
        ("Public address", str(deployment.binding.get("public_url", "")) or UNKNOWN),
        ("BLUE", f"{deployment.blue_version}, {_warm(target, ground.now)}"),
    ]
    return MovedView(
        chip=_moved_chip(ground, is_read=is_read),
        rows=tuple(rows),
        not_undone=spec.not_undone,
        blue_stays=blue_stays(ground.plan),
    )


def _warm(target: TargetState, now: datetime) -> str:
    if target.blue_at is None or now - target.blue_at > READ_LIMIT:
        return "not checked in the last 15 s"
    return "warm" if target.blue_is_healthy else target.blue_found


def _way_back(ground: Ground) -> WayBackView | None:
    """Until traffic is back on BLUE, and for whoever arms before anything is armed."""
    if ground.state in (Course.ROLLED_BACK, Course.ABORTED):
        return None
    light = ground.light
    is_armed = ground.deployment.armed_at is not None
    chip = ("ok", "Proven") if light.is_ready else ("crit" if is_armed else "warn", "NOT PROVEN")
    return WayBackView(
        chip=chip,
        lines=tuple(_proof_line(line) for line in light.lines),
        proof_age_s=light.proof_age_s,
        drill_s=ground.last_rollback_s,
        card_url=f"/d/{ground.scope.id}/card",
        is_armed=is_armed,
    )


def _proof_line(line: Line) -> ProofLine:
    state: LineState = "ok" if line.is_ok else "crit" if line.is_ok is False else "unknown" if line.refuses else "warn"
    return ProofLine(state, line.title, line.found, "" if line.is_ok else line.remedy)


def _moved_chip(ground: Ground, *, is_read: bool) -> tuple[str, str]:
    target, deployment = ground.target, ground.deployment
    if not is_read:
        return ("unknown", "NOT READ")
    if deployment.target_configuration and target.configuration != deployment.target_configuration:
        return ("warn", "CHANGED OUTSIDE GONOGO")
    wanted = 0 if ground.act == "switch" else 100
    if target.set_blue == wanted and (split := split_words(target)):
        return ("warn" if split == REFUSED else "run", split)
    if target.set_blue == wanted:
        return ("ok", f"as intended, read {age((ground.now - (target.read_at or ground.now)).total_seconds())} ago")
    if ground.operation is not None and ground.operation.is_running:
        return ("run", "MOVING")
    return ("warn", "NOT AS INTENDED")


# ── the guarded switch ────────────────────────────────────────────────────────────────────────────────────────────


def control_view(ground: Ground, *, error: str = "") -> ControlView:
    scope, deployment, viewer = ground.scope, ground.deployment, ground.scope.viewer
    passes = ground.gate is not None and ground.gate.verdict is GateVerdict.PASSED
    stage: ControlStage = "sent" if ground.act != "before" else "closed"
    if ground.state is Course.ARMED:
        stage = "armed"
    return ControlView(
        url=ground.url,
        stage=stage,
        may_switch=scope.may("switch"),
        holders=ground.holders["switch"],
        statement=(
            f"I move all production traffic of {ground.plan.title} from BLUE {deployment.blue_version} "
            f"to GREEN {deployment.green_version} now."
        ),
        who=scope.who,
        gate=_gate_words(ground.gate),
        why_closed=words(_facts(ground)).title,
        reason="" if passes else "The gate does not pass any more: look at the board.",
        is_stepped_up=viewer.is_stepped_up,
        step_up_until=viewer.stepped_up_at + STEP_UP,
        step_up_url=f"/step-up?next={ground.url}",
        blue_version=deployment.blue_version,
        green_version=deployment.green_version,
        is_live_mode=deployment.mode == "live",
        zone=ground.zone,
        versions=ground.versions,
        error=error,
    )


def _gate_words(gate: Gate | None) -> str:
    if gate is None:
        return ""
    go = sum(line.state is VoteState.GO for line in gate.lines)
    return f"{go} of {len(gate.lines)} GO · gate {gate.verdict.value}"
