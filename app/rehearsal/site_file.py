"""site.yaml of a rehearsal: binds the plan's targets to the range, `production` without a plan (docs/range.md)."""

import json
from pathlib import Path
from typing import Any, Literal, TypeGuard, get_args

from app.domain.plan import Plan
from app.domain.sides import Side
from app.rehearsal import haproxy
from app.rehearsal.aws.estate import CREDENTIALS, IDENTIFIERS, PROFILE, RECORD, REGION, Estate
from app.rehearsal.cast import figures_of, staging_of, target_of
from app.rehearsal.control import STAGING
from app.rehearsal.github import GITHUB_KEY
from app.rehearsal.ports import Ports
from app.rehearsal.range import AGENT_KEY, CONTROL_KEY
from app.rehearsal.slotbook import SLOTBOOK_KEY

RangeTarget = Literal["agent", "haproxy", "aws"]
TARGETS: tuple[str, ...] = get_args(RangeTarget)


SCRIPTS = Path(__file__).with_name("scripts")
GITHUB_VARIABLE = "RANGE_GITHUB"
"""Where the scripts find the range's stand-in for GitHub: host:port, in the environment of the workers."""
SLOTBOOK_VARIABLE = "RANGE_SLOTBOOK"
"""The same of the stand-in for a port's slot book."""
STAND_INS = {GITHUB_VARIABLE: GITHUB_KEY, SLOTBOOK_VARIABLE: SLOTBOOK_KEY}
"""What scripts can talk to: the variable that says where → the file of its token."""


def is_target(word: str) -> TypeGuard[RangeTarget]:
    return word in TARGETS


def _address(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def write_site(
    file: Path, ports: Ports, range_folder: Path, target: RangeTarget = "agent", plan: Plan | None = None
) -> None:
    sides = {
        side.value: {
            "url": _address(ports.of_range.of(side)),
            "health": "/health",
            "metrics": "/metrics",
            "required": 1,
        }
        for side in Side
    }
    match target:
        case "agent":
            steered = _agent(ports, range_folder)
        case "haproxy":
            steered = _haproxy(range_folder)
        case "aws":
            steered = _aws(ports, range_folder)
    name = target_of(plan) if plan else "production"
    figures = figures_of(plan) if plan else {}
    bound = {**steered, "public_url": _address(ports.public), "sides": sides}
    if figures:
        bound["figures"] = figures
    control = {"control_url": _address(ports.control), "token_file": str(range_folder / CONTROL_KEY)}
    second = staging_of(plan) if plan else "staging"
    targets = {name: bound}
    customers: dict[str, str] = {}
    if second:
        front = {**_agent(ports, range_folder, STAGING), "public_url": _address(ports.staging)}
        targets[second] = {**front, "sides": sides}
        if figures:
            targets[second]["figures"] = figures
        customers[second] = _address(ports.control) + STAGING
    scripts = {
        "folder": str(SCRIPTS),
        "environment": list(STAND_INS),
        "shown": list(STAND_INS),
        "secrets": {f"{variable}_TOKEN": str(range_folder / key) for variable, key in STAND_INS.items()},
    }
    around = {**control, "customers": customers}
    site = {"kind": "range", "targets": targets, "range": around, "scripts": scripts}
    # JSON is YAML, and quotes whatever a path may hold.
    file.write_text("# Written at each start of the rehearsal.\n" + json.dumps(site, indent=2) + "\n")


def _agent(ports: Ports, range_folder: Path, base: str = "") -> dict[str, Any]:
    return {
        "provider": "agent",
        "agent_url": _address(ports.control) + f"{base}/balancer",
        "agent_token_file": str(range_folder / AGENT_KEY),
    }


def _haproxy(range_folder: Path) -> dict[str, Any]:
    return {
        "provider": "haproxy",
        "instances": [{"name": haproxy.INSTANCE, "address": f"unix:{haproxy.socket_of(range_folder)}"}],
        "backends": {haproxy.BACKEND: {side.value: [side.value] for side in Side}},
        "state_folder": str(range_folder / "turns"),
    }


def _aws(ports: Ports, range_folder: Path) -> dict[str, Any]:
    """The range's estate, as the simulated AWS wrote it down when it was ready."""
    estate = Estate.load(range_folder)
    return {
        "provider": "aws",
        "region": REGION,
        "endpoint_url": _address(ports.aws),
        "credentials": {"profile": PROFILE, "file": str(range_folder / CREDENTIALS)},
        "routes": [{"arn": arn, "name": name} for name, arn in estate.routes.items()],
        "target_groups": estate.groups,
        "dns": {
            "zone": estate.zone,
            "name": RECORD,
            "type": "CNAME",
            "weighted": {side.value: identifier for side, identifier in IDENTIFIERS.items()},
        },
    }
