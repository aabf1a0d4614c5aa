"""An ALB's list of actions, read and rewritten. Pure.

ModifyListener and ModifyRule replace the whole list, so whatever else is in it (authentication, other target groups)
has to be in what is written: exactly as it was read, but for the weights of BLUE and GREEN and the group stickiness.
"""

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.sides import Side, Weights

Action = dict[str, Any]

MOST_GROUPS = 5
MOST_WEIGHT = 999
"""AWS's own bounds; a simulated AWS may know none."""
FORWARD = "forward"
_WRITTEN_ONLY = ("ClientSecret", "UseExistingClientSecret")


class NotSteerable(Exception):
    """A list of actions whose traffic cannot be divided between BLUE and GREEN; the message says why."""


@dataclass(frozen=True, slots=True)
class Groups:
    """The ARNs of the two target groups."""

    blue: str
    green: str

    def __post_init__(self) -> None:
        if self.blue == self.green:
            raise ValueError("BLUE and GREEN are the same target group")

    def of(self, side: Side) -> str:
        return self.blue if side is Side.BLUE else self.green


def forward_of(actions: Sequence[Action]) -> Action:
    """The action that forwards. Raises NotSteerable unless there is one and it names target groups."""
    found = [action for action in actions if action.get("Type") == FORWARD]
    if not actions:
        raise NotSteerable("it has no actions")
    if len(found) != 1:
        kinds = ", ".join(str(action.get("Type")) for action in actions)
        raise NotSteerable(f"it does not forward to target groups: {kinds}")
    if not groups_in(found[0]):
        raise NotSteerable("its forward names no target group")
    return found[0]


def groups_in(forward: Action) -> dict[str, int]:
    """Target group → weight, in the order of the action. The short form means one group with all of it."""
    tuples = forward.get("ForwardConfig", {}).get("TargetGroups") or ()
    found = {str(group["TargetGroupArn"]): int(group.get("Weight", 1)) for group in tuples}
    if not found and forward.get("TargetGroupArn"):
        found = {str(forward["TargetGroupArn"]): 1}
    return found


def weights_of(actions: Sequence[Action], groups: Groups) -> Weights:
    """Percent between BLUE and GREEN, whatever scale the action uses; a group that is missing counts as 0. A share
    that is small but not nothing is never told as nothing. Raises NotSteerable."""
    found = groups_in(forward_of(actions))
    blue, green = found.get(groups.blue, 0), found.get(groups.green, 0)
    if blue + green == 0:
        raise NotSteerable("neither BLUE nor GREEN has any weight")
    share = round(100 * green / (blue + green))
    if blue and green:
        share = min(max(share, 1), 99)
    return Weights(100 - share, share)


def others_in(actions: Sequence[Action], groups: Groups) -> dict[str, int]:
    """Target groups of the forward that are neither BLUE nor GREEN, with their weights."""
    own = (groups.blue, groups.green)
    return {arn: weight for arn, weight in groups_in(forward_of(actions)).items() if arn not in own}


def sticky_for(actions: Sequence[Action]) -> int:
    """Seconds of the forward's group stickiness; 0 if it is off."""
    config = forward_of(actions).get("ForwardConfig", {}).get("TargetGroupStickinessConfig", {})
    return int(config.get("DurationSeconds") or 1) if config.get("Enabled") else 0


def rewritten(actions: Sequence[Action], groups: Groups, weights: Weights) -> list[Action]:
    """The list with these weights and group stickiness off (its duration stays, for whoever puts it on again): a
    customer's cookie would beat the weights. Raises NotSteerable for what AWS would refuse."""
    forward = forward_of(actions)
    found = groups_in(forward)
    wanted = {**found, groups.blue: weights.blue, groups.green: weights.green}
    _check(wanted)
    config = forward.get("ForwardConfig", {})
    duration = config.get("TargetGroupStickinessConfig", {}).get("DurationSeconds")
    new: Action = {key: value for key, value in forward.items() if key not in ("TargetGroupArn", "ForwardConfig")}
    new["ForwardConfig"] = {
        **{key: value for key, value in config.items() if key not in ("TargetGroups", "TargetGroupStickinessConfig")},
        "TargetGroups": [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in wanted.items()],
        "TargetGroupStickinessConfig": {"Enabled": False, **({"DurationSeconds": duration} if duration else {})},
    }
    return [new if action is forward else _as_written(action) for action in actions]


def plain_forward(groups: Groups, weights: Weights) -> list[Action]:
    """The list that sends everything to these two groups and does nothing else."""
    return rewritten([{"Type": FORWARD, "TargetGroupArn": groups.blue}], groups, weights)


def is_written(actions: Sequence[Action], wanted: Sequence[Action]) -> bool:
    """True if writing `wanted` would change nothing."""
    return bool(_canonical(actions) == _canonical(wanted))


def kept(actions: Sequence[Action], groups: Groups) -> Any:
    """What a switch keeps, for the configuration's hash: the other actions, the other groups, and their order. Not
    whether GREEN is attached yet, which a first switch changes."""
    return [
        {"forward": others_in(actions, groups)} if action.get("Type") == FORWARD else _without_secrets(action)
        for action in actions
    ]


def short_hash(material: Any) -> str:
    return hashlib.sha256(json.dumps(material, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _check(wanted: Mapping[str, int]) -> None:
    if len(wanted) > MOST_GROUPS:
        raise NotSteerable(f"it would have {len(wanted)} target groups; AWS takes {MOST_GROUPS}")
    for arn, weight in wanted.items():
        if not 0 <= weight <= MOST_WEIGHT:
            raise NotSteerable(f"{arn} would have the weight {weight}; AWS takes 0 to {MOST_WEIGHT}")


def _as_written(action: Action) -> Action:
    """As it was read. The client secret of an OIDC provider cannot be read: AWS keeps the one it has if it is told."""
    new = copy.deepcopy(action)
    oidc = new.get("AuthenticateOidcConfig")
    if oidc is not None and "ClientSecret" not in oidc:
        oidc["UseExistingClientSecret"] = True
    return new


def _without_secrets(action: Action) -> Action:
    new = copy.deepcopy(action)
    for name in _WRITTEN_ONLY:
        new.get("AuthenticateOidcConfig", {}).pop(name, None)
    return new


def _canonical(actions: Sequence[Action]) -> Any:
    """Two lists that mean the same to AWS are the same here."""
    found: list[Any] = []
    for action in actions:
        if action.get("Type") == FORWARD:
            config = action.get("ForwardConfig", {}).get("TargetGroupStickinessConfig", {})
            sticky = int(config.get("DurationSeconds") or 1) if config.get("Enabled") else 0
            found.append((FORWARD, sorted(groups_in(action).items()), sticky))
        else:
            found.append((action.get("Type"), json.dumps(_without_secrets(action), sort_keys=True, default=str)))
    return found
