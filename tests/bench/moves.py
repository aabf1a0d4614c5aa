"""Switch and rollback: press → accepted → 100 % observed, our own overhead, and the floor beside them."""

import asyncio
import time
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database, make_engine
from app.db.tables import Deployment, Effect, Operation
from app.domain.operations import Kind
from app.domain.plan import Plan
from app.domain.sides import Release, Side, Weights
from app.drill.team import Team, gather_team, sign_off, tick
from app.providers.plan_yaml import load_plan
from app.providers.range_control import RangeControl
from app.rehearsal.supervisor import Installation
from app.seed import PLAN_FILE
from app.wiring import Ports, read_site
from tests.bench.spread import percentile, spread

SIGNERS = ("DevOps lead", "Backend lead", "Security officer", "Operations", "Project manager")
SETTLE_S = 12.0


async def measure_moves(installation: Installation, rounds: int) -> dict[str, Any]:
    """`rounds` switches, each followed by a rollback, with five new sign-offs before each."""
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
        print(f"round {number + 1}: switch {observed(switches[-1]):.0f} ms, rollback {observed(rollbacks[-1]):.0f} ms")
    moves = [*switches, *rollbacks]
    floors = await measure_floors(installation)
    customers = await control.customers()
    overhead = await _overheads(database, moves, floors)
    await team.aclose()
    await control.aclose()
    await database.aclose()
    return {
        "switch: press → accepted": spread([_accepted(one) for one in switches]),
        "switch: press → 100 % observed": spread([observed(one) for one in switches]),
        "rollback: press → accepted": spread([_accepted(one) for one in rollbacks]),
        "rollback: press → 100 % observed": spread([observed(one) for one in rollbacks]),
        "rollback: press → all seven checks YES": spread([_verified(one) for one in rollbacks]),
        "own overhead (press → write, less the calls before it)": spread(overhead),
        "  of it: press → recorded": spread([_between(one, "clicked_at", "accepted_at") for one in moves]),
        "  of it: recorded → a worker has it": spread([_between(one, "accepted_at", "started_at") for one in moves]),
        "floor: bare write of the balancer": spread(floors["write"]),
        "floor: bare read of the balancer": spread(floors["read"]),
        "floor: one probe": spread(floors["probe"]),
        "switch ÷ floor (read + write + probe), medians": _ratio(switches, floors),
        "rollback ÷ floor (write + probe), medians": _ratio(rollbacks, floors),
        "customers' requests": customers["requests"],
        "customers' requests failed": customers["failed"],
    }


async def settle() -> None:
    """The collector, the watch and the probes have their first readings, and the start is over."""
    await asyncio.sleep(SETTLE_S)


def _ratio(operations: list[Operation], floors: dict[str, list[float]]) -> str:
    calls = ("read", "write", "probe") if operations[0].kind == Kind.SWITCH else ("write", "probe")
    floor = sum(percentile(floors[call], 0.5) for call in calls)
    return f"{percentile([observed(one) for one in operations], 0.5) / floor:.1f}"


def _ms(operation: Operation, name: str) -> float:
    at = getattr(operation, name)
    return float("nan") if at is None else (at - operation.clicked_at).total_seconds() * 1000


def _between(operation: Operation, first: str, second: str) -> float:
    return float((getattr(operation, second) - getattr(operation, first)).total_seconds() * 1000)


def _accepted(operation: Operation) -> float:
    return _ms(operation, "written_at")


def observed(operation: Operation) -> float:
    return _ms(operation, "observed_100_at")


def _verified(operation: Operation) -> float:
    return _ms(operation, "verified_at")


async def newest_deployment(database: Database) -> int:
    statement = select(Deployment.id).order_by(Deployment.id.desc()).limit(1)
    return await database.read(lambda session: session.scalar(statement)) or 0


async def switch(team: Team, database: Database, *, is_first: bool) -> Operation:
    if not is_first:
        await team["Project manager"].post("/reopen")
        for member in team.members.values():
            await tick(member)
    for title in SIGNERS:
        await sign_off(team[title])
    await team["Project manager"].post("/proceed")
    await team["DevOps lead"].post("/arm")
    await team["DevOps lead"].post("/switch", confirm="yes")
    return await _until(database, "switch", "observed_100_at")


async def roll_back(team: Team, database: Database) -> Operation:
    await team["DevOps lead"].post("/rollback")
    await _until(database, "rollback", "verified_at")
    return await _until(database, "rollback", "finished_at")


async def _until(database: Database, kind: str, *names: str) -> Operation:
    """The newest operation of a kind, as soon as one of these moments has come."""
    statement = select(Operation).where(Operation.kind == kind).order_by(Operation.id.desc()).limit(1)
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        found = await database.read(lambda session: session.scalar(statement))
        if found is not None and any(getattr(found, name) is not None for name in names):
            return found
        await asyncio.sleep(0.1)
    raise TimeoutError(f"the {kind} has no {' or '.join(names)} after 60 s")


async def _overheads(database: Database, operations: list[Operation], floors: dict[str, list[float]]) -> list[float]:
    """Press → write announced: all of it is ours, but for the health check and the read that a switch asks before,
    side by side; those are taken off as the floor measured them."""
    asked = max(percentile(floors["health"], 0.5), percentile(floors["read"], 0.5))

    async def query(session: AsyncSession) -> list[float]:
        found = []
        for operation in operations:
            statement = select(Effect.intent_at).where(Effect.operation_id == operation.id).order_by(Effect.id).limit(1)
            intent = await session.scalar(statement)
            if intent is not None:
                ours = (intent - operation.clicked_at).total_seconds() * 1000
                found.append(ours - (asked if operation.kind == Kind.SWITCH else 0.0))
        return found

    return await database.read(query)


async def measure_floors(installation: Installation) -> dict[str, list[float]]:
    """The provider's bare calls and one probe, with nothing of ours around them."""
    plan: Plan = load_plan(PLAN_FILE.read_text(encoding="utf-8"), PLAN_FILE.name)
    releases = {
        Side.BLUE: Release(plan.releases.blue.version, plan.releases.blue.digest),
        Side.GREEN: Release(plan.releases.green.version, plan.releases.green.digest),
    }
    bound = Ports(read_site(installation.site_file)).bind(plan, "production", releases)

    async def no_fence() -> None:
        return

    epoch = (await bound.traffic.read()).epoch
    times: dict[str, list[float]] = {"read": [], "write": [], "probe": [], "health": []}
    for number in range(50):
        for name in times:
            began = time.perf_counter()
            if name == "read":
                await bound.traffic.read()
            elif name == "write":
                await bound.traffic.write(Weights(100, 0), epoch=epoch, fence=no_fence)
            elif name == "health":
                await bound.traffic.health(Side.BLUE)
            else:
                await bound.prober.probe(fresh_connection=number % 4 == 0)
            times[name].append((time.perf_counter() - began) * 1000)
    await bound.aclose()
    return times
