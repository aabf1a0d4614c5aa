"""Two deaths that no worker takes over: the web process in the middle of a press, and PostgreSQL in the middle of an
operation."""

import asyncio
import contextlib
import os
import secrets
import signal
import time
from typing import TYPE_CHECKING

import httpx

from app.domain.operations import State
from app.drill.team import WentWrong
from tests.bench.points import Finding, Point, Struck
from tests.bench.rounds import received_writes

if TYPE_CHECKING:
    from tests.bench.matrix import Matrix

PRESSER = "DevOps lead"
BACK_WITHIN_S = 40.0
AWAY_S = 3.0
"""How long PostgreSQL is dead: longer than a lease."""
RESOLVED_WITHIN_S = 10.0


async def without_web(matrix: "Matrix", finding: Finding, point: Point, newest: int, form: dict[str, str]) -> None:
    """SIGKILL of the web process before or after the COMMIT of a press. Then there is no operation, or exactly one;
    the same page's repeat is that one, and another page's press makes no second."""
    pressed = {"_key": secrets.token_urlsafe(12), **form}
    await _forget_closed_connections(matrix)
    died_at = time.monotonic()
    try:
        answer = await matrix.team[PRESSER].post(f"/{point.kind}", **pressed)
        finding.wrong.append(f"the press was answered {answer.status_code}")
    except httpx.TransportError:
        pass
    struck = await matrix.wait_struck(5)
    if struck is None:
        matrix.file.unlink(missing_ok=True)
        finding.wrong.append("the web process did not come to the point")
        return
    finding.is_reached = True
    await _expect(matrix, finding, newest, 0 if point.is_before else 1, "after the death")
    if not await _serves(matrix):
        finding.wrong.append(f"the web process is not back within {BACK_WITHIN_S:.0f} s")
        return
    finding.back_ms = round((time.monotonic() - died_at) * 1000)
    same = await _press(matrix, point, pressed)
    await _expect(matrix, finding, newest, 1, "after the repeat")
    other = await _press(matrix, point, {**pressed, "_key": secrets.token_urlsafe(12)})
    await _expect(matrix, finding, newest, 1, "after another page's press")
    finding.repeat = f"the repeat got {same}, another page {other}"
    if same >= 400:
        finding.wrong.append(f"the repeat was answered {same}")
    # A rollback that is on its way is joined; a second switch is told who started the first.
    if (other >= 400 and other != 409) or (point.kind == "switch" and other != 409):
        finding.wrong.append(f"another page's press was answered {other}")


async def without_postgres(matrix: "Matrix", finding: Finding, point: Point, struck: Struck, mark: str) -> None:
    """SIGKILL of PostgreSQL while the worker stands still at its point; the worker goes on without it."""
    died_at = time.monotonic()
    await asyncio.to_thread(matrix.installation.kill_postgres)
    os.kill(struck.pid, signal.SIGCONT)
    await asyncio.sleep(AWAY_S)
    await asyncio.to_thread(matrix.installation.revive_postgres)
    back_at = time.monotonic()
    finding.back_ms = round((back_at - died_at) * 1000)
    found = await matrix.until(point.kind, (mark, "finished_at"), 40)
    finding.resolved_ms = round((time.monotonic() - back_at) * 1000)
    if found is None or finding.resolved_ms > RESOLVED_WITHIN_S * 1000:
        finding.wrong.append(f"not resolved {finding.resolved_ms} ms after PostgreSQL was back")
    if not await _serves(matrix):
        finding.wrong.append("the web process does not serve again")
    if found is not None and found.state == State.REFUSED and point.kind == "switch":
        if any(write["epoch"] == found.epoch for write in await received_writes(matrix.installation)):
            finding.wrong.append("refused, and a write of it reached the balancer")
        await _switch_again(matrix, finding)


async def _switch_again(matrix: "Matrix", finding: Finding) -> None:
    """Nothing was written, and the metrics were dark for as long as PostgreSQL: refused is a right end too. People
    press again when the readings are fresh."""
    give_up = time.monotonic() + BACK_WITHIN_S
    while time.monotonic() < give_up:
        await asyncio.sleep(3)
        refused = await matrix.newest_id()
        with contextlib.suppress(WentWrong):
            await matrix.press("/switch", confirm="yes")
        again = await matrix.until("switch", ("observed_100_at", "finished_at"), 30)
        if again is not None and again.id > refused and again.observed_100_at is not None:
            finding.repeat = "refused, because readings were missing; pressed again"
            return
    finding.wrong.append("refused again and again")


async def _press(matrix: "Matrix", point: Point, form: dict[str, str]) -> int:
    """The status of the answer."""
    await _forget_closed_connections(matrix)
    member = matrix.team[PRESSER]
    answer = await member.client.post(f"{member.deployment}/{point.kind}", data=form)
    return answer.status_code


async def _expect(matrix: "Matrix", finding: Finding, newest: int, count: int, when: str) -> None:
    found = await matrix.since(newest)
    if found != count:
        finding.wrong.append(f"{found} operations {when}, not {count}")


async def _serves(matrix: "Matrix") -> bool:
    give_up = time.monotonic() + BACK_WITHIN_S
    async with httpx.AsyncClient(base_url=matrix.installation.url, timeout=3, trust_env=False) as client:
        while time.monotonic() < give_up:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get("/readyz")).status_code == 200:
                    return True
            await asyncio.sleep(0.05)
    return False


async def _forget_closed_connections(matrix: "Matrix") -> None:
    """A form must not be the first to find out that its connection is closed."""
    with contextlib.suppress(httpx.TransportError):
        await matrix.team[PRESSER].client.get("/healthz")
