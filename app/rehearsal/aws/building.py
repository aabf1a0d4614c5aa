"""Building the estate of the simulated AWS, with the same ids at each start, because bindings pin them."""

from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config
from moto.moto_api._internal import mock_random

from app.domain.sides import Side, Weights
from app.rehearsal.aws.estate import IDENTIFIERS, PATHS, RECORD, REGION, ZONE, Estate

SEED = 20_260_306
CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 1, "mode": "standard"})


def build(url: str, key: str, ports: Mapping[Side, int], weights: Weights, epoch: int, *, sticky_s: int = 0) -> Estate:
    """Through the API, as anybody would. `weights` and `epoch` are what an earlier start left."""
    made = _Builder(url, key)
    groups = {side: made.target_group(side, port) for side, port in ports.items()}
    forward = _forward(groups, weights, sticky_s)
    routes = made.load_balancer(forward, epoch)
    zone = made.hosted_zone(weights)
    return Estate(routes, {side.value: arn for side, arn in groups.items()}, zone)


def _forward(groups: Mapping[Side, str], weights: Weights, sticky_s: int) -> list[dict[str, Any]]:
    stickiness = {"Enabled": bool(sticky_s), **({"DurationSeconds": sticky_s} if sticky_s else {})}
    config = {
        "TargetGroups": [{"TargetGroupArn": arn, "Weight": weights.of(side)} for side, arn in groups.items()],
        "TargetGroupStickinessConfig": stickiness,
    }
    return [{"Type": "forward", "ForwardConfig": config}]


def _ids_of(what: str) -> None:
    """moto draws its ids; from here on it draws the same ones for `what` at each start, whatever was done before."""
    mock_random.seed(f"{SEED} {what}")


class _Builder:
    def __init__(self, url: str, key: str) -> None:
        session = boto3.Session(aws_access_key_id=key, aws_secret_access_key=key, region_name=REGION)
        self._ec2, self._elb, self._dns = (
            session.client(service, endpoint_url=url, config=CONFIG) for service in ("ec2", "elbv2", "route53")
        )
        self._vpc = self._ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]

    def target_group(self, side: Side, port: int) -> str:
        _ids_of(side.value)
        answer = self._elb.create_target_group(
            Name=f"alawael-{side.value.lower()}",
            Protocol="HTTP",
            Port=port,
            VpcId=self._vpc,
            TargetType="ip",
            HealthCheckPath="/health",
        )
        arn: str = answer["TargetGroups"][0]["TargetGroupArn"]
        self._elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": "127.0.0.1", "Port": port}])
        return arn

    def load_balancer(self, forward: list[dict[str, Any]], epoch: int) -> dict[str, str]:
        subnets = [
            self._ec2.create_subnet(VpcId=self._vpc, CidrBlock=f"10.20.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")[
                "Subnet"
            ]["SubnetId"]
            for n, zone in enumerate("ab")
        ]
        _ids_of("balancer")
        balancer = self._elb.create_load_balancer(Name="alawael", Subnets=subnets)["LoadBalancers"][0]
        listener: str = self._elb.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=forward
        )["Listeners"][0]["ListenerArn"]
        routes = {"listener :80": listener}
        for number, (name, path) in enumerate(PATHS.items(), start=1):
            _ids_of(name)
            condition = {"Field": "path-pattern", "PathPatternConfig": {"Values": [path]}}
            answer = self._elb.create_rule(
                ListenerArn=listener, Priority=10 * number, Conditions=[condition], Actions=forward
            )
            routes[name] = answer["Rules"][0]["RuleArn"]
        if epoch:
            self._elb.add_tags(ResourceArns=[listener], Tags=[{"Key": "gonogo:epoch", "Value": str(epoch)}])
        return routes

    def hosted_zone(self, weights: Weights) -> str:
        _ids_of("zone")
        answer = self._dns.create_hosted_zone(Name=ZONE, CallerReference="range")
        zone: str = answer["HostedZone"]["Id"].rpartition("/")[2]
        records = [
            {
                "Name": RECORD,
                "Type": "CNAME",
                "SetIdentifier": identifier,
                "Weight": weights.of(side),
                "TTL": 60,
                "ResourceRecords": [{"Value": f"{identifier}.{ZONE}"}],
            }
            for side, identifier in IDENTIFIERS.items()
        ]
        changes = [{"Action": "CREATE", "ResourceRecordSet": record} for record in records]
        self._dns.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
        return zone
