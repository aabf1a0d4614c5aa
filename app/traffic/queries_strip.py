"""The switch, second by second, and the rollback's criteria: what was found, or at T−5 what would be found now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, OperationCheck, TargetState
from app.domain.metrics import Verdict
from app.domain.operations import ADVISORY, HEALTH_LIMIT, Kind
from app.domain.plan import Plan
from app.domain.plan import StripStage as StageSpec
from app.domain.plan_parts import Criterion
from app.metrics.queries import latest
from app.ports.operations import TeamNow
from app.traffic.store import team_of
from app.traffic.views import CriterionRow, LineState, OperationView, StageState, StripLine, StripStage
from app.web.figures import MINUS, hms, hms_milli, took

READ_LIMIT = timedelta(seconds=15)
_LINE: Mapping[str, LineState] = {"yes": "ok", "no": "crit", "unknown": "unknown"}


def at_words(at_s: int) -> str:
    """ "T−5", "T−0", "T+30"."""
    return f"T{'+' if at_s > 0 else MINUS}{abs(at_s)}"


@dataclass(frozen=True, slots=True)
class Readiness:
    """What T−5 would find now, by the check's name."""

    lines: Mapping[str, StripLine]

    @property
    def not_ready(self) -> tuple[str, ...]:
        """What would refuse a press, in words."""
        return tuple(
            line.proof
            for name, line in self.lines.items()
            if name not in ADVISORY and line.state in ("crit", "unknown")
        )


async def readiness(
    session: AsyncSession, deployment: Deployment, target: TargetState, plan: Plan, now: datetime
) -> Readiness:
    """From what the watch and the collector last found; the press itself asks everything anew."""
    readings = await latest(session, deployment, plan, now)
    titles = {metric.key: metric.title for metric in plan.metrics}
    dark = [f"{titles[key]} of {side}" for (key, side), seen in readings.items() if seen.verdict is Verdict.UNKNOWN]
    oldest = max((seen.age_s or 0.0 for seen in readings.values()), default=0.0)
    team = await team_of(session, deployment, plan, now)
    return Readiness(
        {
            "green_healthy": _health_line(target, now, plan.timezone),
            "balancer_ready": _balancer_line(deployment, target, now, plan.timezone),
            "monitoring_live": _monitoring_line(len(readings), dark, oldest),
            "team_present": _team_line(team),
        }
    )


def _health_line(target: TargetState, now: datetime, zone: str) -> StripLine:
    if target.green_at is None or now - target.green_at > HEALTH_LIMIT:
        limit = round(HEALTH_LIMIT.total_seconds())
        age = f"GREEN's last health check is older than {limit} s" if target.green_at else "GREEN was not checked yet"
        return StripLine("", "unknown", age)
    if not target.green_is_healthy:
        return StripLine(
            "",
            "crit",
            f"GREEN is not healthy: {target.green_found.removeprefix('unhealthy, ')}",
            hms(target.green_at, zone),
        )
    return StripLine("", "ok", target.green_found, hms(target.green_at, zone))


def _balancer_line(deployment: Deployment, target: TargetState, now: datetime, zone: str) -> StripLine:
    if target.read_error:
        return StripLine("", "unknown", f"the balancer does not answer: {target.read_error}")
    if target.read_at is None or now - target.read_at > READ_LIMIT:
        return StripLine("", "unknown", "the balancer was not read in the last 15 s")
    at = hms(target.read_at, zone)
    if deployment.target_configuration and target.configuration != deployment.target_configuration:
        return StripLine("", "crit", "the target was changed outside gonogo", at)
    if target.set_blue != 100:
        found = "its routes disagree" if target.set_blue is None else f"it is set to BLUE {target.set_blue}"
        return StripLine("", "crit", f"the balancer is not all on BLUE: {found}", at)
    return StripLine("", "ok", "read back BLUE 100", at)


def _monitoring_line(count: int, dark: list[str], oldest_s: float) -> StripLine:
    if dark or not count:
        more = f" and {len(dark) - 2} more" if len(dark) > 2 else ""
        return StripLine("", "crit", f"no fresh reading: {', '.join(dark[:2]) or 'no metric is read'}{more}")
    return StripLine("", "ok", f"{count} readings, none older than {took(max(oldest_s, 0.1))}")


def _team_line(team: TeamNow) -> StripLine:
    if team.missing:
        return StripLine("", "warn", f"not seen in 10 min: {', '.join(team.missing)}")
    return StripLine("", "ok", "all who sign off were seen in 10 min")


