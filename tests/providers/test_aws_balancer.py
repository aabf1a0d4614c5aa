"""AWS as a target: the contract on moto and behind the range's front, its faults, and what is AWS's own."""

import asyncio
import contextlib
import itertools
import json
import shlex
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from app.domain.sides import Side, Weights
from app.ports.traffic import Finding, ProviderError, StaleEpoch, TrafficTarget
from app.providers.aws import balancer
from app.providers.aws.balancer import AwsBalancer
from app.providers.aws.calls import WHOLE
from tests.providers.gateway import gateway
from tests.providers.simulated_aws import DIGESTS, SimulatedAws
from tests.providers.traffic_contract import Closed, FaultContract, TrafficContract, no_fence

BLUE, GREEN = Weights.all_to(Side.BLUE), Weights.all_to(Side.GREEN)
LISTENER, RULE, PAY = "listener :80", "rule /api/*", "rule /pay"


@pytest.fixture
def epochs(aws: SimulatedAws) -> Iterator[int]:
    return aws.epochs


@pytest.fixture
def digests() -> Mapping[Side, str]:
    return DIGESTS


@pytest.fixture
async def target(aws: SimulatedAws) -> AsyncIterator[AwsBalancer]:
    target = aws.balancer()
    await target._calls.warm("elbv2")
    yield target
    await target.aclose()


class TestBehindTheFront(TrafficContract):
    pass


class TestOnMoto(TrafficContract):
    """moto itself, without what the front adds."""

    @pytest.fixture
    async def target(self, aws: SimulatedAws) -> AsyncIterator[AwsBalancer]:
        target = aws.balancer(bare=True)
        yield target
        await target.aclose()

    async def test_a_preflight_finds_nothing_wrong_and_changes_nothing(
        self, target: TrafficTarget, epochs: Iterator[int]
    ) -> None:
        """moto has no policy simulator, so what may be written is not proven, and the finding says so."""
        await target.write(BLUE, epoch=next(epochs), fence=no_fence)
        before = await target.read()
        findings = {finding.key: finding for finding in await target.preflight()}
        assert findings.pop("may_write").is_ok is None
        assert [finding for finding in findings.values() if finding.is_ok is not True] == []
        assert await target.read() == before


class Front:
    """Faults on every write of weights."""

    def __init__(self, aws: SimulatedAws) -> None:
        self._aws = aws

    async def strike(self, fault: str) -> None:
        kind = {"refused": "error", "lost": "dropped", "vanished": "reset", "late": "late"}[fault]
        for operation in ("ModifyListener", "ModifyRule"):
            self._aws.strike(kind, operation, ms=500 if kind == "late" else 0)

    async def heal(self) -> None:
        self._aws.heal()

    async def writes(self) -> int | None:
        return self._aws.writes()


class TestFaults(FaultContract):
    @pytest.fixture
    def faulty(self, aws: SimulatedAws) -> Front:
        return Front(aws)


# ── errors ──────────────────────────────────────────────────────────────────


async def failed(writing: Any) -> ProviderError:
    with pytest.raises(ProviderError) as problem:
        await writing
    return problem.value


