"""Alerts about a canary's target: what each stands at, and what it does to the gate.

A critical alert of a category that the plan's `rollback_if` names takes the canary back, even when it is resolved a
moment later. One that `proceed_if` names holds the gate for as long as it fires. One that no line names is shown and
does nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from app.domain.canary_evidence import AlertSeen
from app.domain.plan import CanaryGate, CanaryLine, Plan

Effect = Literal["back", "holds", "unknown", "over", "none"]

_ON_THE_GATE: Mapping[str, Effect] = {"firing": "holds", "resolved": "over"}


@dataclass(frozen=True, slots=True)
class AlertMessage:
    """A message as it came. `state`: firing, resolved or unknown."""

    at: datetime
    source: str
    name: str
    state: str
    category: str
    is_critical: bool


def canary_targets(plan: Plan) -> frozenset[str]:
    """Targets that a phase shifts share by share."""
    return frozenset(phase.target for phase in plan.phases if phase.canary and phase.target is not None)


def stand_of(messages: Iterable[AlertMessage]) -> tuple[AlertSeen, ...]:
    """Each alert once, as its newest message has it, in the order in which they first came. The oldest message comes
    first."""
    found: dict[tuple[str, str, str], AlertSeen] = {}
    for each in messages:
        key = (each.source, each.name, each.category)
        is_firing = each.state == "firing"
        before = found.get(key) or AlertSeen(each.at, each.category, False, each.name, stands="", has_fired=False)
        found[key] = replace(
            before,
            at=each.at,
            is_critical=before.is_critical or (is_firing and each.is_critical),
            has_fired=before.has_fired or is_firing,
            stands=each.state,
        )
    return tuple(found.values())


def effect_of(gate: CanaryGate, alert: AlertSeen) -> Effect:
    """What an alert that came since the canary began does to it."""
    if alert.has_fired and alert.is_critical and _is_named(gate.rollback_if, alert):
        return "back"
    if not _is_named(gate.proceed_if, alert):
        return "none"
    return _ON_THE_GATE.get(alert.stands, "unknown")


def _is_named(lines: Iterable[CanaryLine], alert: AlertSeen) -> bool:
    return any(line.kind == "alert" and (not line.categories or alert.category in line.categories) for line in lines)
