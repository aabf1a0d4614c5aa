"""What the balancer on AWS is asked before arming."""

from pathlib import Path

from app.domain.sides import Side
from app.providers.aws.balancer import AwsBalancer
from tests.providers.aws.asking import LISTENER, failed, finding_of
from tests.providers.aws.simulated import SimulatedAws


async def test_a_missing_permission_to_write_is_found_without_writing(aws: SimulatedAws, target: AwsBalancer) -> None:
    before = aws.writes()
    aws.strike("error", "ModifyListener", code="AccessDenied", status=403)
    finding = await finding_of(target, "may_write")
    assert finding.is_ok is False
    assert "ModifyListener" in finding.found
    assert "ModifyRule" not in finding.found
    assert aws.writes() == before


async def test_a_preflight_that_gets_no_answers_says_so(aws: SimulatedAws, target: AwsBalancer) -> None:
    aws.strike("reset")
    findings = await target.preflight()
    assert {finding.is_ok for finding in findings} == {None}


async def test_unknown_credentials_are_a_refusal(aws: SimulatedAws, tmp_path: Path) -> None:
    wrong = tmp_path / "credentials"
    wrong.write_text("[range]\naws_access_key_id = AKIAWRONG\naws_secret_access_key = wrong\n")
    target = aws.balancer(credentials_file=wrong)
    assert (await finding_of(target, "credentials")).is_ok is False
    assert (await failed(target.read())).permanent
    await target.aclose()
    target = aws.balancer(profile="missing")
    problem = await failed(target.read())
    assert problem.permanent
    assert "missing" in problem.message
    await target.aclose()


async def test_a_role_can_be_assumed(aws: SimulatedAws) -> None:
    target = aws.balancer(role_arn="arn:aws:iam::123456789012:role/gonogo", external_id="example")
    found = await finding_of(target, "credentials")
    assert found.is_ok is True
    assert "assumed-role/gonogo" in found.found
    assert (await target.read()).routes
    await target.aclose()


async def test_a_sick_side_is_counted_and_found(aws: SimulatedAws, target: AwsBalancer) -> None:
    aws.releases[Side.GREEN].is_well = False
    health = await target.health(Side.GREEN)
    assert (health.healthy, health.is_healthy, health.detail) == (0, False, "0 healthy, 1 unhealthy")
    assert (await finding_of(target, "green_healthy")).is_ok is False
    assert (await finding_of(target, "blue_healthy")).is_ok is True


async def test_a_rule_beside_the_targets_own_is_found(aws: SimulatedAws, target: AwsBalancer) -> None:
    elb = aws.api("elbv2")
    rule = elb.create_rule(
        ListenerArn=aws.estate.routes[LISTENER],
        Priority=99,
        Conditions=[{"Field": "path-pattern", "Values": ["/forgotten"]}],
        Actions=[{"Type": "forward", "TargetGroupArn": aws.estate.groups["BLUE"]}],
    )["Rules"][0]["RuleArn"]
    found = await finding_of(target, "covered")
    elb.delete_rule(RuleArn=rule)
    assert found.is_ok is False
    assert rule in found.found
    assert (await finding_of(target, "covered")).is_ok is True


async def test_a_foreign_owner_and_another_manager_are_found(aws: SimulatedAws, target: AwsBalancer) -> None:
    elb, arns = aws.api("elbv2"), [aws.estate.routes[LISTENER]]
    elb.add_tags(ResourceArns=arns, Tags=[{"Key": "gonogo:owner", "Value": "another"}])
    foreign = await finding_of(target, "owner")
    elb.remove_tags(ResourceArns=arns, TagKeys=["gonogo:owner"])
    elb.add_tags(ResourceArns=arns, Tags=[{"Key": "terraform", "Value": "edge"}])
    managed = await finding_of(target, "owner")
    elb.remove_tags(ResourceArns=arns, TagKeys=["terraform"])
    assert foreign.is_ok is False
    assert "another" in foreign.found
    assert managed.is_ok is True
    assert managed.remedy
    assert "Terraform edge" in managed.found
