"""Begin a drill: a range of its own, the drill in it, and its result as the last line."""

import asyncio
import json
import tempfile
from pathlib import Path

from app.domain.plan import Plan
from app.drill.pace import MAX, NoPace, read_pace
from app.drill.run import AWS_FAULTS, FAULTS, Drill
from app.drill.team import Result
from app.drill.whole_day import WholeDay
from app.providers.plan_yaml import read_plan
from app.rehearsal.site_file import TARGETS, is_target
from app.rehearsal.supervisor import Installation, StartFailed
from app.seed import PLAN_FILE

BASE_PORT = 8500
PHASES = ("production", "all")


def run_drill(
    *,
    fault: str = "",
    data: Path | None = None,
    customers: int = 60,
    target: str = "agent",
    phases: str = "production",
    speed: str = "max",
    plan: tuple[Plan, Path] | None = None,
) -> int:
    """Start a range of its own, drill, print the result. Returns the exit code. `plan` and its file are what is
    rehearsed; ALAWAEL without it. `speed` is of the whole day's plan clock: `max`, or a factor (drill.pace)."""
    if not is_target(target):
        return _refuse(f"unknown target {target!r}; one of {', '.join(TARGETS)}")
    refusal = _refusal(fault, target, phases, speed)
    if refusal:
        return _refuse(refusal)
    rehearsed = plan[0] if plan else read_plan(PLAN_FILE)
    try:
        pace = read_pace(speed, rehearsed)
    except NoPace as error:
        return _refuse(str(error))
    with tempfile.TemporaryDirectory(prefix="gonogo-drill-") as folder:
        installation = Installation(
            data or Path(folder), base_port=BASE_PORT, customers_rps=customers, target=target, plan=plan
        )
        try:
            with installation:
                drill = (
                    WholeDay(installation, rehearsed, pace) if phases == "all" else Drill(installation, fault, target)
                )
                result = asyncio.run(drill.run())
        except StartFailed as error:
            result = {"ok": False, "fault": fault, "error": str(error)}
    result["target"] = target
    _print_result(result)
    return 0 if result["ok"] else 1


def _refuse(why: str) -> int:
    _print_result({"ok": False, "error": why})
    return 2


def _refusal(fault: str, target: str, phases: str, speed: str) -> str:
    """Why such a drill cannot begin; empty if it can."""
    if fault not in FAULTS:
        return f"unknown fault {fault!r}; one of {', '.join(FAULTS[1:])}"
    if fault in AWS_FAULTS and target != "aws":
        return f"the fault {fault} needs the target aws"
    if phases not in PHASES:
        return f"unknown phases {phases!r}; one of {', '.join(PHASES)}"
    if speed != MAX and phases != "all":
        return "only the whole day has a speed: PHASES=all SPEED=60"
    if phases == "all" and (fault or target != "agent"):
        return "the whole day is drilled without a fault, on the target agent"
    return ""


def _print_result(result: Result) -> None:
    print(json.dumps(result, ensure_ascii=False), flush=True)
