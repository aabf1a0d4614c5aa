"""View models of a canary's page. Frozen; templates know nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

GateMark = Literal["ok", "wait", "unknown", "crit", "hold"]


@dataclass(frozen=True, slots=True)
class ShareStep:
    """A share of the strip. state: past, now, ahead, back. `note` says what became of it or what it waits for;
    `ends_at` is when its dwell time is over if nothing stops it, on the real clock."""

    percent: int
    state: Literal["past", "now", "ahead", "back"]
    note: str
    started_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class GateLine:
    """A line of the gate, or an alert: `found` against `limit`, with what stands `behind` it."""

    key: str
    mark: GateMark
    word: str
    title: str
    found: str
    limit: str
    behind: str = ""


@dataclass(frozen=True, slots=True)
class Press:
    """Something this person can do. `closed` says why not now; `label` names the field it asks for."""

    key: str
    title: str
    url: str
    kind: str = ""
    closed: str = ""
    label: str = ""
    is_required: bool = False
    says: str = ""


@dataclass(frozen=True, slots=True)
class CanaryView:
    url: str
    phase_url: str
    phase: str
    headline: str
    advice: str
    mark: str
    word: str
    left: str
    """How long it takes still, at the least: the plan's dwell times. Empty once it is over."""
    steps: tuple[ShareStep, ...]
    observed: tuple[tuple[str, str], ...]
    """Terms and values: what was wanted, what the balancer says, what probes see with its error."""
    verdict: str
    why: str
    asks: tuple[str, ...]
    proceed: tuple[GateLine, ...]
    rollback: tuple[GateLine, ...]
    alerts: tuple[GateLine, ...]
    """Alerts about the canary's target, the newest first, each with what it does to the canary."""
    presses: tuple[Press, ...]
    version: int
    run: int
    reason: str
    now: datetime
    versions: Mapping[str, int]
