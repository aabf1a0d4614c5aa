"""Turned knobs in words: for the timeline's sentences, and for what is wrong on purpose now."""

from collections.abc import Mapping
from typing import Any

from app.web.figures import thousands

Knobs = Mapping[str, Mapping[str, Any]]
"""As docs/range.md, `Knobs`."""

_RELEASE = {
    "latency_ms": ("made {side} slow: +{value} ms", "made {side} as fast as before"),
    "failure_percent": ("made {side} fail {value} % of requests", "let {side} answer without failures"),
    "dead": ("killed {side}", "brought {side} back"),
    "unavailable": ("made {side} unavailable: it answers 503 to everything", "made {side} available again"),
    "payment_fails": ("made payment fail on {side}", "let payment work on {side} again"),
    "memory_percent": ("made {side} use {value} % of its memory", "gave {side}'s memory back"),
    "cpu_percent": ("made {side} use {value} % of its CPU", "let {side}'s CPU rest"),
    "db_connections": ("held {value} of {side}'s database connections", "gave {side}'s database connections back"),
}
_BALANCER = {
    "slow_ms": ("made the balancer slow: +{value} ms a write", "made the balancer's writes as fast as before"),
    "refuse": ("made the balancer refuse writes", "let the balancer accept writes"),
    "drop_answer": ("made the balancer cut its answers off", "let the balancer answer again"),
    "late_ms": ("made the balancer apply writes {value} ms late", "let the balancer apply writes at once"),
}
_CUSTOMERS = {
    "per_second": ("set the customers to {value} requests a second", "sent the customers home"),
    "streams": ("let {value} customers hold long answers", "ended the customers' long answers"),
}
_AWS = {"faults": ("let the simulated AWS fail in {value} ways", "let the simulated AWS answer well again")}
_GITHUB = {"refuse": ("made GitHub’s stand-in refuse changes", "let GitHub’s stand-in take changes")}
_SLOTBOOK = {"refuse": ("locked the slot book’s stand-in", "unlocked the slot book’s stand-in")}
_SENTENCES = {
    "blue": _RELEASE,
    "green": _RELEASE,
    "balancer": _BALANCER,
    "customers": _CUSTOMERS,
    "aws": _AWS,
    "github": _GITHUB,
    "slotbook": _SLOTBOOK,
}

_WRONG = {
    "latency_ms": "+{value} ms",
    "failure_percent": "{value} % fail",
    "dead": "dead",
    "unavailable": "503 to everything",
    "payment_fails": "payment fails",
    "memory_percent": "memory {value} %",
    "cpu_percent": "CPU {value} %",
    "db_connections": "{value} database connections held",
    "slow_ms": "writes +{value} ms",
    "refuse": "refuses writes",
    "drop_answer": "cuts answers off",
    "late_ms": "applies {value} ms late",
    "faults": "{value} faults",
}
_STAND_INS = {"github": {"refuse": "refuses changes"}, "slotbook": {"refuse": "refuses changes"}}
"""Whose knobs say it in other words."""


def turned(before: Knobs, after: Knobs) -> tuple[str, ...]:
    """What was done from `before` to `after`: parts of a sentence without its subject; empty if nothing changed."""
    found: list[str] = []
    for group, sentences in _SENTENCES.items():
        old, new = before.get(group, {}), after.get(group, {})
        for name, (on, off) in sentences.items():
            if old.get(name) != new.get(name):
                value = new.get(name)
                found.append((on if value else off).format(side=group.upper(), value=_figure(value)))
    return tuple(found)


def wrong(group: str, knobs: Mapping[str, Any]) -> str:
    """What is wrong on purpose: "+800 ms, 5 % fail"; empty where all is well."""
    if group == "customers":
        return ""
    words = _WRONG | _STAND_INS.get(group, {})
    return ", ".join(text.format(value=_figure(knobs[name])) for name, text in words.items() if knobs.get(name))


def _figure(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return str(len(value))
    return thousands(value) if isinstance(value, int) and not isinstance(value, bool) else str(value)
