"""Switch against rollback, with real processes: one person presses the switch, another the rollback 0 to 600 ms later,
and customers never stop. Whatever the rollback met, the end must be BLUE, and nobody's request may fail.

`python -m tests.bench races [--rounds 100] [--requests 100000] [--rate 200]`: goes on until there were so many races
and the customers had so many answers.
"""

import asyncio
import random
import time
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import httpx
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Effect, Operation, TargetState
from app.domain.operations import FENCE_COUNTS_FOR, State
from app.domain.sides import Side
from app.ports.probe import Prober
from app.rehearsal.supervisor import Installation
from app.wiring import Ports, read_site
from tests.bench.rounds import Rounds, open_rounds, plan_and_releases, received_writes
from tests.bench.spread import spread

LATEST_PRESS_S = 0.6
PRESS_AGAIN_S = 0.02
"""A rollback pressed before the switch is accepted is told that there is nothing to roll back: pressed again."""
PROBES = 100
SEED = 1


@dataclass
class Race:
    """`delay_ms` is how long after the switch the rollback was pressed; `found` what became of the switch."""

    delay_ms: float
    pressed_again: int = 0
    found: str = ""
    is_written: bool = False
    observed_ms: float = float("nan")
    in_flight: list[float] = field(default_factory=list)
    """ms after the rollback's answer at which calls raising GREEN reached the balancer that had been issued before."""
    wrong: list[str] = field(default_factory=list)


async def measure_races(
    installation: Installation, rounds: int, *, requests: int = 0, seed: int = SEED
) -> dict[str, Any]:
    chance = random.Random(seed)
    plan, releases = plan_and_releases()
    bound = Ports(read_site(installation.site_file)).bind(plan, "production", releases)
    races: list[Race] = []
    async with open_rounds(installation) as opened:
        before = await opened.control.customers()
        served = 0
        while len(races) < rounds or served < requests:
            race = await _race(opened, bound.prober, chance.uniform(0, LATEST_PRESS_S))
            races.append(race)
            now = await opened.control.customers()
            served = now["requests"] - before["requests"]
            print(
                f"{len(races)}: {_line(race)}; {served} requests, {now['failed'] - before['failed']} failed", flush=True
            )
        after = await opened.control.customers()
    await bound.aclose()
    return _summary(races, before, after, seed)


async def _race(rounds: Rounds, prober: Prober, delay_s: float) -> Race:
    race = Race(delay_s * 1000)
    await rounds.make_ready()
    pressing = asyncio.create_task(rounds.press_switch())
    await asyncio.sleep(delay_s)
    answered_at = await _press_rollback(rounds, race)
    await asyncio.gather(pressing, return_exceptions=True)
    rollback = await rounds.until("rollback", "finished_at")
    switch = await rounds.until("switch", "accepted_at")
    race.is_written = switch.written_at is not None
    race.found = f"{switch.state}{', written' if race.is_written else ''}"
    if rollback.observed_100_at is not None:
        race.observed_ms = (rollback.observed_100_at - rollback.clicked_at).total_seconds() * 1000
    await _judge(rounds, prober, race, switch, rollback, answered_at)
    return race


async def _press_rollback(rounds: Rounds, race: Race) -> float:
    """By somebody else than who switches, until it is taken; when its answer came: by then it is committed."""
    while True:
        done = await rounds.team["DevOps 1"].post("/rollback", expect=(200, 204, 303, 409))
        if done.status_code != httpx.codes.CONFLICT:
            rounds.has_rolled_back = True
            return time.time()
        race.pressed_again += 1
        await asyncio.sleep(PRESS_AGAIN_S)


async def _judge(
    rounds: Rounds, prober: Prober, race: Race, switch: Operation, rollback: Operation, answered_at: float
) -> None:
    if rollback.deployment_id != switch.deployment_id or rollback.epoch <= switch.epoch:
        race.wrong.append("the rollback is not newer than the switch")
    if rollback.state != State.DONE:
        race.wrong.append(f"the rollback ended {rollback.state}")
    set_blue = await rounds.database.read(_set_blue)
    if set_blue != 100:
        race.wrong.append(f"the target is set to BLUE {set_blue}")
    sides = [(await prober.probe(fresh_connection=number % 4 == 0)).side for number in range(PROBES)]
    if (count := sum(side is not Side.BLUE for side in sides)) > 0:
        race.wrong.append(f"{count} of {PROBES} probes do not see BLUE at the end")
    intents = await rounds.database.read(lambda session: _raising_green(session, switch))
    late = [at for at in intents if at.timestamp() > answered_at]
    if late:
        race.wrong.append(f"{len(late)} calls raising GREEN were announced after the rollback was committed")
    for write in await received_writes(rounds.installation):
        if write["blue"] == 100 or write["epoch"] != switch.epoch or write["at"] <= answered_at:
            continue
        ms = (write["at"] - answered_at) * 1000
        race.in_flight.append(ms)
        if ms > FENCE_COUNTS_FOR.total_seconds() * 1000:
            race.wrong.append(f"a call raising GREEN reached the balancer {ms:.0f} ms after the rollback's answer")


async def _set_blue(session: AsyncSession) -> int | None:
    return await session.scalar(select(TargetState.set_blue))


async def _raising_green(session: AsyncSession, switch: Operation) -> list[datetime]:
    rows = await session.scalars(select(Effect).where(Effect.operation_id == switch.id))
    return [row.intent_at for row in rows if row.want_blue < 100]


def _line(race: Race) -> str:
    wrong = f"  WRONG: {'; '.join(race.wrong)}" if race.wrong else ""
    return f"rollback {race.delay_ms:.0f} ms after the switch ({race.found}), on BLUE {race.observed_ms:.0f} ms{wrong}"


def _summary(races: list[Race], before: dict[str, Any], after: dict[str, Any], seed: int) -> dict[str, Any]:
    wrong = [race for race in races if race.wrong]
    failed, in_flight = after["failed"] - before["failed"], [ms for race in races for ms in race.in_flight]
    return {
        "ok": not wrong and failed == 0 and bool(races),
        "races": len(races),
        "wrong_endings": len(wrong),
        "requests": after["requests"] - before["requests"],
        "failed": failed,
        "held_back": after["held_back"] - before["held_back"],
        "customers' worst answer since the start": f"{after['worst_ms']:.0f} ms",
        "switches that had written": sum(race.is_written for race in races),
        "pressed again, the switch was not accepted yet": sum(race.pressed_again for race in races),
        "rollback: press → 100 % observed": spread([race.observed_ms for race in races]),
        "in flight at the rollback's answer, ms": [round(ms) for ms in in_flight],
        "seed": seed,
        "wrong": [asdict(race) for race in wrong],
    }
