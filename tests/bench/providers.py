"""Each kind of balancer: switch and rollback from the press to 100 % observed, beside the provider's bare calls and one
probe in the same run, as ratios. `__main__` starts an installation for each target that the range knows."""

from typing import Any

from app.db.engine import Database, make_engine
from app.db.tables import Operation
from app.drill.team import gather_team, tick
from app.providers.range_control import RangeControl
from app.rehearsal.supervisor import Installation
from tests.bench.moves import measure_floors, newest_deployment, observed, roll_back, settle, switch
from tests.bench.spread import percentile, spread

SWITCH_CALLS = ("health", "read", "write", "probe")
ROLLBACK_CALLS = ("write", "probe")


async def measure_provider(installation: Installation, rounds: int) -> dict[str, Any]:
    database = Database(make_engine(installation.environment["GONOGO_DATABASE_URL"], pool_size=3))
    control = RangeControl(
        f"http://127.0.0.1:{installation.ports.control}", installation.range_folder / "control.token"
    )
    await settle()
    team = await gather_team(installation.url, await newest_deployment(database))
    for member in team.members.values():
        await tick(member)
    switches: list[Operation] = []
    rollbacks: list[Operation] = []
    for number in range(rounds):
        switches.append(await switch(team, database, is_first=number == 0))
        rollbacks.append(await roll_back(team, database))
        print(f"round {number + 1}: switch {observed(switches[-1]):.0f}, rollback {observed(rollbacks[-1]):.0f} ms")
    floors = await measure_floors(installation)
    customers = await control.customers()
    await team.aclose()
    await control.aclose()
    await database.aclose()
    return {
        "switch: press → 100 % observed": spread([observed(one) for one in switches]),
        "rollback: press → 100 % observed": spread([observed(one) for one in rollbacks]),
        **{f"floor: bare {call}": spread(floors[call]) for call in SWITCH_CALLS},
        f"switch ÷ floor ({' + '.join(SWITCH_CALLS)})": _ratios(switches, floors, SWITCH_CALLS),
        f"rollback ÷ floor ({' + '.join(ROLLBACK_CALLS)})": _ratios(rollbacks, floors, ROLLBACK_CALLS),
        "customers' requests failed": f"{customers['failed']} of {customers['requests']}",
    }


def _ratios(operations: list[Operation], floors: dict[str, list[float]], calls: tuple[str, ...]) -> str:
    """Each operation beside the sum of the calls' medians."""
    floor = sum(percentile(floors[call], 0.5) for call in calls)
    return spread([observed(one) / floor for one in operations], f"times {floor:.0f} ms")
