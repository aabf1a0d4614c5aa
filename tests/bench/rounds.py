"""One installation going to GREEN and back again and again, as its team does it: sign-offs, switch, rollback.

What bounds a round is the rollback's guard (operations.GUARD_FOR, 12 s): arming waits for its end. The five new
sign-offs are given meanwhile, and the end is waited for by looking at the operation.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database, make_engine
from app.db.tables import Deployment, Effect, Operation, Reading, TargetState
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
"""What starting itself costs the machine is over by then."""
MEASURED_WITHIN_S = 60.0
FIRST_READINGS = 40
SIGN_IN_AGAIN_S = 200.0
"""Voting, arming and switching ask for a sign-in of the last 5 min."""
ARMED_WITHIN_S = 30.0
SWITCH_CALLS = ("health", "read", "write", "probe")
ROLLBACK_CALLS = ("write", "probe")


@dataclass
class Rounds:
    """`deployment_id` is switched and rolled back; `open_rounds` makes one of these."""

    installation: Installation
    database: Database
    control: RangeControl
    deployment_id: int
    team: Team
    signed_in_at: float
    has_begun: bool = False
    has_rolled_back: bool = False

    async def make_ready(self) -> None:
        """From wherever the round before ended: a new attempt, checklists, five GO, proceeded, armed."""
        await self._fresh_team()
        if self.has_begun:
            await self.team["Project manager"].post("/reopen")
        self.has_begun = True
        for member in self.team.members.values():
            await tick(member, "before_production")
        for title in SIGNERS:
            await sign_off(self.team[title])
        await self.team["Project manager"].post("/proceed")
        await self._arm()

    async def switch(self) -> Operation:
        """Made ready, pressed, and seen at 100 %."""
        await self.make_ready()
        await self.press_switch()
        return await self.until("switch", "observed_100_at")

    async def roll_back(self) -> Operation:
        """Pressed and verified; its guard may still run."""
        await self.team["DevOps lead"].post("/rollback")
        self.has_rolled_back = True
        return await self.until("rollback", "verified_at", "finished_at")

    async def press_switch(self) -> None:
        await self.team["DevOps lead"].post("/switch", confirm="yes")

    async def until(self, kind: str, *names: str, within_s: float = 60.0) -> Operation:
        """The newest operation of a kind, as soon as one of these moments has come. Raises TimeoutError."""
        statement = (
            select(Operation)
            .where(Operation.kind == kind, Operation.deployment_id == self.deployment_id)
            .order_by(Operation.id.desc())
            .limit(1)
        )
        give_up = time.monotonic() + within_s
        while time.monotonic() < give_up:
            found = await self.database.read(lambda session: session.scalar(statement))
            if found is not None and any(getattr(found, name) is not None for name in names):
                return found
            await asyncio.sleep(0.1)
        raise TimeoutError(f"the {kind} has no {' or '.join(names)} after {within_s:.0f} s")

    async def _fresh_team(self) -> None:
        if time.monotonic() - self.signed_in_at < SIGN_IN_AGAIN_S:
            return
        old, self.team = self.team, await gather_team(self.installation.url, self.deployment_id)
        self.signed_in_at = time.monotonic()
        await old.aclose()

    async def _arm(self) -> None:
        """Once the guard of the rollback before is over, and the watch has proven the way back."""
        if self.has_rolled_back:
            await self.until("rollback", "finished_at")
        give_up = time.monotonic() + ARMED_WITHIN_S
        refused = (409, 422)
        while True:
            done = await self.team["DevOps lead"].post("/arm", expect=(200, 204, 303, *refused))
            if done.status_code not in refused:
                return
            if time.monotonic() > give_up:
                raise TimeoutError(f"not armed within {ARMED_WITHIN_S:.0f} s")
            await asyncio.sleep(0.2)


@contextlib.asynccontextmanager
async def open_rounds(installation: Installation, deployment_id: int | None = None) -> AsyncIterator[Rounds]:
    """On the newest deployment, or the one named, once the collector, the watch, the pre-flight and the probes have
    their first findings."""
    database = Database(make_engine(installation.environment["GONOGO_DATABASE_URL"], pool_size=3))
    control = RangeControl(
        f"http://127.0.0.1:{installation.ports.control}", installation.range_folder / "control.token"
    )
    await asyncio.sleep(SETTLE_S)
    await _measured(database)
    number = deployment_id or await newest_deployment(database)
    rounds = Rounds(
        installation, database, control, number, await gather_team(installation.url, number), time.monotonic()
    )
    try:
        yield rounds
    finally:
        await rounds.team.aclose()
        await control.aclose()
        await database.aclose()


async def _measured(database: Database) -> None:
    """Raises TimeoutError."""
    give_up = time.monotonic() + MEASURED_WITHIN_S
    while not await database.read(_is_measured):
        if time.monotonic() > give_up:
            raise TimeoutError(f"not both sides are measured within {MEASURED_WITHIN_S:.0f} s")
        await asyncio.sleep(0.2)


async def _is_measured(session: AsyncSession) -> bool:
    state = await session.scalar(select(TargetState))
    readings = await session.scalar(select(func.count()).select_from(Reading).where(Reading.value.is_not(None)))
    found = state and state.blue_is_healthy and state.green_is_healthy and state.preflight_at and state.probed_at
    return bool(found) and (readings or 0) >= FIRST_READINGS


async def newest_deployment(database: Database) -> int:
    statement = select(Deployment.id).order_by(Deployment.id.desc()).limit(1)
    return await database.read(lambda session: session.scalar(statement)) or 0


def plan_and_releases() -> tuple[Plan, dict[Side, Release]]:
    """The rehearsal's."""
    plan = load_plan(PLAN_FILE.read_text(encoding="utf-8"), PLAN_FILE.name)
    blue, green = plan.releases.blue, plan.releases.green
    return plan, {Side.BLUE: Release(blue.version, blue.digest), Side.GREEN: Release(green.version, green.digest)}


