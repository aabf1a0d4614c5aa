"""The cards of knobs and the presets, from the knobs in force."""

from collections.abc import Mapping
from typing import Any

from app.range.queries_aws import values_of
from app.range.queries_words import Knobs, wrong
from app.range.views import Card, NumberKnob, Preset, TickKnob, Tone

Sent = tuple[str, Mapping[str, str], Mapping[str, str]]
"""(group, values as sent, one sentence a field) of a form that was refused."""

_RELEASE_NUMBERS = (
    ("latency_ms", "Slower by", "ms", 10_000),
    ("failure_percent", "Requests that fail", "%", 100),
    ("memory_percent", "Memory in use", "%", 95),
    ("cpu_percent", "CPU in use", "%", 95),
    ("db_connections", "Database connections held", "", 110),
)
_RELEASE_TICKS = (
    ("dead", "Dead", "Its process is killed; connections are refused"),
    ("unavailable", "Unavailable", "It answers 503 to everything, its health check too"),
    ("payment_fails", "Payment fails", "/pay answers 500, everything else goes on"),
)
_NUMBERS = {
    "blue": _RELEASE_NUMBERS,
    "green": _RELEASE_NUMBERS,
    "balancer": (
        ("slow_ms", "Writes slower by", "ms", 30_000),
        ("late_ms", "Writes applied later by", "ms", 30_000),
    ),
    "customers": (
        ("per_second", "Requests a second, all together", "", 1000),
        ("streams", "Long answers held open", "", 50),
    ),
    "aws": (
        ("slow_ms", "Every call slower by", "ms", 30_000),
        ("throttled_percent", "Calls that are throttled", "%", 100),
    ),
    "github": (),
    "slotbook": (),
}
_TICKS = {
    "blue": _RELEASE_TICKS,
    "green": _RELEASE_TICKS,
    "balancer": (
        ("refuse", "Refuses writes", "It answers 503 and applies nothing"),
        ("drop_answer", "Cuts its answers off", "A write is applied, then the connection is cut"),
    ),
    "customers": (),
    "aws": (
        ("dropped", "Half the writes are not answered", "The weights are applied, then the connection is cut"),
        ("dns_refused", "DNS takes no change", "Route 53 refuses: the balancer moves, DNS stays behind"),
    ),
    "github": (("refuse", "Refuses changes", "It answers 403: the scripts of phase 2 fail"),),
    "slotbook": (("refuse", "Refuses changes", "It answers 423: the port’s script fails"),),
}
_TITLES = {
    "blue": "Release BLUE",
    "green": "Release GREEN",
    "balancer": "Balancer",
    "customers": "Customers",
    "aws": "Simulated AWS",
    "github": "GitHub’s stand-in",
    "slotbook": "Slot book’s stand-in",
}
_BUTTONS = {
    "green": "Set GREEN",
    "blue": "Set BLUE",
    "balancer": "Set the balancer",
    "customers": "Set the customers",
    "aws": "Set AWS",
    "github": "Set GitHub",
    "slotbook": "Set the slot book",
}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "green_slow": {"green": {"latency_ms": 800}},
    "green_failing": {"green": {"failure_percent": 5}},
    "green_dead": {"green": {"dead": True}},
    "payment_failing": {"green": {"payment_fails": True}},
    "balancer_refuses": {"balancer": {"refuse": True}},
    "github_refuses": {"github": {"refuse": True}},
}
_PRESET_WORDS = (
    ("green_slow", "GREEN slow", "Each request takes 800 ms more"),
    ("green_failing", "GREEN failing 5 %", "One request in 20 answers 500"),
    ("green_dead", "GREEN dead", "Its process is killed"),
    ("payment_failing", "GREEN payment fails", "It answers 500 to /pay: a trigger fires"),
    ("balancer_refuses", "Balancer refuses", "No weight can be written"),
    ("github_refuses", "GitHub refuses", "403 to every change: phase 2’s script fails"),
)


def presets_of(knobs: Knobs) -> tuple[Preset, ...]:
    """The presets of faults; one is on while all that it sets is in force."""
    return tuple(Preset(key, title, text, _is_on(knobs, PRESETS[key])) for key, title, text in _PRESET_WORDS)


def _is_on(knobs: Knobs, part: Knobs) -> bool:
    return all(knobs.get(group, {}).get(name) == value for group, own in part.items() for name, value in own.items())


def cards_of(knobs: Knobs, sent: Sent | None = None, *, has_aws: bool = False) -> tuple[Card, ...]:
    """A card a part of the range; of a simulated AWS only where there is one."""
    return tuple(_card(group, knobs.get(group, {}), sent) for group in _TITLES if has_aws or group != "aws")


def _card(group: str, own: Mapping[str, Any], sent: Sent | None) -> Card:
    typed, errors = (sent[1], sent[2]) if sent is not None and sent[0] == group else ({}, {})
    said = wrong(group, own)
    if group == "aws":
        own = values_of(own.get("faults", ()))
    tone: Tone = "crit" if own.get("dead") else "warn" if said else "ok"
    numbers = [
        NumberKnob(
            name=name,
            label=label,
            unit=unit,
            value=typed.get(name, str(own.get(name, 0)))[:20],
            most=most,
            error=f"A whole number from 0 to {most:,}." if name in errors else "",
        )
        for name, label, unit, most in _NUMBERS[group]
    ]
    known = {number.name for number in numbers}
    return Card(
        group=group,
        title=_TITLES[group],
        side=group.upper() if group in ("blue", "green") else "",
        numbers=tuple(numbers),
        ticks=tuple(TickKnob(name, label, hint, bool(own.get(name))) for name, label, hint in _TICKS[group]),
        word=said or "Normal",
        tone=tone,
        button=_BUTTONS[group],
        error=" ".join(text for name, text in errors.items() if name not in known),
    )
