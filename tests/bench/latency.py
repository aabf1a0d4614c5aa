"""The switch and the rollback where each call to the cloud takes 200 ms and one in ten is throttled (the simulated AWS
with its front's faults; a throttled answer takes as long as any other).

A round takes some 14 s, 12 of which are the guard of its rollback; so the rounds are shared among installations side
by side, each with its own database, workers, range and cloud. Beside them in the same run, from the same clouds: bare
calls with boto3, one after the other as a switch or a rollback has to make them, and throttled ones repeated at once.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session

from app.db.tables import Operation
from app.domain.sides import Side
from app.rehearsal.aws.estate import CREDENTIALS, PROFILE, REGION, Estate
from app.rehearsal.supervisor import Installation
from tests.bench.rounds import Rounds, announced, observed, open_rounds, since_press
from tests.bench.spread import percentile, spread

CALL_MS = 200
THROTTLED_PERCENT = 10
THROTTLED = "Throttling"
FAULTS = (
    {"kind": "error", "code": THROTTLED, "percent": THROTTLED_PERCENT, "ms": CALL_MS},
    {"kind": "slow", "ms": CALL_MS},
)
GOAL_MS = 2000
FLOORS = 50
ONE_ATTEMPT = Config(retries={"mode": "standard", "total_max_attempts": 1})


@dataclass
class Lane:
    """What one installation measured."""

    switches: list[Operation] = field(default_factory=list)
    rollbacks: list[Operation] = field(default_factory=list)
    floors: dict[str, list[float]] = field(default_factory=dict)
    requests: int = 0
    failed: int = 0
    announced: dict[str, list[float]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


async def measure_latency(installations: Sequence[Installation], rounds: int) -> dict[str, Any]:
    began = time.monotonic()
    left = iter(range(rounds))
    lanes = [Lane() for _ in installations]
    await asyncio.gather(*(_go(one, lane, left) for one, lane in zip(installations, lanes, strict=True)))
    switches = [one for lane in lanes for one in lane.switches]
    rollbacks = [one for lane in lanes for one in lane.rollbacks]
    floors = {name: [ms for lane in lanes for ms in lane.floors[name]] for name in lanes[0].floors}
    problems = [problem for lane in lanes for problem in lane.problems]
    worst_p99 = max(percentile([observed(one) for one in moved], 0.99) for moved in (switches, rollbacks))
    return {
        "ok": not problems and worst_p99 <= GOAL_MS,
        "rounds": len(rollbacks),
        "switch: press → 100 % observed": spread([observed(one) for one in switches]),
        "switch: press → asked and announced": spread([ms for lane in lanes for ms in lane.announced["switch"]]),
        "switch: press → accepted": spread([since_press(one, "written_at") for one in switches]),
        "rollback: press → 100 % observed": spread([observed(one) for one in rollbacks]),
        "rollback: press → announced": spread([ms for lane in lanes for ms in lane.announced["rollback"]]),
        "rollback: press → accepted": spread([since_press(one, "written_at") for one in rollbacks]),
        "the goal": f"p99 at most {GOAL_MS} ms, of both {worst_p99:.0f} ms",
        **{f"floor, bare calls: {name}": spread(found) for name, found in floors.items()},
        "switch ÷ floor, medians and p99": _ratios(switches, floors["switch"]),
        "rollback ÷ floor, medians and p99": _ratios(rollbacks, floors["rollback"]),
        "customers' requests": sum(lane.requests for lane in lanes),
        "customers' requests failed": sum(lane.failed for lane in lanes),
        "not made": problems,
        "installations side by side": len(lanes),
        "took": f"{time.monotonic() - began:.0f} s",
        "load of this machine (1 min)": f"{os.getloadavg()[0]:.1f}",
    }


async def _go(installation: Installation, lane: Lane, left: Any) -> None:
    async with open_rounds(installation) as opened:
        await opened.control.set_knobs({"aws": {"faults": FAULTS}})
        for number in left:
            await _round(opened, lane, number)
        await opened.until("rollback", "finished_at")
        lane.floors = await asyncio.to_thread(_floors, installation)
        for name, moved in (("switch", lane.switches), ("rollback", lane.rollbacks)):
            lane.announced[name] = await announced(opened.database, moved)
        customers = await opened.control.customers()
        lane.requests, lane.failed = customers["requests"], customers["failed"]


async def _round(opened: Rounds, lane: Lane, number: int) -> None:
    """A switch that a check refused or that took itself back is said, and counts as not made."""
    await opened.make_ready()
    await opened.press_switch()
    switch = await opened.until("switch", "observed_100_at", "finished_at")
    if switch.observed_100_at is None:
        lane.problems.append(f"round {number + 1}: {switch.state}: {switch.reason}")
        print(lane.problems[-1], flush=True)
    else:
        lane.switches.append(switch)
    if switch.written_at is not None:
        lane.rollbacks.append(await opened.roll_back())
        took = f"switch {observed(switch):.0f} ms, rollback {observed(lane.rollbacks[-1]):.0f} ms"
        print(f"round {number + 1}: {took}", flush=True)


def _ratios(operations: list[Operation], floor: list[float]) -> str:
    times = [observed(one) for one in operations]
    found = [f"{percentile(times, share) / percentile(floor, share):.2f}" for share in (0.5, 0.99)]
    return f"{found[0]} and {found[1]}"


# ── the floor ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _floors(installation: Installation) -> dict[str, list[float]]:
    """A switch has to ask (health and routes, here one call for both), read, mark with its epoch, and write; a rollback
    has to read and write."""
    core = Session(profile=PROFILE)
    core.set_config_variable("credentials_file", str(installation.range_folder / CREDENTIALS))
    elb: Any = boto3.Session(botocore_session=core, region_name=REGION).client(
        "elbv2", endpoint_url=f"http://127.0.0.1:{installation.ports.aws}", config=ONE_ATTEMPT
    )
    estate = Estate.load(installation.range_folder)
    listener = estate.listener
    actions: list[Any] = []

    def read() -> None:
        actions[:] = elb.describe_listeners(ListenerArns=[listener])["Listeners"][0]["DefaultActions"]

    calls: dict[str, Callable[[], object]] = {
        "health": lambda: elb.describe_target_health(TargetGroupArn=estate.groups[Side.GREEN.value]),
        "read": read,
        "mark": lambda: elb.add_tags(ResourceArns=[listener], Tags=[{"Key": "bench", "Value": "floor"}]),
        "write": lambda: elb.modify_listener(ListenerArn=listener, DefaultActions=actions),
    }
    times: dict[str, list[float]] = {name: [] for name in (*calls, "switch", "rollback")}
    for _ in range(FLOORS):
        took = {name: _until_taken(call) for name, call in calls.items()}
        for name, ms in took.items():
            times[name].append(ms)
        times["switch"].append(sum(took.values()))
        times["rollback"].append(took["read"] + took["write"])
    elb.close()
    return times


def _until_taken(call: Callable[[], object]) -> float:
    """ms, with what it takes to repeat it while AWS says "not now"."""
    began = time.perf_counter()
    while True:
        try:
            call()
        except ClientError as problem:
            if problem.response["Error"]["Code"] != THROTTLED:
                raise
            continue
        return (time.perf_counter() - began) * 1000
