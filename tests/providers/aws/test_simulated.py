"""The simulated AWS refuses what AWS refuses, and tells what AWS tells."""

import time
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from botocore.exceptions import ClientError

from app.domain.sides import Side, Weights
from app.rehearsal.aws.call import call_of
from app.rehearsal.aws.estate import RECORD, Estate
from app.rehearsal.aws.faults import Fault, Faults
from app.rehearsal.aws.follow import DataPlane
from app.rehearsal.weights_file import WeightsFile
from tests.providers.aws.simulated import SimulatedAws


def forward(*pairs: tuple[str, int]) -> list[dict[str, Any]]:
    groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in pairs]
    return [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]


@pytest.mark.parametrize(
    ("weights", "code"),
    [((-1, 1), "ValidationError"), ((1000, 0), "ValidationError"), ((1, None), "TargetGroupNotFound")],
)
def test_weights_and_groups_that_aws_would_not_take(
    aws: SimulatedAws, weights: tuple[int, int | None], code: str
) -> None:
    before = aws.writes()
    blue, green = aws.estate.groups["BLUE"], aws.estate.groups["GREEN"]
    second = (green, weights[1]) if weights[1] is not None else (green + "0", 0)
    with pytest.raises(ClientError) as refused:
        aws.set_actions("listener :80", forward((blue, weights[0]), second))
    assert refused.value.response["Error"]["Code"] == code
    with pytest.raises(ClientError):
        aws.set_actions("rule /pay", [])
    with pytest.raises(ClientError):
        aws.set_actions("rule /pay", forward(*((f"{blue}{n}", 1) for n in range(6))))
    assert aws.writes() == before


def test_a_batch_of_records_is_taken_or_refused_as_a_whole(aws: SimulatedAws) -> None:
    dns, zone = aws.api("route53"), aws.estate.zone

    def record(identifier: str | None, weight: int | None) -> dict[str, Any]:
        more = {"SetIdentifier": identifier, "Weight": weight} if identifier is not None else {}
        return {"Name": RECORD, "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": "x.example"}], **more}

    def change(*records: dict[str, Any]) -> None:
        changes = [{"Action": "UPSERT", "ResourceRecordSet": one} for one in records]
        dns.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})

    before = dns.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    for wrong in (
        (record("blue", 1), record("green", 256)),
        (record("blue", 1), record("blue", 2)),
        (record("blue", 1), record(None, None)),
    ):
        with pytest.raises(ClientError):
            change(*wrong)
    assert dns.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"] == before
    with pytest.raises(ClientError) as unknown:
        dns.get_change(Id="C0UNKNOWN")
    assert unknown.value.response["Error"]["Code"] == "NoSuchChange"


def test_the_health_of_a_group_without_a_listener_is_unused(aws: SimulatedAws) -> None:
    elb = aws.api("elbv2")
    vpc = elb.describe_target_groups(TargetGroupArns=[aws.estate.groups["BLUE"]])["TargetGroups"][0]["VpcId"]
    arn = elb.create_target_group(Name="loose", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip")["TargetGroups"][
        0
    ]["TargetGroupArn"]
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": "127.0.0.1", "Port": aws.releases[Side.BLUE].port}])

    def state(group: str) -> str:
        return str(
            elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"][0]["TargetHealth"]["State"]
        )

    assert (state(arn), state(aws.estate.groups["BLUE"])) == ("unused", "healthy")
    aws.releases[Side.BLUE].is_well = False
    assert state(aws.estate.groups["BLUE"]) == "unhealthy"


def test_a_refusal_takes_as_long_as_it_is_told_to(aws: SimulatedAws) -> None:
    aws.strike("error", "DescribeTags", code="AccessDenied", status=403, ms=200)
    began = time.monotonic()
    with pytest.raises(ClientError, match="AccessDenied"):  # which nobody repeats
        aws.api("elbv2").describe_tags(ResourceArns=[aws.estate.listener])
    assert time.monotonic() - began >= 0.2


def test_the_control_paths_need_the_token(aws: SimulatedAws) -> None:
    url = f"{aws.url}/_range/faults"
    assert httpx.get(url).status_code == 401
    headers = {"authorization": "Bearer token"}
    assert httpx.put(url, headers=headers, json=[{"kind": "slow", "ms": 0}]).status_code == 422
    put = httpx.put(url, headers=headers, json=[{"kind": "reset", "operation": "ModifyRule", "times": 1}])
    assert [fault["kind"] for fault in put.json()] == ["reset"]
    assert aws.front.faults.standing[0].operation == "ModifyRule"


def test_faults_hit_as_often_as_they_say() -> None:
    faults = Faults()
    faults.set([Fault(kind="error", operation="A", times=2), Fault(kind="reset", service="elbv2", percent=50)])
    assert [faults.strike("elbv2", "A") is not None for _ in range(2)] == [True, True]
    hits = sum(faults.strike("elbv2", "A") is not None for _ in range(1000))
    assert 430 < hits < 570
    assert faults.strike("route53", "A") is None


def test_the_data_plane_follows_the_default_action_and_keeps_the_epoch(aws: SimulatedAws, tmp_path: Any) -> None:
    file = WeightsFile(tmp_path)
    file.make()
    plane = DataPlane(file)
    groups = aws.estate.groups

    def applied(fields: dict[str, str]) -> None:
        body = urlencode(fields).encode()
        environ = {
            "REQUEST_METHOD": "POST",
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": BytesIO(body),
        }
        plane.after(call_of(environ))

    def modify(listener: str, blue: int, green: int) -> dict[str, str]:
        at = "DefaultActions.member.1"
        config = f"{at}.ForwardConfig.TargetGroups.member"
        return {
            "Action": "ModifyListener",
            "ListenerArn": listener,
            f"{at}.Type": "forward",
            f"{config}.1.TargetGroupArn": groups["BLUE"],
            f"{config}.1.Weight": str(blue),
            f"{config}.2.TargetGroupArn": groups["GREEN"],
            f"{config}.2.Weight": str(green),
        }

    applied(modify(aws.estate.listener, 0, 100))
    assert file.read() == Weights(100, 0), "nobody's listener yet"
    plane.attach(Estate(aws.estate.routes, groups, aws.estate.zone))
    applied(modify(aws.estate.listener, 30, 70))
    applied(modify("another", 100, 0))
    applied({"Action": "AddTags", "Tags.member.1.Key": "gonogo:epoch", "Tags.member.1.Value": "7"})
    assert (file.read(), file.read_epoch()) == (Weights(30, 70), 7)