@pytest.mark.parametrize(
    ("fault", "is_permanent", "is_unknown", "waits"),
    [
        ({"kind": "error", "code": "Throttling"}, False, False, True),
        ({"kind": "error", "code": "ThrottlingException", "status": 429}, False, False, True),
        ({"kind": "error", "code": "AccessDenied", "status": 403}, True, False, False),
        ({"kind": "error", "code": "ValidationError"}, True, False, False),
        ({"kind": "error", "code": "ExpiredToken", "status": 403}, False, False, False),
        ({"kind": "error", "code": "InternalFailure", "status": 500}, False, True, False),
        ({"kind": "error", "code": "ServiceUnavailable", "status": 503}, False, True, False),
    ],
)
async def test_what_aws_answers_means(
    aws: SimulatedAws,
    target: AwsBalancer,
    epochs: Iterator[int],
    fault: dict[str, Any],
    is_permanent: bool,
    is_unknown: bool,
    waits: bool,
) -> None:
    await target.write(BLUE, epoch=next(epochs), fence=no_fence)
    for operation in ("ModifyListener", "ModifyRule"):
        aws.strike(operation=operation, **fault)
    problem = await failed(target.write(GREEN, epoch=next(epochs), fence=no_fence))
    assert (problem.permanent, problem.unknown_outcome) == (is_permanent, is_unknown)
    assert (problem.retry_after is not None) is waits
    assert {line.route for line in problem.routes} == {LISTENER, RULE, PAY}
    assert (await target.read()).agrees(BLUE)


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_a_gateway_that_fails_half_way_leaves_the_outcome_unknown(
    aws: SimulatedAws, epochs: Iterator[int], status: int
) -> None:
    """It answers with a page of its own and not in AWS's words, after it passed the writes on: only a reading tells."""
    with gateway(aws.url, lambda _, body: b"Action=Modify" in body) as between:
        target = aws.balancer(endpoint_url=between.url)
        await target.write(BLUE, epoch=next(epochs), fence=no_fence)
        before = between.writes
        between.status = status
        problem = await failed(target.write(GREEN, epoch=next(epochs), fence=no_fence))
        assert (problem.unknown_outcome, problem.permanent) == (True, False)
        assert {(line.route, line.outcome) for line in problem.routes} == {
            (name, "unknown") for name in (LISTENER, RULE, PAY)
        }
        assert between.writes - before == 3, "one attempt a route"
        assert (await target.read()).agrees(GREEN)
        await target.aclose()


@pytest.mark.parametrize(("kind", "ms"), [("slow", 2600), ("drip", 250)])
async def test_neither_a_slow_nor_a_dripping_answer_passes_the_deadline(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int], kind: str, ms: int
) -> None:
    """A call that waited would have its answer after 2.6 s, or drip for minutes: it ends after 3 s at most, whatever
    comes. What is more than that is a busy machine's."""
    await target.write(BLUE, epoch=next(epochs), fence=no_fence)
    aws.strike(kind, "ModifyRule", ms=ms)
    started = time.monotonic()
    problem = await failed(target.write(GREEN, epoch=next(epochs), fence=no_fence))
    assert problem.unknown_outcome
    assert time.monotonic() - started < WHOLE + 3


async def test_a_partial_failure_tells_of_every_route(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int]
) -> None:
    await target.write(BLUE, epoch=next(epochs), fence=no_fence)
    aws.strike("error", "ModifyListener")
    epoch = next(epochs)
    problem = await failed(target.write(GREEN, epoch=epoch, fence=no_fence))
    assert [(line.route, line.outcome) for line in problem.routes] == [
        (LISTENER, "refused"),
        (RULE, "applied"),
        (PAY, "applied"),
    ]
    assert problem.unknown_outcome, "a part was applied: it has to be read before anything is decided"
    reading = await target.read()
    assert reading.weights is None
    assert {line.route: line.weights for line in reading.routes} == {LISTENER: BLUE, RULE: GREEN, PAY: GREEN}
    aws.heal()
    before = aws.writes()
    outcomes = await target.write(GREEN, epoch=epoch, fence=no_fence)
    assert aws.writes() - before == 1, "only the route that was missing is written again"
    assert [line.detail for line in outcomes] == ["0 / 100", "it was set already", "it was set already"]
    assert (await target.read()).agrees(GREEN)


async def test_green_moves_nowhere_without_its_epoch_on_the_target(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int]
) -> None:
    await target.write(BLUE, epoch=next(epochs), fence=no_fence)
    aws.strike("error", "AddTags")
    problem = await failed(target.write(GREEN, epoch=next(epochs), fence=no_fence))
    assert not problem.unknown_outcome
    assert {line.outcome for line in problem.routes} == {"refused"}
    assert (await target.read()).agrees(BLUE)


