"""A real range for tests: balancer, two releases, customers, control process, on ports of its own."""

import contextlib
import os
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.domain.plan_parts import Identity
from app.domain.sides import Side
from app.providers.agent_balancer import AgentBalancer
from app.providers.http_probe import HttpProber
from app.providers.side_address import SideAddress
from app.rehearsal.child import Child
from app.rehearsal.ports import Ports, Reservation
from app.rehearsal.range import AGENT_KEY, CONTROL_KEY
from app.rehearsal.toys import SIDE_OF_DIGEST

ROOT = Path(__file__).resolve().parents[2]
BY_HEADER = Identity(header="X-Release-Digest")


@dataclass(frozen=True)
class RunningRange:
    folder: Path
    ports: Ports
    control: Child

    @property
    def public_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.public}"

    @property
    def control_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.control}"

    @property
    def control_token(self) -> Path:
        return self.folder / CONTROL_KEY

    @property
    def agent_token(self) -> Path:
        return self.folder / AGENT_KEY

    def url_of(self, side: Side) -> str:
        return f"http://127.0.0.1:{self.ports.of_range.of(side)}"

    def target(self, token: Path | None = None) -> AgentBalancer:
        sides = {side: SideAddress(self.url_of(side)) for side in Side}
        return AgentBalancer("production", f"{self.control_url}/balancer", token or self.agent_token, sides)

    def prober(self) -> HttpProber:
        return HttpProber(self.public_url, BY_HEADER, SIDE_OF_DIGEST)

    def api(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.control_token.read_text()}"}
        return httpx.AsyncClient(base_url=self.control_url, headers=headers, timeout=10, trust_env=False)

    def call(self, method: str, path: str, body: str = "") -> str:
        """The control API, synchronously, for fixtures."""
        request = urllib.request.Request(
            self.control_url + path,
            data=body.encode() or None,
            method=method,
            headers={"Authorization": f"Bearer {self.control_token.read_text()}"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return str(response.read().decode())


@contextlib.contextmanager
def running_range(
    folder: Path,
    *,
    base_port: int = 21000,
    per_second: int = 60,
    haproxy: bool = False,
    with_aws: bool = False,
    with_staging: bool = False,
) -> Iterator[RunningRange]:
    """`folder` may have spaces; weights and epoch in it are kept, as in an installation."""
    reservation = Reservation()
    folder.mkdir(parents=True, exist_ok=True)
    ports = reservation.take_all(base_port, folder / "ports.json")
    command = [sys.executable, "-m", "app.rehearsal.range", "--folder", str(folder / "range")]
    command += ["--logs", str(folder / "logs"), "--per-second", str(per_second)]
    command += ["--haproxy"] if haproxy else []
    for name in ("public", "control", "blue", "green", "customers", *(("aws",) if with_aws else ())):
        command += [f"--{name}", str(getattr(ports, name))]
    if with_staging:
        command += ["--staging", str(ports.staging), "--staging-customers", str(ports.staging_customers)]
    url = f"http://127.0.0.1:{ports.control}/healthz"

    def ready() -> bool:
        try:
            return bool(urllib.request.urlopen(url, timeout=1).status == 200)
        except OSError:
            return False

    control = Child(
        "range", command, log=folder / "logs" / "range.log", environment=dict(os.environ), folder=ROOT, ready=ready
    )
    control.start()
    try:
        yield RunningRange(folder / "range", ports, control)
    finally:
        control.stop()
        reservation.release()
