"""The range's balancer when it rehearses for HAProxy: a real one, which gonogo's HAProxy provider steers."""

import hashlib
import os
import re
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.domain.sides import Side, Weights
from app.rehearsal.child import Check
from app.rehearsal.knobs import BalancerKnobs

BACKEND = "public"
INSTANCE = "range"
CONFIGURATION = "haproxy.cfg"
SOCKET = "haproxy.sock"
LONGEST_SOCKET = 90
"""Bytes: HAProxy binds a longer name first, and the kernel takes 107."""


class NoHaproxy(Exception):
    """HAProxy cannot run here, and what to do about it."""


def program() -> str:
    """`HAPROXY_BIN`, or the one of the Debian package, or one on the path."""
    packaged = "/usr/sbin/haproxy"
    found = os.environ.get("HAPROXY_BIN") or (packaged if Path(packaged).exists() else shutil.which("haproxy"))
    if not found:
        raise NoHaproxy("The program haproxy is not installed: apt-get install haproxy, or set HAPROXY_BIN.")
    return found


def socket_of(folder: Path) -> Path:
    """Its runtime API. Raises NoHaproxy when the folder's name is too long for a socket."""
    path = folder / SOCKET
    if len(os.fsencode(path)) > LONGEST_SOCKET:
        raise NoHaproxy(f"{path} is too long for a socket: choose a shorter data folder (GONOGO_DATA).")
    return path


def configuration(port: int, sides: Mapping[Side, int], runtime: Path) -> str:
    """One frontend, one backend, one server a side; it starts all on BLUE, after a crash too, as HAProxy does. No retry
    on the other side: a customer's failed request is a failed request."""
    servers = [
        f"  server {side} 127.0.0.1:{sides[side]} weight {200 if side is Side.BLUE else 0} check" for side in Side
    ]
    lines = [
        "global",
        f"  stats socket {runtime} mode 600 level admin",
        "  maxconn 4000",
        "defaults",
        "  mode http",
        "  timeout connect 1s",
        "  timeout client 60s",
        "  timeout server 60s",
        "  timeout http-keep-alive 60s",
        "  retries 0",
        "frontend customers",
        f"  bind 127.0.0.1:{port}",
        "  http-request return status 404 if { path /metrics } or { path_beg /_ }",
        f"  default_backend {BACKEND}",
        f"backend {BACKEND}",
        "  balance roundrobin",
        "  option httpchk GET /health",
        "  default-server inter 1s fastinter 200ms downinter 200ms fall 2 rise 1 maxconn 1000",
        "  http-response set-header X-Served-By %[srv_name]",
        *servers,
    ]
    return "\n".join(lines) + "\n"


def serves(runtime: Path) -> Check:
    """Ready when its own checks found both releases well; before that it would answer 503."""

    def check() -> bool:
        lines = _ask(runtime, "show stat").splitlines()
        return all(any(line.startswith(f"{BACKEND},{side},") and ",L7OK," in line for line in lines) for side in Side)

    return check


@dataclass(frozen=True, slots=True)
class HaproxyState:
    """What the range tells of it; no weights while it does not answer."""

    weights: Weights | None
    configuration: str

    def as_json(self) -> dict[str, object]:
        found = self.weights
        routes = [{"route": BACKEND, "blue": found.blue, "green": found.green}] if found is not None else []
        return {"routes": routes, "epoch": 0, "configuration": self.configuration}


class HaproxyView:
    """In the place of the balancer agent: gonogo steers HAProxy itself, so there is nothing between to fail."""

    has_knobs = False

    def __init__(self, runtime: Path, configured: str) -> None:
        self.knobs = BalancerKnobs()
        self._runtime = runtime
        self._configuration = hashlib.sha256(configured.encode()).hexdigest()[:16]

    def read(self) -> HaproxyState:
        answer = _ask(self._runtime, f"show servers state {BACKEND}")
        line = r"^\d+ {} \d+ {} \S+ \d+ \d+ (\d+) "
        found = {side: re.search(line.format(BACKEND, side), answer, re.MULTILINE) for side in Side}
        blue, green = (int(match[1]) if match else 0 for match in found.values())
        share = round(100 * green / (blue + green)) if blue + green else 0
        return HaproxyState(Weights(100 - share, share) if blue + green else None, self._configuration)


def _ask(runtime: Path, command: str) -> str:
    """Empty while it does not answer."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(runtime))
            connection.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    except OSError:
        return ""