async def test_the_way_back_is_not_held_up_by_tags_or_by_reading(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int]
) -> None:
    """All of Describe is throttled for ever, and AddTags hangs; the target was read before."""
    await target.write(GREEN, epoch=next(epochs), fence=no_fence)
    for operation in ("DescribeListeners", "DescribeRules", "DescribeTags"):
        aws.strike("error", operation)
    aws.strike("slow", "AddTags", ms=2500)
    started = time.monotonic()
    outcomes = await target.write(BLUE, epoch=next(epochs), fence=no_fence)
    assert {line.outcome for line in outcomes} == {"applied"}
    assert time.monotonic() - started < 2.8
    aws.heal()
    assert (await target.read()).agrees(BLUE)


async def test_the_switch_begins_from_the_reading_that_was_just_compared(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One reading serves one write, and no longer than a moment; a rollback and a second write ask anew."""

    async def asked(weights: Weights) -> int:
        before = aws.front.received["DescribeTags"]
        await target.write(weights, epoch=next(epochs), fence=no_fence)
        return aws.front.received["DescribeTags"] - before

    await target.write(BLUE, epoch=next(epochs), fence=no_fence)
    await target.read()
    assert await asked(GREEN) == 0
    assert (await target.read()).agrees(GREEN)
    assert await asked(BLUE) == 1
    assert await asked(GREEN) == 1
    await asked(BLUE)
    await target.read()
    monkeypatch.setattr(balancer, "READ_COUNTS_FOR", 0.0)
    assert await asked(GREEN) == 1


async def test_a_newer_epoch_that_was_read_is_not_overwritten(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int]
) -> None:
    old, new = next(epochs), next(epochs)
    other = aws.balancer()
    await other.write(BLUE, epoch=new, fence=no_fence)
    await other.aclose()
    await target.read()
    with pytest.raises(StaleEpoch):
        await target.write(GREEN, epoch=old, fence=no_fence)
    assert (await target.read()).agrees(BLUE)


async def test_half_of_the_calls_throttled_is_read_and_written_in_time(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int]
) -> None:
    """As the orchestrator does it: write, on an error read, again."""
    await target.write(GREEN, epoch=next(epochs), fence=no_fence)
    aws.strike("error", percent=50)
    epoch, started, attempts = next(epochs), time.monotonic(), 0
    while True:
        attempts += 1
        with contextlib.suppress(ProviderError):
            await target.write(BLUE, epoch=epoch, fence=no_fence)
            break
        await asyncio.sleep(0.1)
    for _ in range(5):
        assert (await target.read()).agrees(BLUE)
    assert time.monotonic() - started < 15, f"{attempts} attempts"


async def test_calls_that_hang_do_not_hold_up_a_rollback(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int]
) -> None:
    await target.write(BLUE, epoch=next(epochs), fence=no_fence)
    aws.strike("slow", "DescribeTargetHealth", ms=2500)
    asking = [asyncio.create_task(target.health(side)) for side in Side for _ in range(30)]
    await asyncio.sleep(0.3)
    started = time.monotonic()
    await target.write(BLUE, epoch=next(epochs), fence=no_fence)
    assert time.monotonic() - started < 2.8
    await asyncio.gather(*asking, return_exceptions=True)


# ── fences ──────────────────────────────────────────────────────────────────


async def test_a_newer_operation_is_seen_at_the_wire(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int]
) -> None:
    """The fence is open when it is awaited and closed when the bytes would leave."""
    await target.write(BLUE, epoch=next(epochs), fence=no_fence)
    epoch = next(epochs)
    await target.write(Weights(99, 1), epoch=epoch, fence=no_fence)
    before, asked = aws.front.received["ModifyListener"], []

    async def closing() -> None:
        asked.append(threading.current_thread())
        if len(asked) > 3:
            raise Closed

    with pytest.raises(Closed):
        await target.write(GREEN, epoch=epoch, fence=closing)
    assert len(asked) > 3, "asked once for each route, and again at the wire"
    assert aws.front.received["ModifyListener"] == before
    assert (await target.read()).agrees(Weights(99, 1))


async def test_a_call_whose_caller_gave_up_never_leaves(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int]
) -> None:
    await target.write(BLUE, epoch=next(epochs), fence=no_fence)
    before = dict(aws.front.received)
    asked = 0

    async def slow_at_the_wire() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.4 if asked > 1 else 0)

    writing = asyncio.create_task(target.write(GREEN, epoch=next(epochs), fence=slow_at_the_wire))
    await asyncio.sleep(0.3)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await asyncio.sleep(0.6)
    for operation in ("AddTags", "ModifyListener", "ModifyRule"):
        assert aws.front.received[operation] == before[operation]


async def test_an_effect_without_a_gate_never_leaves(aws: SimulatedAws, target: AwsBalancer) -> None:
    """Whoever calls the client past `effect` sends nothing."""
    before = aws.front.received["ModifyListener"]
    arn = aws.estate.routes[LISTENER]
    problem = await failed(
        target._calls.ask("elbv2", "modify_listener", ListenerArn=arn, DefaultActions=aws.actions_of(LISTENER))
    )
    assert "without a gate" in problem.message
    assert aws.front.received["ModifyListener"] == before


async def test_another_process_with_an_older_epoch_is_refused_by_the_tag(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int]
) -> None:
    older, newer = next(epochs), next(epochs)
    await target.write(BLUE, epoch=newer, fence=no_fence)
    other = aws.balancer()
    for weights in (GREEN, BLUE):
        with pytest.raises(StaleEpoch):
            await other.write(weights, epoch=older, fence=no_fence)
    await other.aclose()
    assert (await target.read()).epoch == newer


# ── what a switch keeps ─────────────────────────────────────────────────────


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
    assert (await _finding(target, "stickiness")).found.startswith("group stickiness is on for rule /api/* (3600 s)")
    assert "authenticate-oidc on rule /api/*" in (await _finding(target, "other_actions")).found
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
    attached = await _finding(target, "green_attached")
    assert attached.is_ok is False
    assert "GREEN on rule /pay" in attached.found
    assert (await _finding(target, "green_healthy")).is_ok is False, "a group without a listener is not checked"
    await target.write(Weights(90, 10), epoch=next(epochs), fence=no_fence)
    assert (await target.read()).weights == Weights(90, 10)
    assert (await target.read()).configuration == before.configuration
    assert (await _finding(target, "green_attached")).is_ok is True


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
    assert (await _finding(target, "green_attached")).is_ok is False


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


# ── preflight ───────────────────────────────────────────────────────────────


async def _finding(target: AwsBalancer, key: str) -> Finding:
    return next(finding for finding in await target.preflight() if finding.key == key)


def _vpc(aws: SimulatedAws) -> str:
    arn = aws.estate.groups["BLUE"]
    return str(aws.api("elbv2").describe_target_groups(TargetGroupArns=[arn])["TargetGroups"][0]["VpcId"])


async def test_a_missing_permission_to_write_is_found_without_writing(aws: SimulatedAws, target: AwsBalancer) -> None:
    before = aws.writes()
    aws.strike("error", "ModifyListener", code="AccessDenied", status=403)
    finding = await _finding(target, "may_write")
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
    assert (await _finding(target, "credentials")).is_ok is False
    assert (await failed(target.read())).permanent
    await target.aclose()
    target = aws.balancer(profile="missing")
    problem = await failed(target.read())
    assert problem.permanent
    assert "missing" in problem.message
    await target.aclose()


async def test_a_role_can_be_assumed(aws: SimulatedAws) -> None:
    target = aws.balancer(role_arn="arn:aws:iam::123456789012:role/gonogo", external_id="example")
    found = await _finding(target, "credentials")
    assert found.is_ok is True
    assert "assumed-role/gonogo" in found.found
    assert (await target.read()).routes
    await target.aclose()


async def test_a_sick_side_is_counted_and_found(aws: SimulatedAws, target: AwsBalancer) -> None:
    aws.releases[Side.GREEN].is_well = False
    health = await target.health(Side.GREEN)
    assert (health.healthy, health.is_healthy, health.detail) == (0, False, "0 healthy, 1 unhealthy")
    assert (await _finding(target, "green_healthy")).is_ok is False
    assert (await _finding(target, "blue_healthy")).is_ok is True


async def test_a_rule_beside_the_targets_own_is_found(aws: SimulatedAws, target: AwsBalancer) -> None:
    elb = aws.api("elbv2")
    rule = elb.create_rule(
        ListenerArn=aws.estate.routes[LISTENER],
        Priority=99,
        Conditions=[{"Field": "path-pattern", "Values": ["/forgotten"]}],
        Actions=[{"Type": "forward", "TargetGroupArn": aws.estate.groups["BLUE"]}],
    )["Rules"][0]["RuleArn"]
    found = await _finding(target, "covered")
    elb.delete_rule(RuleArn=rule)
    assert found.is_ok is False
    assert rule in found.found
    assert (await _finding(target, "covered")).is_ok is True


async def test_a_foreign_owner_and_another_manager_are_found(aws: SimulatedAws, target: AwsBalancer) -> None:
    elb, arns = aws.api("elbv2"), [aws.estate.routes[LISTENER]]
    elb.add_tags(ResourceArns=arns, Tags=[{"Key": "gonogo:owner", "Value": "another"}])
    foreign = await _finding(target, "owner")
    elb.remove_tags(ResourceArns=arns, TagKeys=["gonogo:owner"])
    elb.add_tags(ResourceArns=arns, Tags=[{"Key": "terraform", "Value": "edge"}])
    managed = await _finding(target, "owner")
    elb.remove_tags(ResourceArns=arns, TagKeys=["terraform"])
    assert foreign.is_ok is False
    assert "another" in foreign.found
    assert managed.is_ok is True
    assert managed.remedy
    assert "Terraform edge" in managed.found


# ── by hand ─────────────────────────────────────────────────────────────────


async def test_the_commands_by_hand_do_what_they_say(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int]
) -> None:
    """Each command, taken apart and sent by somebody else, moves the target to BLUE and leaves the epoch."""
    await target.write(GREEN, epoch=next(epochs), fence=no_fence)
    epoch = next(epochs)
    elb = aws.api("elbv2")
    for step in target.by_hand(BLUE, epoch=epoch):
        words = shlex.split(step.command)
        assert "<" not in step.command
        given = dict(itertools.pairwise(words))
        match words[words.index("elbv2") + 1]:
            case "modify-listener":
                elb.modify_listener(
                    ListenerArn=given["--listener-arn"], DefaultActions=json.loads(given["--default-actions"])
                )
            case "modify-rule":
                elb.modify_rule(RuleArn=given["--rule-arn"], Actions=json.loads(given["--actions"]))
            case "add-tags":
                tags = [dict(pair.split("=") for pair in word.split(",")) for word in words if word.startswith("Key=")]
                elb.add_tags(ResourceArns=[given["--resource-arns"]], Tags=tags)
    reading = await target.read()
    assert reading.agrees(BLUE)
    assert reading.epoch == epoch


async def test_by_hand_before_anything_was_read_says_so(target: AwsBalancer) -> None:
    steps = target.by_hand(BLUE, epoch=1)
    assert "has not read listener :80" in steps[0].text
    assert steps[0].command.startswith("AWS_SHARED_CREDENTIALS_FILE=")
    assert any("modify-rule" in step.command for step in steps)
