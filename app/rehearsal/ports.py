"""Which ports an installation uses: the same at each start where possible, never one that somebody else has."""

import json
import socket
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from app.rehearsal.stage import RangePorts

CANDIDATES = 400
LOOPBACK = "127.0.0.1"


class NoPort(Exception):
    """No free port was found near the wanted one."""


@dataclass(frozen=True, slots=True)
class Ports:
    """On loopback. Below 32768, where the kernel takes the ports of outgoing connections from."""

    web: int
    public: int
    control: int
    blue: int
    green: int
    customers: int
    aws: int
    staging: int
    staging_customers: int

    @property
    def of_range(self) -> RangePorts:
        return RangePorts(
            self.public,
            self.control,
            self.blue,
            self.green,
            self.customers,
            self.aws,
            self.staging,
            self.staging_customers,
        )


class Reservation:
    """Ports of one installation. Beside the try to bind it, a port is reserved by a name of the kernel's that ends
    with this process, so that installations that start at the same moment choose different ones."""

    def __init__(self) -> None:
        self._names: list[socket.socket] = []

    def take(self, wanted: int) -> int:
        """`wanted`, or the next port that is free. Raises NoPort."""
        for port in range(wanted, wanted + CANDIDATES):
            if self._reserve(port):
                return port
        raise NoPort(f"No port from {wanted} to {wanted + CANDIDATES - 1} is free.")

    def take_all(self, base: int, file: Path) -> Ports:
        """The web port from `base` on; the others as `file` remembers them (their numbers are part of what sign-offs
        are bound to), or from `base` + 1 on. `file` is brought up to date."""
        remembered = _remembered(file)
        found = {"web": self.take(base)}
        following = base
        for name in ("public", "control", "blue", "green", "customers", "aws", "staging", "staging_customers"):
            following += 1
            found[name] = self.take(remembered.get(name, following))
        ports = Ports(**found)
        file.write_text(json.dumps(asdict(ports)))
        return ports

    def release(self) -> None:
        while self._names:
            self._names.pop().close()

    def _reserve(self, port: int) -> bool:
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind(f"\0gonogo-port-{port}")
            with socket.socket() as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind((LOOPBACK, port))
        except OSError:
            name.close()
            return False
        self._names.append(name)
        return True


def _remembered(file: Path) -> dict[str, int]:
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return {field.name: found[field.name] for field in fields(Ports) if isinstance(found.get(field.name), int)}
