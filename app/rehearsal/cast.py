"""What the range plays: the releases, the way they say who they are, and the figures of one plan.

Handed to the range's processes in one environment variable; nothing here reads a plan's file.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.plan import Metric, Plan
from app.domain.sides import Release, Side

VARIABLE = "RANGE_PLAYS"


@dataclass(frozen=True, slots=True)
class About:
    """Where a release tells its digest besides the range's own header: another header, or a field of JSON at a path."""

    header: str = ""
    path: str = ""
    field: str = ""


def played(environ: Mapping[str, str] | None = None) -> tuple[dict[Side, Release], About] | None:
    """What this process was told to play; None without a plan."""
    text = (os.environ if environ is None else environ).get(VARIABLE, "")
    if not text:
        return None
    said: dict[str, Any] = json.loads(text)
    return {Side(side): Release(*release) for side, release in said["releases"].items()}, About(**said["about"])


def told(plan: Plan) -> str:
    """The variable's value for a plan."""
    identity = plan.target(target_of(plan)).identity
    about = {"header": identity.header} if identity.header else {"path": identity.path, "field": identity.field}
    sides = {"BLUE": plan.releases.blue, "GREEN": plan.releases.green}
    releases = {side: [spec.version, spec.digest] for side, spec in sides.items()}
    return json.dumps({"releases": releases, "about": about})


def target_of(plan: Plan) -> str:
    return plan.production.target or plan.targets[0].key


def staging_of(plan: Plan) -> str:
    """The target that a canary of the plan shifts; empty where it has none."""
    return next((phase.target for phase in plan.phases if phase.canary and phase.target), "") or ""


OWN = ("response_time", "error_rate", "db_connections", "memory", "cpu")
"""Metrics that every site computes by itself (app/providers/prometheus_text.py)."""


def figures_of(plan: Plan) -> dict[str, dict[str, Any]]:
    """How the range computes the plan's metrics from what its toy releases measure: times by their quantile, shares as
    the share of failed requests, MiB as resident memory, and counts as database connections."""
    found = {metric.key: _figure(metric) for metric in plan.metrics if metric.key not in OWN}
    return {key: figure for key, figure in found.items() if figure is not None}


def _figure(metric: Metric) -> dict[str, Any] | None:
    match metric.unit:
        case "ms" | "s":
            wanted = re.search(r"p(\d{1,2})\b", metric.statistic)
            quantile = int(wanted[1]) / 100 if wanted and int(wanted[1]) else 0.95
            scale = 1000 if metric.unit == "ms" else 1
            return {
                "kind": "quantile",
                "series": "http_request_duration_seconds",
                "quantile": quantile,
                "scale": scale,
            }
        case "%":
            return {"kind": "share", "series": "http_requests_total", "label": "status", "starts": "5"}
        case "MiB":
            return {"kind": "level", "series": "process_resident_memory_bytes", "scale": 1 / 2**20}
        case "":
            return {"kind": "level", "series": "db_connections_active"}
    return None
