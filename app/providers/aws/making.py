"""Balancer and follower from a binding's plain values (wiring)."""

from collections.abc import Mapping

from app.domain.sides import Side
from app.providers.aws.access import Access
from app.providers.aws.actions import Groups
from app.providers.aws.balancer import AwsBalancer
from app.providers.aws.calls import Calls
from app.providers.aws.route53 import AliasRecord, Route53Follower, WeightedRecords
from app.providers.aws.routes import Route
from app.providers.side_address import SideAddress


def make_balancer(
    name: str,
    access: Access,
    routes: Mapping[str, str],
    groups: Mapping[Side, str],
    sides: Mapping[Side, SideAddress],
    owner: str,
) -> AwsBalancer:
    """`routes` is name → ARN."""
    calls = Calls(access)
    calls.warm_up("elbv2")
    pinned = [Route(arn, route) for route, arn in routes.items()]
    return AwsBalancer(name, calls, pinned, Groups(groups[Side.BLUE], groups[Side.GREEN]), sides, owner)


def make_follower(
    access: Access,
    zone: str,
    name: str,
    kind: str,
    weighted: Mapping[Side, str] | None,
    aliases: Mapping[Side, tuple[str, str]],
) -> Route53Follower:
    """`weighted` are set identifiers; without them `aliases` are (name, hosted zone of the name)."""
    shape: WeightedRecords | AliasRecord
    if weighted is not None:
        shape = WeightedRecords(weighted)
    else:
        shape = AliasRecord({s: a[0] for s, a in aliases.items()}, {s: a[1] for s, a in aliases.items()})
    return Route53Follower(Calls(access), zone, name, kind, shape)
