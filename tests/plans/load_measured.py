"""Reads plans in a process of its own and says what each cost; for tests of hostile ones.

Standard input: a JSON object of texts by name. Standard output: a JSON object by name of seconds of computing, the
seconds that the small plan took right before and after, MiB that the process grew to beyond what it had before, and
the problems' lines, columns and messages.
"""

import gc
import json
import sys
import time
from pathlib import Path

from app.domain.plan_problems import PlanInvalid
from app.providers.plan_yaml import load_plan

MINIMAL = (Path(__file__).parent / "minimal.yaml").read_text(encoding="utf-8")


def mebibytes(field: str) -> float:
    """`VmRSS` (now) or `VmHWM` (highest since the last reset) of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024


def yardstick() -> float:
    """Seconds of computing that the small plan takes now: more on a slow machine, and on a busy one."""
    started = time.process_time()
    load_plan(MINIMAL, "minimal.yaml")
    return time.process_time() - started


def cost_of(text: str) -> dict[str, object]:
    gc.collect()
    small = yardstick()
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    before, started = mebibytes("VmRSS"), time.process_time()
    problems: list[list[object]] = []
    try:
        load_plan(text, "hostile.yaml")
    except PlanInvalid as invalid:
        problems = [[problem.line, problem.column, problem.message] for problem in invalid.problems]
    seconds = time.process_time() - started
    grown = mebibytes("VmHWM") - before
    return {"seconds": seconds, "yardstick": (small + yardstick()) / 2, "mebibytes": grown, "problems": problems}


if __name__ == "__main__":
    json.dump({name: cost_of(text) for name, text in json.load(sys.stdin).items()}, sys.stdout)
