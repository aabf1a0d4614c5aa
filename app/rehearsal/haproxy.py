"""The range's balancer when it rehearses for HAProxy: a real one, which gonogo's HAProxy provider steers."""

import os
import re
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

from app.domain.sides import Side, Weights

BACKEND = "public"
INSTANCE = "range"
CONFIGURATION = "haproxy.cfg"
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
    path = folder / "haproxy.sock"
    if len(os.fsencode(path)) > LONGEST_SOCKET:
        raise NoHaproxy(f"{path} is too long for a socket: choose a shorter data folder (GONOGO_DATA).")
    return path


def configuration(port: int, sides: Mapping[Side, int], runtime: Path, green: int = 0) -> str:
    """One frontend, one backend, one server a side; `green` is the percent it starts with. No retry on the other side:
    a customer's failed request is a failed request."""
    servers = [
        f"  server {side} 127.0.0.1:{sides[side]} weight {2 * (green if side is Side.GREEN else 100 - green)} check"
        for side in Side
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
        "  default-server inter 1s fall 2 rise 1 maxconn 1000",
        "  http-response set-header X-Served-By %[srv_name]",
        *servers,
    ]
    return "\n".join(lines) + "\n"


def read_weights(runtime: Path) -> Weights | None:
    """What HAProxy itself says, for the range's own page; None while it does not answer."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(runtime))
            connection.sendall(f"show servers state {BACKEND}\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    except OSError:
        return None
    found = {side: re.search(rf"^\d+ {BACKEND} \d+ {side} \S+ \d+ \d+ (\d+) ", answer, re.MULTILINE) for side in Side}
    blue, green = (int(match[1]) if match else 0 for match in found.values())
    if blue + green == 0:
        return None
    share = round(100 * green / (blue + green))
    return Weights(100 - share, share)