# ── stages ────────────────────────────────────────────────────────────────────────────────────────────────────────


def live_stages(specs: tuple[StageSpec, ...], ready: Readiness) -> tuple[StripStage, ...]:
    """Before the press: T−5 as it would be now, everything else to come."""
    stages: list[StripStage] = []
    for spec in specs:
        known = spec.at_s < 0
        lines = tuple(_titled(ready.lines.get(check.check) if known else None, check.title) for check in spec.checks)
        state: StageState = "done" if known else "wait"
        if any(line.state == "crit" for line in lines):
            state = "failed"
        stages.append(StripStage(at_words(spec.at_s), spec.title, state, lines))
    return tuple(stages)


def _titled(line: StripLine | None, title: str) -> StripLine:
    return StripLine(title, "wait") if line is None else StripLine(title, line.state, line.proof, line.time)


def operation_stages(
    specs: tuple[StageSpec, ...], checks: Mapping[str, OperationCheck], operation: OperationView, zone: str
) -> tuple[StripStage, ...]:
    """What the operation found. The first stage with an open line is the one that runs."""
    stages: list[StripStage] = []
    has_running = not operation.is_running
    for spec in specs:
        found = [checks.get(check.check) for check in spec.checks]
        is_open = any(row is None for row in found)
        runs = is_open and not has_running
        has_running = has_running or is_open
        lines = tuple(
            _line(check.title, check.check, row, zone, runs=runs) for check, row in zip(spec.checks, found, strict=True)
        )
        stages.append(
            StripStage(at_words(spec.at_s), spec.title, _stage_state(lines, is_open=is_open, runs=runs), lines)
        )
    return tuple(stages)


def _stage_state(lines: tuple[StripLine, ...], *, is_open: bool, runs: bool) -> StageState:
    if any(line.state == "crit" for line in lines):
        return "failed"
    if runs:
        return "run"
    return "wait" if is_open else "done"


def _line(title: str, name: str, row: OperationCheck | None, zone: str, *, runs: bool) -> StripLine:
    if row is None:
        return StripLine(title, "run" if runs else "wait")
    state = _LINE[row.state]
    if state == "crit" and name in ADVISORY:
        state = "warn"
    proof = row.proof if state == "ok" and row.proof else f"{row.found}; {row.proof}" if row.proof else row.found
    return StripLine(title, state, proof, hms_milli(row.at, zone))


def open_stage(stages: tuple[StripStage, ...]) -> str:
    """The title of the stage that runs, or of the next one; empty when all are answered."""
    is_open = ("run", "wait")
    found = next((stage for stage in stages if any(line.state in is_open for line in stage.checks)), None)
    return f"{found.title.rstrip('?').lower()}, {found.at}" if found else ""


def not_yes(stages: tuple[StripStage, ...]) -> tuple[str, ...]:
    """The titles of the lines that did not say YES, advisory ones left out."""
    return tuple(line.title for stage in stages for line in stage.checks if line.state in ("crit", "unknown"))


# ── criteria ──────────────────────────────────────────────────────────────────────────────────────────────────────


def criteria_rows(
    criteria: tuple[Criterion, ...], checks: Mapping[str, OperationCheck], operation: OperationView | None
) -> tuple[CriterionRow, ...]:
    """The seven questions. Until the time is up a NO is still being checked, and shown so; then it is a NO."""
    if operation is None or operation.kind is not Kind.ROLLBACK:
        return ()
    is_settled = operation.escalated_at is not None or not operation.is_running
    return tuple(_criterion(spec, checks.get(spec.check), operation, is_settled=is_settled) for spec in criteria)


def _criterion(
    spec: Criterion, row: OperationCheck | None, operation: OperationView, *, is_settled: bool
) -> CriterionRow:
    if row is None:
        if not operation.is_running:
            return CriterionRow(spec.check, "unknown", spec.title, "was never answered")
        return CriterionRow(spec.check, "run" if operation.accepted_s is not None else "wait", spec.title)
    second = took(max(0.0, (row.at - operation.clicked_at).total_seconds()))
    if row.state == "yes":
        return CriterionRow(spec.check, "ok", spec.title, row.proof, row.found, second)
    if not is_settled:
        return CriterionRow(spec.check, "run", spec.title, row.proof, row.found)
    return CriterionRow(spec.check, _LINE[row.state], spec.title, row.proof, row.found, second)
