"""Real HAProxies for tests: Debian's program, two toy releases behind it, and the provider that steers them."""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.domain.sides import Side
from app.providers.haproxy import Farm, HaproxyBalancer, Instance
from app.providers.haproxy.runtime import ask
from app.providers.side_address import SideAddress
from app.rehearsal.child import Child, listens
from app.rehearsal.haproxy import NoHaproxy, program
from app.rehearsal.ports import Reservation

ROOT = Path(__file__).resolve().parents[2]
BASE_PORT = 22000

CONFIGURATION = """
global
  stats socket {socket} mode 600 level {level}
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
frontend front
  bind 127.0.0.1:{public}
  default_backend web
backend web
  balance {balance}
  option httpchk GET /health
  default-server inter 100ms fall 1 rise 1 {check}
  {more}
  server blue-1 127.0.0.1:{blue} weight 100 {cookie}
  server blue-2 127.0.0.1:{blue} weight 100 {cookie}
  server green-1 127.0.0.1:{green} weight 0 {cookie}
  server green-2 127.0.0.1:{green} weight 0 {cookie}
  server green-3 127.0.0.1:{green} weight 0 {cookie}
"""
SERVERS = {Side.BLUE: ["blue-1", "blue-2"], Side.GREEN: ["green-1", "green-2", "green-3"]}


def require_haproxy() -> str:
    """The program. Without one the tests are skipped; under CI=1 they fail."""
    try:
        return program()
    except NoHaproxy as absent:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(absent))


@dataclass
class Haproxy:
    """One process, on ports of its own."""

    folder: Path
    public: int
    child: Child

    @property
    def instance(self) -> Instance:
        return Instance(self.folder.name, f"unix:{self.folder / 'haproxy.sock'}")

    async def say(self, commands: str) -> str:
        return await ask(self.instance.address, commands)


@dataclass
class Ground:
    """Two releases, a folder, and free ports."""

    folder: Path
    reservation: Reservation
    sides: dict[Side, int]
    stack: contextlib.ExitStack
    started: list[Haproxy] = field(default_factory=list)

    def haproxy(self, name: str, **options: str) -> Haproxy:
        """Start one. Options: level, balance, check, cookie, more (lines of the backend)."""
        folder = self.folder / name
        folder.mkdir()
        public = self.reservation.take(BASE_PORT + 10)
        chosen = {"level": "admin", "balance": "roundrobin", "check": "check", "cookie": "", "more": "", **options}
        text = CONFIGURATION.format(
            socket=folder / "haproxy.sock",
            public=public,
            blue=self.sides[Side.BLUE],
            green=self.sides[Side.GREEN],
            **chosen,
        )
        (folder / "haproxy.cfg").write_text(text)
        command = [require_haproxy(), "-db", "-f", str(folder / "haproxy.cfg")]
        child = Child(name, command, log=folder / "log", environment={"PATH": "/usr/bin"}, ready=listens(public))
        child.start()
        self.stack.callback(child.stop)
        self.started.append(Haproxy(folder, public, child))
        return self.started[-1]

    def target(self, *haproxies: Haproxy, state: str = "state", name: str = "production") -> HaproxyBalancer:
        return self.steer([one.instance for one in haproxies], state=state, name=name)

    def steer(self, instances: Sequence[Instance], state: str = "state", name: str = "production") -> HaproxyBalancer:
        sides = {side: SideAddress(f"http://127.0.0.1:{port}") for side, port in self.sides.items()}
        return HaproxyBalancer(name, Farm(name, instances, {"web": SERVERS}), self.folder / state, sides)


@contextlib.contextmanager
def releases(reservation: Reservation, folder: Path, base_port: int = BASE_PORT) -> Iterator[dict[Side, int]]:
    """Both toy releases; their ports."""
    with contextlib.ExitStack() as stack:
        ports: dict[Side, int] = {}
        children: list[Child] = []
        for side in Side:
            ports[side] = reservation.take(base_port)
            command = [sys.executable, "-m", "app.rehearsal.release", "--side", side, "--port", str(ports[side])]
            environment = {**os.environ, "RANGE_TOKEN": "token"}
            log = folder / f"{side}.log"
            children.append(
                Child(side, command, log=log, environment=environment, folder=ROOT, ready=listens(ports[side]))
            )
            children[-1].launch()
            stack.callback(children[-1].stop)
        for child in children:
            child.wait_ready()
        yield ports


@contextlib.contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    with contextlib.ExitStack() as stack:
        reservation = Reservation()
        stack.callback(reservation.release)
        sides = stack.enter_context(releases(reservation, folder))
        yield Ground(folder, reservation, sides, stack)
