"""The control process of the range: starts releases, balancer and customers, and serves the control API.

`python -m app.rehearsal.range --folder .gonogo/range --logs .gonogo/logs --public 8401 --control 8402 --blue 8403
--green 8404 --customers 8405 --per-second 60`
"""

import argparse
import asyncio
import contextlib
import logging
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from app.rehearsal.agent import Agent
from app.rehearsal.caddy import fingerprint
from app.rehearsal.control import STAGING, agent_routes, control_routes
from app.rehearsal.direction import Direction
from app.rehearsal.github import GITHUB_KEY, Organisations, github_routes
from app.rehearsal.haproxy import HaproxyView
from app.rehearsal.slotbook import SLOTBOOK_KEY, SlotBook, slotbook_routes
from app.rehearsal.stage import RangePorts, Stage

CONTROL_KEY = "control.token"
AGENT_KEY = "agent.token"


def token(path: Path) -> str:
    """The token that the file holds; made at the first start, readable by its owner only."""
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(secrets.token_urlsafe(32))
    return path.read_text()


def application(
    folder: Path, logs: Path, ports: RangePorts, per_second: int, *, with_haproxy: bool = False
) -> Starlette:
    """Ready (it answers) when every process of the range is."""
    folder.mkdir(parents=True, exist_ok=True)
    inner_token = secrets.token_urlsafe(32)
    stage = Stage(folder, logs, ports, {**os.environ, "RANGE_TOKEN": inner_token}, with_haproxy=with_haproxy)
    agent = Agent(stage.weights, fingerprint(stage.caddy_configuration))
    view = HaproxyView(stage.haproxy_runtime, stage.haproxy_configuration) if with_haproxy else None
    direction = Direction(stage, view or agent, inner_token, per_second)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            await asyncio.to_thread(stage.start)
            await direction.open()
            watching = asyncio.create_task(direction.watch())
            yield
            watching.cancel()
        finally:
            await asyncio.to_thread(stage.stop)

    routes = control_routes(direction, token(folder / CONTROL_KEY))
    routes += github_routes(Organisations(folder), token(folder / GITHUB_KEY), lambda: direction.knobs.github.refuse)
    book_token = token(folder / SLOTBOOK_KEY)
    routes += slotbook_routes(SlotBook(folder), book_token, lambda: direction.knobs.slotbook.refuse)
    if view is None:
        routes += agent_routes(agent, token(folder / AGENT_KEY))
    if stage.staging is not None:
        front = Agent(stage.staging.weights, fingerprint(stage.staging.configuration))
        routes += agent_routes(front, token(folder / AGENT_KEY), STAGING)
    return Starlette(routes=routes, lifespan=lifespan)


def main() -> None:
    parser = argparse.ArgumentParser(description="The rehearsal range: releases, balancer, customers.")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--logs", type=Path, required=True)
    for name in ("public", "control", "blue", "green", "customers"):
        parser.add_argument(f"--{name}", type=int, required=True, metavar="PORT")
    parser.add_argument("--haproxy", action="store_true", help="HAProxy as the balancer, steered without an agent")
    parser.add_argument("--aws", type=int, default=0, metavar="PORT", help="with a simulated AWS on this port")
    parser.add_argument("--staging", type=int, default=0, metavar="PORT", help="with a second balancer front")
    parser.add_argument("--staging-customers", type=int, default=0, metavar="PORT")
    parser.add_argument("--per-second", type=int, default=60)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    names = ("public", "control", "blue", "green", "customers", "aws", "staging", "staging_customers")
    numbers = (getattr(arguments, name) for name in names)
    ports = RangePorts(*numbers)
    uvicorn.run(
        application(
            arguments.folder.absolute(),
            arguments.logs.absolute(),
            ports,
            arguments.per_second,
            with_haproxy=arguments.haproxy,
        ),
        host="127.0.0.1",
        port=ports.control,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=75,
    )


if __name__ == "__main__":
    main()
