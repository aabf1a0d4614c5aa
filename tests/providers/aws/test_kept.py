"""What a switch keeps of the listener and its rules, and how it reads what others made of them."""

from collections.abc import Iterator

import pytest

from app.domain.sides import Weights
from app.providers.aws.balancer import AwsBalancer
from tests.providers.aws.asking import BLUE, GREEN, PAY, RULE, failed, finding_of
from tests.providers.aws.simulated import SimulatedAws
from tests.providers.traffic_contract import no_fence


@pytest.fixture
def kept_actions(aws: SimulatedAws) -> Iterator[None]:
    """The actions of the target as they were, whatever a test makes of them."""
    before = {name: aws.actions_of(name) for name in aws.estate.routes}
    yield
    aws.heal()
    for name, actions in before.items():
        aws.set_actions(name, actions)


@pytest.mark.usefixtures("kept_actions")
async def test_other_actions_and_groups_are_written_back_as_they_were(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int]
) -> None:
    elb = aws.api("elbv2")
    third = elb.create_target_group(Name="third", Protocol="HTTP", Port=1, VpcId=_vpc(aws), TargetType="ip")
    third_arn = third["TargetGroups"][0]["TargetGroupArn"]
    groups = aws.estate.groups
    oidc = {
        "Type": "authenticate-oidc",
        "Order": 1,
        "AuthenticateOidcConfig": {
            "Issuer": "https://id.example",
            "AuthorizationEndpoint": "https://id.example/a",
            "TokenEndpoint": "https://id.example/t",
            "UserInfoEndpoint": "https://id.example/u",
            "ClientId": "client",
            "ClientSecret": "secret",
            "SessionTimeout": 3600,
        },
    }
    forward = {
        "Type": "forward",
        "Order": 2,
        "ForwardConfig": {
            "TargetGroups": [
                {"TargetGroupArn": groups["BLUE"], "Weight": 7},
                {"TargetGroupArn": third_arn, "Weight": 0},
                {"TargetGroupArn": groups["GREEN"], "Weight": 0},
            ],
            "TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 3600},
        },
    }
    aws.set_actions(RULE, [oidc, forward])
    before = await target.read()
    assert before.agrees(BLUE), "7 to 0 is all to BLUE"
    assert (await finding_of(target, "stickiness")).found.startswith("group stickiness is on for rule /api/* (3600 s)")
    assert "authenticate-oidc on rule /api/*" in (await finding_of(target, "other_actions")).found
    await target.write(GREEN, epoch=next(epochs), fence=no_fence)
    auth, written = aws.actions_of(RULE)
    assert (auth["Type"], auth["Order"], written["Order"]) == ("authenticate-oidc", 1, 2)
    assert auth["AuthenticateOidcConfig"]["ClientId"] == "client"
    assert auth["AuthenticateOidcConfig"]["SessionTimeout"] == 3600
    assert [(group["TargetGroupArn"], group["Weight"]) for group in written["ForwardConfig"]["TargetGroups"]] == [
        (groups["BLUE"], 0),
        (third_arn, 0),
        (groups["GREEN"], 100),
    ]
    assert written["ForwardConfig"]["TargetGroupStickinessConfig"] == {"Enabled": False, "DurationSeconds": 3600}
    tags = elb.describe_tags(ResourceArns=[aws.estate.routes[RULE]])["TagDescriptions"][0]["Tags"]
    assert {"Key": "gonogo:stickiness", "Value": "3600"} in tags
    assert (await target.read()).configuration == before.configuration
    assert await target.write(GREEN, epoch=next(epochs), fence=no_fence), "and writing it again is harmless"


@pytest.mark.usefixtures("kept_actions")
async def test_a_group_that_is_missing_counts_as_nothing_and_is_attached_by_the_switch(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int]
) -> None:
    for name in aws.estate.routes:
        aws.set_actions(name, [{"Type": "forward", "TargetGroupArn": aws.estate.groups["BLUE"]}])
    before = await target.read()
    assert before.agrees(BLUE)
    attached = await finding_of(target, "green_attached")
    assert attached.is_ok is False
    assert "GREEN on rule /pay" in attached.found
    assert (await finding_of(target, "green_healthy")).is_ok is False, "a group without a listener is not checked"
    await target.write(Weights(90, 10), epoch=next(epochs), fence=no_fence)
    assert (await target.read()).weights == Weights(90, 10)
    assert (await target.read()).configuration == before.configuration
    assert (await finding_of(target, "green_attached")).is_ok is True


@pytest.mark.usefixtures("kept_actions")
@pytest.mark.parametrize(
    ("blue", "green", "shown"),
    [
        (1, 1, Weights(50, 50)),
        (999, 1, Weights(99, 1)),
        (1, 999, Weights(1, 99)),
        (3, 0, BLUE),
        (2, 1, Weights(67, 33)),
    ],
)
async def test_any_scale_is_read_as_percent(
    aws: SimulatedAws, target: AwsBalancer, blue: int, green: int, shown: Weights
) -> None:
    groups = aws.estate.groups
    pairs = [{"TargetGroupArn": groups["BLUE"], "Weight": blue}, {"TargetGroupArn": groups["GREEN"], "Weight": green}]
    for name in aws.estate.routes:
        aws.set_actions(name, [{"Type": "forward", "ForwardConfig": {"TargetGroups": pairs}}])
    assert (await target.read()).weights == shown


@pytest.mark.usefixtures("kept_actions")
async def test_a_route_that_does_not_forward_is_named(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int]
) -> None:
    aws.set_actions(PAY, [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}])
    problem = await failed(target.read())
    assert problem.permanent
    assert "rule /pay cannot be steered" in problem.message
    problem = await failed(target.write(GREEN, epoch=next(epochs), fence=no_fence))
    assert {line.route: line.outcome for line in problem.routes}[PAY] == "refused"
    assert (await finding_of(target, "green_attached")).is_ok is False


@pytest.mark.usefixtures("kept_actions")
async def test_a_changed_condition_is_drift(aws: SimulatedAws, target: AwsBalancer) -> None:
    before = (await target.read()).configuration
    arn = aws.estate.routes[RULE]
    elb = aws.api("elbv2")
    elb.modify_rule(RuleArn=arn, Conditions=[{"Field": "path-pattern", "Values": ["/other/*"]}])
    changed = (await target.read()).configuration
    elb.modify_rule(RuleArn=arn, Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/api/*"]}}])
    assert changed != before
    assert (await target.read()).configuration == before


def _vpc(aws: SimulatedAws) -> str:
    arn = aws.estate.groups["BLUE"]
    return str(aws.api("elbv2").describe_target_groups(TargetGroupArns=[arn])["TargetGroups"][0]["VpcId"])
