"""What a person turns on the card of the simulated AWS, and the list of faults that it stands for."""

from collections.abc import Mapping, Sequence
from typing import Any

Fault = Mapping[str, Any]
"""As docs/range.md, `Fault`."""

_WRITES = ("ModifyListener", "ModifyRule")


def faults_of(*, slow_ms: int, throttled_percent: int, dropped: bool, dns_refused: bool) -> list[Fault]:
    """In the order in which they strike: a call that fails is not slow as well."""
    faults: list[Fault] = []
    if dns_refused:
        faults.append({"service": "route53", "operation": "ChangeResourceRecordSets", "kind": "error"})
    if throttled_percent:
        faults.append({"kind": "error", "percent": throttled_percent})
    if dropped:
        faults += [{"service": "elbv2", "operation": name, "kind": "dropped", "percent": 50} for name in _WRITES]
    if slow_ms:
        faults.append({"kind": "slow", "ms": slow_ms})
    return faults


def values_of(faults: Sequence[Fault]) -> dict[str, Any]:
    """The card's values for the faults in force. Faults that were set by another way show in none of them; the card's
    word counts them all."""
    found: dict[str, Any] = {"slow_ms": 0, "throttled_percent": 0, "dropped": False, "dns_refused": False}
    for fault in faults:
        service, kind = fault.get("service", "*"), fault.get("kind")
        match service, kind:
            case "*", "slow":
                found["slow_ms"] = fault.get("ms", 0)
            case "*", "error":
                found["throttled_percent"] = fault.get("percent", 100)
            case "elbv2", "dropped":
                found["dropped"] = True
            case "route53", "error":
                found["dns_refused"] = True
    return found
