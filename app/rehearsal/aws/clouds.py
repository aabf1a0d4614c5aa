"""What is in moto, looked up in its own memory: the front runs in the same process."""

from collections.abc import Iterator
from typing import Any

from moto.elbv2.models import elbv2_backends
from moto.route53.models import route53_backends

from app.rehearsal.aws.estate import ACCOUNT, REGION


def target_groups() -> set[str]:
    return set(elbv2_backends[ACCOUNT][REGION].target_groups)


def attached_groups() -> set[str]:
    """Target groups that some listener or rule uses; AWS checks the health of no others."""
    return {arn for action in _actions() for arn in _groups_in(action)}


def targets_of(group: str) -> list[tuple[str, int]]:
    """(id, port) of what is registered. Raises KeyError for a group that does not exist."""
    found = elbv2_backends[ACCOUNT][REGION].target_groups[group].targets
    return [(str(target["Id"]), int(target["Port"])) for target in found.values()]


def records_of(zone: str) -> set[tuple[str, str, str]]:
    """(name, type, set identifier) of a hosted zone's records."""
    found = route53_backends[ACCOUNT]["aws"].zones.get(zone)
    if found is None:
        return set()
    return {(str(one.name).lower(), str(one.type), str(one.set_identifier or "")) for one in found.rrsets}


def _actions() -> Iterator[dict[str, Any]]:
    for balancer in elbv2_backends[ACCOUNT][REGION].load_balancers.values():
        for listener in balancer.listeners.values():
            for rule in listener.rules.values():
                yield from (action.data for action in rule.actions)


def _groups_in(action: dict[str, Any]) -> Iterator[str]:
    if "TargetGroupArn" in action:
        yield str(action["TargetGroupArn"])
    for group in action.get("ForwardConfig", {}).get("TargetGroups", ()):
        yield str(group["TargetGroupArn"])
