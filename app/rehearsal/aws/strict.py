"""What AWS refuses and moto takes: checked here, before moto sees it. Bounds and codes are the API references'."""

import re
from collections import Counter
from collections.abc import Callable, Collection
from xml.etree import ElementTree

from app.rehearsal.aws.answers import Refusal
from app.rehearsal.aws.call import Call, members

MOST_GROUPS = 5
MOST_WEIGHT = 999
MOST_RECORD_WEIGHT = 255
_ACTIONS = {"ModifyListener": "DefaultActions", "CreateListener": "DefaultActions"}
_ACTIONS |= {"ModifyRule": "Actions", "CreateRule": "Actions"}
_GROUP = re.compile(r"ForwardConfig\.TargetGroups\.member\.(\d+)\.(TargetGroupArn|Weight)")
_NAMESPACE = re.compile(r"\{[^}]*\}")


def check_actions(call: Call, known_groups: Callable[[], Collection[str]]) -> None:
    """Raises Refusal for a list of actions that AWS would not take."""
    prefix = _ACTIONS.get(call.operation)
    if prefix is None or not any(name.startswith(prefix) for name in call.fields):
        return
    actions = members(call.fields, prefix)
    if not actions:
        raise Refusal("ValidationError", "Actions list must not be empty")
    known = known_groups()
    for action in actions:
        if action.get("Type") == "forward":
            _check_forward(weights_in(action), known)
    if not any(action.get("Type") in ("forward", "redirect", "fixed-response") for action in actions):
        raise Refusal("InvalidLoadBalancerAction", "The last action must be forward, redirect or fixed-response")


def weights_in(action: dict[str, str]) -> dict[str, int]:
    """Target group → weight of one forward action, in either of its forms."""
    found: dict[str, dict[str, str]] = {}
    for name, value in action.items():
        if match := _GROUP.fullmatch(name):
            found.setdefault(match[1], {})[match[2]] = value
    groups = {part.get("TargetGroupArn", ""): int(part.get("Weight", 1)) for part in found.values()}
    if not groups and "TargetGroupArn" in action:
        groups = {action["TargetGroupArn"]: 1}
    return groups


def _check_forward(groups: dict[str, int], known: Collection[str]) -> None:
    if not groups:
        raise Refusal("ValidationError", "A forward action needs at least one target group")
    if len(groups) > MOST_GROUPS:
        raise Refusal("TooManyTargetGroups", f"A forward action takes at most {MOST_GROUPS} target groups")
    for arn, weight in groups.items():
        if not 0 <= weight <= MOST_WEIGHT:
            raise Refusal("ValidationError", f"Weight {weight} is not between 0 and {MOST_WEIGHT}")
        if arn not in known:
            raise Refusal("TargetGroupNotFound", f"Target group '{arn}' not found")


def check_change_batch(body: bytes, records: Callable[[], Collection[tuple[str, str, str]]]) -> None:
    """Raises Refusal for a batch that Route 53 would refuse as a whole. `records` are those of the zone: (name, type,
    set identifier)."""
    wanted = list(_changes(body))
    twice = [key for key, count in Counter(key for _, key, _ in wanted).items() if count > 1]
    if twice:
        raise Refusal("InvalidChangeBatch", f"The same record twice in one batch: {twice[0]}")
    existing = set(records())
    for action, (name, kind, identifier), weight in wanted:
        if weight is not None and not 0 <= weight <= MOST_RECORD_WEIGHT:
            raise Refusal("InvalidInput", f"Weight {weight} is not between 0 and {MOST_RECORD_WEIGHT}")
        beside = {own for at, of, own in existing if (at, of) == (name, kind)}
        if beside and (identifier == "") != ("" in beside):
            raise Refusal("InvalidChangeBatch", f"{name} {kind}: a simple record beside weighted ones")
        if action == "DELETE" and (name, kind, identifier) not in existing:
            raise Refusal("InvalidChangeBatch", f"{name} {kind} {identifier} does not exist")


def _changes(body: bytes) -> "list[tuple[str, tuple[str, str, str], int | None]]":
    """(action, (name, type, set identifier), weight) of each change."""
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - of our own product, on loopback
    except ElementTree.ParseError as problem:
        raise Refusal("InvalidInput", f"The request is not XML: {problem}") from problem
    found = []
    for change in root.iter():
        if _NAMESPACE.sub("", change.tag) != "Change":
            continue
        text = {_NAMESPACE.sub("", part.tag): (part.text or "") for part in change.iter()}
        key = (text.get("Name", "").rstrip(".").lower() + ".", text.get("Type", ""), text.get("SetIdentifier", ""))
        found.append((text.get("Action", ""), key, int(text["Weight"]) if "Weight" in text else None))
    return found
