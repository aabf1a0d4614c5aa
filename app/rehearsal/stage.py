"""The processes of the range: two releases, the balancer, the customers. The control process owns one stage."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from app.domain.sides import Side
from app.rehearsal import caddy, haproxy
from app.rehearsal.child import Child, listens
from app.rehearsal.weights_file import WeightsFile


@dataclass(frozen=True, slots=True)
class RangePorts:
    """Ports on loopback."""

    public: int
    control: int
    blue: int
    green: int
    customers: int
    aws: int = 0
    """Of the simulated AWS; 0: this range has none."""
    staging: int = 0
    """Of the second balancer front, for canaries; 0: none."""
    staging_customers: int = 0

    def of(self, side: Side) -> int:
        return self.blue if side is Side.BLUE else self.green


STAGING = "staging"


@dataclass(frozen=True)
class StagingFront:
    """A second way in to the same two releases, with weights of its own: what a canary shifts. It is always a Caddy
    behind the agent's API, whatever the production balancer of this range is."""

    folder: Path
    configuration: Mapping[str, JsonValue]
    weights: WeightsFile
    balancer: Child
    customers: Child

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.weights.make()
        (self.folder / "caddy.json").write_text(json.dumps(self.configuration, indent=1))


class Stage:
    """`folder` keeps weights, epoch and the balancer's configuration; `logs` gets a file a process. The balancer is
    Caddy, or HAProxy `with_haproxy`."""

    def __init__(
        self,
        folder: Path,
        logs: Path,
        ports: RangePorts,
        environment: Mapping[str, str],
        *,
        with_haproxy: bool = False,
    ) -> None:
        self.ports = ports
        self.public_url = f"http://127.0.0.1:{ports.public}"
        self.weights = WeightsFile(folder)
        sides = {side: ports.of(side) for side in Side}
        self.caddy_configuration = caddy.configuration(ports.public, sides)
        self.haproxy_runtime = folder / haproxy.SOCKET
        self.haproxy_configuration = haproxy.configuration(ports.public, sides, self.haproxy_runtime)
        self._folder = folder
        self._logs = logs
        self._environment = environment
        self.releases = {side: self._release(side) for side in Side}
        self.balancer = self._haproxy() if with_haproxy else self._caddy()
        self.customers = self._python(
            *("customers", "app.rehearsal.customers", listens(ports.customers)),
            *("--public", self.public_url, "--port", str(ports.customers), "--per-second", "0"),
        )
        self.aws = self._simulated_aws() if ports.aws else None
        self.staging = self._staging(folder / STAGING, sides) if ports.staging else None

    def start(self) -> None:
        """All at once; customers send nothing before they are told to, when all the others are ready."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self.weights.make()
        (self._folder / "caddy.json").write_text(json.dumps(self.caddy_configuration, indent=1))
        (self._folder / haproxy.CONFIGURATION).write_text(self.haproxy_configuration)
        if self.staging is not None:
            self.staging.prepare()
        for child in self.children():
            child.launch()
        for child in self.children():
            child.wait_ready()

    def stop(self) -> None:
        """Customers first, so that nobody's request fails because of the end."""
        for child in reversed(self.children()):
            child.stop(patience=2)

    def children(self) -> list[Child]:
        between = [self.aws] if self.aws is not None else []
        staging = [self.staging.balancer, self.staging.customers] if self.staging is not None else []
        return [*self.releases.values(), self.balancer, *between, *staging, self.customers]

    def _staging(self, folder: Path, sides: Mapping[Side, int]) -> "StagingFront":
        url = f"http://127.0.0.1:{self.ports.staging}"
        return StagingFront(
            folder=folder,
            configuration=caddy.configuration(self.ports.staging, sides),
            weights=WeightsFile(folder),
            balancer=self._child(
                *("staging-balancer", [caddy.program(), "run", "--config", "caddy.json"]),
                *(listens(self.ports.staging), folder),
            ),
            customers=self._python(
                *("staging-customers", "app.rehearsal.customers", listens(self.ports.staging_customers)),
                *("--public", url, "--port", str(self.ports.staging_customers), "--per-second", "0"),
            ),
        )

    def _simulated_aws(self) -> Child:
        ports = self.ports
        return self._python(
            *("aws", "app.rehearsal.aws", listens(ports.aws), "--folder", str(self._folder)),
            *("--port", str(ports.aws), "--blue", str(ports.blue), "--green", str(ports.green)),
        )

    def _caddy(self) -> Child:
        command = [caddy.program(), "run", "--config", "caddy.json"]
        return self._child("balancer", command, listens(self.ports.public), folder=self._folder)

    def _haproxy(self) -> Child:
        command = [haproxy.program(), "-db", "-f", haproxy.CONFIGURATION]
        return self._child("balancer", command, haproxy.serves(self.haproxy_runtime), folder=self._folder)

    def _release(self, side: Side) -> Child:
        port = self.ports.of(side)
        return self._python(
            *(f"release-{side.value.lower()}", "app.rehearsal.release", listens(port)),
            *("--side", side.value, "--port", str(port)),
        )

    def _python(self, name: str, module: str, ready: Callable[[], bool], *arguments: str) -> Child:
        return self._child(name, [sys.executable, "-m", module, *arguments], ready)

    def _child(self, name: str, command: list[str], ready: Callable[[], bool], folder: Path | None = None) -> Child:
        return Child(
            name,
            command,
            log=self._logs / f"{name}.log",
            # Caddy keeps odds and ends under XDG_…: they belong into the data folder, not into somebody's home.
            environment={
                **self._environment,
                "XDG_DATA_HOME": str(self._folder / "caddy"),
                "XDG_CONFIG_HOME": str(self._folder / "caddy"),
            },
            folder=folder or Path(__file__).parents[2],
            ready=ready,
        )
