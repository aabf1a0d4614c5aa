"""What the range's stand-ins for other systems are tested with: their routes on a port, and the plan's scripts."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from app.domain.plan import Action
from app.domain.scripts import State, judge, signals_of, signals_seen
from app.providers.script.folder import ScriptFolder
from app.providers.script.running import Surroundings
from app.rehearsal.site_file import SCRIPTS


@asynccontextmanager
async def served(routes: Sequence[BaseRoute]) -> AsyncIterator[int]:
    """The port of loopback on which they answer."""
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), port=0, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


async def run_script(action: Action, variable: str, token: Path) -> tuple[State, str, str]:
    """The verdict on a script of a plan, its reason and its output. It is told of `variable`, and of the token in that
    file."""
    signals, fatal_from = signals_of(action)
    folder = ScriptFolder(Surroundings(SCRIPTS, (variable,), {f"{variable}_TOKEN": token}))
    text, seen = "", {}
    async with folder.start(action.command, within=60, signals=signals, fatal_from=fatal_from) as run:
        async for piece in run.pieces():
            text += piece.text
            seen |= {one.signal: (one.line, one.text) for one in piece.seen}
        ended = run.ended
    verdict = judge(
        signals_seen(action, seen), how=ended.how, code=ended.code, problem=ended.problem, survivors=ended.survivors,
        within_s=60,
    )  # fmt: skip
    return verdict.state, verdict.reason, text
