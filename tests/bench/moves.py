"""Switch and rollback: press → accepted → 100 % observed, our own overhead, and the floor beside them."""

from typing import Any

from app.db.engine import Database
from app.db.tables import Operation
from app.rehearsal.supervisor import Installation
from tests.bench.rounds import Moved, announced, go_and_return, observed, open_rounds, since_press
from tests.bench.spread import percentile, spread


async def measure_moves(installation: Installation, rounds: int) -> dict[str, Any]:
    """`rounds` switches, each followed by a rollback, with five new sign-offs before each."""
    async with open_rounds(installation) as opened:
        moved = await go_and_return(opened, rounds)
        overhead = await _overheads(opened.database, moved)
    return {
        "switch: press → accepted": spread([since_press(one, "written_at") for one in moved.switches]),
        "switch: press → 100 % observed": spread([observed(one) for one in moved.switches]),
        "rollback: press → accepted": spread([since_press(one, "written_at") for one in moved.rollbacks]),
        "rollback: press → 100 % observed": spread([observed(one) for one in moved.rollbacks]),
        "rollback: press → all seven checks YES": spread([since_press(one, "verified_at") for one in moved.rollbacks]),
        "own overhead (press → write, less the calls before it)": spread(overhead),
        "  of it: press → recorded": spread([_between(one, "clicked_at", "accepted_at") for one in moved.all]),
        "  of it: recorded → a worker has it": spread(
            [_between(one, "accepted_at", "started_at") for one in moved.all]
        ),
        "floor: bare write of the balancer": spread(moved.floors["write"]),
        "floor: bare read of the balancer": spread(moved.floors["read"]),
        "floor: one probe": spread(moved.floors["probe"]),
        "switch ÷ floor (read + write + probe)": moved.switch_ratio(("read", "write", "probe")),
        "rollback ÷ floor (write + probe)": moved.rollback_ratio(),
        "customers' requests failed": f"{moved.failed} of {moved.requests}",
    }


async def measure_provider(installation: Installation, rounds: int) -> dict[str, Any]:
    """Each kind of balancer, beside the provider's bare calls and one probe in the same run, as ratios. `__main__`
    starts an installation for each target that the range knows."""
    async with open_rounds(installation) as opened:
        moved = await go_and_return(opened, rounds)
    return {
        "switch: press → 100 % observed": spread([observed(one) for one in moved.switches]),
        "rollback: press → 100 % observed": spread([observed(one) for one in moved.rollbacks]),
        **{f"floor: bare {call}": spread(times) for call, times in moved.floors.items()},
        "switch ÷ floor (health + read + write + probe)": moved.switch_ratio(),
        "rollback ÷ floor (write + probe)": moved.rollback_ratio(),
        "customers' requests failed": f"{moved.failed} of {moved.requests}",
    }


def _between(operation: Operation, first: str, second: str) -> float:
    return float((getattr(operation, second) - getattr(operation, first)).total_seconds() * 1000)


async def _overheads(database: Database, moved: Moved) -> list[float]:
    """Press → write announced: all of it is ours, but for the health check and the read that a switch asks before,
    side by side; those are taken off as the floor measured them."""
    asked = max(percentile(moved.floors["health"], 0.5), percentile(moved.floors["read"], 0.5))
    switches = [ms - asked for ms in await announced(database, moved.switches)]
    return [*switches, *await announced(database, moved.rollbacks)]
