"""THE table: which event asks for which job. The job is written in the transaction of the event."""

from collections.abc import Mapping
from typing import Any

from app.domain.deployments import Change
from app.eventlog.log import Reaction
from app.jobs.queue import ROLLBACK_QUEUE, SCRIPT_QUEUE, TRAFFIC_QUEUE, JobRequest
from app.traffic.commands import SHIFT, SHIFT_BACK

DRIVE = "traffic.drive"
RUN_SCRIPT = "scripts.run"


def _drive(payload: Mapping[str, Any]) -> tuple[JobRequest, ...]:
    return (JobRequest(DRIVE, TRAFFIC_QUEUE, {"operation_id": payload["operation"]}),)


def _drive_back(payload: Mapping[str, Any]) -> tuple[JobRequest, ...]:
    return (JobRequest(DRIVE, ROLLBACK_QUEUE, {"operation_id": payload["operation"]}),)


def _run_script(payload: Mapping[str, Any]) -> tuple[JobRequest, ...]:
    return (JobRequest(RUN_SCRIPT, SCRIPT_QUEUE, {"run_id": payload["run"]}),)


TABLE: dict[str, Reaction] = {
    Change.SWITCH.value: _drive,
    Change.ROLL_BACK.value: _drive_back,
    SHIFT: _drive,
    SHIFT_BACK: _drive_back,
    "scripts.requested": _run_script,
    # Whoever has it ends it anyway; one that nobody has begun is recorded as over by the first worker that hears of it.
    "scripts.abort.asked": _run_script,
}
