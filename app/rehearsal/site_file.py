"""site.yaml of a rehearsal: binds the plan's target `production` to the range. docs/range.md shows it."""

import json
from pathlib import Path

from app.domain.sides import Side
from app.rehearsal.ports import Ports
from app.rehearsal.range import AGENT_KEY, CONTROL_KEY


def _address(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def write_site(file: Path, ports: Ports, range_folder: Path) -> None:
    sides = {
        side.value: {
            "url": _address(ports.of_range.of(side)),
            "health": "/health",
            "metrics": "/metrics",
            "required": 1,
        }
        for side in Side
    }
    production = {
        "provider": "agent",
        "public_url": _address(ports.public),
        "agent_url": _address(ports.control) + "/balancer",
        "agent_token_file": str(range_folder / AGENT_KEY),
        "sides": sides,
    }
    control = {"control_url": _address(ports.control), "token_file": str(range_folder / CONTROL_KEY)}
    site = {"kind": "range", "targets": {"production": production}, "range": control}
    # JSON is YAML, and quotes whatever a path may hold.
    file.write_text("# Written at each start of the rehearsal.\n" + json.dumps(site, indent=2) + "\n")
