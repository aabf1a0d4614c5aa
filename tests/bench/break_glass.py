"""Break-glass: `gonogo rollback-now` with PostgreSQL, web and workers dead, its own process start included."""

import asyncio
import os
import resource
import time
from typing import Any

from app.domain.sides import Side, Weights
from app.orchestrator.break_glass import Ending
from app.providers.agent_balancer import AgentBalancer, SideAddress
from app.rehearsal.supervisor import Installation
from tests.bench.spread import percentile, spread
from tests.traffic.range_in_trouble import Trouble

GOAL_S = 5.0
SETTLE_S = 1.0


async def measure_break_glass(installation: Installation, rounds: int) -> dict[str, Any]:
    """Armed and switched once, then everything but the range is killed. Each round: traffic is put on GREEN, with the
    only epoch that the target still takes, and the command takes it back."""
    trouble = await Trouble.begin(installation)
    await trouble.armed()
    await trouble.switched()
    await asyncio.to_thread(installation.black_out)
    before = await trouble.control.customers()
    balancer = _balancer(installation)
    observed: list[float] = []
    within: list[float] = []
    used: list[float] = []
    codes: list[int] = []
    for number in range(rounds):
        await balancer.write(Weights.all_to(Side.GREEN), epoch=1999, fence=_no_fence)
        await asyncio.sleep(SETTLE_S)
        began_cpu = _processor_ms()
        done = await asyncio.to_thread(trouble.rollback_now, "--yes", is_hasty=True)
        used.append(_processor_ms() - began_cpu)
        codes.append(done.code)
        if done.observed_s is not None:
            observed.append(done.observed_s * 1000)
            within.append(_stamp(done.lines) * 1000)
        took = f"{done.observed_s or float('nan'):.2f} s, {used[-1]:.0f} ms of processor"
        print(f"round {number + 1}: {took}, exit code {done.code}", flush=True)
    after = await trouble.control.customers()
    ended_on_blue = (await balancer.read()).agrees(Weights.all_to(Side.BLUE))
    await balancer.aclose()
    began = time.monotonic()
    await asyncio.to_thread(installation.end_black_out)
    returned_s = time.monotonic() - began
    await trouble.aclose()
    good = sum(code == Ending.ON_BLUE for code in codes)
    return {
        f"ended on BLUE, of {rounds}": f"{good}, exit codes {sorted(set(codes))}",
        "the last one left the balancer on BLUE": ended_on_blue,
        "process start → 100 % observed": spread(observed),
        "  the goal: p99 at most 5 s": f"p99 {percentile(observed, 0.99):.0f} ms",
        "capsule opened → 100 % observed": spread(within),
        "processor time, until Ctrl-C in the guard": spread(used),
        "load of this machine (1 min), 2 cores shared": f"{os.getloadavg()[0]:.1f}",
        "customers' requests meanwhile": after["requests"] - before["requests"],
        "customers' requests failed": after["failed"] - before["failed"],
        "everything back after": f"{returned_s:.1f} s",
    }


def _balancer(installation: Installation) -> AgentBalancer:
    sides = {side: SideAddress(f"http://127.0.0.1:{installation.ports.of_range.of(side)}") for side in Side}
    url = f"http://127.0.0.1:{installation.ports.control}/balancer"
    return AgentBalancer("production", url, installation.range_folder / "agent.token", sides)


def _processor_ms() -> float:
    """Of all children that have ended: in a black-out that is the command alone."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1000


def _stamp(lines: tuple[str, ...]) -> float:
    """ "14:31:07.412  +  0.73 s  100 % of traffic …" → 0.73."""
    line = next(line for line in lines if "100 % of traffic observed on BLUE" in line)
    return float(line.partition("+")[2].partition("s")[0])


async def _no_fence() -> None:
    return