# ── what came of them ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Moved:
    """Operations of a run, each kind in the order made, and the bare calls of the same run (ms by name)."""

    switches: list[Operation]
    rollbacks: list[Operation]
    floors: dict[str, list[float]]
    requests: int
    failed: int

    @property
    def all(self) -> list[Operation]:
        return [*self.switches, *self.rollbacks]

    def switch_ratio(self, calls: Sequence[str] = SWITCH_CALLS) -> str:
        return self._ratios(self.switches, calls)

    def rollback_ratio(self, calls: Sequence[str] = ROLLBACK_CALLS) -> str:
        return self._ratios(self.rollbacks, calls)

    def _ratios(self, operations: list[Operation], calls: Sequence[str]) -> str:
        """Each operation beside the sum of the calls' medians."""
        floor = sum(percentile(self.floors[call], 0.5) for call in calls)
        return spread([observed(one) / floor for one in operations], f"times {floor:.0f} ms", digits=1)


async def go_and_return(rounds: Rounds, count: int) -> Moved:
    """`count` switches, each followed by a rollback, with five new sign-offs before each."""
    switches: list[Operation] = []
    rollbacks: list[Operation] = []
    for number in range(count):
        switches.append(await rounds.switch())
        rollbacks.append(await rounds.roll_back())
        took = f"switch {observed(switches[-1]):.0f} ms, rollback {observed(rollbacks[-1]):.0f} ms"
        print(f"round {number + 1}: {took}", flush=True)
    await rounds.until("rollback", "finished_at")
    floors = await measure_floors(rounds.installation)
    customers = await rounds.control.customers()
    return Moved(switches, rollbacks, floors, customers["requests"], customers["failed"])


def since_press(operation: Operation, name: str) -> float:
    """ms from the press to a moment; nan if that never came."""
    at = getattr(operation, name)
    return float("nan") if at is None else (at - operation.clicked_at).total_seconds() * 1000


def observed(operation: Operation) -> float:
    return since_press(operation, "observed_100_at")


async def announced(database: Database, operations: Sequence[Operation]) -> list[float]:
    """ms from each press to its first write's announcement; an operation that announced none is left out."""

    async def query(session: AsyncSession) -> list[float]:
        found = []
        for operation in operations:
            statement = select(Effect.intent_at).where(Effect.operation_id == operation.id).order_by(Effect.id).limit(1)
            intent = await session.scalar(statement)
            if intent is not None:
                found.append((intent - operation.clicked_at).total_seconds() * 1000)
        return found

    return await database.read(query)


async def received_writes(installation: Installation) -> list[dict[str, Any]]:
    """The writes that reached the balancer agent, stale ones too (docs/range.md)."""
    token = (installation.range_folder / "agent.token").read_text(encoding="utf-8").strip()
    url = f"http://127.0.0.1:{installation.ports.control}/balancer/received"
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        answer = await client.get(url, headers={"authorization": f"Bearer {token}"})
    writes: list[dict[str, Any]] = answer.raise_for_status().json()["writes"]
    return writes


async def measure_floors(installation: Installation) -> dict[str, list[float]]:
    """The provider's bare calls and one probe, with nothing of ours around them."""
    plan, releases = plan_and_releases()
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
